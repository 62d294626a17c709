//! The broadcast of what has become durable.

use ordo_actors::{
    log::{
        event::{Position, StreamId},
        event_feed::FeedItem,
    },
    testing::AppendFault,
};

use crate::rig::*;

#[test]
fn who_is_answered_finds_the_feed_that_far() {
    run(async {
        let rig = Rig::start();
        for _ in 0..20 {
            let told = rig.told(StreamId::generate(), Increment(1)).await;
            assert!(rig.feed.head() >= told.position);
        }
    });
}

#[test]
fn subscribers_hear_every_event_once_in_the_order_of_the_log() {
    run(async {
        let rig = Rig::start();
        let mut subscription = rig.feed.subscribe();
        let askers: Vec<_> = (0..50).map(|_| rig.send(StreamId::generate(), rig.execute(IncrementEach(2)))).collect();
        let mut heard = Vec::new();
        while heard.len() < 100 {
            let FeedItem::Appended(news) = subscription.next().await else { panic!("no news") };
            assert_eq!(news.events.last().map(|event| event.position), Some(news.head));
            heard.extend(news.events.iter().map(|event| event.position.0));
        }
        assert_eq!(heard, (1..=100).collect::<Vec<_>>());
        for asker in askers {
            answer(asker).await.expect("an answer");
        }
    });
}

#[test]
fn subscribers_hear_nothing_before_it_is_durable() {
    run(async {
        let rig = Rig::start();
        rig.store.after_append().close();
        let asked = rig.decide(StreamId::generate(), rig.execute(Increment(1))).await;
        rig.store.after_append().holds(1).await;
        assert_eq!(rig.feed.head(), Position::START);
        rig.store.after_append().open();
        rig.feed.reached(Position(1)).await;
        answer(asked).await.expect("an answer");
    });
}

#[test]
fn a_failed_append_is_no_news_and_the_next_shows_the_gap() {
    run(async {
        let rig = Rig::start();
        let mut subscription = rig.feed.subscribe();
        rig.store.fail_next_append(AppendFault::UnknownWritten);
        rig.ask(StreamId::generate(), Increment(1)).await.expect_err("a failure");
        rig.told(StreamId::generate(), Increment(1)).await;
        let FeedItem::Appended(news) = subscription.next().await else { panic!("no news") };
        assert_eq!((news.events.len(), news.events[0].position.0), (1, 2));
    });
}

#[test]
fn conflicts_and_repetitions_are_no_news() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.engine.ask(stream, keyed("a", 0, rig.execute(Increment(1)))).await.expect("an answer");
        let mut subscription = rig.feed.subscribe();
        rig.engine.ask(stream, keyed("a", 0, rig.execute(Increment(1)))).await.expect("an answer");
        rig.engine.ask(stream, keyed("b", 0, rig.execute(Touch))).await.expect("an answer");
        rig.told(stream, Increment(1)).await;
        let FeedItem::Appended(news) = subscription.next().await else { panic!("no news") };
        assert_eq!((news.head.0, news.events.len()), (2, 1));
    });
}

#[test]
fn a_slow_subscriber_is_told_and_then_hears_the_newest() {
    run(async {
        let rig = Rig::start();
        let mut subscription = rig.feed.subscribe();
        for _ in 0..100 {
            rig.told(StreamId::generate(), Increment(1)).await;
        }
        assert!(matches!(subscription.next().await, FeedItem::Lagged));
        let FeedItem::Appended(news) = subscription.next().await else { panic!("no news") };
        assert!(news.head.0 > 1);
    });
}

#[test]
fn a_subscriber_hears_the_end() {
    run(async {
        let rig = Rig::start();
        let mut subscription = rig.feed.subscribe();
        let Rig { engine, feed, appender, .. } = rig;
        engine.close();
        drop((engine, feed));
        tokio::task::spawn_blocking(move || appender.join()).await.expect("a join").expect("an end");
        assert!(matches!(subscription.next().await, FeedItem::Closed));
    });
}
