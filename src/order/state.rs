//! The states of an order, each with what is known in it: a rule cannot ask a draft for its payment.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    event::ReturnedItem,
    ids::{CustomerId, LineId, Reference},
    line::Line,
    money::{Currency, Money},
    text::Reason,
};

/// An order: the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Order {
    /// Nobody has created it.
    #[default]
    Absent,
    /// Its items change.
    Draft(Contents),
    /// Its items are frozen.
    Submitted(Contents),
    /// Its stock is held; it awaits payment.
    Reserved(Reserved),
    /// It is paid and being fulfilled.
    Processing(Processing),
    /// It has been shipped. Items may still come back.
    Completed(Completed),
    /// It ended without being shipped.
    Cancelled(Cancelled),
}

/// Where an order is that exists. Draft: its items change. Submitted: they are frozen. Reserved: stock is held. Processing: it is
/// paid and being fulfilled. Completed: it has been shipped. Cancelled: it ended without being shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum OrderState {
    /// Its items change.
    Draft,
    /// Its items are frozen.
    Submitted,
    /// Its stock is held.
    Reserved,
    /// It is paid and being fulfilled.
    Processing,
    /// It has been shipped.
    Completed,
    /// It ended without being shipped.
    Cancelled,
}

/// What every order holds that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    pub(super) customer_id: CustomerId,
    pub(super) currency: Currency,
    /// When it was placed; when it was recorded if nobody said.
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    /// In ascending order of their numbers.
    pub(super) lines: Vec<Line>,
    /// The number of the next new line; larger than any number used.
    pub(super) next_line: LineId,
}

/// Stock is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    #[serde(rename = "sheet")]
    pub(super) contents: Contents,
    pub(super) reservation_id: Option<Reference>,
}

/// Paid and being fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processing {
    #[serde(rename = "sheet")]
    pub(super) contents: Contents,
    pub(super) reservation_id: Option<Reference>,
    pub(super) payment_id: Option<Reference>,
}

/// Shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    #[serde(rename = "sheet")]
    pub(super) contents: Contents,
    pub(super) reservation_id: Option<Reference>,
    pub(super) payment_id: Option<Reference>,
    pub(super) tracking_number: Option<Reference>,
    /// In the order in which they came back.
    pub(super) returns: Vec<Return>,
    /// What has been paid back, in minor units.
    pub(super) refunded_cents: i64,
}

/// Ended without being shipped; keeps what it had reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    #[serde(rename = "sheet")]
    pub(super) contents: Contents,
    pub(super) reservation_id: Option<Reference>,
    pub(super) payment_id: Option<Reference>,
    pub(super) reason: Reason,
}

/// Items that came back together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    pub(super) id: Reference,
    /// One entry per line, in the order of the lines.
    pub(super) items: Box<[ReturnedItem]>,
    /// What they are worth, in minor units.
    pub(super) refund_cents: i64,
    /// The refund, once it has been paid.
    pub(super) refund_id: Option<Reference>,
}

impl Return {
    /// Bytes it takes, but for allocations of short texts.
    pub(super) fn weight(&self) -> usize {
        let refund_id = self.refund_id.as_ref().map_or(0, |id| id.as_str().len());
        size_of::<Self>() + self.id.as_str().len() + refund_id + self.items.len() * size_of::<ReturnedItem>()
    }
}

impl Order {
    /// Where it is; nothing while nobody has created it.
    #[must_use]
    pub fn state(&self) -> Option<OrderState> {
        match self {
            Self::Absent => None,
            Self::Draft(_) => Some(OrderState::Draft),
            Self::Submitted(_) => Some(OrderState::Submitted),
            Self::Reserved(_) => Some(OrderState::Reserved),
            Self::Processing(_) => Some(OrderState::Processing),
            Self::Completed(_) => Some(OrderState::Completed),
            Self::Cancelled(_) => Some(OrderState::Cancelled),
        }
    }

    /// Who ordered.
    #[must_use]
    pub fn customer_id(&self) -> Option<&CustomerId> {
        self.contents().map(|contents| &contents.customer_id)
    }

    /// When it was placed; when it was recorded if nobody said.
    #[must_use]
    pub fn created_at(&self) -> Option<DateTime<Utc>> {
        self.contents().map(|contents| contents.created_at)
    }

    /// Its lines, in ascending order of their numbers.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        self.contents().map_or(&[], |contents| &contents.lines)
    }

    /// The line with this number.
    #[must_use]
    pub fn line(&self, line_id: LineId) -> Option<&Line> {
        self.contents().and_then(|contents| contents.line(line_id))
    }

    /// What all its lines cost, in minor units; zero while nobody has created it.
    #[must_use]
    pub fn total_cents(&self) -> i64 {
        self.contents().map_or(0, Contents::total_cents)
    }

    /// What has been paid back for items that came back, in minor units.
    #[must_use]
    pub fn refunded_cents(&self) -> i64 {
        if let Self::Completed(completed) = self { completed.refunded_cents } else { 0 }
    }

    /// What all its lines cost. Returned items count: they have been ordered.
    #[must_use]
    pub fn total(&self) -> Option<Money> {
        self.contents().map(|contents| Money { minor: contents.total_cents(), currency: contents.currency })
    }

    /// What came back and has been paid back; a line that came back in parts appears once for each.
    pub fn refunded_items(&self) -> impl Iterator<Item = &ReturnedItem> {
        self.returns().iter().filter(|back| back.refund_id.is_some()).flat_map(|back| &back.items)
    }

    pub(super) fn returns(&self) -> &[Return] {
        if let Self::Completed(completed) = self { &completed.returns } else { &[] }
    }

    pub(super) fn contents(&self) -> Option<&Contents> {
        match self {
            Self::Absent => None,
            Self::Draft(contents) | Self::Submitted(contents) => Some(contents),
            Self::Reserved(reserved) => Some(&reserved.contents),
            Self::Processing(processing) => Some(&processing.contents),
            Self::Completed(completed) => Some(&completed.contents),
            Self::Cancelled(cancelled) => Some(&cancelled.contents),
        }
    }

    pub(super) fn contents_mut(&mut self) -> Option<&mut Contents> {
        match self {
            Self::Absent => None,
            Self::Draft(contents) | Self::Submitted(contents) => Some(contents),
            Self::Reserved(reserved) => Some(&mut reserved.contents),
            Self::Processing(processing) => Some(&mut processing.contents),
            Self::Completed(completed) => Some(&mut completed.contents),
            Self::Cancelled(cancelled) => Some(&mut cancelled.contents),
        }
    }
}

impl OrderState {
    /// All of them, in the order in which they are reached.
    pub const ALL: [Self; 6] =
        [Self::Draft, Self::Submitted, Self::Reserved, Self::Processing, Self::Completed, Self::Cancelled];

    /// Its name, as clients and stores see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft => "Draft",
            Self::Submitted => "Submitted",
            Self::Reserved => "Reserved",
            Self::Processing => "Processing",
            Self::Completed => "Completed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

impl Contents {
    /// What all lines cost, in minor units. Every order that was decided fits.
    pub(super) fn total_cents(&self) -> i64 {
        self.lines.iter().fold(0_i64, |total, line| total.saturating_add(line.amount_cents()))
    }

    pub(super) fn line(&self, line_id: LineId) -> Option<&Line> {
        self.place_of(line_id).map(|place| &self.lines[place])
    }

    /// Where a line is among the others.
    pub(super) fn place_of(&self, line_id: LineId) -> Option<usize> {
        self.lines.binary_search_by_key(&line_id, |line| line.id).ok()
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
