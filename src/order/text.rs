//! Short texts that are checked once and then shared: cloning one costs a counter.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use smol_str::SmolStr;
use unicode_normalization::is_nfc;

use super::{
    invalid::InvalidValue,
    visible::{all_visible, is_control, is_unmistakable},
};

/// Text that is kept in place up to 23 bytes and behind a counter beyond: most ids and names need no allocation.
/// Reads from JSON without these checks: what is stored has been checked when it came in. Only NUL is refused, which PostgreSQL
/// has no text for: such an event is parked, and the read models that would hold it go on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Text(SmolStr);

impl Text {
    /// Takes text of at most `limit` characters, all of them visible.
    pub(super) fn printable(text: &str, limit: usize) -> Result<Self, InvalidValue> {
        let taken = Self::without_controls(text, limit)?;
        if all_visible(text) { Ok(taken) } else { Err(InvalidValue::Invisible) }
    }

    /// Takes printable text that says something: neither empty nor with blanks at its ends.
    pub(super) fn telling(text: &str, limit: usize) -> Result<Self, InvalidValue> {
        has_no_blank_ends(text)?;
        Self::printable(text, limit)
    }

    /// Takes printable text to compare by: what looks the same is the same (Unicode normalization form C).
    pub(super) fn identifying(text: &str, limit: usize) -> Result<Self, InvalidValue> {
        let taken = Self::telling(text, limit)?;
        if !is_unmistakable(text) {
            return Err(InvalidValue::Invisible);
        }
        if text.is_ascii() || is_nfc(text) { Ok(taken) } else { Err(InvalidValue::NotNormalized) }
    }

    /// Takes what was to compare by when it was stored: rules that are stricter today do not make it unknown.
    pub(super) fn stored(text: &str, limit: usize) -> Result<Self, InvalidValue> {
        has_no_blank_ends(text)?;
        Self::without_controls(text, limit)
    }

    fn without_controls(text: &str, limit: usize) -> Result<Self, InvalidValue> {
        if text.len() > limit && text.chars().count() > limit {
            return Err(InvalidValue::TooLong { limit });
        }
        if text.chars().any(is_control) {
            return Err(InvalidValue::Unprintable);
        }
        Ok(Self(SmolStr::new(text)))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of a UUID: printable, without blanks, 36 characters.
impl From<uuid::Uuid> for Text {
    fn from(id: uuid::Uuid) -> Self {
        Self(SmolStr::new(id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())))
    }
}

fn has_no_blank_ends(text: &str) -> Result<(), InvalidValue> {
    if text.is_empty() {
        return Err(InvalidValue::Empty);
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(InvalidValue::OuterBlank);
    }
    Ok(())
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shared;
        impl Visitor<'_> for Shared {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                if text.contains('\0') {
                    return Err(E::custom("a text with a NUL in it"));
                }
                Ok(Text(SmolStr::new(text)))
            }
        }
        deserializer.deserialize_str(Shared)
    }
}

/// Declares a checked text: `new` checks, `Deserialize` trusts (it is for stored events and snapshots).
macro_rules! checked_text {
    ($(#[doc = $doc:literal])* $name:ident, $check:ident, $limit:expr) => {
        $(#[doc = $doc])*
        ///
        /// `Deserialize` reads what was checked before it was stored; what comes from outside goes through `new`.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name($crate::order::text::Text);

        impl $name {
            /// The most characters it may have.
            pub const MAX_CHARS: usize = $limit;

            /// Checks a text from outside.
            ///
            /// # Errors
            /// What is wrong with it.
            pub fn new(text: &str) -> Result<Self, $crate::order::InvalidValue> {
                $crate::order::text::Text::$check(text, Self::MAX_CHARS).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::order::schema::$check(concat!($($doc),*), Self::MAX_CHARS)
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
pub(super) use checked_text;

checked_text! {
    /// What a product was called when it was ordered: at most 500 printable characters, possibly none, blanks anywhere.
    ProductName, printable, 500
}

checked_text! {
    /// Why somebody cancelled or returned something: 1 to 500 printable characters, no blank at either end.
    Reason, telling, 500
}
