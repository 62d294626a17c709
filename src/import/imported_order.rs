//! An order as a file tells it.

use std::str::FromStr;

use chrono::{DateTime, SubsecRound, Utc};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::order::{CreateOrder, Currency, CustomerId, InvalidValue, MAX_LINES, NewItem, Reference, chosen_id};

/// Marks the correlation id of an imported order; the number in the system it came from follows.
pub const IMPORTED: &str = "import:";

/// Names the ids that follow from numbers of other systems.
const NUMBERS: Uuid = Uuid::from_u128(0x5a8d_0f8e_27f5_4bb0_9d4c_6f3e_1c2a_7b90);

/// An order read from a file. Each value in it is acceptable; whether the order is, is decided by [`crate::order`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedOrder {
    /// Where it starts in the file, from 1; the header counts.
    pub line_no: u64,
    /// Its number in the system it comes from.
    pub external_id: Option<Reference>,
    /// The id it shall have here; drawn when absent.
    pub order_id: Option<Uuid>,
    /// Whose order it is; drawn when absent.
    pub customer_id: Option<CustomerId>,
    /// What all its prices are in.
    pub currency: Currency,
    /// When it was placed, as opposed to imported.
    pub placed_at: Option<DateTime<Utc>>,
    /// Its lines, in file order.
    pub items: Vec<NewItem>,
    /// How far it shall be taken.
    pub outcome: Outcome,
}

/// The state an imported order shall end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Created, still open to changes.
    #[default]
    Draft,
    /// Submitted, not fulfilled.
    Submitted,
    /// Fulfilled.
    Completed,
    /// Cancelled.
    Cancelled,
}

impl ImportedOrder {
    /// The id of the order: its own, or one that follows from what identifies it. What follows from a number is of version 5,
    /// which no client can choose. Two imports of the same number placed at different times are different orders.
    #[must_use]
    pub fn id(&self) -> Uuid {
        match (self.order_id, &self.external_id) {
            (Some(id), _) => id,
            (None, Some(number)) => id_of_number(number.as_str(), self.placed_at),
            (None, None) => self.id_of_place(),
        }
    }

    /// The id that earlier versions gave an order of this number.
    #[must_use]
    pub fn earlier_id(&self) -> Option<Uuid> {
        let number = self.external_id.as_ref().filter(|_| self.order_id.is_none())?;
        Some(in_time(self.placed_at, Sha256::new().chain_update(number.as_str())))
    }

    /// What is nobody's order is known by its line in the file and what it holds.
    fn id_of_place(&self) -> Uuid {
        let mut digest = Sha256::new();
        digest.update(self.line_no.to_be_bytes());
        digest.update(self.customer_id.as_ref().map(CustomerId::as_str).unwrap_or_default());
        for item in &self.items {
            digest.update(item.product_id().as_str());
            digest.update(i64::from(item.quantity()).to_be_bytes());
            digest.update(item.unit_price_cents().to_be_bytes());
        }
        in_time(self.placed_at, digest)
    }

    /// The command that creates it. `stranger` is the customer of an order that names none.
    #[must_use]
    pub fn create_order(&self, stranger: CustomerId) -> CreateOrder {
        CreateOrder {
            customer_id: self.customer_id.clone().unwrap_or(stranger),
            currency: self.currency,
            placed_at: self.placed_at.map(|time| time.trunc_subsecs(6)),
            items: self.items.clone(),
            most_lines: MAX_LINES,
        }
    }
}

/// An id that the file gives must be one that a client could choose, or the one that follows from its number: so it is in an
/// export of what was imported, where a number without a time has got one.
pub(super) fn fit_id(
    id: Uuid,
    external_id: Option<&str>,
    placed_at: Option<DateTime<Utc>>,
) -> Result<Uuid, InvalidValue> {
    let follows = |number: &str| [placed_at, None].iter().any(|time| id == id_of_number(number, *time));
    if external_id.is_some_and(follows) { Ok(id) } else { chosen_id(id).map(|id| id.0) }
}

fn id_of_number(number: &str, placed_at: Option<DateTime<Utc>>) -> Uuid {
    let time = placed_at.map(|time| time.timestamp_millis().to_string()).unwrap_or_default();
    Uuid::new_v5(&NUMBERS, format!("{time}:{number}").as_bytes())
}

/// An id in the order of time, the rest of it from a digest.
fn in_time(placed_at: Option<DateTime<Utc>>, digest: Sha256) -> Uuid {
    let mut tail = [0; 10];
    tail.copy_from_slice(&digest.finalize()[..10]);
    let placed = placed_at.map_or(0, |time| u64::try_from(time.timestamp_millis()).unwrap_or(0));
    Builder::from_unix_timestamp_millis(placed, &tail).into_uuid()
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "draft" => Ok(Self::Draft),
            "submitted" => Ok(Self::Submitted),
            "completed" => Ok(Self::Completed),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(format!("{text:?} is none of draft, submitted, completed, cancelled")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(external_id: Option<&str>) -> ImportedOrder {
        ImportedOrder {
            line_no: 7,
            external_id: external_id.map(reference),
            order_id: None,
            customer_id: Some(CustomerId::new("ada").unwrap()),
            currency: Currency::new("GBP").unwrap(),
            placed_at: None,
            items: Vec::new(),
            outcome: Outcome::Draft,
        }
    }

    fn reference(text: &str) -> Reference {
        Reference::new(text).unwrap()
    }

    #[test]
    fn the_same_number_gives_the_same_id_which_no_client_can_choose() {
        let id = order(Some("536365")).id();
        assert_eq!(id, order(Some("536365")).id());
        assert_ne!(id, order(Some("536366")).id());
        assert_eq!(chosen_id(id), Err(InvalidValue::ReservedId));
    }

    #[test]
    fn an_id_of_its_own_is_kept() {
        let id = Uuid::from_u128(5);
        assert_eq!(ImportedOrder { order_id: Some(id), ..order(None) }.id(), id);
    }

    #[test]
    fn a_reserved_id_is_taken_with_the_number_it_follows_from_and_no_other() {
        let placed_at = Some("2010-12-01T08:26:00Z".parse().unwrap());
        let timed = ImportedOrder { placed_at, ..order(Some("536365")) };
        for id in [timed.id(), order(Some("536365")).id()] {
            assert_eq!(fit_id(id, Some("536365"), timed.placed_at), Ok(id));
            assert!(fit_id(id, Some("536366"), timed.placed_at).is_err());
            assert!(fit_id(id, None, timed.placed_at).is_err());
        }
        assert!(fit_id(Uuid::nil(), None, None).is_err());
    }
}
