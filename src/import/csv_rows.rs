//! Orders as CSV: one row per order line, below a header.

use std::{
    io::{self, Read},
    str::FromStr,
};

use csv::{ByteRecord, StringRecord};

use super::{
    ColumnMap, ImportError, Line, OrderNumbers, Outcome, Reject, RejectReason,
    csv_columns::Columns,
    csv_orders::{CsvOrders, Row, RowError},
    minor_units::{PriceFault, minor_units},
    order_numbers::RowKind,
    record_limit::{RecordAllowance, RecordLimit},
};
use crate::order::{Currency, MAX_QUANTITY};

const BUFFER_BYTES: usize = 64 << 10;

/// How the rows of a file are to be understood.
#[derive(Debug, Clone)]
pub struct CsvRules {
    /// Where everything stands.
    pub columns: ColumnMap,
    /// Which rows belong to orders.
    pub numbers: OrderNumbers,
    /// The currency of every price; it decides what a whole minor unit is.
    pub currency: Currency,
    /// How far every order shall be taken.
    pub outcome: Outcome,
}

impl Default for CsvRules {
    /// Completed orders in US dollars, numbered like invoices.
    fn default() -> Self {
        Self {
            columns: ColumnMap::default(),
            numbers: OrderNumbers::default(),
            currency: Currency::USD,
            outcome: Outcome::Completed,
        }
    }
}

/// What became of the rows of a file. Those that are in none of these were rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowFates {
    /// All of them, without the header.
    pub rows: u64,
    /// Passed over: the number says cancellation.
    pub cancellations: u64,
    /// Passed over: the number is no order's.
    pub other_numbers: u64,
    /// Passed over: nobody's order.
    pub without_customer: u64,
    /// Part of an order now.
    pub accepted: u64,
}

/// What became of a row that was not refused.
enum Fate {
    Cancellation,
    OtherNumber,
    WithoutCustomer,
    Accepted,
}

impl CsvRules {
    /// Reads a file, row by row. Its orders come in the order in which they first appear; each has at least one line. Each row meets the first fate that fits: its number is a cancellation's, or no order's, or
    /// its customer is blank (all three passed over); its quantity is not positive, its price is not positive, its
    /// price is not in whole minor units (rejected); anything else that cannot be read or counted is rejected at the
    /// place where it is met. Blanks around a field do not count.
    ///
    /// Rows of one order need not be adjacent, within [`super::csv_orders::WINDOW_BYTES`]: so much is held in memory, however
    /// long the file is.
    ///
    /// # Errors
    /// The header cannot be read, or lacks a column.
    pub fn lines<R: Read>(&self, source: R) -> Result<CsvLines<R>, ImportError> {
        let (limited, allowance) = RecordLimit::new(source);
        let mut rows = csv::ReaderBuilder::new().flexible(true).buffer_capacity(BUFFER_BYTES).from_reader(limited);
        let columns = self.columns.locate(rows.headers().map_err(|error| broken(1, error))?)?;
        Ok(CsvLines {
            rows,
            allowance,
            record: ByteRecord::new(),
            ended: false,
            reading: Reading {
                columns,
                numbers: self.numbers,
                decimals: self.currency.minor_digits(),
                orders: CsvOrders::new(self.currency, self.outcome),
                fates: RowFates::default(),
            },
        })
    }
}

/// The orders of a CSV file and the rows that are rejected, each as soon as it is known. After an error there is nothing more.
pub struct CsvLines<R> {
    rows: csv::Reader<RecordLimit<R>>,
    allowance: RecordAllowance,
    record: ByteRecord,
    /// The file, not the orders of it.
    ended: bool,
    reading: Reading,
}

impl<R: Read> CsvLines<R> {
    /// What has become of the rows so far.
    #[must_use]
    pub fn fates(&self) -> RowFates {
        self.reading.fates
    }

    fn next_line(&mut self) -> Result<Option<Line>, ImportError> {
        while !self.ended {
            if let Some(order) = self.reading.orders.next_beyond_window() {
                return Ok(Some(Line::Order(order)));
            }
            self.allowance.renew();
            let next_line = self.rows.position().line();
            if !self.rows.read_byte_record(&mut self.record).map_err(|error| broken(next_line, error))? {
                self.ended = true;
                break;
            }
            let line = self.record.position().map_or(next_line, csv::Position::line);
            let (record, reject) = self.reading.read_row(line, std::mem::take(&mut self.record))?;
            self.record = record;
            if let Some(reject) = reject {
                return Ok(Some(Line::Reject(reject)));
            }
        }
        Ok(self.reading.orders.next_of_rest().map(Line::Order))
    }
}

