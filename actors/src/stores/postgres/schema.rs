//! Brings the tables up to date.

use crate::{
    log::event::Epoch,
    stores::schema::{Schema, runner},
};
use tokio_postgres::Client;

use super::{
    open_error::OpenError,
    own_backend::{AT_START, require_own_backend},
    server::{ConnectError, Server},
    server_error::describe,
};

/// The engine's own tables. The numbers are the same in all databases; those left out are of another application.
pub const SCHEMA: Schema = Schema::in_one_history(&[
    ("V1__events", include_str!("../../../../migrations/postgres/0001_events.sql")),
    ("V2__read_models", include_str!("../../../../migrations/engine/postgres/0002_read_models.sql")),
    ("V3__skipped_streams", include_str!("../../../../migrations/postgres/0003_skipped_streams.sql")),
    ("V6__checksums", include_str!("../../../../migrations/postgres/0006_checksums.sql")),
]);

/// "ordo" in ASCII: held while migrating, so that of two processes that start at once one waits for the other.
const MIGRATION_LOCK: i64 = 0x6f72_646f;

/// How long to wait for another process that migrates, and for a table that is being read.
const SESSION: &str = "SET default_transaction_isolation = 'read committed'; SET lock_timeout = '60s'";

/// Checks the server, applies what is missing and tells which log it holds. Harmless when repeated.
pub(super) async fn prepare(server: &Server, schema: Schema) -> Result<Epoch, OpenError> {
    let unusable = |reason: String| OpenError::Unusable { server: server.to_string(), reason };
    let refused = |error: ConnectError| match error {
        ConnectError::Unsafe(setting) => OpenError::UnsafeDurability { server: server.to_string(), setting },
        ConnectError::Pooled => OpenError::Pooled { server: server.to_string() },
        error @ (ConnectError::Driver(_) | ConnectError::OtherLog | ConnectError::TooLate) => {
            unusable(error.to_string())
        }
    };
    let mut client = server.connect(SESSION).await.map_err(refused)?;
    require_own_backend(server, &client, AT_START).await.map_err(refused)?;
    server.require_durability(&client).await.map_err(refused)?;
    let failed = |error: tokio_postgres::Error| unusable(describe(&error));
    let encoding: String =
        client.query_one("SELECT current_setting('server_encoding')", &[]).await.map_err(failed)?.get(0);
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { server: server.to_string(), encoding });
    }
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await.map_err(failed)?;
    // The lock ends with the session.
    migrate(server, &mut client, schema).await?;
    let epoch = client.query_one("SELECT epoch FROM log_head", &[]).await.map_err(failed)?.get(0);
    Ok(Epoch(epoch))
}

async fn migrate(server: &Server, client: &mut Client, schema: Schema) -> Result<(), OpenError> {
    let failed = |reason: String| OpenError::Migration { server: server.to_string(), reason };
    for (history, migrations) in schema.histories() {
        let runner = runner(history, migrations).map_err(|error| failed(explain(&error)))?;
        // Looked at first, because the runner needs the right to create tables even when there is nothing to do.
        if exists(client, history).await.map_err(|error| failed(describe(&error)))? {
            let applied = runner.get_applied_migrations_async(client).await.map_err(|error| failed(explain(&error)))?;
            if applied == *runner.get_migrations() {
                continue;
            }
        }
        runner.run_async(client).await.map_err(|error| failed(explain(&error)))?;
    }
    Ok(())
}

async fn exists(client: &Client, table: &str) -> Result<bool, tokio_postgres::Error> {
    Ok(client.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&table]).await?.get(0))
}

/// The runner's words and, behind them, the server's.
fn explain(error: &refinery::Error) -> String {
    match std::error::Error::source(error).and_then(|source| source.downcast_ref::<tokio_postgres::Error>()) {
        Some(cause) => format!("{error}: {}", describe(cause)),
        None => error.to_string(),
    }
}
