//! `ordo import`: orders from a file, through the same actors as those that come over HTTP.

use std::{path::Path, sync::Arc, time::Duration};

use actix::Arbiter;
use futures_util::{StreamExt, stream};
use ordo_actors::{
    aggregate::engine::{Engine, Lifespan},
    log::event::Position,
};
use serde::Serialize;

use super::{CommandResult, arguments::ImportCommand, output::say, private_file::PrivateFile, progress::Progress};
use crate::{
    application::{Core, open_stores_as_accepted},
    import::{
        CsvRules, Format, ImportError, JsonDefaults, JsonLines, Line, Outcome, Reject, RejectLog, RejectReason,
        RejectShape, Source,
    },
    order::Order,
    ordering::{ImportOutcome, Importer, OrderingError},
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
        let importer = importer_of(&core);
        let tally = import(args, &importer, &mut rejects).await;
        drop(importer);
        core.stop(PATIENCE).await;
        rejects.flush()?;
        file.map_or(Ok(()), PrivateFile::finish)?;
        report(args, &tally?, &rejects)
    })
}

fn importer_of(core: &Core) -> Importer<Arc<Engine<Order>>> {
    Importer {
        orders: Arc::clone(&core.orders),
        store: Arc::clone(&core.store),
        may_be_there: core.feed.head() > Position::START,
        now: core.clock.now(),
    }
}

async fn import(
    args: &ImportCommand,
    importer: &Importer<Arc<Engine<Order>>>,
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
            let defaults = JsonDefaults { currency: args.currency, outcome: args.outcome.unwrap_or_default() };
            Box::new(JsonLines::new(source, defaults))
        }
    };
    let progress = Progress::start("importing bytes", read.total().unwrap_or(0));
    let mut under_way = stream::iter(lines)
        .map(async |line| Ok::<_, Box<dyn std::error::Error>>(import_line(importer, line?).await?))
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

/// What became of one line.
enum Imported {
    New,
    AlreadyThere,
    Refused(Reject),
    Rejected(Reject),
}

async fn import_line(importer: &Importer<Arc<Engine<Order>>>, line: Line) -> Result<Imported, OrderingError> {
    let order = match line {
        Line::Order(order) => order,
        Line::Reject(reject) => return Ok(Imported::Rejected(reject)),
    };
    Ok(match importer.import(&order).await? {
        ImportOutcome::New => Imported::New,
        ImportOutcome::AlreadyThere => Imported::AlreadyThere,
        ImportOutcome::Refused(detail) => {
            let (line, raw) = (order.line_no, order.external_id.map(|number| number.to_string()).unwrap_or_default());
            Imported::Refused(Reject { line, reason: RejectReason::Refused, detail, raw })
        }
    })
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
