//! What can be subscribed to.

use std::{fmt, str::FromStr};

use ordo_actors::log::event::StreamId;
use uuid::Uuid;

use super::live_event::LiveEvent;
use crate::order::{CustomerId, OrderId};

/// A part of the orders' events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// Every order.
    Orders,
    /// One order.
    Order(OrderId),
    /// The orders of one customer.
    Customer(CustomerId),
}

impl Topic {
    /// Whether the event belongs to it.
    pub(super) fn takes(&self, event: &LiveEvent) -> bool {
        match self {
            Self::Orders => true,
            Self::Order(order) => event.order == *order,
            Self::Customer(customer) => event.customer.as_ref() == Some(customer),
        }
    }
}

impl FromStr for Topic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "orders" => Ok(Self::Orders),
            Some(("order", id)) => Uuid::parse_str(id)
                .map(|id| Self::Order(StreamId(id)))
                .map_err(|_| "an order's id is a UUID".to_owned()),
            Some(("customer", id)) => {
                CustomerId::stored(id).map(Self::Customer).map_err(|invalid| format!("the customer's id {invalid}"))
            }
            _ => Err("a topic is orders, order:<id> or customer:<id>".to_owned()),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orders => f.write_str("orders"),
            Self::Order(order) => write!(f, "order:{order}"),
            Self::Customer(customer) => write!(f, "customer:{customer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_reads_as_it_is_written() {
        for text in ["orders", "order:0192e4a0-7c1d-7a11-9f3e-2b8a66d0c0fe", "customer:ada", "customer:a:b c"] {
            assert_eq!(text.parse::<Topic>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_no_topic() {
        for text in
            ["", "order", "orders:", "Orders", "order:", "order:1", "customer:", "customer: a", "customer", "events"]
        {
            assert!(text.parse::<Topic>().is_err(), "{text:?}");
        }
        assert!(format!("customer:{}", "x".repeat(65)).parse::<Topic>().is_err());
    }
}
