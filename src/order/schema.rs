//! What OpenAPI says of the domain's values. The limits are those of the domain itself; the types here stand for plain numbers
//! and texts that have limits, and are only named by `value_type` in schemas.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use super::{Currency, LineId, MAX_LINES, MAX_QUANTITY};

/// The characters nobody can see, as a class of a regular expression: controls and format characters, the joiners aside.
const INVISIBLE: &str = r"\u0000-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb";

/// A text that may be empty and have blanks anywhere.
pub(super) fn printable(doc: &str, max_chars: usize) -> RefOr<Schema> {
    text(doc, max_chars).pattern(Some(format!("^[^{INVISIBLE}]*$"))).into()
}

/// A text that says something: not empty, no blank at either end.
pub(super) fn telling(doc: &str, max_chars: usize) -> RefOr<Schema> {
    let pattern = format!(r"^[^\s{INVISIBLE}]([^{INVISIBLE}]*[^\s{INVISIBLE}])?$");
    text(doc, max_chars).min_length(Some(1)).pattern(Some(pattern)).into()
}

/// The same, to compare by.
pub(super) fn identifying(doc: &str, max_chars: usize) -> RefOr<Schema> {
    telling(doc, max_chars)
}

fn text(doc: &str, max_chars: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(max_chars)).description(Some(doc.trim()))
}

/// A whole number of 64 bits within limits.
#[must_use]
pub fn whole_number(min: i64, max: i64, doc: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(min))
        .maximum(Some(max))
        .description(Some(doc))
}

/// A text of a format that has a name.
#[must_use]
pub fn formatted(format: &str, doc: &str) -> ObjectBuilder {
    let format = SchemaFormat::Custom(format.to_owned());
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).description(Some(doc))
}

/// One of these names.
#[must_use]
pub fn one_of(names: impl IntoIterator<Item = &'static str>, doc: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).description(Some(doc))
}

/// Declares a name for a schema.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $schema:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $name {}
    };
}

named! {
    /// The id of an order.
    OrderId,
    formatted("uuid", "An order's id: a UUID of version 7 made by the server, or any UUID of the client's choice.")
        .examples(["0192e4a0-7c1d-7000-8000-00000000c0de"])
}

named! {
    /// The id of an order that does not exist yet.
    ChosenId,
    formatted("uuid", "A UUID, not of version 5, neither nil nor max.")
}

named! {
    /// How many of a line.
    Quantity,
    whole_number(1, MAX_QUANTITY.into(), "How many.").examples([2])
}

named! {
    /// How many of a line, or none.
    QuantityOrNone,
    whole_number(0, MAX_QUANTITY.into(), "How many; may be zero.")
}

named! {
    /// The price of one.
    UnitPrice,
    whole_number(1, i64::MAX, "The price of one, in minor units of the order's currency.").examples([1000])
}

named! {
    /// An amount.
    Cents,
    whole_number(0, i64::MAX, "An amount in minor units of the order's currency.")
}

named! {
    /// How many lines an order has that is submitted.
    LineCount,
    whole_number(1, i64::try_from(MAX_LINES).unwrap_or(i64::MAX), "How many lines there are.")
}

named! {
    /// The version of a stream.
    Version,
    whole_number(1, i64::MAX, "The number of an event in its stream: 1, 2, ... without a hole.")
}

named! {
    /// A position in the log.
    Position,
    whole_number(0, i64::MAX, "A number in the log: 1, 2, ... without a hole, in commit order. Zero is before the first event.")
}

named! {
    /// The position of an event.
    EventPosition,
    whole_number(1, i64::MAX, "The number of an event in the log: 1, 2, ... without a hole.")
}

named! {
    /// A count.
    Count,
    whole_number(0, i64::MAX, "How many.")
}

named! {
    /// How many pieces of a product in all lines.
    PieceCount,
    whole_number(1, i64::MAX, "How many pieces.")
}

named! {
    /// A UUID.
    Id,
    formatted("uuid", "A UUID.")
}

named! {
    /// A time.
    Time,
    formatted("date-time", "RFC 3339, UTC, microseconds.").examples(["2026-01-31T09:05:07.000250Z"])
}

impl PartialSchema for LineId {
    fn schema() -> RefOr<Schema> {
        let doc = "The number of a line within its order: 1, 2, ... never used again.";
        whole_number(1, u32::MAX.into(), doc).examples([1]).into()
    }
}

impl ToSchema for LineId {}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        let codes = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::codes()));
        codes.description(Some("An ISO 4217 code of a currency people pay with.")).examples(["USD"]).into()
    }
}

impl ToSchema for Currency {}

impl Currency {
    /// Every code that is taken, in the order of the alphabet.
    fn codes() -> impl Iterator<Item = String> {
        let letters = || b'A'..=b'Z';
        let codes = letters().flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
        codes
            .filter_map(|code| std::str::from_utf8(&code).ok().and_then(|code| Self::new(code).ok()))
            .map(|c| c.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::INVISIBLE;
    use crate::order::ProductName;

    fn is_listed(character: char) -> bool {
        let code = |text: &str| u32::from_str_radix(text.trim_start_matches('u').trim_end_matches('-'), 16).unwrap();
        let parts: Vec<_> = INVISIBLE.split('\\').filter(|part| !part.is_empty()).collect();
        (0..parts.len()).any(|at| {
            let first = code(parts[at]);
            let last = if parts[at].ends_with('-') { code(parts[at + 1]) } else { first };
            (first..=last).contains(&u32::from(character))
        })
    }

    #[test]
    fn the_pattern_of_texts_excludes_exactly_the_characters_that_are_refused() {
        for character in (0..=0xffff).filter_map(char::from_u32).filter(|c| !matches!(c, '\u{200c}' | '\u{200d}')) {
            let taken = ProductName::new(&format!("a{character}b")).is_ok();
            assert_eq!(taken, !is_listed(character), "U+{:04X}", u32::from(character));
        }
    }
}
