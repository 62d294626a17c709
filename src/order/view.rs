//! An order as clients see it.

use chrono::{DateTime, Utc};
use ordo_actors::log::event::Version;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ids::{CustomerId, OrderId, Reference},
    line::Line,
    money::Currency,
    schema,
    state::{Order, OrderState},
    text::Reason,
    timestamp,
};

/// An order as it is at a version. What is absent is `null`.
// Borrowed, so that writing it copies nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Order, example = json!({
    "id": "0192e4a0-7c1d-7000-8000-00000000c0de", "customer_id": "ada", "state": "Draft", "currency": "USD",
    "items": [{
        "line_id": 1, "product_id": "widget", "product_name": "Widget", "quantity": 2, "returned": 0, "unit_price_cents": 1000,
    }],
    "total_cents": 2000, "refunded_cents": 0, "version": 2,
    "created_at": "2026-01-31T09:05:07.000250Z", "updated_at": "2026-01-31T09:05:07.000250Z",
    "reservation_id": null, "payment_id": null, "tracking_number": null, "cancel_reason": null,
}))]
pub struct OrderView<'a> {
    /// Its id: a UUID of version 7 made by the server, or any UUID of the client's choice.
    #[schema(value_type = schema::OrderId)]
    pub id: OrderId,
    /// Who ordered.
    pub customer_id: &'a CustomerId,
    /// Where it is on its way from draft to its end.
    pub state: OrderState,
    /// What all amounts are in.
    pub currency: Currency,
    /// Its lines as they are now, in ascending order of their numbers.
    #[schema(max_items = 10000)]
    pub items: &'a [Line],
    /// What its lines cost, in minor units; items that came back still count.
    #[schema(value_type = schema::Cents)]
    pub total_cents: i64,
    /// What has been paid back for items that came back, in minor units.
    #[schema(value_type = schema::Cents)]
    pub refunded_cents: i64,
    /// The number of its last event, counted from 1.
    #[schema(value_type = schema::Version)]
    pub version: Version,
    /// When it was placed; when it was recorded if nobody said.
    #[schema(value_type = schema::Time)]
    #[serde(serialize_with = "timestamp::serialize")]
    pub created_at: DateTime<Utc>,
    /// When its last event was recorded.
    #[schema(value_type = schema::Time)]
    #[serde(serialize_with = "timestamp::serialize")]
    pub updated_at: DateTime<Utc>,
    /// What the inventory calls the stock held for it.
    #[schema(required)]
    pub reservation_id: Option<&'a Reference>,
    /// What the payment provider calls its payment.
    #[schema(required)]
    pub payment_id: Option<&'a Reference>,
    /// What the carrier calls its parcel.
    #[schema(required)]
    pub tracking_number: Option<&'a Reference>,
    /// Why it was cancelled.
    #[schema(required)]
    pub cancel_reason: Option<&'a Reason>,
}

/// What only some states hold.
#[derive(Default)]
struct Progress<'a> {
    reservation_id: Option<&'a Reference>,
    payment_id: Option<&'a Reference>,
    tracking_number: Option<&'a Reference>,
    cancel_reason: Option<&'a Reason>,
    refunded_cents: i64,
}

impl Order {
    /// The order as clients see it, at the version of its last event; nothing while nobody has created it.
    #[must_use]
    pub fn view(&self, id: OrderId, version: Version) -> Option<OrderView<'_>> {
        let (contents, state) = (self.contents()?, self.state()?);
        let progress = self.progress();
        Some(OrderView {
            id,
            customer_id: &contents.customer_id,
            state,
            currency: contents.currency,
            items: &contents.lines,
            total_cents: contents.total_cents(),
            refunded_cents: progress.refunded_cents,
            version,
            created_at: contents.created_at,
            updated_at: contents.updated_at,
            reservation_id: progress.reservation_id,
            payment_id: progress.payment_id,
            tracking_number: progress.tracking_number,
            cancel_reason: progress.cancel_reason,
        })
    }

    fn progress(&self) -> Progress<'_> {
        match self {
            Self::Absent | Self::Draft(_) | Self::Submitted(_) => Progress::default(),
            Self::Reserved(order) => Progress { reservation_id: order.reservation_id.as_ref(), ..Progress::default() },
            Self::Processing(order) => Progress {
                reservation_id: order.reservation_id.as_ref(),
                payment_id: order.payment_id.as_ref(),
                ..Progress::default()
            },
            Self::Completed(order) => Progress {
                reservation_id: order.reservation_id.as_ref(),
                payment_id: order.payment_id.as_ref(),
                tracking_number: order.tracking_number.as_ref(),
                refunded_cents: order.refunded_cents,
                cancel_reason: None,
            },
            Self::Cancelled(order) => Progress {
                reservation_id: order.reservation_id.as_ref(),
                payment_id: order.payment_id.as_ref(),
                cancel_reason: Some(&order.reason),
                ..Progress::default()
            },
        }
    }
}
