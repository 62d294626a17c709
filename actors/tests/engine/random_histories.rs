//! Many askers on few counters, with everything going wrong at once, and the log as the judge.
//!
//! A state is known by its version, so a history is linearizable when every answer agrees with a fold of the log, every command
//! is in the log as often as its answer says, and nobody sees an older version than one that was answered before he asked.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::Arbiter;
use chrono::TimeDelta;
use ordo_actors::{
    aggregate::{
        Aggregate, DomainEvent,
        engine::{Engine, Lifespan},
        request::{Answered, Failure, IdempotencyUse, Request},
    },
    clock::Clock,
    log::{
        appender::AppenderLimits,
        event::{EventEnvelope, Metadata, StreamId},
        store::{EventStore, StoreError},
    },
    stores::memory::MemoryStore,
    testing::{AppendFault, Counter, CounterCommand, CounterEvent, FaultyStore, contract::building::key},
};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::rig::*;

const COUNTERS: u64 = 5;
const ASKERS: u64 = 24;
const REQUESTS_EACH: usize = 60;

/// What somebody asked, and what he was told.
struct Asked {
    stream: StreamId,
    /// None: a read.
    command: Option<CounterCommand>,
    command_id: Uuid,
    began: u64,
    ended: u64,
    told: Result<Answered<Seen>, Failure>,
    /// An earlier try with the same key had an unknown outcome.
    retried: bool,
}

/// Marsaglia's xorshift, so that a seed tells which requests are made.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn command(&mut self) -> CounterCommand {
        match self.below(20) {
            0..9 => Increment(1 + self.below(5)),
            9..14 => Decrement(1 + self.below(8)),
            14..16 => IncrementEach(1 + self.below(6)),
            16 => Reset,
            17..19 => Touch,
            _ => Panic,
        }
    }
}

struct Asker {
    engine: Arc<Engine<Counter>>,
    random: Random,
    streams: Vec<StreamId>,
    /// Counts beginnings and ends, over all askers.
    moments: Arc<AtomicU64>,
    told: mpsc::UnboundedSender<Asked>,
}

