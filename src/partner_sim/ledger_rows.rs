//! Rows of the ledger, read back.

use ordo_actors::log::event::StreamId;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::ledger::{Entry, EntryState};
use crate::{
    fulfilment::{
        call::{Call, CallKind, Terms},
        partner::CallKey,
        wire::{Goods, goods_of},
    },
    order::{Currency, OrderId, Reference},
};

/// What is read of an entry.
pub const COLUMNS: &str = "key, kind, order_id, undoes, payment_id, goods, amount_cents, currency, state, took_effect, \
                       reference, reason, heard_at, changed_at";

/// An entry and its times, as they are shown.
#[derive(Debug)]
pub struct Shown {
    /// The entry.
    pub entry: Entry,
    /// When its key was first heard.
    pub heard_at: String,
    /// When it last changed.
    pub changed_at: String,
}

/// Every entry of an order, oldest first.
pub fn of_order(connection: &Connection, order: OrderId) -> rusqlite::Result<Vec<Shown>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM entries WHERE order_id = ?1 ORDER BY number"))?;
    let rows = statement.query_map([order.to_string()], shown)?;
    rows.collect()
}

/// An entry and its times.
pub fn shown(row: &Row<'_>) -> rusqlite::Result<Shown> {
    Ok(Shown { entry: entry(row)?, heard_at: row.get("heard_at")?, changed_at: row.get("changed_at")? })
}

/// An entry.
pub fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let text = |column: &str| row.get::<_, String>(column);
    let (kind, state) = (text("kind")?, text("state")?);
    let call = Call {
        key: CallKey(text("key")?),
        kind: CallKind::ALL.into_iter().find(|known| known.name() == kind).ok_or_else(unreadable)?,
        order_id: StreamId(Uuid::parse_str(&text("order_id")?).map_err(|_| unreadable())?),
        of: row.get::<_, Option<String>>("undoes")?.map(CallKey),
        payment_id: row.get::<_, Option<String>>("payment_id")?.map(|id| reference(&id)).transpose()?,
        terms: terms(row)?,
    };
    let state = match state.as_str() {
        "done" => EntryState::Done,
        "refused" => EntryState::Refused,
        "undone" => EntryState::Undone,
        _ => return Err(unreadable()),
    };
    let reference = reference(&text("reference")?)?;
    Ok(Entry { call, state, took_effect: row.get("took_effect")?, reference, reason: row.get("reason")? })
}

fn terms(row: &Row<'_>) -> rusqlite::Result<Terms> {
    if let Some(goods) = row.get::<_, Option<String>>("goods")? {
        let bodies: Vec<Goods> = serde_json::from_str(&goods).map_err(|_| unreadable())?;
        return goods_of(bodies).map(Terms::Goods).map_err(|_| unreadable());
    }
    let currency = Currency::new(&row.get::<_, String>("currency")?).map_err(|_| unreadable())?;
    Ok(Terms::Money { amount_cents: row.get("amount_cents")?, currency })
}

fn reference(text: &str) -> rusqlite::Result<Reference> {
    Reference::stored(text).map_err(|_| unreadable())
}

/// An entry was changed by hand into something that is none.
fn unreadable() -> rusqlite::Error {
    rusqlite::Error::InvalidQuery
}
