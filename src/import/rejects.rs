//! Lines that did not become an order, counted by reason and kept for whoever repairs them.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    io::{self, Write},
};

use super::ImportError;
use crate::order::escaped;

/// A line of the file that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Where it starts, from 1; the header counts.
    pub line: u64,
    /// Why.
    pub reason: RejectReason,
    /// What exactly was found; may be empty.
    pub detail: String,
    /// The line itself.
    pub raw: String,
}

/// Why a line is refused. Shown and counted under its [`code`](Self::code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// Not UTF-8.
    NotUtf8,
    /// Longer than a line may be.
    TooLong,
    /// Not the JSON of an order: broken, or a field is unknown, missing or of the wrong type.
    NotAnOrder,
    /// A value of the JSON is out of its range.
    BadValue,
    /// Fewer columns than the map needs.
    TooFewColumns,
    /// Another customer than in the first row of the same order.
    OtherCustomer,
    /// Too far from the other rows of the same order.
    RowsApart,
    /// An order number, customer or product that no id can be made of: empty, too long, unprintable.
    BadId,
    /// A name that is too long or unprintable.
    BadName,
    /// Not a whole number of pieces.
    QuantityUnreadable,
    /// No piece, or fewer.
    QuantityNotPositive,
    /// More pieces than a line may have, alone or with earlier rows of the same line.
    QuantityTooLarge,
    /// Not a decimal number.
    PriceUnreadable,
    /// Free, or less.
    PriceNotPositive,
    /// Finer than the currency's smallest unit.
    PriceNotWhole,
    /// More than can be counted.
    PriceTooLarge,
    /// Neither `YYYY-MM-DD HH:MM:SS` nor RFC 3339.
    TimeUnreadable,
    /// A line more than an order may have.
    TooManyLines,
    /// The rules of the order forbid it: noted by whoever asked them, not by a reader.
    Refused,
}

impl RejectReason {
    /// The reason as a word that scripts may rely on.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::TooLong => "too_long",
            Self::NotAnOrder => "not_an_order",
            Self::BadValue => "bad_value",
            Self::TooFewColumns => "too_few_columns",
            Self::OtherCustomer => "other_customer",
            Self::RowsApart => "rows_apart",
            Self::BadId => "bad_id",
            Self::BadName => "bad_name",
            Self::QuantityUnreadable => "quantity_unreadable",
            Self::QuantityNotPositive => "quantity_not_positive",
            Self::QuantityTooLarge => "quantity_too_large",
            Self::PriceUnreadable => "price_unreadable",
            Self::PriceNotPositive => "price_not_positive",
            Self::PriceNotWhole => "price_not_whole",
            Self::PriceTooLarge => "price_too_large",
            Self::TimeUnreadable => "time_unreadable",
            Self::TooManyLines => "too_many_lines",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Counts rejects and, when it has a file, writes each as a CSV row `line,reason,detail,raw`. Holds none of them.
#[derive(Default)]
pub struct RejectLog {
    counts: BTreeMap<RejectReason, u64>,
    rows: Option<csv::Writer<Box<dyn Write + Send>>>,
    shape: RejectShape,
}

/// How texts of the file stand in the rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RejectShape {
    /// To be read by people, in a spreadsheet or on a terminal: a cell that a spreadsheet would take for a formula begins with
    /// `'`, and so does one that begins with `'` itself, so that taking one off restores every cell. Control and invisible
    /// characters are written as JSON does: `\u001b`.
    #[default]
    Readable,
    /// Byte for byte.
    AsIs,
}

impl RejectShape {
    fn cell(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::AsIs => text.into(),
            Self::Readable => match escaped(text, true) {
                shown if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'']) => format!("'{shown}").into(),
                shown => shown,
            },
        }
    }
}

impl RejectLog {
    /// Counts only.
    #[must_use]
    pub fn counting() -> Self {
        Self::default()
    }

