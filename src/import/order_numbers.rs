//! Which order numbers of a CSV file are orders.

use std::str::FromStr;

/// What an order number says about its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// The row belongs to an order.
    Order,
    /// The row takes something back.
    Cancellation,
    /// The row is bookkeeping.
    Other,
}

/// The convention by which order numbers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderNumbers {
    /// As invoices are numbered in retail exports: six digits are an order, a leading `C` is a cancellation (credit note),
    /// anything else is bookkeeping (`A563185`: a bad debt written off). The default.
    #[default]
    Invoice,
    /// Every number that is not blank is an order.
    Any,
}

impl OrderNumbers {
    /// Tells what a row with this number is.
    #[must_use]
    pub fn kind(self, number: &str) -> RowKind {
        match self {
            Self::Invoice if number.starts_with('C') => RowKind::Cancellation,
            Self::Invoice if number.len() == 6 && number.bytes().all(|byte| byte.is_ascii_digit()) => RowKind::Order,
            Self::Any if !number.is_empty() => RowKind::Order,
            Self::Invoice | Self::Any => RowKind::Other,
        }
    }
}

impl FromStr for OrderNumbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "invoice" => Ok(Self::Invoice),
            "any" => Ok(Self::Any),
            _ => Err(format!("{text:?} is neither invoice nor any")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_number_is_six_digits() {
        assert_eq!(OrderNumbers::Invoice.kind("536365"), RowKind::Order);
        for number in ["53636", "5363650", "A563185", "53636x", "", "٥٣٦٣٦٥"] {
            assert_eq!(OrderNumbers::Invoice.kind(number), RowKind::Other, "{number}");
        }
    }

    #[test]
    fn a_leading_c_is_a_cancellation_whatever_follows() {
        assert_eq!(OrderNumbers::Invoice.kind("C536379"), RowKind::Cancellation);
        assert_eq!(OrderNumbers::Invoice.kind("C"), RowKind::Cancellation);
    }

    #[test]
    fn without_a_convention_only_a_blank_number_is_no_order() {
        assert_eq!(OrderNumbers::Any.kind("C536379"), RowKind::Order);
        assert_eq!(OrderNumbers::Any.kind(""), RowKind::Other);
    }
}
