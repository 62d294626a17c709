//! The tables of the suite.

use crate::projection::row_store::{
    Column,
    ColumnType::{Int, Text},
    Table,
};

const fn int(name: &'static str) -> Column {
    Column { name, kind: Int }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Text }
}

/// Counters: a key of one column, and all that one may ask of a list.
pub static COUNTERS: Table = Table {
    name: "contract_counters",
    columns: &[text("counter_id"), text("colour"), int("value"), text("note")],
    key: 1,
    indexes: &[&[2], &[1, 2], &[1]],
};

/// Which counter was read by whom: a key of two columns, one of them a number.
pub static READINGS: Table = Table {
    name: "contract_readings",
    columns: &[text("reader"), int("number"), int("at")],
    key: 2,
    indexes: &[&[0, 2]],
};

/// Every table of the suite.
pub static ALL: &[&Table] = &[&COUNTERS, &READINGS];
