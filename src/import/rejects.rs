//! Lines that did not become an order, counted by reason and kept for whoever repairs them.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Write},
    path::Path,
};

use super::ImportError;

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
}

impl RejectLog {
    /// Counts only.
    #[must_use]
    pub fn counting() -> Self {
        Self::default()
    }

    /// Counts, and writes to a file, which is created or emptied.
    pub fn to_file(path: &Path) -> Result<Self, ImportError> {
        let file = File::create(path).map_err(|source| ImportError::Open { path: path.into(), source })?;
        Self::to_writer(Box::new(file))
    }

    /// Counts, and writes to `out`.
    pub fn to_writer(out: Box<dyn Write + Send>) -> Result<Self, ImportError> {
        let mut rows = csv::Writer::from_writer(out);
        rows.write_record(["line", "reason", "detail", "raw"]).map_err(rejects_error)?;
        Ok(Self { counts: BTreeMap::new(), rows: Some(rows) })
    }

    /// Takes note of a reject.
    pub fn note(&mut self, reject: &Reject) -> Result<(), ImportError> {
        *self.counts.entry(reject.reason).or_default() += 1;
        let Some(rows) = &mut self.rows else { return Ok(()) };
        rows.write_record([&reject.line.to_string(), reject.reason.code(), &reject.detail, &reject.raw])
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

    #[test]
    fn the_file_of_rejects_is_csv_that_gives_the_line_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = RejectLog::to_file(file.path()).unwrap();
        log.note(&reject(7, RejectReason::PriceNotWhole)).unwrap();
        log.flush().unwrap();
        let mut rows = csv::Reader::from_path(file.path()).unwrap();
        let row = rows.records().next().unwrap().unwrap();
        assert_eq!(row.iter().collect::<Vec<_>>(), ["7", "price_not_whole", "0.001", "a,\"b\",c"]);
    }
}
