//! `ordo verify`

use std::{fmt, sync::Arc};

use ordo_actors::{
    log::{
        event::{StreamId, Version},
        store::StoreError,
        upcast::Upcasting,
    },
    projection::row_store::DeadLetter,
};
use serde::Serialize;

use super::{CommandResult, arguments::VerifyCommand, output::say, progress::Progress};
use crate::{
    application::{Existing, Stores, open_existing_stores, upcasters},
    audit::Audit,
    read_models::{Comparison, ReferenceFold, all},
};

/// What was found, log and rows together.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    log: Audit,
    /// Rows of read models that were compared with a fold of the log.
    rows: u64,
    /// How many of them were not as they must be.
    row_faults: u64,
    row_findings: Vec<String>,
    /// Streams that read models leave out: no fault of the rows.
    left_out: Vec<LeftOut>,
}

/// A stream that a read model has parked.
#[derive(Serialize)]
struct LeftOut {
    read_model: &'static str,
    aggregate_id: StreamId,
    /// The first version that is not in the rows.
    from_version: Version,
    reason: String,
    /// Who skipped it, if somebody did.
    skipped_by: Option<String>,
    skip_reason: Option<String>,
}

impl LeftOut {
    fn of(read_model: &'static str, letter: &DeadLetter) -> Self {
        let skip = letter.skipped.as_ref();
        Self {
            read_model,
            aggregate_id: letter.stream,
            from_version: letter.version,
            reason: letter.reason.clone(),
            skipped_by: skip.map(|skip| skip.by.clone()),
            skip_reason: skip.map(|skip| skip.reason.clone()),
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read_model, aggregate_id, from_version, reason, skipped_by, skip_reason } = self;
        match (skipped_by, skip_reason) {
            (Some(by), Some(why)) => {
                write!(f, "{read_model} does without {aggregate_id}@{from_version}, skipped by {by}: {why}")
            }
            _ => write!(f, "{read_model} has parked {aggregate_id}@{from_version}: {reason}"),
        }
    }
}

/// Reads the whole log, folds it, compares the read models with the fold, and fails when anything is wrong.
pub fn run(args: &VerifyCommand) -> CommandResult {
    actix_web::rt::System::new().block_on(async {
        let Existing { stores, inspect, missing } = open_existing_stores(&args.store.url()?).await?;
        let stores = Stores { log: Arc::new(Upcasting::new(stores.log, upcasters())), ..stores };
        let progress = Progress::start("verifying", stores.log.head().await?.position.0);
        let mut log = Audit::of(stores.log.as_ref(), inspect.as_ref(), &upcasters(), |done| progress.at(done)).await?;
        missing.into_iter().for_each(|missing| log.find(missing));
        let mut report = Report { log, rows: 0, row_faults: 0, row_findings: Vec::new(), left_out: Vec::new() };
        match compare(&stores, &mut report).await {
            Err(StoreError::Corrupt(reason)) => {
                report.row_faults += 1;
                report.row_findings.push(format!("the read models cannot be compared: {reason}"));
            }
            done => done?,
        }
        progress.finish();
        tell(args, &report)
    })
}

/// Holds every read model against the log as of the read model's checkpoint.
async fn compare(stores: &Stores, report: &mut Report) -> Result<(), StoreError> {
    for model in all() {
        let Some(checkpoint) = stores.rows.live(model.name()).await? else { continue };
        let parked = stores.rows.dead_letters(model.name(), checkpoint.generation).await?;
        report.left_out.extend(parked.iter().map(|letter| LeftOut::of(model.name(), letter)));
        let mut expected = ReferenceFold::without(&parked);
        expected.go_on(stores.log.as_ref(), checkpoint.position).await?;
        for table in model.tables() {
            let found = Comparison::of(&expected, stores.rows.as_ref(), table, checkpoint.generation).await?;
            report.rows += found.rows;
            report.row_faults += found.faults;
            report.row_findings.extend(found.findings);
        }
    }
    Ok(())
}

fn tell(args: &VerifyCommand, report: &Report) -> CommandResult {
    let Report { log, rows, row_faults, row_findings, left_out } = report;
    if args.json {
        say(&serde_json::to_string(report)?)?;
    } else {
        left_out.iter().try_for_each(|stream| say(&stream.to_string()))?;
        log.findings.iter().chain(row_findings).try_for_each(|finding| say(finding))?;
        say(&format!("{} events in {} streams, {} faults", log.events, log.streams, log.faults))?;
        if let Some(from) = log.checksums_from {
            say(&format!("checksums begin at position {from}"))?;
        }
        say(&format!("{rows} rows of read models, {row_faults} faults"))?;
    }
    match log.faults + row_faults {
        0 => Ok(()),
        faults => Err(format!("{faults} faults were found").into()),
    }
}
