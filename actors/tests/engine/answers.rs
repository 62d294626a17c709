//! When requests are answered, and with what.

use std::time::Duration;

use ordo_actors::{
    aggregate::{
        engine::Lifespan,
        request::{Intent, Request},
    },
    log::event::{Metadata, StreamId},
};
use uuid::Uuid;

use crate::rig::*;

#[test]
fn a_command_is_answered_with_the_state_after_it_and_the_position_of_its_event() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(StreamId::generate(), 4).await;
        let told = rig.told(stream, Increment(3)).await;
        assert_eq!((told.answer.what, told.answer.value, told.answer.version), (What::Accepted, 3, 1));
        assert_eq!((told.position.0, told.replayed), (5, false));
    });
}

#[test]
fn a_command_is_in_the_log_when_it_is_answered() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(3)).await;
        let stored = rig.stream(stream).await;
        assert_eq!((stored.len(), stored[0].payload.get()), (1, r#"{"by":3}"#));
    });
}

#[test]
fn a_command_is_not_answered_before_its_commit_is_durable() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let asked = rig.decide(stream, rig.execute(Increment(1))).await;
        rig.store.before_append().holds(1).await;
        let_others_run().await;
        assert!(!asked.is_finished());
        rig.store.before_append().open();
        answer(asked).await.expect("an answer");
    });
}

#[test]
fn a_read_waits_for_the_commits_it_has_seen() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.after_append().close();
        let written = rig.decide(stream, rig.execute(Increment(7))).await;
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.after_append().holds(1).await;
        let_others_run().await;
        assert!(!read.is_finished(), "it has seen what is not durable yet");
        rig.store.after_append().open();
        let read = answer(read).await.expect("an answer");
        assert_eq!((read.answer.value, read.position), (7, answer(written).await.expect("an answer").position));
    });
}

#[test]
fn a_rejection_waits_for_the_commits_it_has_seen() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let _written = rig.decide(stream, rig.execute(Increment(7))).await;
        let rejected = rig.decide(stream, rig.execute(Decrement(8))).await;
        rig.store.before_append().holds(1).await;
        let_others_run().await;
        assert!(!rejected.is_finished());
        rig.store.before_append().open();
        let rejected = answer(rejected).await.expect("an answer");
        assert_eq!((rejected.answer.what, rejected.answer.value, rejected.position.0), (What::Rejected, 7, 1));
    });
}

#[test]
fn a_read_that_has_seen_the_next_group_waits_for_it() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let second = rig.decide(stream, rig.execute(Increment(1))).await;
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.before_append().let_through(1);
        answer(first).await.expect("an answer");
        rig.store.before_append().holds(1).await;
        assert!(!read.is_finished());
        rig.store.before_append().open();
        answer(second).await.expect("an answer");
        let read = answer(read).await.expect("an answer");
        assert_eq!((read.answer.value, read.position.0), (2, 2));
    });
}

#[test]
fn a_read_does_not_wait_for_commits_after_it() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let _first = rig.decide(stream, rig.execute(Increment(1))).await;
        let read = rig.decide(stream, rig.reading()).await;
        let second = rig.decide(stream, rig.execute(Increment(1))).await;
        rig.store.before_append().let_through(1);
        assert_eq!(answer(read).await.expect("an answer").answer.value, 1);
        assert!(!second.is_finished());
        rig.store.before_append().open();
        answer(second).await.expect("an answer");
    });
}

#[test]
fn a_read_behind_a_commit_that_is_held_up_is_told_what_is_durable() {
    run(async {
        let rig = Rig::living(Lifespan { read_patience: Duration::from_millis(1), ..Lifespan::default() });
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(2))).await;
        let behind = rig.decide(stream, rig.reading()).await;
        let next = rig.decide(stream, rig.execute(Increment(4))).await;
        let last = rig.decide(stream, rig.reading()).await;
        for read in [behind, last] {
            let read = answer(read).await.expect("an answer");
            assert_eq!((read.answer.value, read.answer.version, read.position.0), (1, 1, 1));
        }
        assert!(!first.is_finished());
        rig.store.before_append().open();
        for written in [first, next] {
            answer(written).await.expect("an answer");
        }
        assert_eq!(rig.read(stream).await.answer.value, 7);
    });
}

#[test]
fn a_counter_whose_first_commit_is_held_up_is_not_there_yet() {
    run(async {
        let rig = Rig::living(Lifespan { read_patience: Duration::from_millis(1), ..Lifespan::default() });
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let written = rig.decide(stream, assuming_new(rig.execute(Increment(2)))).await;
        let read = rig.decide(stream, rig.reading()).await;
        assert_eq!(answer(read).await.expect("an answer").answer.version, 0);
        rig.store.before_append().open();
        answer(written).await.expect("an answer");
    });
}

#[test]
fn a_read_behind_a_commit_that_failed_is_told_what_is_durable() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.before_append().close();
        rig.store.fail_next_append(ordo_actors::testing::AppendFault::Unavailable);
        let written = rig.decide(stream, rig.execute(Increment(2))).await;
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.before_append().open();
        answer(written).await.expect_err("a failure");
        assert_eq!(answer(read).await.expect("an answer").answer.value, 1);
    });
}

