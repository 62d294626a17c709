//! One key, one effect, one answer.

use std::sync::Arc;

use ordo_actors::{
    aggregate::{
        engine::Lifespan,
        request::{Failure, IdempotencyUse, Intent, Request},
    },
    log::{appender::AppenderLimits, event::StreamId},
    testing::{AppendFault, Counter, contract::building::key},
};
use serde::{Deserialize, Serialize, Serializer};

use crate::rig::*;

#[test]
fn the_same_request_with_the_same_key_has_one_effect_and_one_answer() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let first = rig.engine.ask(stream, keyed("a", 0, rig.execute(Increment(1)))).await.expect("an answer");
        rig.told(stream, Increment(10)).await;
        let again = rig.engine.ask(stream, keyed("a", 0, rig.execute(Increment(1)))).await.expect("an answer");
        assert_eq!((again.replayed, again.position), (true, first.position));
        assert_eq!(again.answer, first.answer);
        assert_eq!(rig.read(stream).await.answer.value, 11);
    });
}

#[test]
fn a_key_of_another_request_is_a_mistake() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.engine.ask(stream, keyed("a", 0, rig.execute(Increment(1)))).await.expect("an answer");
        let failure = rig.engine.ask(stream, keyed("a", 1, rig.execute(Increment(2)))).await.expect_err("a failure");
        assert!(matches!(failure, Failure::KeyReused), "{failure}");
        assert_eq!(rig.read(stream).await.answer.value, 1);
    });
}

#[test]
fn keys_of_different_callers_never_meet() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        for scope in ["ann", "bob"] {
            let use_ = IdempotencyUse { key: key(scope, "a"), fingerprint: [0; 32] };
            let request = Request { idempotency: Some(use_), ..rig.execute(Increment(1)) };
            assert!(!rig.engine.ask(stream, request).await.expect("an answer").replayed);
        }
        assert_eq!(rig.read(stream).await.answer.value, 2);
    });
}

#[test]
fn the_same_key_at_the_same_time_has_one_effect() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let _first = rig.decide(stream, rig.execute(Increment(100))).await;
        let mut twins = Vec::new();
        for _ in 0..3 {
            twins.push(rig.decide(stream, keyed("a", 0, rig.execute(Increment(1)))).await);
        }
        let last = rig.decide(stream, rig.execute(Increment(10))).await;
        rig.store.before_append().open();
        let mut answers = Vec::new();
        for twin in twins {
            answers.push(answer(twin).await.expect("an answer"));
        }
        assert_eq!(answers.iter().map(|told| told.replayed).collect::<Vec<_>>(), [false, true, true]);
        assert!(answers.iter().all(|told| told.answer == answers[0].answer && told.position == answers[0].position));
        assert_eq!(answer(last).await.expect("an answer").answer.value, 111);
    });
}

#[test]
fn one_key_to_two_streams_in_one_batch_has_one_effect() {
    run(async {
        let rig = Rig::start();
        let (one, two, three) = (StreamId::generate(), StreamId::generate(), StreamId::generate());
        rig.store.before_append().close();
        let _first = rig.decide(StreamId::generate(), rig.execute(Increment(100))).await;
        rig.store.before_append().holds(1).await;
        let won = rig.decide(one, keyed("a", 0, rig.execute(Increment(1)))).await;
        let same = rig.decide(two, keyed("a", 0, rig.execute(Increment(1)))).await;
        let other = rig.decide(three, keyed("a", 9, rig.execute(Increment(1)))).await;
        rig.store.before_append().open();
        let won = answer(won).await.expect("an answer");
        let same = answer(same).await.expect("an answer");
        assert_eq!((won.replayed, same.replayed, same.position), (false, true, won.position));
        assert!(matches!(answer(other).await, Err(Failure::KeyReused)));
        assert_eq!((rig.read(two).await.answer.value, rig.read(three).await.answer.value), (0, 0));
        assert_eq!(rig.head().await, 2);
    });
}

#[test]
fn a_rejection_with_a_key_stays_a_rejection() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(StreamId::generate(), 3).await;
        let first = rig.engine.ask(stream, keyed("a", 0, rig.execute(Decrement(1)))).await.expect("an answer");
        assert_eq!((first.answer.what, first.position.0), (What::Rejected, 3));
        rig.told(stream, Increment(5)).await;
        let again = rig.engine.ask(stream, keyed("a", 0, rig.execute(Decrement(1)))).await.expect("an answer");
        assert_eq!((again.answer, again.position, again.replayed), (first.answer, first.position, true));
        assert_eq!(rig.read(stream).await.answer.value, 5);
    });
}

#[test]
fn a_command_with_a_key_that_changes_nothing_is_answered_with_the_head_both_times() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.seed(StreamId::generate(), 3).await;
        let first = rig.engine.ask(stream, keyed("a", 0, rig.execute(Touch))).await.expect("an answer");
        rig.seed(StreamId::generate(), 3).await;
        let again = rig.engine.ask(stream, keyed("a", 0, rig.execute(Touch))).await.expect("an answer");
        assert_eq!((first.position.0, again.position.0, again.replayed), (4, 4, true));
        assert_eq!(rig.read(stream).await.position.0, 1);
    });
}

