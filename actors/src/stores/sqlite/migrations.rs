//! The tables, brought up to date at every open.

use rusqlite::Connection;

use crate::stores::schema::{Schema, runner};

/// The engine's own tables. The numbers are the same in all databases; those left out are of another application.
pub const SCHEMA: Schema = Schema::in_one_history(&[
    ("V1__events", include_str!("../../../../migrations/sqlite/0001_events.sql")),
    ("V2__read_models", include_str!("../../../../migrations/engine/sqlite/0002_read_models.sql")),
    ("V3__skipped_streams", include_str!("../../../../migrations/sqlite/0003_skipped_streams.sql")),
    ("V6__checksums", include_str!("../../../../migrations/sqlite/0006_checksums.sql")),
    ("V7__file", include_str!("../../../../migrations/sqlite/0007_file.sql")),
]);

/// Applies what is missing, each migration in a transaction of its own. A file that has seen other migrations than these,
/// or more of them, is refused.
pub(super) fn apply(connection: &mut Connection, schema: Schema) -> Result<(), refinery::Error> {
    for (history, migrations) in schema.histories() {
        runner(history, migrations)?.run(connection)?;
    }
    Ok(())
}

/// Whether nothing is missing, and nothing is there that this version does not know.
pub(super) fn are_applied(connection: &Connection, schema: Schema) -> rusqlite::Result<bool> {
    for (history, migrations) in schema.histories() {
        let applied: i64 = connection.query_row(&format!("SELECT count(*) FROM {history}"), [], |row| row.get(0))?;
        let newest: Option<i64> =
            connection.query_row(&format!("SELECT max(version) FROM {history}"), [], |row| row.get(0))?;
        let known =
            migrations.iter().filter_map(|(name, _)| name.strip_prefix('V')?.split('_').next()?.parse().ok()).max();
        if usize::try_from(applied) != Ok(migrations.len()) || newest != known {
            return Ok(false);
        }
    }
    Ok(true)
}