impl<R: Read> Iterator for CsvLines<R> {
    type Item = Result<Line, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.next_line();
        if line.is_err() {
            self.ended = true;
            // What was gathered may lack the rows that could not be read.
            self.reading.orders = CsvOrders::new(Currency::USD, Outcome::Draft);
        }
        line.transpose()
    }
}

struct Reading {
    columns: Columns,
    numbers: OrderNumbers,
    decimals: u32,
    orders: CsvOrders,
    fates: RowFates,
}

impl Reading {
    /// Takes one row and gives its buffer back, and the row if it is rejected.
    fn read_row(&mut self, line: u64, record: ByteRecord) -> Result<(ByteRecord, Option<Reject>), ImportError> {
        let (row, fate) = match StringRecord::from_byte_record(record) {
            Ok(row) => {
                let fate = self.judge(line, &row);
                (row, fate)
            }
            Err(error) => {
                let detail = error.utf8_error().to_string();
                let row = StringRecord::from_byte_record_lossy(error.into_byte_record());
                (row, Err(RowError::Refused(RejectReason::NotUtf8, detail)))
            }
        };
        self.fates.rows += 1;
        match fate {
            Ok(Fate::Cancellation) => self.fates.cancellations += 1,
            Ok(Fate::OtherNumber) => self.fates.other_numbers += 1,
            Ok(Fate::WithoutCustomer) => self.fates.without_customer += 1,
            Ok(Fate::Accepted) => self.fates.accepted += 1,
            Err(RowError::Refused(reason, detail)) => {
                let reject = Reject { line, reason, detail, raw: as_csv(&row) };
                return Ok((row.into_byte_record(), Some(reject)));
            }
            Err(RowError::Broken(error)) => return Err(error),
        }
        Ok((row.into_byte_record(), None))
    }

    fn judge(&mut self, line_no: u64, row: &StringRecord) -> Result<Fate, RowError> {
        let columns = self.columns;
        let field = |column: usize| {
            let too_few = || RowError::Refused(RejectReason::TooFewColumns, row.len().to_string());
            row.get(column).map(str::trim).ok_or_else(too_few)
        };
        let number = field(columns.order)?;
        match self.numbers.kind(number) {
            RowKind::Cancellation => return Ok(Fate::Cancellation),
            RowKind::Other => return Ok(Fate::OtherNumber),
            RowKind::Order => {}
        }
        let customer = field(columns.customer)?;
        if customer.is_empty() {
            return Ok(Fate::WithoutCustomer);
        }
        let product = field(columns.product)?;
        let quantity = read_quantity(field(columns.quantity)?)?;
        let price = read_price(field(columns.price)?, self.decimals)?;
        let name = columns.name.map_or(Ok(""), field)?;
        let time = columns.time.map(field).transpose()?;
        self.orders.add(&Row { line_no, number, customer, product, name, quantity, price, time })?;
        Ok(Fate::Accepted)
    }
}

fn read_quantity(text: &str) -> Result<i64, RowError> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let reason = match i64::from_str(text) {
        Ok(quantity) if quantity > i64::from(MAX_QUANTITY) => RejectReason::QuantityTooLarge,
        Ok(quantity) if quantity > 0 => return Ok(quantity),
        Ok(_) => RejectReason::QuantityNotPositive,
        Err(error) => match error.kind() {
            PosOverflow => RejectReason::QuantityTooLarge,
            NegOverflow => RejectReason::QuantityNotPositive,
            _ => RejectReason::QuantityUnreadable,
        },
    };
    Err(RowError::Refused(reason, text.to_owned()))
}

fn read_price(text: &str, decimals: u32) -> Result<i64, RowError> {
    minor_units(text, decimals).map_err(|fault| {
        let reason = match fault {
            PriceFault::Unreadable => RejectReason::PriceUnreadable,
            PriceFault::NotPositive => RejectReason::PriceNotPositive,
            PriceFault::NotWhole => RejectReason::PriceNotWhole,
            PriceFault::TooLarge => RejectReason::PriceTooLarge,
        };
        RowError::Refused(reason, text.to_owned())
    })
}

/// The row as it could stand in a file again.
fn as_csv(row: &StringRecord) -> String {
    let mut out = csv::WriterBuilder::new().from_writer(Vec::new());
    let written = out.write_record(row).ok().and_then(|()| out.into_inner().ok()).unwrap_or_default();
    String::from_utf8_lossy(written.trim_ascii_end()).into_owned()
}

fn broken(line: u64, error: csv::Error) -> ImportError {
    ImportError::Read { line, source: io::Error::from(error) }
}

#[cfg(test)]
#[path = "csv_rows_tests.rs"]
mod tests;
