//! `ordo import`: orders from a file, through the same actors as those that come over HTTP.

use std::{path::Path, sync::Arc, time::Duration};

use actix::Arbiter;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use ordo_actors::{
    aggregate::{
        Aggregate,
        engine::{Engine, Lifespan},
        request::{CommandOutcome, Failure, Request},
    },
    log::{
        event::{Metadata, Position, StreamId, Version},
        store::{EventStore, StoreError},
    },
    retry::Backoff,
};
use serde::{Deserialize, Serialize};

use super::{CommandResult, arguments::ImportCommand, output::say, private_file::PrivateFile, progress::Progress};
use crate::{
    application::{Core, open_stores_as_accepted},
    import::{
        CsvRules, Format, IMPORTED, ImportError, ImportedOrder, JsonDefaults, JsonLines, Line, Outcome, Reject,
        RejectLog, RejectReason, RejectShape, Source,
    },
    order::{
        CreateOrder, Currency, CustomerId, InvalidValue, Order, OrderCommand, OrderState, ProductId, ProductName,
        Reason, placed_at,
    },
};

/// Orders under way at once: enough for a commit to carry many, few enough to hold in memory.
const AT_ONCE: usize = 512;

/// How long a commit under way may take when the import is done.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an import did.
#[derive(Debug, Default, Serialize)]
struct Tally {
    imported: u64,
    already_there: u64,
    refused: u64,
}

/// Imports a file. Running it again changes nothing: an order's id follows from its number in the system it comes from.
pub fn run(args: &ImportCommand) -> CommandResult {
    let file = args.rejects.as_deref().map(PrivateFile::create).transpose()?;
    let shape = if args.rejects_as_is { RejectShape::AsIs } else { RejectShape::Readable };
    let mut rejects = match &file {
        Some(file) => RejectLog::to_writer(Box::new(file.writer()?), shape)?,
        None => RejectLog::counting(),
    };
    actix_web::rt::System::new().block_on(async {
        let store = open_stores_as_accepted(&args.store.url()?, args.store.accepted()).await?;
        let core = Core::start(store, Lifespan::default(), vec![Arbiter::current()]).await?;
        let into = Importer::of(&core);
        let imported = import(args, &into, &mut rejects).await;
        drop(into);
        core.stop(PATIENCE).await;
        rejects.flush()?;
        file.map_or(Ok(()), PrivateFile::finish)?;
        report(args, &imported?, &rejects)
    })
}

