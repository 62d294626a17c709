//! Values as bytes that sort as the values do.

use crate::projection::row_store::Value;

/// Ends a text; smaller than every byte of one.
const END: u8 = 0;
/// Stands before a byte of a text that would be [`END`] or this.
const ESCAPE: u8 = 1;

const HEAD: usize = size_of::<u128>();

/// The place of a row in an index. Its first bytes lie in the tree itself, where they decide nearly every comparison.
///
/// Invariant: no whole key is the beginning of another; a beginning sorts before all that goes on from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey {
    head: u128,
    rest: Box<[u8]>,
}

/// A key being put together, value by value.
#[derive(Debug, Clone, Default)]
pub struct SortBytes(Vec<u8>);

impl SortBytes {
    /// Starts again, keeping the space.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds values.
    pub fn extend<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) {
        for value in values {
            self.push(value);
        }
    }

    /// Adds a value.
    pub fn push(&mut self, value: &Value) {
        match value {
            // With its sign turned, a number sorts as its bytes do.
            Value::Int(number) => self.0.extend_from_slice(&(number.cast_unsigned() ^ (1 << 63)).to_be_bytes()),
            Value::Text(text) => self.push_text(text.as_bytes()),
        }
    }

    fn push_text(&mut self, text: &[u8]) {
        if text.iter().all(|byte| *byte > ESCAPE) {
            self.0.extend_from_slice(text);
        } else {
            for byte in text {
                if *byte <= ESCAPE {
                    self.0.push(ESCAPE);
                }
                self.0.push(*byte);
            }
        }
        self.0.push(END);
    }

    /// The key.
    pub fn key(&self) -> SortKey {
        let cut = self.0.len().min(HEAD);
        let mut head = [0; HEAD];
        head[..cut].copy_from_slice(&self.0[..cut]);
        SortKey { head: u128::from_be_bytes(head), rest: self.0[cut..].into() }
    }

    /// The first key behind all that begin with these bytes; nothing when there is none.
    pub fn behind(&self) -> Option<SortKey> {
        let last = self.0.iter().rposition(|byte| *byte < u8::MAX)?;
        let mut bytes = self.0[..=last].to_vec();
        bytes[last] += 1;
        Some(Self(bytes).key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[Value]) -> SortKey {
        bytes(values).key()
    }

    fn bytes(values: &[Value]) -> SortBytes {
        let mut bytes = SortBytes::default();
        bytes.extend(values);
        bytes
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn keys_sort_as_their_values_do() {
        let texts = ["", "\0", "\0\0", "\0a", "\u{1}", "\u{1}\0", "a", "a\0", "a\u{1}", "aa", "b", "ä", "🚀"];
        let numbers = [i64::MIN, -256, -1, 0, 1, 255, 256, i64::MAX];
        let pairs: Vec<_> =
            texts.iter().flat_map(|of| numbers.iter().map(|number| vec![text(of), Value::Int(*number)])).collect();
        for a in &pairs {
            for b in &pairs {
                assert_eq!(key(a).cmp(&key(b)), a.cmp(b), "{a:?} against {b:?}");
                let (a, b) = ([a[1].clone(), a[0].clone()], [b[1].clone(), b[0].clone()]);
                assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b), "{a:?} against {b:?}");
            }
        }
    }

    #[test]
    fn keys_longer_than_their_head_are_told_apart() {
        let long = "0123456789abcdefghij";
        assert!(key(&[text(long)]) < key(&[text(&format!("{long}k"))]));
        assert!(key(&[text(long), Value::Int(1)]) < key(&[text(long), Value::Int(2)]));
    }

    #[test]
    fn a_beginning_is_before_and_its_end_behind_all_that_go_on_from_it() {
        for beginning in [text("a"), Value::Int(0), Value::Int(-1), Value::Int(255)] {
            for next in [Value::Int(i64::MIN), Value::Int(i64::MAX), text(""), text("🚀")] {
                let whole = key(&[beginning.clone(), next]);
                let beginning = bytes(std::slice::from_ref(&beginning));
                assert!(beginning.key() <= whole);
                assert!(whole < beginning.behind().expect("something is larger"));
            }
        }
        assert_eq!(bytes(&[Value::Int(i64::MAX)]).behind(), None);
    }
}