impl Asker {
    async fn run(mut self) {
        for _ in 0..REQUESTS_EACH {
            let number = self.random.below(self.streams.len() as u64);
            let stream = self.streams[usize::try_from(number).expect("a few")];
            let asked = if self.random.below(3) == 0 { self.read(stream).await } else { self.command(stream).await };
            self.told.send(asked).expect("the test listens");
        }
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    async fn read(&mut self, stream: StreamId) -> Asked {
        let began = self.moment();
        let told = self.engine.ask(stream, Request::read(seen)).await;
        let ended = self.moment();
        Asked { stream, command: None, command_id: Uuid::nil(), began, ended, told, retried: false }
    }

    async fn command(&mut self, stream: StreamId) -> Asked {
        let (command, command_id) = (self.random.command(), Uuid::now_v7());
        let idempotency = (self.random.below(3) == 0)
            .then(|| IdempotencyUse { key: key("asker", &command_id.to_string()), fingerprint: [0; 32] });
        let assume_new_stream = self.random.below(10) == 0;
        let began = self.moment();
        let mut retried = false;
        loop {
            let request = Request {
                idempotency: idempotency.clone(),
                assume_new_stream,
                metadata: Metadata { command_id: Some(command_id), ..Metadata::default() },
                ..Request::execute(command.clone(), seen)
            };
            let told = self.engine.ask(stream, request).await;
            if idempotency.is_some() && matches!(told, Err(Failure::Unknown(_))) {
                retried = true;
                continue;
            }
            let ended = self.moment();
            return Asked { stream, command: Some(command), command_id, began, ended, told, retried };
        }
    }
}

/// Lets everything go wrong until all askers are done.
async fn disturb(
    rig: &Rig,
    random: &mut Random,
    streams: &[StreamId],
    history: &mut mpsc::UnboundedReceiver<Asked>,
) -> Vec<Asked> {
    let (start, mut heard) = (rig.clock.now(), Vec::new());
    loop {
        match random.below(12) {
            0 => rig.store.fail_next_append(AppendFault::Unavailable),
            1 => rig.store.fail_next_append(AppendFault::UnknownWritten),
            2 => rig.store.fail_next_append(AppendFault::UnknownUnwritten),
            3..6 if rig.store.is_shared() => {
                let stream = streams[usize::try_from(random.below(streams.len() as u64)).expect("a few")];
                rig.store.intrude_before_nth_append(1 + random.below(3), intruder(stream));
            }
            6 => rig.store.fail_reads(1, StoreError::Unavailable("as told".into())),
            7 => rig.clock.set(start + TimeDelta::seconds(i64::try_from(random.below(1_000)).expect("small"))),
            _ => {}
        }
        for _ in 0..=random.below(20) {
            match history.recv().await {
                Some(asked) => heard.push(asked),
                None => return heard,
            }
        }
    }
}

fn history(seed: u64, number_of_nodes: usize) {
    run(async {
        let lifespan = Lifespan {
            most_actors: 2,
            idle: Duration::ZERO,
            snapshot_every: 16,
            group_requests: 32,
            read_patience: Duration::from_millis(2),
            ..Lifespan::default()
        };
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        if number_of_nodes > 1 {
            store.share();
        }
        let node = || Rig::on(Arc::clone(&store), lifespan, AppenderLimits::default());
        let nodes: Vec<_> = (0..number_of_nodes).map(|_| node()).collect();
        let rig = &nodes[0];
        let mut random = Random(seed);
        let streams: Vec<_> = (0..COUNTERS).map(|_| StreamId::generate()).collect();
        let (told, mut history) = mpsc::unbounded_channel();
        let moments = Arc::new(AtomicU64::new(0));
        let arbiters = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
        for number in 0..ASKERS {
            let asker = Asker {
                engine: Arc::clone(&nodes[usize::try_from(number).expect("a few") % nodes.len()].engine),
                random: Random(random.below(u64::MAX) | 1),
                streams: streams.clone(),
                moments: Arc::clone(&moments),
                told: told.clone(),
            };
            arbiters[usize::try_from(number % 3).expect("three")].spawn(asker.run());
        }
        drop(told);
        let heard = disturb(rig, &mut random, &streams, &mut history).await;
        assert_eq!(heard.len(), REQUESTS_EACH * usize::try_from(ASKERS).expect("a few"));
        rig.store.heal();
        let log = Log::check(&rig.log().await);
        log.check_answers(&heard);
        check_order(&heard);
        for stream in streams {
            for node in &nodes {
                let read = node.read(stream).await.answer;
                assert_eq!((read.version, read.value), *log.states[&stream].last().expect("the first state"));
            }
        }
        let answered = heard.iter().filter(|asked| asked.told.is_ok()).count();
        assert!(answered * 2 > heard.len(), "only {answered} of {} were answered", heard.len());
        for node in nodes {
            node.stop().await;
        }
        for arbiter in arbiters {
            arbiter.stop();
        }
    });
}

/// The log, folded.
struct Log {
    /// Version and value, from version zero on.
    states: HashMap<StreamId, Vec<(u64, u64)>>,
    positions: HashMap<(StreamId, u64), u64>,
    /// The versions of each command's events.
    commands: HashMap<Uuid, Vec<u64>>,
}

impl Log {
    fn check(events: &[Arc<EventEnvelope>]) -> Self {
        let mut log = Self { states: HashMap::new(), positions: HashMap::new(), commands: HashMap::new() };
        let mut counters: HashMap<StreamId, Counter> = HashMap::new();
        for (event, position) in events.iter().zip(1..) {
            assert_eq!(event.position.0, position, "positions have no hole");
            let stream = event.aggregate_id;
            let states = log.states.entry(stream).or_insert_with(|| vec![(0, 0)]);
            assert_eq!(event.version.0, states.len() as u64, "versions have no hole");
            let decoded = CounterEvent::decode(&event.event_type, &event.payload).expect("an event");
            let counter = counters.entry(stream).or_default();
            if let CounterEvent::Decremented { by } = decoded {
                assert!(by <= counter.value, "no counter falls below zero");
            }
            // Those of the intruder are as old as they like.
            let ours = event.metadata.command_id.is_some();
            let last = counter.changed_at.filter(|_| ours);
            assert!(last.is_none_or(|last| last <= event.timestamp), "no time goes backwards");
            counter.evolve(&decoded, event.timestamp);
            states.push((event.version.0, counter.value));
            log.positions.insert((stream, event.version.0), position);
            if let Some(command) = event.metadata.command_id {
                log.commands.entry(command).or_default().push(event.version.0);
            }
        }
        log
    }

