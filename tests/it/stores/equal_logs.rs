//! One script of commands, run on every store: the same answers, the same log. And a log that moves between stores.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use actix_web::rt::System;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use ordo::{
    application::{Core, Stores, open_stores},
    order::{
        CreateOrder, Currency, CustomerId, LineId, MAX_LINES, NewItem, Order, OrderCommand, OrderEvent, Reason,
        RecordRefund, Reference, ReturnItems, ReturnRequest,
    },
};
use ordo_actors::{
    aggregate::{
        Aggregate, DomainEvent,
        engine::Lifespan,
        request::{Answered, CommandOutcome, Failure, IdempotencyUse, Intent, Request},
    },
    log::{
        event::{EventEnvelope, Metadata, Position, StreamId, Version},
        store::{EventStore, IdempotencyKey, LogQuery, MAX_READ},
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    effort::rounds,
    ordo_command::{events, run, sqlite, verify},
    postgres_server::TestDatabase,
    rng::Rng,
};

const COMMANDS: usize = 10_000;
const ORDERS: u64 = 250;

/// Commands to one order that are asked at once, and decided one after another.
struct Burst {
    order: StreamId,
    steps: Vec<Step>,
}

#[derive(Clone)]
struct Step {
    command: OrderCommand,
    command_id: Uuid,
    key: Option<IdempotencyUse>,
    if_version: Vec<Version>,
    dry_run: bool,
}

/// Makes a script up: mostly what fits the order, sometimes anything. Times and ids made by the server are all it leaves open.
struct Author {
    rng: Rng,
    /// Roughly where each order will be.
    orders: Vec<(StreamId, Order)>,
    /// Steps with a key, to be repeated.
    keyed: Vec<(StreamId, Step)>,
}

fn script(seed: u64) -> Vec<Burst> {
    let mut rng = Rng::new(seed);
    let orders = (0..ORDERS).map(|_| (StreamId(Uuid::from_u128(rng.wide())), Order::default())).collect();
    let mut author = Author { rng, orders, keyed: Vec::new() };
    let mut bursts = Vec::new();
    let mut written = 0;
    while written < COMMANDS {
        let burst = author.burst();
        written += burst.steps.len();
        bursts.push(burst);
    }
    bursts
}

impl Author {
    fn burst(&mut self) -> Burst {
        if !self.keyed.is_empty() && self.rng.percent(15) {
            return self.repetition();
        }
        let at = usize::try_from(self.rng.below(ORDERS)).unwrap();
        let (order, state) = self.orders[at].clone();
        // An order that is not there leaves memory after each command: what is asked of it comes one by one.
        let length = if matches!(state, Order::Absent) { 1 } else { 1 + self.rng.below(64) };
        let steps = (0..length).map(|_| self.step(at, order)).collect();
        Burst { order, steps }
    }

    fn repetition(&mut self) -> Burst {
        let (order, mut step) = self.rng.pick(&self.keyed).clone();
        step.command_id = Uuid::from_u128(self.rng.wide());
        if self.rng.percent(20)
            && let Some(used) = &mut step.key
        {
            used.fingerprint[0] ^= 1;
        }
        Burst { order, steps: vec![step] }
    }

    fn step(&mut self, at: usize, order: StreamId) -> Step {
        let command = self.command(at);
        let mut step = Step {
            command,
            command_id: Uuid::from_u128(self.rng.wide()),
            key: None,
            if_version: Vec::new(),
            dry_run: self.rng.percent(5),
        };
        if self.rng.percent(10) {
            step.if_version = (0..3).map(|_| Version(1 + self.rng.below(12))).collect();
        }
        let state = &mut self.orders[at].1;
        if !step.dry_run && step.if_version.is_empty() {
            for event in state.decide(&step.command).unwrap_or_default() {
                state.evolve(&event, DateTime::UNIX_EPOCH);
            }
        }
        if !step.dry_run && self.rng.percent(20) {
            let mut fingerprint = [0; 32];
            fingerprint[16..].copy_from_slice(&self.rng.wide().to_be_bytes());
            let scope = format!("caller-{}", self.rng.below(3));
            let key = IdempotencyKey { scope, key: step.command_id.to_string() };
            step.key = Some(IdempotencyUse { key, fingerprint });
            self.keyed.push((order, step.clone()));
        }
        step
    }

    fn command(&mut self, at: usize) -> OrderCommand {
        let anything = self.rng.percent(10);
        match &self.orders[at].1 {
            _ if anything => self.anything(),
            Order::Absent => self.create(),
            Order::Draft(_) => match self.rng.below(100) {
                0..60 => OrderCommand::add_item(self.item()),
                60..80 => self.update(),
                80..95 => OrderCommand::RemoveItem { line_id: self.line() },
                _ => OrderCommand::SubmitOrder,
            },
            Order::Submitted(_) => OrderCommand::MarkReserved { reservation_id: self.reference() },
            Order::Reserved(_) => OrderCommand::StartProcessing { payment_id: self.reference() },
            Order::Processing(_) => OrderCommand::CompleteOrder { tracking_number: self.reference() },
            Order::Completed(_) if self.rng.percent(50) => self.give_back(),
            Order::Completed(_) => self.refund(),
            Order::Cancelled(_) => self.anything(),
        }
    }

    fn anything(&mut self) -> OrderCommand {
        match self.rng.below(11) {
            0 => self.create(),
            1 => OrderCommand::add_item(self.item()),
            2 => OrderCommand::RemoveItem { line_id: self.line() },
            3 => self.update(),
            4 => OrderCommand::SubmitOrder,
            5 => OrderCommand::MarkReserved { reservation_id: self.reference() },
            6 => OrderCommand::StartProcessing { payment_id: self.reference() },
            7 => OrderCommand::CompleteOrder { tracking_number: self.reference() },
            8 => OrderCommand::CancelOrder { reason: Reason::new("no more").unwrap(), cancelled_by: self.reference() },
            9 => self.give_back(),
            _ => self.refund(),
        }
    }

    fn create(&mut self) -> OrderCommand {
        let items = (0..self.rng.below(6)).map(|_| self.item()).collect();
        let placed = i64::try_from(self.rng.below(2_000_000_000_000_000)).unwrap();
        OrderCommand::CreateOrder(CreateOrder {
            customer_id: CustomerId::new(&format!("customer {} äöü🦀", self.rng.below(20))).unwrap(),
            currency: Currency::new(["USD", "GBP", "JPY"][usize::try_from(self.rng.below(3)).unwrap()]).unwrap(),
            placed_at: self.rng.percent(50).then(|| DateTime::from_timestamp_micros(placed).unwrap()),
            items,
            most_lines: MAX_LINES,
        })
    }

    fn item(&mut self) -> NewItem {
        let product = self.rng.below(8);
        let price = *self.rng.pick(&[100, 250, i64::MAX / 20]);
        let name = format!("\"Product\" {product} \\ ✓");
        NewItem::new(&format!("p{product}"), &name, 1 + i64::try_from(self.rng.below(9)).unwrap(), price).unwrap()
    }

    fn update(&mut self) -> OrderCommand {
        let quantity = i64::try_from(self.rng.below(12)).unwrap() - 1;
        OrderCommand::UpdateItemQuantity { line_id: self.line(), quantity }
    }

    fn line(&mut self) -> LineId {
        LineId(u32::try_from(self.rng.below(8)).unwrap())
    }

    fn reference(&mut self) -> Option<Reference> {
        let name = format!("reference {}", self.rng.below(3));
        self.rng.percent(60).then(|| Reference::new(&name).unwrap())
    }

    fn return_id(&mut self) -> Reference {
        Reference::new(&format!("return {}", self.rng.below(4))).unwrap()
    }

    fn give_back(&mut self) -> OrderCommand {
        let quantity = i64::try_from(self.rng.below(4)).unwrap();
        let items = (0..=self.rng.below(2)).map(|_| ReturnRequest { line_id: self.line(), quantity }).collect();
        let reason = Reason::new("broken").unwrap();
        OrderCommand::ReturnItems(ReturnItems { return_id: self.return_id(), items, reason })
    }

    fn refund(&mut self) -> OrderCommand {
        let refund_cents = *self.rng.pick(&[100, 200, 250, 300, 500, 750]);
        let refund_id = Reference::new(&format!("refund {}", self.rng.below(3))).unwrap();
        OrderCommand::RecordRefund(RecordRefund { return_id: self.return_id(), refund_id, refund_cents })
    }
}

/// What came back, but for what the clock and the group commit leave open.
type Reaction = Result<(String, Option<Position>, bool), String>;

/// Runs a script on a store, with a new engine half-way.
async fn perform(stores: &Stores, bursts: &[Burst]) -> Vec<Reaction> {
    let mut reactions = Vec::new();
    for half in bursts.chunks(bursts.len().div_ceil(2)) {
        let lifespan = Lifespan { snapshot_every: 10, ..Lifespan::default() };
        let core = Core::start(stores.clone(), lifespan, vec![actix::Arbiter::current()]).await.unwrap();
        for burst in half {
            // A dry run is a read: asked together with commands, it may be answered before them or after.
            for together in burst.steps.chunk_by(|one, next| !one.dry_run && !next.dry_run) {
                let asked = together.iter().map(|step| core.orders.ask(burst.order, request(burst.order, step)));
                let answers = join_all(asked).await;
                reactions.extend(together.iter().zip(answers).map(|(step, answer)| reaction(step, answer)));
            }
        }
        core.stop(std::time::Duration::from_secs(30)).await;
    }
    reactions
}

fn request(order: StreamId, step: &Step) -> Request<Order, String> {
    let command = step.command.clone();
    let metadata = Metadata {
        correlation_id: Some("script".into()),
        causation_id: None,
        command_id: Some(step.command_id),
        principal: Some("author".into()),
    };
    let intent = if step.dry_run { Intent::DryRun(command) } else { Intent::Execute(command) };
    Request {
        if_version: step.if_version.clone(),
        idempotency: step.key.clone(),
        metadata,
        ..Request::new(intent, move |outcome: &CommandOutcome<'_, Order>| show(order, outcome))
    }
}

/// All that an outcome holds, but for the times.
fn show(order: StreamId, outcome: &CommandOutcome<'_, Order>) -> String {
    let view = |state: &Order, version| {
        let mut view = serde_json::to_value(state.view(order, version)).unwrap();
        if let Some(view) = view.as_object_mut() {
            view.remove("updated_at");
            // Of an order that was not placed earlier, it is the time of recording.
            view.remove("created_at");
        }
        view
    };
    let shown = match outcome {
        CommandOutcome::Accepted { state, version, events } => {
            let events: Vec<_> = events.iter().map(|event| (event.event_type(), event.encode().unwrap())).collect();
            json!({"accepted": view(state, *version), "events": events})
        }
        CommandOutcome::Rejected { rejection, state, version } => {
            json!({"rejected": format!("{rejection:?}"), "order": view(state, *version)})
        }
        CommandOutcome::VersionMismatch { state, version } => json!({"elsewhere": view(state, *version)}),
    };
    shown.to_string()
}

fn reaction(step: &Step, answer: Result<Answered<String>, Failure>) -> Reaction {
    let Answered { answer, position, replayed } = answer.map_err(|failure| failure.to_string())?;
    let has_events = serde_json::from_str::<Value>(&answer).unwrap()["events"][0].is_array();
    // Without events and key, the position depends on how the group commits fell.
    let fixed = step.key.is_some() || (has_events && !step.dry_run);
    Ok((answer, fixed.then_some(position), replayed))
}

async fn log(store: &dyn EventStore) -> Vec<Arc<EventEnvelope>> {
    let mut log: Vec<Arc<EventEnvelope>> = Vec::new();
    loop {
        let last = log.last().map_or(Position::START, |event| event.position);
        let page = store.read_all(&LogQuery::after(last, MAX_READ)).await.unwrap();
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

/// An event without what differs by nature.
fn essence(event: &EventEnvelope) -> EventEnvelope {
    EventEnvelope { event_id: Uuid::nil(), timestamp: DateTime::<Utc>::UNIX_EPOCH, ..event.clone() }
}

/// Runs the script on a store of this URL; gives the answers and the log.
fn perform_on(url: &str, bursts: &[Burst]) -> (Vec<Reaction>, Vec<EventEnvelope>) {
    System::new().block_on(async {
        let stores = open_stores(&url.parse().unwrap(), false).await.unwrap();
        let reactions = perform(&stores, bursts).await;
        let log = log(stores.log.as_ref()).await;
        (reactions, log.iter().map(|event| essence(event)).collect())
    })
}

fn assert_same<T: PartialEq + std::fmt::Debug>(ours: &[T], theirs: &[T], what: &str) {
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours, theirs, "{what} {at}");
    }
    assert_eq!(ours.len(), theirs.len(), "{what}");
}

/// Every kind of event and answer is in the script: what never happens proves nothing.
fn assert_varied(reactions: &[Reaction], log: &[EventEnvelope]) {
    let types: BTreeSet<_> = log.iter().map(|event| event.event_type.as_ref()).collect();
    assert!(OrderEvent::KINDS.iter().all(|(kind, _)| types.contains(kind)), "{types:?}");
    let count = |wanted: &dyn Fn(&Reaction) -> bool| reactions.iter().filter(|reaction| wanted(reaction)).count();
    assert!(count(&|reaction| matches!(reaction, Ok((answer, ..)) if answer.contains("\"rejected\""))) > 500);
    assert!(count(&|reaction| matches!(reaction, Ok((answer, ..)) if answer.contains("\"elsewhere\""))) > 100);
    assert!(count(&|reaction| matches!(reaction, Ok((_, _, true)))) > 20);
    assert!(count(&Result::is_err) > 0);
}

#[test]
fn one_script_gives_the_same_answers_and_the_same_log_on_every_store() {
    for seed in 1..=rounds(1) {
        let bursts = script(seed);
        let (directory, database) = (tempfile::tempdir().unwrap(), TestDatabase::fresh());
        let (reactions, log) = perform_on("memory", &bursts);
        assert_varied(&reactions, &log);
        for url in [sqlite(&directory.path().join("log.db")), database.url()] {
            let (same_reactions, same_log) = perform_on(&url, &bursts);
            assert_same(&reactions, &same_reactions, "answer");
            assert_same(&log, &same_log, "event");
            assert_eq!(verify(&url), log.len() as u64);
        }
    }
}

/// A log in a file, made by the first commands of a script.
fn small_log(directory: &Path, seed: u64, bursts: usize) -> String {
    let url = sqlite(&directory.join(format!("log-{seed}.db")));
    let script = script(seed);
    perform_on(&url, &script[..bursts.min(script.len())]);
    url
}

fn migrate(from: &str, to: &str) -> crate::support::ordo_command::Ended {
    run(&["migrate", "--from", from, "--to", to])
}

#[test]
fn a_log_that_has_moved_to_postgres_and_back_is_the_same_to_the_byte() {
    let (directory, database) = (tempfile::tempdir().unwrap(), TestDatabase::fresh());
    let source = small_log(directory.path(), 7, 500);
    let back = sqlite(&directory.path().join("back.db"));
    migrate(&source, &database.url()).expect(0);
    migrate(&database.url(), &back).expect(0);
    let log = events(&source);
    assert!(log.lines().count() > 1000, "{}", log.lines().count());
    assert_eq!(log, events(&database.url()));
    assert_eq!(log, events(&back));
    // Once more changes nothing.
    migrate(&source, &back).expect(0);
    assert_eq!(log, events(&back));
    verify(&back);
}

#[test]
fn a_migration_that_was_killed_halfway_goes_on_where_it_was() {
    let (directory, database) = (tempfile::tempdir().unwrap(), TestDatabase::fresh());
    let source = small_log(directory.path(), 8, 800);
    let log = events(&source);
    assert!(log.lines().count() > 2500, "{}", log.lines().count());
    // The target waits for a lock at its 2,500th event, until it has been killed.
    assert_eq!(verify(&database.url()), 0);
    database
        .execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM pg_advisory_xact_lock(25); RETURN NEW; END $$;
             CREATE TRIGGER wait BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.position = 2500) EXECUTE FUNCTION wait()",
        )
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (client, connection) =
        runtime.block_on(tokio_postgres::connect(&database.url(), tokio_postgres::NoTls)).unwrap();
    runtime.spawn(connection);
    runtime.block_on(client.batch_execute("SELECT pg_advisory_lock(25)")).unwrap();
    let mut migrating = std::process::Command::new(env!("CARGO_BIN_EXE_ordo"))
        .args(["migrate", "--from", &source, "--to", &database.url()])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 25";
    loop {
        let waits: i64 = runtime.block_on(client.query_one(waiting, &[])).unwrap().get(0);
        assert!(migrating.try_wait().unwrap().is_none(), "it has ended");
        if waits > 0 {
            break;
        }
    }
    migrating.kill().unwrap();
    migrating.wait().unwrap();
    runtime
        .block_on(client.batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid();
             SELECT pg_advisory_unlock(25); DROP TRIGGER wait ON events",
        ))
        .unwrap();
    let copied = verify(&database.url());
    assert!((1..2500).contains(&copied), "{copied} events were copied before the kill");
    migrate(&source, &database.url()).expect(0);
    assert_eq!(log, events(&database.url()));
}

