//! What can be wrong with a value that comes from outside.

/// Why a value is not acceptable; reads after the name of a field: "quantity must be between 1 and 5, not 7".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// There is nothing in it.
    #[error("must not be empty")]
    Empty,
    /// More characters than the limit.
    #[error("must not be longer than {limit} characters")]
    TooLong {
        /// The most it may have.
        limit: usize,
    },
    /// More entries than the limit.
    #[error("must not have more than {limit} entries")]
    TooMany {
        /// The most it may have.
        limit: usize,
    },
    /// White space at either end.
    #[error("must not begin or end with a blank")]
    OuterBlank,
    /// A control character or a line break.
    #[error("must hold printable characters only")]
    Unprintable,
    /// A character nobody can see: zero width, or a change of direction.
    #[error("must not hold invisible characters (zero width, text direction)")]
    Invisible,
    /// An id that another one looks the same as.
    #[error("must be in Unicode normalization form C (NFC)")]
    NotNormalized,
    /// The id of an order that no caller may choose.
    #[error("must be a UUID of another version than 5, neither nil nor max: those are reserved")]
    ReservedId,
    /// A time in the future.
    #[error("must not be more than a day ahead of now")]
    InTheFuture,
    /// A number that is no 64-bit integer.
    #[error("must be a whole number that can be counted with")]
    NotWhole,
    /// Not a time.
    #[error("must be a time as RFC 3339, such as 2011-12-09T12:50:00Z")]
    NotATime,
    /// Not a UUID.
    #[error("must be a UUID")]
    NotAUuid,
    /// A number outside its limits.
    #[error("must be between {min} and {max}, not {actual}")]
    OutOfRange {
        /// The least it may be.
        min: i64,
        /// The most it may be.
        max: i64,
        /// What it is.
        actual: i64,
    },
    /// Not the code of a currency that has a minor unit.
    #[error("must be an ISO 4217 code such as USD")]
    UnknownCurrency,
    /// The order has no line of that number.
    #[error("must be a line of the order")]
    UnknownLine,
    /// The order would cost more than can be counted.
    #[error("makes the total of the order larger than {}", i64::MAX)]
    TotalTooLarge,
}

/// A field and what is wrong with it; reads `items[3].quantity must be ...`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{field} {problem}", item.map(|index| format!("items[{index}].")).unwrap_or_default())]
pub struct Fault {
    /// Of which item of an order, from 0.
    pub item: Option<usize>,
    /// The field's name in JSON.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: InvalidValue,
}

impl Fault {
    /// Where the value stands: a JSON pointer into the order, or into the item that was checked alone.
    #[must_use]
    pub fn pointer(&self) -> String {
        match self.item {
            Some(index) => format!("/items/{index}/{}", self.field),
            None => format!("/{}", self.field),
        }
    }
}

/// Gathers the faults of several fields, so that all are told and not only the first.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Passes a good value on and keeps what is wrong with a bad one.
    pub(super) fn check<T>(&mut self, field: &'static str, value: Result<T, InvalidValue>) -> Option<T> {
        value.map_err(|problem| self.0.push(Fault { item: None, field, problem })).ok()
    }

    /// All of them, in the order of the checks.
    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

/// Accepts a number between two limits, both included.
pub(super) fn within(min: i64, max: i64, actual: i64) -> Result<i64, InvalidValue> {
    if (min..=max).contains(&actual) { Ok(actual) } else { Err(InvalidValue::OutOfRange { min, max, actual }) }
}
