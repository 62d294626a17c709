//! Sagas at work: supervisor, actors, a store that fails, partners that hang and panic.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::System;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ordo_actors::{
    aggregate::rehydrate::{Until, rehydrate},
    clock::{Clock, SystemClock},
    log::{
        appender::{Appender, AppenderLimits},
        event::{Metadata, Position, StreamId, Version},
        event_feed::EventFeed,
        store::{Commit, EventStore, StoreError},
    },
    metrics::EngineMetrics,
    saga::{
        CallStatus, SagaCommand, SagaRejection, SagaState, SagaStep, StepOutcome, StepPolicy,
        context::SagaRefusal,
        effects::{CommitError, OpenSaga, OpenSagas, SagaCommit, SagaEffects, start_write},
        limits::SagaLimits,
        metrics::SagaMetrics,
        supervisor::{SagaHandle, SagaParts},
    },
    stores::memory::MemoryStore,
    testing::{AppendFault, FaultyStore},
};
use parking_lot::Mutex;
use tokio::{sync::watch, time::timeout};

use crate::toy::{FLIGHT, GIFT, HOTEL, POLICY, Trip, TripSaga, TripStep, present, trip};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a test has the partner do.
#[derive(Clone)]
enum Does {
    Answers(StepOutcome),
    /// Does it, and answers when the test lets go.
    Waits,
    Panics,
}

#[derive(Default)]
struct Partner {
    scripts: Mutex<HashMap<String, VecDeque<Does>>>,
    /// Every message, in order: what and of which step.
    heard: Mutex<Vec<String>>,
    standing: Mutex<HashMap<String, CallStatus>>,
    hears: watch::Sender<usize>,
    lets_go: watch::Sender<bool>,
}

impl Partner {
    fn script(&self, what: &str, does: impl IntoIterator<Item = Does>) {
        self.scripts.lock().entry(what.to_owned()).or_default().extend(does);
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().clone()
    }

    async fn has_heard(&self, messages: usize) {
        self.hears.subscribe().wait_for(|heard| *heard >= messages).await.expect("the partner lives");
    }

    async fn does(&self, what: String, key: &str, standing: CallStatus) -> StepOutcome {
        self.heard.lock().push(what.clone());
        self.hears.send_modify(|heard| *heard += 1);
        let does = self.scripts.lock().get_mut(&what).and_then(VecDeque::pop_front);
        let done = StepOutcome::Done(format!("R-{key}"));
        match does {
            Some(Does::Answers(outcome)) => {
                if let StepOutcome::Done(_) = outcome {
                    self.standing.lock().insert(key.to_owned(), standing);
                }
                outcome
            }
            Some(Does::Panics) => panic!("the partner's client was told to panic"),
            Some(Does::Waits) => {
                self.standing.lock().insert(key.to_owned(), standing);
                let mut lets_go = self.lets_go.subscribe();
                lets_go.wait_for(|lets_go| *lets_go).await.expect("the partner lives");
                done
            }
            None => {
                self.standing.lock().insert(key.to_owned(), standing);
                done
            }
        }
    }
}

struct TripEffects {
    partner: Arc<Partner>,
    appender: Appender,
}

#[async_trait]
impl SagaEffects for TripEffects {
    type Definition = Trip;

    fn policy(&self, _: TripStep) -> StepPolicy {
        StepPolicy { attempts: 3, first_pause: Duration::from_millis(1), ..POLICY }
    }

    async fn call(&self, step: TripStep, key: &str, _: &TripSaga) -> StepOutcome {
        self.partner.does(format!("call {}", step.name()), key, CallStatus::Done(format!("R-{key}"))).await
    }

    async fn query_status(&self, step: TripStep, key: &str, _: &TripSaga) -> CallStatus {
        self.partner.heard.lock().push(format!("look up {}", step.name()));
        self.partner.standing.lock().get(key).cloned().unwrap_or(CallStatus::NotReceived)
    }

    async fn undo(&self, step: TripStep, _: &str, of: &str, _: &TripSaga) -> StepOutcome {
        self.partner.does(format!("undo {}", step.name()), of, CallStatus::Refused("undone".into())).await
    }

    async fn commit(&self, commit: SagaCommit<'_, Trip>) -> Result<(), CommitError> {
        commit.append_alone(&self.appender, SystemClock.now()).await
    }
}