#[test]
fn a_migration_into_another_log_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (small_log(directory.path(), 9, 20), small_log(directory.path(), 10, 10));
    let before = (events(&one), events(&other));
    migrate(&one, &other).complains(1, &["not a beginning of the source"]);
    migrate(&other, &one).complains(1, &["not a beginning of the source"]);
    assert_eq!(before, (events(&one), events(&other)));
}

#[test]
fn a_migration_of_a_store_into_itself_is_refused_however_it_is_spelt() {
    let (directory, database) = (tempfile::tempdir().unwrap(), TestDatabase::fresh());
    let file = small_log(directory.path(), 11, 10);
    migrate(&file, &database.url()).expect(0);
    migrate(&file, &file).complains(1, &["itself"]);
    std::os::unix::fs::symlink(directory.path(), directory.path().join("same")).unwrap();
    let through_a_link = sqlite(&directory.path().join("same").join("log-11.db"));
    migrate(&file, &through_a_link).complains(1, &["log-11.db", "in use"]);
    let other_spelling = database.url().replacen("postgres://", "postgresql://", 1);
    migrate(&database.url(), &other_spelling).complains(1, &["itself"]);
    let separator = if database.url().contains('?') { '&' } else { '?' };
    let with_a_parameter = format!("{}{separator}application_name=other", database.url());
    migrate(&database.url(), &with_a_parameter).complains(1, &["the same log"]);
}
