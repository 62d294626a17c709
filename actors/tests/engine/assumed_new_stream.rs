//! Requests that believe their stream does not exist.

use ordo_actors::log::event::StreamId;

use crate::rig::*;

#[test]
fn a_command_that_makes_its_stream_reads_nothing() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let told = rig.engine.ask(stream, assuming_new(rig.execute(Increment(1)))).await.expect("an answer");
        assert_eq!((told.answer.version, told.position.0, rig.store.stream_reads()), (1, 1, 0));
        assert_eq!(rig.told(stream, Increment(1)).await.answer.value, 2);
        assert_eq!(rig.store.stream_reads(), 0);
    });
}

#[test]
fn a_command_that_believes_wrongly_is_decided_on_what_is_there() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(stream, 3).await;
        let told = rig.engine.ask(stream, assuming_new(rig.execute(Increment(1)))).await.expect("an answer");
        assert_eq!((told.answer.value, told.answer.version), (4, 4));
    });
}

#[test]
fn a_command_that_is_rejected_on_a_wrong_belief_is_decided_on_what_is_there() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(stream, 3).await;
        let told = rig.engine.ask(stream, assuming_new(rig.execute(Decrement(1)))).await.expect("an answer");
        assert_eq!((told.answer.what, told.answer.value), (What::Accepted, 2));
    });
}

#[test]
fn a_read_that_believes_wrongly_sees_what_is_there() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(stream, 3).await;
        let told = rig.engine.ask(stream, assuming_new(rig.reading())).await.expect("an answer");
        assert_eq!((told.answer.value, told.position.0), (3, 3));
    });
}

#[test]
fn a_request_behind_a_wrong_belief_sees_what_is_there() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(stream, 3).await;
        rig.store.before_append().close();
        let _believer = rig.decide(stream, assuming_new(rig.execute(Increment(1)))).await;
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.before_append().open();
        assert_eq!(answer(read).await.expect("an answer").answer.value, 3);
    });
}

#[test]
fn a_request_behind_a_repeated_refusal_on_a_wrong_belief_sees_what_is_there() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let refusal = || keyed("a", 0, assuming_new(rig.execute(Decrement(5))));
        rig.engine.ask(stream, refusal()).await.expect("an answer");
        rig.seed(stream, 3).await;
        rig.store.before_append().close();
        let again = rig.decide(stream, refusal()).await;
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.before_append().open();
        assert!(answer(again).await.expect("an answer").replayed);
        assert_eq!(answer(read).await.expect("an answer").answer.value, 3);
    });
}