    /// Counts, and writes to `out`.
    pub fn to_writer(out: Box<dyn Write + Send>, shape: RejectShape) -> Result<Self, ImportError> {
        let mut rows = csv::Writer::from_writer(out);
        rows.write_record(["line", "reason", "detail", "raw"]).map_err(rejects_error)?;
        Ok(Self { counts: BTreeMap::new(), rows: Some(rows), shape })
    }

    /// Takes note of a reject.
    pub fn note(&mut self, reject: &Reject) -> Result<(), ImportError> {
        *self.counts.entry(reject.reason).or_default() += 1;
        let Some(rows) = &mut self.rows else { return Ok(()) };
        let shape = self.shape;
        let cell = |text| shape.cell(text);
        rows.write_record([&reject.line.to_string(), reject.reason.code(), &cell(&reject.detail), &cell(&reject.raw)])
            .map_err(rejects_error)
    }

    /// How many rejects there were, by reason.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<RejectReason, u64> {
        &self.counts
    }

    /// How many rejects there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Writes out what is still buffered. Only after this is the file complete.
    pub fn flush(&mut self) -> Result<(), ImportError> {
        self.rows.as_mut().map_or(Ok(()), csv::Writer::flush).map_err(ImportError::Rejects)
    }
}

fn rejects_error(error: csv::Error) -> ImportError {
    ImportError::Rejects(io::Error::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(line: u64, reason: RejectReason) -> Reject {
        Reject { line, reason, detail: "0.001".into(), raw: "a,\"b\",c".into() }
    }

    #[test]
    fn rejects_are_counted_by_reason() {
        let mut log = RejectLog::counting();
        for (line, reason) in
            [RejectReason::BadId, RejectReason::PriceNotWhole, RejectReason::BadId].into_iter().enumerate()
        {
            log.note(&reject(line as u64, reason)).unwrap();
        }
        assert_eq!(log.counts()[&RejectReason::BadId], 2);
        assert_eq!(log.total(), 3);
    }

    /// What a file of rejects holds, row by row.
    fn written(shape: RejectShape, cells: &[(&str, &str)]) -> Vec<[String; 2]> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = RejectLog::to_writer(Box::new(file.reopen().unwrap()), shape).unwrap();
        for (detail, raw) in cells {
            let reject = Reject { detail: (*detail).into(), raw: (*raw).into(), ..reject(7, RejectReason::BadId) };
            log.note(&reject).unwrap();
        }
        log.flush().unwrap();
        let mut rows = csv::Reader::from_path(file.path()).unwrap();
        rows.records().map(Result::unwrap).map(|row| [row[2].to_owned(), row[3].to_owned()]).collect()
    }

    #[test]
    fn the_file_of_rejects_is_csv_that_gives_the_line_back() {
        let cells = [("0.001", "a,\"b\",c"), ("", "a,\"two\nlines\"")];
        for shape in [RejectShape::Readable, RejectShape::AsIs] {
            assert_eq!(written(shape, &cells), cells.map(|(detail, raw)| [detail.to_owned(), raw.to_owned()]));
        }
    }

    #[test]
    fn no_cell_of_the_rejects_is_a_formula_and_taking_one_quote_off_gives_each_back() {
        let formulas = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "'quoted"];
        let cells = formulas.map(|text| (text, text));
        for (row, text) in written(RejectShape::Readable, &cells).iter().zip(formulas) {
            assert_eq!(row, &[format!("'{text}"), format!("'{text}")]);
        }
        assert_eq!(written(RejectShape::Readable, &[("\r=x", "\n=x")]), [["'\\u000d=x", "'\n=x"]]);
        assert_eq!(written(RejectShape::AsIs, &cells), formulas.map(|text| [text.to_owned(), text.to_owned()]));
    }

    #[test]
    fn what_a_terminal_would_obey_is_made_visible_in_the_rejects() {
        let hostile = ("\u{1b}[2J\u{9b}31m", "a,\u{202e}b\u{7}");
        assert_eq!(written(RejectShape::Readable, &[hostile]), [["\\u001b[2J\\u009b31m", "a,\\u202eb\\u0007"]]);
        assert_eq!(written(RejectShape::AsIs, &[hostile]), [[hostile.0, hostile.1]]);
    }
}