#[test]
fn a_refused_version_with_a_key_stays_refused() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let request = || keyed("a", 0, at_version(1, rig.execute(Increment(5))));
        assert_eq!(rig.engine.ask(stream, request()).await.expect("an answer").answer.what, What::Mismatch);
        rig.told(stream, Increment(1)).await;
        let again = rig.engine.ask(stream, request()).await.expect("an answer");
        assert_eq!((again.answer.what, again.replayed), (What::Mismatch, true));
        assert_eq!(rig.read(stream).await.answer.value, 1);
    });
}

#[test]
fn the_answer_kept_is_that_of_the_decision_that_won() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.intrude_before_next_append(intruder(stream));
        let first = rig.engine.ask(stream, keyed("a", 0, rig.execute(Increment(5)))).await.expect("an answer");
        let again = rig.engine.ask(stream, keyed("a", 0, rig.execute(Increment(5)))).await.expect("an answer");
        assert_eq!((first.answer.value, first.position.0), (7, 3));
        assert_eq!((again.answer, again.position, again.replayed), (first.answer, first.position, true));
    });
}

#[test]
fn a_retry_after_an_unknown_outcome_finds_what_was_written() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.fail_next_append(AppendFault::UnknownWritten);
        let request = || keyed("a", 0, assuming_new(rig.execute(Increment(5))));
        rig.engine.ask(stream, request()).await.expect_err("a failure");
        let again = rig.engine.ask(stream, request()).await.expect("an answer");
        assert_eq!((again.replayed, again.answer.value, again.position.0), (true, 5, 1));
        assert_eq!(rig.read(stream).await.answer.value, 5);
    });
}

#[test]
fn a_retry_after_an_unknown_outcome_does_what_was_not_written() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.fail_next_append(AppendFault::UnknownUnwritten);
        let request = || keyed("a", 0, assuming_new(rig.execute(Increment(5))));
        rig.engine.ask(stream, request()).await.expect_err("a failure");
        let again = rig.engine.ask(stream, request()).await.expect("an answer");
        assert_eq!((again.replayed, again.answer.value), (false, 5));
    });
}

#[test]
fn a_key_of_a_command_that_failed_is_free() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.fail_next_append(AppendFault::Unavailable);
        rig.engine.ask(stream, keyed("a", 0, rig.execute(Increment(5)))).await.expect_err("a failure");
        let other = rig.engine.ask(stream, keyed("a", 1, rig.execute(Increment(6)))).await.expect("an answer");
        assert_eq!(other.answer.value, 6);
    });
}

#[test]
fn a_dry_run_does_not_use_the_key() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let dry = keyed("a", 0, Request::new(Intent::DryRun(Increment(1)), rig.show()));
        rig.engine.ask(stream, dry).await.expect("an answer");
        let first = rig.engine.ask(stream, keyed("a", 1, rig.execute(Increment(1)))).await.expect("an answer");
        assert!(!first.replayed);
    });
}

#[test]
fn a_key_outlives_the_engine() {
    run(async {
        let rig = Rig::start();
        let (stream, store) = (StreamId::generate(), Arc::clone(&rig.store));
        let first = rig.engine.ask(stream, keyed("a", 0, rig.execute(Increment(1)))).await.expect("an answer");
        rig.stop().await;
        let rig = Rig::on(store, Lifespan::default(), AppenderLimits::default());
        let again =
            rig.engine.ask(stream, keyed("a", 0, assuming_new(rig.execute(Increment(1))))).await.expect("an answer");
        assert_eq!((again.replayed, again.position), (true, first.position));
        assert_eq!(rig.read(stream).await.answer.value, 1);
    });
}

/// An answer that JSON cannot say.
#[derive(Debug, Deserialize)]
struct Unspeakable;

impl Serialize for Unspeakable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no words"))
    }
}

#[test]
fn a_command_whose_answer_cannot_be_kept_leaves_no_trace() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        let mut request = Request::<Counter, Unspeakable>::execute(Increment(10), |_| Unspeakable);
        request.idempotency = Some(IdempotencyUse { key: key("caller", "a"), fingerprint: [0; 32] });
        let failure = rig.engine.ask(stream, request).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unreadable(_)), "{failure}");
        let read = rig.read(stream).await;
        assert_eq!((read.answer.value, read.answer.version), (1, 1));
    });
}

#[test]
fn a_command_among_many_that_were_answered_before_is_not_thrown_back_until_it_gives_up() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let again = |key: u64| keyed(&key.to_string(), 0, rig.execute(Increment(key)));
        for key in 1..=20 {
            rig.engine.ask(stream, again(key)).await.expect("an answer");
        }
        rig.store.before_append().close();
        let mut repeated = Vec::new();
        for key in 1..=20 {
            repeated.push(rig.decide(stream, again(key)).await);
        }
        let new = rig.decide(stream, rig.execute(Increment(1))).await;
        rig.store.before_append().open();
        for asked in repeated {
            assert!(answer(asked).await.expect("an answer").replayed);
        }
        assert_eq!(answer(new).await.expect("an answer").answer.value, 211);
    });
}
