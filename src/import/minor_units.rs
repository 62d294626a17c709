//! Prices as text to whole minor units, by decimal arithmetic: no float ever holds money.

/// Why a text is not a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceFault {
    /// Not of the form `[+-]digits[.digits]`.
    Unreadable,
    /// Zero or less.
    NotPositive,
    /// Finer than the smallest unit of the currency: `0.001` in a currency with two decimals.
    NotWhole,
    /// More than an `i64` of minor units.
    TooLarge,
}

/// Reads a price of a currency with `decimals` decimals: `2.55` with two is 255. Faults are looked for in the order
/// in which [`PriceFault`] lists them.
pub fn minor_units(text: &str, decimals: u32) -> Result<i64, PriceFault> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(PriceFault::Unreadable);
    }
    let fraction = fraction.trim_end_matches('0');
    if negative || (fraction.is_empty() && whole.bytes().all(|byte| byte == b'0')) {
        return Err(PriceFault::NotPositive);
    }
    let decimals = decimals as usize;
    if fraction.len() > decimals {
        return Err(PriceFault::NotWhole);
    }
    let zeros = std::iter::repeat_n(b'0', decimals - fraction.len());
    whole
        .bytes()
        .chain(fraction.bytes())
        .chain(zeros)
        .try_fold(0_i64, |units, byte| units.checked_mul(10)?.checked_add(i64::from(byte - b'0')))
        .ok_or(PriceFault::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_digit_by_digit() {
        for (text, pence) in
            [("2.55", 255), ("2.5", 250), ("2", 200), (".5", 50), ("5.", 500), ("+1.10", 110), ("002.5500", 255)]
        {
            assert_eq!(minor_units(text, 2), Ok(pence), "{text}");
        }
    }

    #[test]
    fn the_currency_decides_how_many_decimals_are_whole() {
        assert_eq!(minor_units("1.234", 3), Ok(1234));
        assert_eq!(minor_units("1.234", 2), Err(PriceFault::NotWhole));
        assert_eq!(minor_units("0.001", 2), Err(PriceFault::NotWhole));
        assert_eq!(minor_units("120", 0), Ok(120));
        assert_eq!(minor_units("120.5", 0), Err(PriceFault::NotWhole));
    }

    #[test]
    fn zero_and_less_are_not_positive_however_fine() {
        for text in ["0", "0.00", ".0", "-1", "-0", "-0.001", "-11062.06"] {
            assert_eq!(minor_units(text, 2), Err(PriceFault::NotPositive), "{text}");
        }
    }

    #[test]
    fn anything_but_digits_and_one_point_is_unreadable() {
        for text in ["", "-", ".", "1e3", "1,50", "1.2.3", "£5", "NaN", "--1", "1 0", "٣"] {
            assert_eq!(minor_units(text, 2), Err(PriceFault::Unreadable), "{text}");
        }
    }

    #[test]
    fn the_largest_amount_fits_and_the_next_does_not() {
        assert_eq!(minor_units("92233720368547758.07", 2), Ok(i64::MAX));
        assert_eq!(minor_units("92233720368547758.08", 2), Err(PriceFault::TooLarge));
    }
}
