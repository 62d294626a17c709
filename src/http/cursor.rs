//! The cursor of a list: where a page ended, and which list that was. Opaque to clients.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ordo_actors::projection::row_store::Value;
use sha2::{Digest, Sha256};

use super::error::Problem;
use crate::read_models::Cursor;

/// The first byte of every cursor; another one when cursors change shape.
const VERSION: u8 = 1;
/// What the page is ordered by: a number, or the id itself.
const BY_NUMBER: u8 = 0;
const BY_ID: u8 = 1;

/// The longest cursor: an id of 64 characters fits several times.
const MOST_CHARS: usize = 1024;

/// Tells lists apart: the digest of everything that decides which rows a list has, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListId([u8; 8]);

impl ListId {
    /// The list with these properties, in this order.
    #[must_use]
    pub fn of(properties: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for property in properties {
            digest.update((property.len() as u64).to_be_bytes());
            digest.update(property);
        }
        let mut id = [0; 8];
        id.copy_from_slice(&digest.finalize()[..8]);
        Self(id)
    }
}

/// Writes the cursor for a place in a list.
#[must_use]
pub fn encode(list: ListId, place: &Cursor) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(list.0);
    match place.value {
        Value::Int(number) => {
            bytes.push(BY_NUMBER);
            bytes.extend(number.to_be_bytes());
        }
        Value::Text(_) => bytes.push(BY_ID),
    }
    bytes.extend(place.id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the cursor of a list.
///
/// # Errors
/// It is not a cursor, or belongs to another list.
pub fn decode(list: ListId, cursor: &str) -> Result<Cursor, Problem> {
    let (of, place) =
        read(cursor).ok_or_else(|| Problem::invalid("cursor is none that this server made: start without one"))?;
    if of != list {
        return Err(Problem::invalid("cursor belongs to a list with another path, other filters or another sort"));
    }
    Ok(place)
}

fn read(cursor: &str) -> Option<(ListId, Cursor)> {
    let bytes = URL_SAFE_NO_PAD.decode(Some(cursor).filter(|cursor| cursor.len() <= MOST_CHARS)?).ok()?;
    let bytes = bytes.strip_prefix(&[VERSION])?;
    let (list, bytes) = bytes.split_first_chunk::<8>()?;
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().filter(|id| is_id(id)).map(Arc::<str>::from);
    let place = match bytes.split_first()? {
        (&BY_NUMBER, bytes) => {
            let (number, id) = bytes.split_first_chunk()?;
            Cursor { value: Value::Int(i64::from_be_bytes(*number)), id: text(id)? }
        }
        (&BY_ID, id) => {
            let id = text(id)?;
            Cursor { value: Value::Text(Arc::clone(&id)), id }
        }
        _ => return None,
    };
    Some((ListId(*list), place))
}

/// Whether a text may be the id of a row: no store has a row without one, or one with a NUL in it.
fn is_id(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(value: Value, id: &str) -> Cursor {
        Cursor { value, id: id.into() }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let list = ListId::of(&["/orders", "state=Draft"]);
        let by_id = Value::Text("wörld 1".into());
        for place in [place(Value::Int(i64::MIN), "a"), place(Value::Int(7), "wörld 1"), place(by_id, "wörld 1")] {
            assert_eq!(decode(list, &encode(list, &place)).expect("its own"), place);
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let cursor = encode(ListId::of(&["/orders", "ab", "c"]), &place(Value::Int(1), "a"));
        let problem = decode(ListId::of(&["/orders", "a", "bc"]), &cursor).expect_err("another list");
        assert!(problem.detail.contains("another path, other filters or another sort"), "{problem}");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let list = ListId::of(&[]);
        let good = encode(list, &place(Value::Int(1), "a"));
        let other_version = format!("Ag{}", &good[2..]);
        let long = good.repeat(100);
        let with_nul = encode(list, &place(Value::Int(1), "a\0b"));
        for cursor in [&with_nul, "", "A", "AQ", "!!", "12345", &good[..good.len() - 2], &other_version, &long] {
            let problem = decode(list, cursor).expect_err(cursor);
            assert!(problem.detail.contains("none that this server made"), "{cursor}: {problem}");
        }
    }
}
