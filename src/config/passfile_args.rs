//! Where a password may be when a URL holds none.

use std::path::PathBuf;

use clap::Args;

use super::StoreUrl;
use ordo_actors::stores::postgres::passfile;

/// libpq's file of passwords.
#[derive(Debug, Clone, Default, Args)]
pub struct PassfileArgs {
    /// Asked when a URL holds no password; ~/.pgpass when absent.
    #[arg(long = "pgpassfile", env = "PGPASSFILE", value_name = "FILE", hide = true)]
    passfile: Option<PathBuf>,
}

impl PassfileArgs {
    /// The store with the password the file has for it, when it has none itself.
    #[must_use]
    pub fn unlock(&self, store: StoreUrl) -> StoreUrl {
        let StoreUrl::Postgres(url) = store else { return store };
        let of_home = || std::env::home_dir().map(|home| home.join(".pgpass"));
        let file = url.passfile().cloned().or_else(|| self.passfile.clone()).or_else(of_home);
        let found = file.filter(|_| !url.has_password()).and_then(|file| passfile::find_password(&file, &url));
        StoreUrl::Postgres(match found {
            Some(password) => Box::new(url.with_password(&password)),
            None => url,
        })
    }
}