    fn check_answers(&self, heard: &[Asked]) {
        for asked in heard {
            let stored = self.commands.get(&asked.command_id).map_or(&[][..], Vec::as_slice);
            match &asked.told {
                Ok(told) => self.check_answer(asked, told, stored),
                Err(Failure::Unknown(reason)) => assert_ne!(reason, "the actor died"),
                Err(failure) => assert!(asked.retried || stored.is_empty(), "{failure}, but it is in the log"),
            }
        }
    }

    fn check_answer(&self, asked: &Asked, told: &Answered<Seen>, stored: &[u64]) {
        let Seen { what, value, version, events, .. } = told.answer;
        let states = self.states.get(&asked.stream).map_or(&[(0, 0)][..], Vec::as_slice);
        assert_eq!(
            states[usize::try_from(version).expect("small")],
            (version, value),
            "the answer agrees with the log"
        );
        let versions: Vec<_> = (version + 1 - events as u64..=version).collect();
        assert_eq!(stored, versions, "the command is in the log as its answer says");
        let last = self.positions.get(&(asked.stream, version)).copied().unwrap_or(0);
        if events > 0 {
            assert_eq!(told.position.0, last);
        } else {
            assert!(told.position.0 >= last, "a reader who has come this far has seen it");
        }
        if let (Some(CounterCommand::Decrement(by)), What::Rejected) = (&asked.command, what) {
            assert!(*by > value, "it was rejected for a reason");
        }
    }
}

/// Nobody sees less than what was answered before he asked.
fn check_order(heard: &[Asked]) {
    let mut moments: BTreeMap<u64, (&Asked, bool)> = BTreeMap::new();
    for asked in heard {
        moments.insert(asked.began, (asked, true));
        moments.insert(asked.ended, (asked, false));
    }
    let mut newest: HashMap<StreamId, u64> = HashMap::new();
    let mut known_at_start: HashMap<u64, u64> = HashMap::new();
    for (moment, (asked, begins)) in moments {
        let newest = newest.entry(asked.stream).or_default();
        if begins {
            known_at_start.insert(moment, *newest);
            continue;
        }
        // A repeated answer is as old as its first.
        let Some(told) = asked.told.as_ref().ok().filter(|told| !told.replayed) else { continue };
        let (known, seen) = (known_at_start[&asked.began], told.answer.version);
        let own = told.answer.events as u64;
        assert!(seen >= known + own, "version {seen} was answered, but {known} was known before");
        *newest = seen.max(*newest);
    }
}

#[test]
fn a_random_history_of_one_process_is_linearizable_1() {
    history(0x9E37_79B9_7F4A_7C15, 1);
}

#[test]
fn a_random_history_of_one_process_is_linearizable_2() {
    history(0xD1B5_4A32_D192_ED03, 1);
}

#[test]
fn a_random_history_of_several_processes_is_linearizable_1() {
    history(0x2545_F491_4F6C_DD1D, 2);
}

#[test]
fn a_random_history_of_several_processes_is_linearizable_2() {
    history(0x1234_5678_9ABC_DEF1, 2);
}

#[test]
fn a_random_history_of_several_processes_is_linearizable_3() {
    history(0x9E37_79B9_7F4A_7C15, 3);
}