async fn import(
    args: &ImportCommand,
    importer: &Importer,
    rejects: &mut RejectLog,
) -> Result<Tally, Box<dyn std::error::Error>> {
    let source = Source::open(&args.file, args.max_unpacked_bytes)?;
    let read = source.progress();
    let lines: Box<dyn Iterator<Item = Result<Line, ImportError>>> = match format(&args.file, args.format)? {
        Format::Csv => {
            let rules = CsvRules {
                columns: args.map.clone(),
                numbers: args.numbers,
                currency: args.currency,
                outcome: args.outcome.unwrap_or(Outcome::Completed),
            };
            Box::new(rules.lines(source)?)
        }
        Format::JsonLines => {
            let defaults =
                JsonDefaults { currency: args.currency.code().to_owned(), outcome: args.outcome.unwrap_or_default() };
            Box::new(JsonLines::new(source, defaults))
        }
    };
    let progress = Progress::start("importing bytes", read.total().unwrap_or(0));
    let mut under_way = stream::iter(lines)
        .map(|line| async move {
            match line? {
                Line::Order(order) => importer.import_one(order).await,
                Line::Reject(reject) => Ok(Imported::Rejected(reject)),
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut tally = Tally::default();
    while let Some(result) = under_way.next().await {
        count(result?, &mut tally, rejects)?;
        progress.at(read.read());
    }
    progress.finish();
    Ok(tally)
}

fn format(path: &Path, named: Option<Format>) -> Result<Format, String> {
    named.or_else(|| Format::of_name(path)).ok_or_else(|| {
        format!("{} does not tell by its name what it is: say --format csv or --format jsonl", path.display())
    })
}

/// What became of one order.
enum Imported {
    New,
    AlreadyThere,
    Refused(Reject),
    Rejected(Reject),
}

fn count(imported: Imported, tally: &mut Tally, rejects: &mut RejectLog) -> Result<(), ImportError> {
    match imported {
        Imported::New => tally.imported += 1,
        Imported::AlreadyThere => tally.already_there += 1,
        Imported::Refused(reject) => {
            tally.refused += 1;
            rejects.note(&reject)?;
        }
        Imported::Rejected(reject) => rejects.note(&reject)?,
    }
    Ok(())
}

/// What a step did, and where the order is after it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Step {
    changed: bool,
    refused: Option<String>,
    state: Option<OrderState>,
    /// Whether the order holds what it is wanted to hold.
    is_wanted: bool,
}

/// Takes orders to where they shall go.
struct Importer {
    orders: Arc<Engine<Order>>,
    /// Where orders may be that an earlier version imported; nothing when the log was empty.
    earlier: Option<Arc<dyn EventStore>>,
    now: DateTime<Utc>,
}

impl Importer {
    fn of(core: &Core) -> Self {
        let earlier = (core.feed.head() > Position::START).then(|| Arc::clone(&core.store));
        Self { orders: Arc::clone(&core.orders), earlier, now: core.clock.now() }
    }

    /// Takes one order as far as it shall go. Each step may be taken again: an import that was cut off goes on where it was. An
    /// order that is there with another content than the file's is left alone: it is another order, or somebody has changed it.
    async fn import_one(&self, order: ImportedOrder) -> Result<Imported, Box<dyn std::error::Error>> {
        let refused = |detail: String| {
            let raw = order.external_id.clone().unwrap_or_default();
            Imported::Refused(Reject { line: order.line_no, reason: RejectReason::Refused, detail, raw })
        };
        let id = self.id_of(&order).await?;
        let create = match order.create_order(&CustomerId::from(id.0)) {
            Ok(create) => create,
            Err(faults) => return Ok(refused(faults.join("; "))),
        };
        if let Some(Err(invalid)) = create.placed_at.map(|time| placed_at(time, self.now)) {
            return Ok(refused(format!("placed_at {invalid}")));
        }
        let metadata = Metadata { correlation_id: order.external_id.as_deref().map(mark), ..Metadata::default() };
        let wanted = Arc::new(Content::of(&create));
        let created =
            step(&self.orders, id, || OrderCommand::CreateOrder(create.clone()), &metadata, Some(&wanted)).await?;
        let Some(state) = created.state else { return Ok(refused(created.refused.unwrap_or_default())) };
        if !created.is_wanted {
            return Ok(refused("an order with this id is there, with another content".to_owned()));
        }
        Ok(match self.go_on(id, state, order.outcome, &metadata).await? {
            Ok(moved) if moved || created.changed => Imported::New,
            Ok(_) => Imported::AlreadyThere,
            Err(detail) => refused(detail),
        })
    }

    /// Takes an order that is there to its outcome; tells whether it has moved, or why it cannot.
    async fn go_on(
        &self,
        id: StreamId,
        mut state: OrderState,
        outcome: Outcome,
        metadata: &Metadata,
    ) -> Result<Result<bool, String>, Box<dyn std::error::Error>> {
        let mut changed = false;
        while let Some(command) = next_step(state, outcome)? {
            let taken = step(&self.orders, id, || command.clone(), metadata, None).await?;
            changed |= taken.changed;
            match (taken.state, taken.refused) {
                // Somebody else has moved it on meanwhile.
                (Some(now), _) if now != state => state = now,
                (_, detail) => return Ok(Err(detail.unwrap_or_default())),
            }
        }
        Ok(Ok(changed))
    }

    /// The order's id; of an order that an earlier version imported, the one it got then. A stream of that id counts only with
    /// the mark of the import: anybody could have chosen the id.
    async fn id_of(&self, order: &ImportedOrder) -> Result<StreamId, StoreError> {
        if let (Some(store), Some(earlier)) = (&self.earlier, order.earlier_id().map(StreamId)) {
            let first = store.read_stream(earlier, Version(1), 1).await?;
            let found = first.first().and_then(|event| external_id(&event.metadata));
            if found.is_some() && found == order.external_id.as_deref() {
                return Ok(earlier);
            }
        }
        Ok(StreamId(order.id()))
    }
}

/// How the log tells an order's number in the system it came from.
fn mark(number: &str) -> String {
    format!("{IMPORTED}{number}")
}

/// What takes an order nearer to its outcome; nothing when it is there, or has gone another way since it was imported.
fn next_step(state: OrderState, outcome: Outcome) -> Result<Option<OrderCommand>, InvalidValue> {
    use OrderState::{Completed, Draft, Processing, Reserved, Submitted};
    Ok(match (state, outcome) {
        (Draft, Outcome::Submitted | Outcome::Completed) => Some(OrderCommand::SubmitOrder),
        (Submitted, Outcome::Completed) => Some(OrderCommand::MarkReserved { reservation_id: None }),
        (Reserved, Outcome::Completed) => Some(OrderCommand::StartProcessing { payment_id: None }),
        (Processing, Outcome::Completed) => Some(OrderCommand::CompleteOrder { tracking_number: None }),
        (Draft | Submitted | Reserved | Processing, Outcome::Cancelled) => {
            Some(OrderCommand::CancelOrder { reason: Reason::new("imported as cancelled")?, cancelled_by: None })
        }
        (_, Outcome::Draft)
        | (Submitted | Reserved | Processing, Outcome::Submitted)
        | (Completed | OrderState::Cancelled, _) => None,
    })
}

/// Takes one step, again and again while the store does not answer: asking twice is harmless. `wanted` is what an order that
/// is probably new must hold then.
async fn step(
    orders: &Arc<Engine<Order>>,
    id: StreamId,
    command: impl Fn() -> OrderCommand,
    metadata: &Metadata,
    wanted: Option<&Arc<Content>>,
) -> Result<Step, Failure> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2), 8);
    loop {
        let (expected, assume_new_stream) = (wanted.cloned(), wanted.is_some());
        let look = move |decided: &CommandOutcome<'_, Order>| show(decided, expected.as_deref());
        let request = Request { metadata: metadata.clone(), assume_new_stream, ..Request::execute(command(), look) };
        match orders.ask(id, request).await {
            Ok(answered) => return Ok(answered.answer),
            Err(Failure::Overloaded | Failure::Unavailable(_) | Failure::Unknown(_) | Failure::Contended(_))
                if backoff.pause().await => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// What an order is about, wherever it stands.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    customer_id: Option<CustomerId>,
    currency: Option<Currency>,
    /// When it was placed, if somebody said.
    placed_at: Option<DateTime<Utc>>,
    /// Product, its name, quantity and price of each line.
    lines: Vec<(ProductId, ProductName, u32, i64)>,
}

impl Content {
    /// What the command would make. Nothing if it is refused.
    fn of(create: &CreateOrder) -> Self {
        let mut order = Order::default();
        for event in order.decide(&OrderCommand::CreateOrder(create.clone())).unwrap_or_default() {
            order.evolve(&event, create.placed_at.unwrap_or_default());
        }
        Self { placed_at: create.placed_at, ..Self::of_order(&order) }
    }

    fn of_order(order: &Order) -> Self {
        let line = |line: &crate::order::Line| {
            (line.product_id.clone(), line.product_name.clone(), line.quantity, line.unit_price_cents)
        };
        Self {
            customer_id: order.customer_id().cloned(),
            currency: order.total().map(|total| total.currency),
            placed_at: order.created_at(),
            lines: order.lines().iter().map(line).collect(),
        }
    }

    fn is_of(&self, order: &Order) -> bool {
        let found = Self::of_order(order);
        let placed_at = self.placed_at.and(found.placed_at);
        *self == Self { placed_at, ..found }
    }
}

fn show(decided: &CommandOutcome<'_, Order>, wanted: Option<&Content>) -> Step {
    let (state, changed, refused) = match decided {
        CommandOutcome::Accepted { state, events, .. } => (state, !events.is_empty(), None),
        CommandOutcome::Rejected { rejection, state, .. } => (state, false, Some(rejection.to_string())),
        CommandOutcome::VersionMismatch { state, .. } => (state, false, Some("the order has moved on".into())),
    };
    Step { changed, refused, state: state.state(), is_wanted: wanted.is_none_or(|wanted| wanted.is_of(state)) }
}

/// The number an imported order has in the system it came from.
pub fn external_id(metadata: &Metadata) -> Option<&str> {
    metadata.correlation_id.as_deref().and_then(|id| id.strip_prefix(IMPORTED))
}

fn report(args: &ImportCommand, tally: &Tally, rejects: &RejectLog) -> CommandResult {
    let reasons: Vec<_> = rejects.counts().iter().map(|(reason, count)| (reason.code(), *count)).collect();
    if args.json {
        let rejected: serde_json::Map<_, _> =
            reasons.iter().map(|(code, count)| ((*code).to_owned(), (*count).into())).collect();
        let mut report = serde_json::to_value(tally)?;
        report["rejected"] = rejected.into();
        say(&report.to_string())?;
        return Ok(());
    }
    let Tally { imported, already_there, refused } = tally;
    say(&format!("{imported} orders imported, {already_there} were there already, {refused} refused"))?;
    for (code, count) in reasons {
        say(&format!("{count} rejected: {code}"))?;
    }
    Ok(())
}
