//! `ordo verify`

use super::{CommandResult, arguments::VerifyCommand, print, progress::Progress};
use std::sync::Arc;

use ordo_actors::{store::EventStore, upcast::Upcasting};

use crate::{
    application::{open_existing_store, upcasters},
    audit::Audit,
};

/// Reads the whole log and fails when anything in it is wrong.
pub fn run(args: &VerifyCommand) -> CommandResult {
    actix_web::rt::System::new().block_on(async {
        let store = Arc::new(Upcasting::new(open_existing_store(&args.store.url()).await?, upcasters()));
        let progress = Progress::start("verifying", store.head().await?.position.0);
        let audit = Audit::of(store.as_ref(), |done| progress.at(done)).await?;
        progress.finish();
        if args.json {
            print(&serde_json::to_string(&audit)?);
        } else {
            audit.findings.iter().for_each(|finding| print(finding));
            print(&format!("{} events in {} streams, {} faults", audit.events, audit.streams, audit.faults));
        }
        if audit.faults == 0 { Ok(()) } else { Err(format!("the log has {} faults", audit.faults).into()) }
    })
}
