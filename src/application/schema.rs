//! The tables of the databases: those of the engine and of the read models, in one history.

use ordo_actors::stores::{postgres::PostgresOptions, schema::Schema, sqlite::SqliteOptions};

/// In SQLite; the numbers are those of the files, and the same in both databases.
pub const SQLITE: Schema = Schema::in_one_history(&[
    ("V1__events", include_str!("../../migrations/sqlite/0001_events.sql")),
    ("V2__read_models", include_str!("../../migrations/sqlite/0002_read_models.sql")),
    ("V3__skipped_streams", include_str!("../../migrations/sqlite/0003_skipped_streams.sql")),
    ("V4__product_names", include_str!("../../migrations/sqlite/0004_product_names.sql")),
    ("V5__sagas", include_str!("../../migrations/sqlite/0005_sagas.sql")),
    ("V6__checksums", include_str!("../../migrations/sqlite/0006_checksums.sql")),
    ("V7__file", include_str!("../../migrations/sqlite/0007_file.sql")),
]);

/// In PostgreSQL.
pub const POSTGRES: Schema = Schema::in_one_history(&[
    ("V1__events", include_str!("../../migrations/postgres/0001_events.sql")),
    ("V2__read_models", include_str!("../../migrations/postgres/0002_read_models.sql")),
    ("V3__skipped_streams", include_str!("../../migrations/postgres/0003_skipped_streams.sql")),
    ("V4__product_names", include_str!("../../migrations/postgres/0004_product_names.sql")),
    ("V5__sagas", include_str!("../../migrations/postgres/0005_sagas.sql")),
    ("V6__checksums", include_str!("../../migrations/postgres/0006_checksums.sql")),
]);

/// A file with the tables of orders.
#[must_use]
pub fn in_sqlite(options: SqliteOptions) -> SqliteOptions {
    SqliteOptions { schema: SQLITE, ..options }
}

/// A database with the tables of orders.
#[must_use]
pub fn in_postgres(mut options: PostgresOptions) -> PostgresOptions {
    options.schema = POSTGRES;
    options
}