#[test]
fn a_command_that_changes_nothing_is_answered_with_the_position_of_what_it_has_seen() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let written = rig.told(stream, Increment(1)).await;
        rig.seed(StreamId::generate(), 3).await;
        let quiet = rig.told(stream, Touch).await;
        assert_eq!((quiet.answer.events, quiet.answer.version), (0, 1));
        assert_eq!(quiet.position, written.position);
        assert_eq!(rig.store.appends(), 1);
    });
}

#[test]
fn a_rejection_without_a_key_stores_nothing() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        assert_eq!(rig.told(stream, Decrement(2)).await.answer.what, What::Rejected);
        assert_eq!((rig.store.appends(), rig.head().await), (1, 1));
    });
}

#[test]
fn a_dry_run_shows_what_would_happen_and_changes_nothing() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        let dry = rig.engine.ask(stream, Request::new(Intent::DryRun(IncrementEach(2)), rig.show())).await;
        let dry = dry.expect("an answer").answer;
        assert_eq!((dry.what, dry.value, dry.version, dry.events), (What::Accepted, 3, 3, 2));
        let refused = rig.engine.ask(stream, Request::new(Intent::DryRun(Decrement(2)), rig.show())).await;
        assert_eq!(refused.expect("an answer").answer.what, What::Rejected);
        assert_eq!((rig.read(stream).await.answer.value, rig.head().await), (1, 1));
    });
}

#[test]
fn a_command_that_demands_another_version_is_not_decided() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        let late = rig.engine.ask(stream, at_version(2, rig.execute(Increment(1)))).await.expect("an answer");
        assert_eq!((late.answer.what, late.answer.version), (What::Mismatch, 1));
        let right = rig.engine.ask(stream, at_version(1, rig.execute(Increment(1)))).await.expect("an answer");
        assert_eq!((right.answer.what, right.answer.version), (What::Accepted, 2));
    });
}

#[test]
fn a_demanded_version_counts_the_commits_that_are_not_durable_yet() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let first = rig.decide(stream, at_version(0, rig.execute(Increment(1)))).await;
        let second = rig.decide(stream, at_version(0, rig.execute(Increment(1)))).await;
        rig.store.before_append().open();
        assert_eq!(answer(first).await.expect("an answer").answer.what, What::Accepted);
        assert_eq!(answer(second).await.expect("an answer").answer.what, What::Mismatch);
        assert_eq!(rig.head().await, 1);
    });
}

#[test]
fn a_command_of_many_events_is_one_commit() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let told = rig.told(stream, IncrementEach(50)).await;
        assert_eq!((told.answer.version, told.position.0), (50, 50));
        assert_eq!((rig.store.commits(), rig.stream(stream).await.len()), (1, 50));
    });
}

#[test]
fn an_asker_that_leaves_does_not_undo_its_command() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let asked = rig.decide(stream, rig.execute(Increment(1))).await;
        asked.abort();
        asked.await.expect_err("nobody waits any more");
        rig.store.before_append().open();
        assert_eq!(rig.read(stream).await.answer.value, 1);
    });
}

#[test]
fn the_events_of_a_command_carry_its_metadata_and_one_command_id() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let metadata = Metadata { correlation_id: Some("request-7".into()), ..Metadata::default() };
        rig.engine.ask(stream, Request { metadata, ..rig.execute(IncrementEach(2)) }).await.expect("an answer");
        let stored = rig.stream(stream).await;
        assert_eq!(stored[0].metadata.correlation_id.as_deref(), Some("request-7"));
        assert!(stored[0].metadata.command_id.is_some());
        assert_eq!(stored[0].metadata, stored[1].metadata);
    });
}

#[test]
fn a_command_id_of_the_asker_is_kept() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let command_id = Some(Uuid::now_v7());
        let metadata = Metadata { command_id, ..Metadata::default() };
        rig.engine.ask(stream, Request { metadata, ..rig.execute(Increment(1)) }).await.expect("an answer");
        assert_eq!(rig.stream(stream).await[0].metadata.command_id, command_id);
    });
}

#[test]
fn each_command_counts_once_by_its_outcome() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.intrude_before_next_append(intruder(stream));
        rig.told(stream, Increment(1)).await;
        rig.told(stream, Touch).await;
        rig.told(stream, Decrement(9)).await;
        let counted = ["accepted", "unchanged", "rejected", "failed", "replayed"]
            .map(|outcome| rig.metric("ordo_commands_total", Some(outcome)));
        assert_eq!(counted, [2, 1, 1, 0, 0]);
    });
}

#[test]
fn a_command_that_failed_does_not_count_as_accepted() {
    run(async {
        let rig = Rig::start();
        rig.store.fail_next_append(ordo_actors::testing::AppendFault::Unavailable);
        rig.ask(StreamId::generate(), Increment(1)).await.expect_err("a failure");
        let counted = ["accepted", "failed"].map(|outcome| rig.metric("ordo_commands_total", Some(outcome)));
        assert_eq!(counted, [0, 1]);
    });
}
