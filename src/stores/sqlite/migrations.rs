//! The schema, brought up to date at every open.

use refinery::{Migration, Runner};
use rusqlite::Connection;

const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__events", include_str!("../../../migrations/sqlite/0001_events.sql")),
    ("V2__read_models", include_str!("../../../migrations/sqlite/0002_read_models.sql")),
    ("V3__skipped_streams", include_str!("../../../migrations/sqlite/0003_skipped_streams.sql")),
    ("V4__product_names", include_str!("../../../migrations/sqlite/0004_product_names.sql")),
    ("V5__sagas", include_str!("../../../migrations/sqlite/0005_sagas.sql")),
    ("V6__checksums", include_str!("../../../migrations/sqlite/0006_checksums.sql")),
    ("V7__file", include_str!("../../../migrations/sqlite/0007_file.sql")),
];

/// Applies what is missing, each migration in a transaction of its own. A file that has seen other migrations than these,
/// or more of them, is refused.
pub fn apply(connection: &mut Connection) -> Result<(), refinery::Error> {
    let migrations =
        MIGRATIONS.iter().map(|(name, sql)| Migration::unapplied(name, sql)).collect::<Result<Vec<_>, _>>()?;
    Runner::new(&migrations).set_abort_divergent(true).set_abort_missing(true).run(connection)?;
    Ok(())
}

/// Whether nothing is missing, and nothing is there that this version does not know.
pub fn are_applied(connection: &Connection) -> rusqlite::Result<bool> {
    let applied: i64 = connection.query_row("SELECT count(*) FROM refinery_schema_history", [], |row| row.get(0))?;
    let newest: i64 = connection.query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0))?;
    let known = MIGRATIONS.iter().filter_map(|(name, _)| name.strip_prefix('V')?.split('_').next()?.parse().ok()).max();
    Ok(usize::try_from(applied) == Ok(MIGRATIONS.len()) && Some(newest) == known)
}
