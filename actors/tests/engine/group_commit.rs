//! Commits gather while the group before them is being made durable.

use ordo_actors::{
    aggregate::engine::Lifespan,
    log::{appender::AppenderLimits, event::StreamId},
};

use crate::rig::*;

#[test]
fn a_hot_counter_pays_one_append_per_group() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let askers: Vec<_> = (0..64).map(|_| rig.send(stream, rig.execute(Increment(1)))).collect();
        rig.decided(64).await;
        rig.store.before_append().open();
        for asker in askers {
            answer(asker).await.expect("an answer");
        }
        assert_eq!(rig.store.batches(), [1, 63]);
    });
}

#[test]
fn the_commands_of_a_group_are_in_the_log_in_the_order_they_were_decided() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let mut asked = Vec::new();
        for by in 1..=20 {
            asked.push(rig.decide(stream, rig.execute(Increment(by))).await);
        }
        rig.store.before_append().open();
        for (asked, version) in asked.into_iter().zip(1..) {
            let told = answer(asked).await.expect("an answer");
            assert_eq!((told.answer.version, told.position.0), (version, version));
        }
        let payloads: Vec<_> = rig.log().await.iter().map(|event| event.payload.get().to_owned()).collect();
        assert_eq!(payloads, (1..=20).map(|by| format!(r#"{{"by":{by}}}"#)).collect::<Vec<_>>());
    });
}

#[test]
fn counters_share_an_append() {
    run(async {
        let rig = Rig::start();
        rig.store.before_append().close();
        let first = rig.decide(StreamId::generate(), rig.execute(Increment(1))).await;
        rig.store.before_append().holds(1).await;
        let rest: Vec<_> = (0..30).map(|_| rig.send(StreamId::generate(), rig.execute(Increment(1)))).collect();
        rig.decided(31).await;
        rig.store.before_append().open();
        for asked in rest.into_iter().chain([first]) {
            answer(asked).await.expect("an answer");
        }
        assert_eq!(rig.store.batches(), [1, 30]);
    });
}

#[test]
fn a_batch_takes_no_further_group_when_it_holds_enough_events() {
    run(async {
        let limits = AppenderLimits { batch_events: 10, ..AppenderLimits::default() };
        let rig = Rig::with(Lifespan::default(), limits);
        rig.store.before_append().close();
        let first = rig.decide(StreamId::generate(), rig.execute(Increment(1))).await;
        rig.store.before_append().holds(1).await;
        let rest: Vec<_> = (0..4).map(|_| rig.send(StreamId::generate(), rig.execute(IncrementEach(5)))).collect();
        rig.decided(5).await;
        rig.store.before_append().open();
        for asked in rest.into_iter().chain([first]) {
            answer(asked).await.expect("an answer");
        }
        assert_eq!(rig.store.batches(), [1, 2, 2]);
    });
}

#[test]
fn commits_without_events_fill_a_batch_too() {
    run(async {
        let limits = AppenderLimits { batch_events: 3, ..AppenderLimits::default() };
        let rig = Rig::with(Lifespan::default(), limits);
        rig.store.before_append().close();
        let first = rig.decide(StreamId::generate(), rig.execute(Increment(1))).await;
        rig.store.before_append().holds(1).await;
        let keyed_no_op = |n: i32| rig.send(StreamId::generate(), keyed(&n.to_string(), 0, rig.execute(Touch)));
        let rest: Vec<_> = (0..6).map(keyed_no_op).collect();
        rig.decided(7).await;
        rig.store.before_append().open();
        for asked in rest.into_iter().chain([first]) {
            answer(asked).await.expect("an answer");
        }
        assert_eq!(rig.store.batches(), [1, 3, 3]);
    });
}