#[derive(Default)]
struct Index(Mutex<Vec<OpenSaga>>);

#[async_trait]
impl OpenSagas for Index {
    async fn open(
        &self,
        quiet_since: DateTime<Utc>,
        after: Option<OpenSaga>,
        limit: usize,
    ) -> Result<Vec<OpenSaga>, StoreError> {
        let open = self.0.lock();
        let first = after.and_then(|after| open.iter().position(|saga| *saga == after)).map_or(0, |place| place + 1);
        let quiet = open.iter().skip(first).filter(|saga| saga.updated_at < quiet_since);
        Ok(quiet.take(limit).copied().collect())
    }

    async fn stuck(&self, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
}

struct Rig {
    store: Arc<FaultyStore<MemoryStore>>,
    partner: Arc<Partner>,
    index: Arc<Index>,
    appender: Appender,
    sagas: SagaHandle<TripEffects>,
}

fn run(test: impl Future<Output = ()>) {
    System::new().block_on(async { timeout(PATIENCE, test).await.expect("the test hangs") });
}

fn limits() -> SagaLimits {
    let soon = Duration::from_millis(5);
    SagaLimits { sweep_every: soon, quiet: Duration::ZERO, after_panic: soon, page: 2, ..SagaLimits::default() }
}

impl Rig {
    fn start() -> Self {
        Self::with(limits())
    }

    fn with(limits: SagaLimits) -> Self {
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        let (feed, metrics) = (EventFeed::new(64, Position::START), EngineMetrics::unregistered());
        let (appender, _) = Appender::start(store.clone(), feed, AppenderLimits::default(), metrics, Box::new(|_| {}))
            .expect("a thread");
        let (partner, index) = (Arc::new(Partner::default()), Arc::new(Index::default()));
        let sagas = supervise(&store, &partner, &index, &appender, limits);
        Self { store, partner, index, appender, sagas }
    }

    /// Another supervisor, as another process has it.
    fn another(&self) -> SagaHandle<TripEffects> {
        supervise(&self.store, &self.partner, &self.index, &self.appender, limits())
    }

    /// Starts a saga in the log, where nobody runs it yet.
    async fn begin(&self, definition: Trip) -> StreamId {
        let saga_id = StreamId::generate();
        let commit = Commit {
            timestamp: SystemClock.now(),
            metadata: Arc::new(Metadata::default()),
            writes: vec![start_write(saga_id, definition).expect("JSON")],
            idempotency: None,
        };
        self.appender.append(commit).await.expect("an append");
        saga_id
    }

    async fn begin_and_run(&self, definition: Trip) -> SagaState {
        let saga_id = self.begin(definition).await;
        self.settled(&self.sagas, saga_id, Some(Version(2))).await
    }

    async fn settled(&self, sagas: &SagaHandle<TripEffects>, saga_id: StreamId, begun: Option<Version>) -> SagaState {
        let attended = sagas.ensure_running(saga_id, begun).await.expect("room");
        attended.settled().await.expect("an end")
    }

    async fn saga(&self, saga_id: StreamId) -> TripSaga {
        let store = self.store.below();
        rehydrate::<TripSaga>(store, saga_id, Until::Now, 100).await.expect("a saga").state
    }

    async fn events(&self, saga_id: StreamId) -> Vec<String> {
        let events = self.store.below().read_stream(saga_id, Version(1), 100).await.expect("a stream");
        events.iter().map(|event| event.event_type.to_string()).collect()
    }

