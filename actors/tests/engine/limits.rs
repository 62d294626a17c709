//! Every queue has an end, and who finds it full is told so and has changed nothing.

use ordo_actors::{
    aggregate::{engine::Lifespan, request::Failure},
    log::{appender::AppenderLimits, event::StreamId},
};
use tokio::task::JoinHandle;

use crate::rig::*;

fn refused(askers: &[Asked]) -> usize {
    askers.iter().filter(|asked| matches!(asked, Err(Failure::Overloaded))).count()
}

async fn all(askers: Vec<JoinHandle<Asked>>) -> Vec<Asked> {
    let mut answers = Vec::new();
    for asker in askers {
        answers.push(answer(asker).await);
    }
    answers
}

#[test]
fn a_mailbox_takes_as_many_requests_as_it_holds() {
    run(async {
        let rig = Rig::living(Lifespan { mailbox: 8, ..Lifespan::default() });
        let stream = StreamId::generate();
        rig.store.before_read().close();
        let reading = rig.send(stream, rig.execute(Increment(1)));
        rig.store.before_read().holds(1).await;
        let askers: Vec<_> = (0..100).map(|_| rig.send(stream, rig.execute(Increment(1)))).collect();
        let_others_run().await;
        rig.store.before_read().open();
        answer(reading).await.expect("an answer");
        let answers = all(askers).await;
        assert_eq!(refused(&answers), 92);
        assert_eq!(rig.read(stream).await.answer.value, 9, "who was refused has changed nothing");
    });
}

#[test]
fn a_counter_that_is_being_opened_takes_as_many_requests_as_any_other() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let askers: Vec<_> = (0..500).map(|_| rig.send(stream, rig.execute(Increment(1)))).collect();
        assert_eq!(refused(&all(askers).await), 0);
    });
}

#[test]
fn a_group_takes_as_many_requests_as_it_holds() {
    run(async {
        let rig = Rig::living(Lifespan { group_requests: 8, ..Lifespan::default() });
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let askers: Vec<_> = (0..100).map(|_| rig.send(stream, rig.execute(Increment(1)))).collect();
        let_others_run().await;
        rig.store.before_append().open();
        answer(first).await.expect("an answer");
        assert_eq!(refused(&all(askers).await), 92);
        assert_eq!(rig.read(stream).await.answer.value, 9);
    });
}

#[test]
fn no_more_reads_wait_behind_a_commit_than_a_group_holds() {
    run(async {
        let rig = Rig::living(Lifespan { group_requests: 8, ..Lifespan::default() });
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let askers: Vec<_> = (0..100).map(|_| rig.send(stream, rig.reading())).collect();
        let_others_run().await;
        rig.store.before_append().open();
        answer(first).await.expect("an answer");
        let refused = refused(&all(askers).await);
        assert!(refused >= 100 - 16, "only {refused} were refused");
    });
}

#[test]
fn who_finds_the_appenders_queue_full_has_changed_nothing() {
    run(async {
        let limits = AppenderLimits { waiting_groups: 2, ..AppenderLimits::default() };
        let rig = Rig::with(Lifespan::default(), limits);
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.before_append().close();
        let mut waiting = vec![rig.decide(StreamId::generate(), rig.execute(Increment(1))).await];
        rig.store.before_append().holds(1).await;
        for _ in 0..2 {
            waiting.push(rig.decide(StreamId::generate(), rig.execute(Increment(1))).await);
        }
        let failure = rig.ask(stream, Increment(10)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Overloaded), "{failure}");
        assert_eq!(rig.read(stream).await.answer.value, 1);
        rig.store.before_append().open();
        assert_eq!(refused(&all(waiting).await), 0);
        assert_eq!(rig.told(stream, Increment(10)).await.answer.value, 11);
    });
}

#[test]
fn who_finds_the_queue_full_when_decided_again_has_changed_nothing() {
    run(async {
        let limits = AppenderLimits { waiting_groups: 1, ..AppenderLimits::default() };
        let rig = Rig::with(Lifespan::default(), limits);
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.before_append().close();
        rig.store.intrude_before_next_append(intruder(stream));
        let mut askers = vec![rig.decide(stream, rig.execute(Increment(10))).await];
        for _ in 0..3 {
            askers.push(rig.decide(stream, rig.execute(Increment(10))).await);
        }
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.before_read().close();
        rig.store.before_append().let_through(1);
        rig.store.before_read().holds(1).await;
        let in_append = rig.send(StreamId::generate(), assuming_new(rig.execute(Increment(1))));
        rig.store.before_append().holds(1).await;
        let in_queue = rig.decide(StreamId::generate(), assuming_new(rig.execute(Increment(1)))).await;
        rig.store.before_read().open();
        assert_eq!(refused(&all(askers).await), 4);
        assert_eq!(answer(read).await.expect("an answer").answer.value, 2, "it needs no place in the queue");
        assert_eq!(rig.read(stream).await.answer.value, 2);
        rig.store.before_append().open();
        assert_eq!(refused(&all(vec![in_append, in_queue]).await), 0);
    });
}

#[test]
fn no_more_requests_wait_behind_a_panic_than_a_group_holds() {
    run(async {
        let rig = Rig::living(Lifespan { group_requests: 8, ..Lifespan::default() });
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        assert!(matches!(rig.ask(stream, Panic).await, Err(Failure::Panicked)));
        let askers: Vec<_> = (0..100).map(|_| rig.send(stream, rig.execute(Increment(1)))).collect();
        let_others_run().await;
        rig.store.before_append().open();
        answer(first).await.expect("an answer");
        assert_eq!(refused(&all(askers).await), 92);
        assert_eq!(rig.read(stream).await.answer.value, 9);
    });
}
