//! `ordo verify`

use std::sync::Arc;

use ordo_actors::{store::StoreError, upcast::Upcasting};
use serde::Serialize;

use super::{CommandResult, arguments::VerifyCommand, print, progress::Progress};
use crate::{
    application::{Stores, open_existing_stores, upcasters},
    audit::Audit,
    read_models::{Comparison, Expected, all},
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
}

/// Reads the whole log, folds it, compares the read models with the fold, and fails when anything is wrong.
pub fn run(args: &VerifyCommand) -> CommandResult {
    actix_web::rt::System::new().block_on(async {
        let stores = open_existing_stores(&args.store.url()).await?;
        let stores = Stores { log: Arc::new(Upcasting::new(stores.log, upcasters())), ..stores };
        let progress = Progress::start("verifying", stores.log.head().await?.position.0);
        let log = Audit::of(stores.log.as_ref(), |done| progress.at(done)).await?;
        let mut report = Report { log, rows: 0, row_faults: 0, row_findings: Vec::new() };
        compare(&stores, &mut report).await?;
        progress.finish();
        tell(args, &report)
    })
}

/// Holds every read model against the log as of the read model's checkpoint.
async fn compare(stores: &Stores, report: &mut Report) -> Result<(), StoreError> {
    for model in all() {
        let Some(checkpoint) = stores.rows.live(model.name()).await? else { continue };
        let parked = stores.rows.dead_letters(model.name(), checkpoint.generation).await?;
        let mut expected = Expected::without(&parked);
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
    let Report { log, rows, row_faults, row_findings } = report;
    if args.json {
        print(&serde_json::to_string(report)?);
    } else {
        log.findings.iter().chain(row_findings).for_each(|finding| print(finding));
        print(&format!("{} events in {} streams, {} faults", log.events, log.streams, log.faults));
        print(&format!("{rows} rows of read models, {row_faults} faults"));
    }
    match log.faults + row_faults {
        0 => Ok(()),
        faults => Err(format!("{faults} faults were found").into()),
    }
}
