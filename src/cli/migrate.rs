//! `ordo migrate`

use super::{CommandResult, arguments::MigrateCommand, output::say, progress::Progress};
use crate::{
    application::{Existing, open_existing_stores, open_stores},
    migration::migrate,
};

/// Copies the log of one store to another.
pub fn run(args: &MigrateCommand) -> CommandResult {
    if args.from == args.to {
        return Err("a store cannot be migrated to itself".into());
    }
    actix_web::rt::System::new().block_on(async {
        let Existing { stores: from, missing, .. } =
            open_existing_stores(&args.passfile.unlock(args.from.clone())).await?;
        missing.iter().for_each(|missing| log::warn!("{missing}"));
        let from = from.log;
        let to = open_stores(&args.passfile.unlock(args.to.clone()), args.allow_unsafe_durability).await?.log;
        let progress = Progress::start("migrating", from.head().await?.position.0);
        let copied = migrate(from.as_ref(), to.as_ref(), |done| progress.at(done)).await?;
        progress.finish();
        say(&format!("the log of {} is in {} up to position {copied}", args.from, args.to))?;
        Ok(())
    })
}
