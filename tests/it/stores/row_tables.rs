//! Tables as statements, as they must be in every database; and whether the migrations say the same.

use std::{collections::BTreeSet, fs, path::Path};

use ordo::read_models::tables::{
    CURRENT_ORDER_PRODUCTS, CURRENT_ORDERS, CUSTOMER_ORDERS, CUSTOMERS, INVENTORY, ORDER_HISTORY,
    ORDER_HISTORY_PRODUCTS, SAGAS,
};
use ordo_actors::projection::row_store::{ColumnType, Table};
use ordo_actors::stores::row_sql::index_name;

/// Every table of the read models.
pub static ALL: &[&Table] = &[
    &CURRENT_ORDERS,
    &CURRENT_ORDER_PRODUCTS,
    &ORDER_HISTORY,
    &ORDER_HISTORY_PRODUCTS,
    &CUSTOMERS,
    &CUSTOMER_ORDERS,
    &INVENTORY,
    &SAGAS,
];

/// What the kinds of columns are called.
pub struct Dialect {
    pub int: &'static str,
    pub text: &'static str,
}

pub const SQLITE: Dialect = Dialect { int: "INTEGER", text: "TEXT" };
pub const POSTGRES: Dialect = Dialect { int: "bigint", text: "text COLLATE \"C\"" };

/// Makes a table and its indexes.
#[expect(clippy::format_collect, reason = "a test makes few tables")]
pub fn create(table: &Table, dialect: &Dialect) -> String {
    let name = table.name;
    let columns = columns(table, dialect).into_iter().map(|column| format!("{column} NOT NULL, ")).collect::<String>();
    let indexes = indexes(table).into_iter().map(|index| format!("CREATE INDEX {index};"));
    format!("CREATE TABLE {name} ({columns}PRIMARY KEY ({}));{}", key(table), indexes.collect::<String>())
}

fn columns(table: &Table, dialect: &Dialect) -> Vec<String> {
    let kind = |kind| if kind == ColumnType::Int { dialect.int } else { dialect.text };
    let columns = table.columns.iter().map(|column| format!("{} {}", column.name, kind(column.kind)));
    std::iter::once(format!("generation {}", dialect.int)).chain(columns).collect()
}

fn key(table: &Table) -> String {
    names(table, &(0..table.key).collect::<Vec<_>>())
}

fn indexes(table: &Table) -> Vec<String> {
    let index = |(number, columns): (usize, &&[usize])| {
        format!("{} ON {} ({})", index_name(table, number), table.name, names(table, &table.with_key(columns)))
    };
    table.indexes.iter().enumerate().map(index).collect()
}

fn names(table: &Table, columns: &[usize]) -> String {
    let columns = columns.iter().map(|column| table.columns[*column].name);
    std::iter::once("generation").chain(columns).collect::<Vec<_>>().join(", ")
}

/// The statements of a migration, without comments and with single blanks.
fn statements(file: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let text: Vec<_> = text.lines().map(|line| line.split("--").next().unwrap()).collect();
    let blank = |statement: &str| statement.split_whitespace().collect::<Vec<_>>().join(" ");
    text.join(" ").split(';').map(blank).filter(|statement| !statement.is_empty()).collect()
}

/// What the migrations of a folder come to, in their order: a column that is added later stands behind those before.
fn migrated(folder: &str) -> Vec<String> {
    let folder = Path::new("migrations").join(folder);
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).unwrap();
    let files: BTreeSet<_> = entries.map(|entry| folder.join(entry.unwrap().file_name())).collect();
    let mut all: Vec<String> = Vec::new();
    for statement in files.iter().flat_map(|file| statements(file.to_str().unwrap())) {
        match statement.strip_prefix("ALTER TABLE ").and_then(|change| change.split_once(" ADD COLUMN ")) {
            Some((table, column)) => {
                let made = format!("CREATE TABLE {table} (");
                let made = all.iter_mut().find(|text| text.starts_with(&made)).expect("a table that was made before");
                let column = column.split(" DEFAULT ").next().unwrap();
                *made = made.replacen(", PRIMARY KEY", &format!(", {column}, PRIMARY KEY"), 1);
            }
            None => all.push(statement),
        }
    }
    all
}

fn faults(folder: &str, dialect: &Dialect) -> Vec<String> {
    let statements = migrated(folder);
    ALL.iter().flat_map(|table| faults_of(table, &statements, dialect)).collect()
}

fn faults_of(table: &Table, statements: &[String], dialect: &Dialect) -> Vec<String> {
    let name = table.name;
    let mut faults = Vec::new();
    let made = statements.iter().find_map(|text| text.strip_prefix(&format!("CREATE TABLE {name} ( ")));
    let columns = columns(table, dialect).into_iter().map(|column| format!("{column} NOT NULL")).collect::<Vec<_>>();
    let expected = format!("{}, PRIMARY KEY ({}) )", columns.join(", "), key(table));
    if !made.is_some_and(|made| made.starts_with(&expected)) {
        faults.push(format!("{name} is made as\n    {made:?}, not as\n    {expected}"));
    }
    let made = statements.iter().filter_map(|text| text.strip_prefix("CREATE INDEX "));
    let made = made.filter(|text| text.contains(&format!(" ON {name} ("))).map(str::to_owned);
    let (made, expected): (BTreeSet<_>, BTreeSet<_>) = (made.collect(), indexes(table).into_iter().collect());
    if made != expected {
        faults.push(format!("{name} has the indexes\n    {made:?}, not\n    {expected:?}"));
    }
    faults
}

#[test]
fn the_tables_of_the_sqlite_migrations_are_those_of_the_read_models() {
    assert_eq!(faults("sqlite", &SQLITE), Vec::<String>::new());
}

#[test]
fn the_tables_of_the_postgresql_migrations_are_those_of_the_read_models() {
    assert_eq!(faults("postgres", &POSTGRES), Vec::<String>::new());
}
