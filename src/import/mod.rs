//! Reads orders from files. Pure: it knows no actor and no store, and what it returns has not been decided on yet.
//!
//! ```text
//!  file | stdin                      one order per line
//!   plain, gz, zst --> Source --+--> JsonLines --------------> ImportedOrder ...
//!                        |      |                   \
//!                        |      +--> csv_rows ----> RejectLog   (counts, and a CSV file of what was refused)
//!                     Progress        one row per order line, gathered within a window
//! ```
//!
//! An order counts as imported only once it has been stored; a reader that stops early has changed nothing.

pub mod csv_columns;
pub mod csv_orders;
pub mod csv_rows;
pub mod error;
pub mod imported_order;
pub mod json_lines;
pub mod minor_units;
pub mod order_numbers;
pub mod record_limit;
pub mod rejects;
pub mod source;

pub use csv_columns::ColumnMap;
pub use csv_rows::{CsvLines, CsvRules, RowFates};
pub use error::ImportError;
pub use imported_order::{IMPORTED, ImportedOrder, Outcome};
pub use json_lines::{JsonDefaults, JsonLines, Line};
pub use order_numbers::OrderNumbers;
pub use rejects::{Reject, RejectLog, RejectReason, RejectShape};
pub use source::{Format, Progress, Source};
