//! Which tables a database has.

use refinery::{Migration as Unapplied, Runner};

/// A migration: its name (`V1__events`, numbered upwards) and its SQL. Once it has been applied anywhere it must not
/// change: a database that has seen another text of it is refused.
pub type Migration = (&'static str, &'static str);

/// The migrations of a database, brought up to date whenever a store is opened. Each runs once, in a transaction of its own.
///
/// The engine's tables and the application's have a history each, so both are numbered on their own. Tables of read models are the
/// application's: each as its [`Table`](crate::projection::row_store::Table) says, with a column `generation` in front that its
/// key and all its indexes begin with.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    engine: &'static [Migration],
    application: &'static [Migration],
}

/// Where the engine's history is kept, and the application's.
const HISTORIES: [&str; 2] = ["refinery_schema_history", "application_schema_history"];

impl Schema {
    /// A schema in which the engine's tables and the application's have one history: these must make all of them.
    #[must_use]
    pub const fn in_one_history(migrations: &'static [Migration]) -> Self {
        Self { engine: migrations, application: &[] }
    }

    /// The same with tables of the application's own.
    #[must_use]
    pub const fn with(self, application: &'static [Migration]) -> Self {
        Self { application, ..self }
    }

    /// Each history that has migrations, by the name of its table.
    pub(super) fn histories(self) -> impl Iterator<Item = (&'static str, &'static [Migration])> {
        HISTORIES.into_iter().zip([self.engine, self.application]).filter(|(_, migrations)| !migrations.is_empty())
    }
}

/// What applies the migrations of one history. Other migrations than these in it, or more of them, are an error.
pub(super) fn runner(history: &str, migrations: &[Migration]) -> Result<Runner, refinery::Error> {
    let migrations =
        migrations.iter().map(|(name, sql)| Unapplied::unapplied(name, sql)).collect::<Result<Vec<_>, _>>()?;
    let mut runner = Runner::new(&migrations).set_abort_divergent(true).set_abort_missing(true);
    runner.set_migration_table_name(history);
    Ok(runner)
}
