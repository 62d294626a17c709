//! Money: whole minor units (cents) of one currency. Sums are checked where they are decided, never rounded.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};

use super::invalid::InvalidValue;

/// A currency by its ISO 4217 code. Three bytes: an order carries one.
///
/// `Deserialize` reads any three capital letters, so that an order stays readable when its currency is withdrawn; what comes
/// from outside goes through [`Currency::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency of an order that names none.
    pub const USD: Self = Self(*b"USD");

    /// Checks a code from outside: a currency people pay with. Metals, units of account and test codes have no minor unit and
    /// are refused.
    ///
    /// # Errors
    /// There is no such currency.
    pub fn new(code: &str) -> Result<Self, InvalidValue> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .and_then(|_| Self::from_letters(code))
            .ok_or(InvalidValue::UnknownCurrency)
    }

    fn from_letters(code: &str) -> Option<Self> {
        let letters: [u8; 3] = code.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many digits the minor unit takes: 2 for USD, 0 for JPY, 3 for KWD; 2 for a currency no longer listed.
    #[must_use]
    pub fn minor_digits(self) -> u32 {
        self.listed().and_then(iso_currency::Currency::exponent).map_or(2, u32::from)
    }

    fn listed(self) -> Option<iso_currency::Currency> {
        iso_currency::Currency::from_code(self.code())
    }

    /// What stands before an amount: `$`, or the code and a blank when the currency has no sign of its own.
    fn prefix(self) -> String {
        self.listed()
            .map(|currency| currency.symbol().symbol)
            .filter(|symbol| symbol != "¤")
            .unwrap_or_else(|| format!("{} ", self.code()))
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self::USD
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Code;
        impl Visitor<'_> for Code {
            type Value = Currency;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("three capital letters")
            }

            fn visit_str<E: Error>(self, code: &str) -> Result<Currency, E> {
                Currency::from_letters(code).ok_or_else(|| E::invalid_value(Unexpected::Str(code), &self))
            }
        }
        deserializer.deserialize_str(Code)
    }
}

/// An amount as people read it: `$20.00`, `¥20`, `-€0.05`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// Minor units: cents of a dollar, whole yen.
    pub minor: i64,
    /// Of which currency.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let prefix = self.currency.prefix();
        let digits = self.currency.minor_digits();
        let unit = 10_u64.pow(digits);
        let (whole, rest) = (self.minor.unsigned_abs() / unit, self.minor.unsigned_abs() % unit);
        if digits == 0 {
            return write!(f, "{sign}{prefix}{whole}");
        }
        let width = usize::try_from(digits).unwrap_or_default();
        write!(f, "{sign}{prefix}{whole}.{rest:0width$}")
    }
}
