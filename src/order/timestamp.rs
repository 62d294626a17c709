//! Times as JSON: RFC 3339, microseconds, `Z`, always 27 characters, as long as the year has four digits.

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use serde::Serializer;

/// `2026-01-31T09:05:07.000250Z`.
const SHAPE: [u8; 27] = *b"0000-00-00T00:00:00.000000Z";

/// Serializes a time; several times faster than a format string, and every order shown has two of them.
pub(super) fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = four_digit_year(time);
    match text.as_ref().and_then(|text| std::str::from_utf8(text).ok()) {
        Some(text) => serializer.serialize_str(text),
        None => serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true)),
    }
}

fn four_digit_year(time: &DateTime<Utc>) -> Option<[u8; 27]> {
    let year = u32::try_from(time.year()).ok().filter(|year| *year <= 9999)?;
    let micros = time.nanosecond() / 1_000;
    if micros >= 1_000_000 {
        return None; // a leap second: chrono knows how to write it
    }
    let mut text = SHAPE;
    put(&mut text[0..4], year);
    put(&mut text[5..7], time.month());
    put(&mut text[8..10], time.day());
    put(&mut text[11..13], time.hour());
    put(&mut text[14..16], time.minute());
    put(&mut text[17..19], time.second());
    put(&mut text[20..26], micros);
    Some(text)
}

/// Writes a number right-aligned over zeros.
fn put(digits: &mut [u8], mut number: u32) {
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// The same for a time that may be absent; absent ones are not written.
pub(super) mod optional {
    use super::{DateTime, Serializer, Utc};

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub(in crate::order) fn serialize<S: Serializer>(
        time: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }
}