    fn remember(&self, saga_id: StreamId) {
        self.index.0.lock().push(OpenSaga { saga_id, updated_at: DateTime::UNIX_EPOCH });
    }
}

fn supervise(
    store: &Arc<FaultyStore<MemoryStore>>,
    partner: &Arc<Partner>,
    index: &Arc<Index>,
    appender: &Appender,
    limits: SagaLimits,
) -> SagaHandle<TripEffects> {
    let effects = TripEffects { partner: Arc::clone(partner), appender: appender.clone() };
    SagaHandle::start(SagaParts {
        effects: Arc::new(effects),
        store: Arc::clone(store) as Arc<dyn EventStore>,
        open: Arc::clone(index) as Arc<dyn OpenSagas>,
        clock: Arc::new(SystemClock),
        limits,
        metrics: SagaMetrics::unregistered(),
    })
}

fn cancel() -> SagaCommand<Trip> {
    SagaCommand::Cancel { reason: "rain".into(), requested_by: None }
}

fn refused() -> Does {
    Does::Answers(StepOutcome::Refused("full".into()))
}

fn not_done() -> Does {
    Does::Answers(StepOutcome::NotDone { error: "busy".into(), retry_after: None })
}

#[test]
fn a_saga_takes_its_steps_and_ends_with_two_commits_beside_its_start() {
    run(async {
        let rig = Rig::start();
        let before = rig.store.appends();
        assert_eq!(rig.begin_and_run(trip()).await, SagaState::Completed);
        assert_eq!(rig.partner.heard(), ["call book_flight", "call book_hotel"]);
        assert_eq!(rig.store.appends() - before, 3);
    });
}

#[test]
fn many_who_attend_wait_for_one_run() {
    run(async {
        let rig = Rig::start();
        let saga_id = rig.begin(trip()).await;
        let mut all = Vec::new();
        for _ in 0..32 {
            all.push(rig.sagas.ensure_running(saga_id, Some(Version(2))).await.expect("room"));
        }
        for attended in all {
            assert_eq!(attended.settled().await, Some(SagaState::Completed));
        }
        assert_eq!(rig.partner.heard().len(), 2);
    });
}

#[test]
fn a_refusal_is_undone() {
    run(async {
        let rig = Rig::start();
        rig.partner.script("call book_hotel", [refused()]);
        assert_eq!(rig.begin_and_run(trip()).await, SagaState::Failed);
        assert_eq!(rig.partner.heard(), ["call book_flight", "call book_hotel", "undo book_flight"]);
    });
}

#[test]
fn what_was_not_done_is_called_again_after_a_pause() {
    run(async {
        let rig = Rig::start();
        rig.partner.script("call book_flight", [not_done(), not_done()]);
        assert_eq!(rig.begin_and_run(trip()).await, SagaState::Completed);
        assert_eq!(rig.partner.heard().iter().filter(|heard| *heard == "call book_flight").count(), 3);
    });
}

#[test]
fn a_cancellation_is_in_the_log_while_the_call_is_still_out() {
    run(async {
        let rig = Rig::start();
        rig.partner.script("call book_flight", [Does::Waits]);
        let saga_id = rig.begin(trip()).await;
        let attended = rig.sagas.ensure_running(saga_id, Some(Version(2))).await.expect("room");
        rig.partner.has_heard(1).await;
        assert_eq!(rig.sagas.ask(saga_id, cancel()).await, Ok(SagaState::Compensating));
        assert_eq!(rig.events(saga_id).await, ["SagaStarted", "StepStarted", "CompensationStarted"]);
        assert_eq!(rig.partner.heard(), ["call book_flight"]);
        rig.partner.lets_go.send_replace(true);
        assert_eq!(attended.settled().await, Some(SagaState::Failed));
        assert_eq!(rig.events(saga_id).await[3..], ["StepCompleted", "CompensationStepCompleted", "SagaFailed"]);
        assert_eq!(rig.partner.heard(), ["call book_flight", "undo book_flight"]);
    });
}

#[test]
fn an_ended_saga_still_answers() {
    run(async {
        let rig = Rig::start();
        let saga_id = rig.begin(trip()).await;
        assert_eq!(rig.settled(&rig.sagas, saga_id, None).await, SagaState::Completed);
        let answer = rig.sagas.ask(saga_id, cancel()).await;
        assert_eq!(answer, Err(SagaRefusal::Rejected(SagaRejection::Ended(SagaState::Completed))));
        let unknown = rig.sagas.ask(StreamId::generate(), cancel()).await;
        assert_eq!(unknown, Err(SagaRefusal::Rejected(SagaRejection::NotFound)));
    });
}

#[test]
fn a_stuck_saga_goes_on_when_an_operator_says_so() {
    run(async {
        let rig = Rig::start();
        rig.partner.script("call give_gift", [refused()]);
        let saga_id = rig.begin(present()).await;
        assert_eq!(rig.settled(&rig.sagas, saga_id, Some(Version(2))).await, SagaState::Stuck);
        assert_eq!(rig.sagas.ask(saga_id, SagaCommand::Retry { by: "op".into() }).await, Ok(SagaState::Running));
        assert_eq!(rig.settled(&rig.sagas, saga_id, None).await, SagaState::Completed);
        assert_eq!(rig.saga(saga_id).await.step(GIFT).expect("a step").attempt, 2);
    });
}

#[test]
fn whatever_the_store_does_at_a_commit_the_saga_goes_on_and_nothing_is_done_twice() {
    for fault in [AppendFault::Unavailable, AppendFault::UnknownWritten, AppendFault::UnknownUnwritten] {
        for nth in 1..=2 {
            run(async move {
                let rig = Rig::start();
                let saga_id = rig.begin(trip()).await;
                rig.store.fail_nth_append(nth, fault);
                assert_eq!(rig.settled(&rig.sagas, saga_id, Some(Version(2))).await, SagaState::Completed);
                let calls = rig.partner.heard().into_iter().filter(|heard| heard.starts_with("call")).count();
                assert_eq!(calls, 2, "{fault:?} at {nth}");
            });
        }
    }
}

#[test]
fn two_runners_of_one_saga_come_to_one_end() {
    run(async {
        let rig = Rig::start();
        let other = rig.another();
        for _ in 0..20 {
            let saga_id = rig.begin(trip()).await;
            let (one, two) = tokio::join!(rig.settled(&rig.sagas, saga_id, None), rig.settled(&other, saga_id, None));
            assert_eq!((one, two), (SagaState::Completed, SagaState::Completed));
            let events = rig.events(saga_id).await;
            assert_eq!(events.iter().filter(|name| *name == "StepCompleted").count(), 2, "{events:?}");
        }
    });
}

#[test]
fn what_was_out_when_the_process_stopped_is_asked_about_by_the_next_one() {
    run(async {
        let rig = Rig::start();
        rig.partner.script("call book_flight", [Does::Waits]);
        let saga_id = rig.begin(trip()).await;
        let attended = rig.sagas.ensure_running(saga_id, Some(Version(2))).await.expect("room");
        rig.partner.has_heard(1).await;
        rig.sagas.stop().await;
        assert_eq!(attended.settled().await, None);
        assert!(rig.sagas.ensure_running(saga_id, None).await.is_err());
        rig.remember(saga_id);
        let next = rig.another();
        assert_eq!(rig.settled(&next, saga_id, None).await, SagaState::Completed);
        assert_eq!(rig.partner.heard(), ["call book_flight", "look up book_flight", "call book_hotel"]);
    });
}

#[test]
fn sagas_that_nobody_runs_are_found_in_the_index() {
    run(async {
        let rig = Rig::start();
        let mut all = Vec::new();
        for _ in 0..5 {
            let saga_id = rig.begin(trip()).await;
            rig.remember(saga_id);
            all.push(saga_id);
        }
        rig.partner.has_heard(10).await;
        for saga_id in all {
            assert_eq!(rig.settled(&rig.sagas, saga_id, None).await, SagaState::Completed);
        }
    });
}

#[test]
fn no_more_run_than_may_and_the_others_come_later() {
    run(async {
        let rig = Rig::with(SagaLimits { running: 1, ..limits() });
        rig.partner.script("call book_flight", [Does::Waits]);
        let one = rig.begin(trip()).await;
        let attended = rig.sagas.ensure_running(one, Some(Version(2))).await.expect("room");
        rig.partner.has_heard(1).await;
        let other = rig.begin(trip()).await;
        assert!(rig.sagas.ensure_running(other, None).await.is_err());
        rig.remember(other);
        rig.partner.lets_go.send_replace(true);
        assert_eq!(attended.settled().await, Some(SagaState::Completed));
        rig.partner.has_heard(4).await;
    });
}

#[test]
fn a_panic_costs_one_run_of_one_saga_and_it_goes_on_after_a_pause() {
    run(async {
        let rig = Rig::start();
        rig.partner.script("call book_hotel", [Does::Panics]);
        let unlucky = rig.begin(trip()).await;
        let attended = rig.sagas.ensure_running(unlucky, Some(Version(2))).await.expect("room");
        rig.partner.has_heard(2).await;
        assert_eq!(rig.begin_and_run(present()).await, SagaState::Completed);
        assert_eq!(attended.settled().await, Some(SagaState::Completed));
        assert_eq!(rig.saga(unlucky).await.step(HOTEL).expect("a step").attempt, 1);
        assert!(rig.partner.heard().contains(&"look up book_hotel".to_owned()));
        assert_eq!(rig.saga(unlucky).await.step(FLIGHT).expect("a step").attempt, 1);
    });
}
