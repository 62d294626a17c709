//! The bodies of answers that are put together where they are made: an order with something beside it.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{OneOfBuilder, Ref, RefOr, Schema, schema::Object},
};

use crate::{
    http::answer::SagaStanding,
    order::{OrderState, OrderView, Reference, schema},
};

/// An order that was created.
#[derive(ToSchema)]
#[schema(example = json!({
    "order_id": "0192e4a0-7c1d-7000-8000-00000000c0de", "state": "Draft", "version": 2, "position": 2,
}))]
pub struct CreatedOrder {
    /// Which order.
    #[schema(value_type = schema::OrderId)]
    pub order_id: String,
    /// Where it is.
    #[schema(schema_with = only_draft)]
    pub state: OrderState,
    /// The number of its last event.
    #[schema(value_type = schema::Version)]
    pub version: u64,
    /// The position of its last event.
    #[schema(value_type = schema::EventPosition)]
    pub position: u64,
}

fn only_draft() -> utoipa::openapi::ObjectBuilder {
    schema::one_of([OrderState::Draft.name()], "Where it is.")
}

/// The order after a return.
pub struct OrderAfterReturn;

/// What the answer has beside the order.
#[derive(ToSchema)]
struct Return {
    /// Names this return.
    #[expect(dead_code, reason = "a schema")]
    return_id: Reference,
    /// What this return is worth.
    #[schema(value_type = schema::Cents)]
    #[expect(dead_code, reason = "a schema")]
    refund_cents: i64,
}

impl PartialSchema for OrderAfterReturn {
    fn schema() -> RefOr<Schema> {
        beside_order("The order after a return.", &Return::schema())
    }
}

impl ToSchema for OrderAfterReturn {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        OrderView::schemas(schemas);
        Return::schemas(schemas);
    }
}

/// What a dry run of a return shows.
pub struct OrderAsItWouldBe;

/// What the answer has beside the order.
#[derive(ToSchema)]
struct ReturnAsItWouldBe {
    /// What the return would be worth.
    #[schema(value_type = schema::Cents, required = false)]
    #[expect(dead_code, reason = "a schema")]
    refund_cents: i64,
}

impl PartialSchema for OrderAsItWouldBe {
    fn schema() -> RefOr<Schema> {
        beside_order("What a dry run of a return shows.", &ReturnAsItWouldBe::schema())
    }
}

impl ToSchema for OrderAsItWouldBe {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        OrderView::schemas(schemas);
        ReturnAsItWouldBe::schemas(schemas);
    }
}

/// The fields of an order and those of something beside it, in one object.
fn beside_order(description: &str, beside: &RefOr<Schema>) -> RefOr<Schema> {
    let mut whole = Object::new();
    for part in [beside, &OrderView::schema()] {
        if let RefOr::T(Schema::Object(part)) = part {
            whole.properties.extend(part.properties.clone());
            whole.required.extend(part.required.clone());
        }
    }
    whole.description = Some(description.to_owned());
    whole.into()
}

/// What asking for a fulfilment shows: the saga, or after a dry run the order.
pub struct FulfilAnswer;

impl PartialSchema for FulfilAnswer {
    fn schema() -> RefOr<Schema> {
        let saga = Ref::from_schema_name(SagaStanding::name());
        OneOfBuilder::new().item(saga).item(Ref::from_schema_name(OrderView::name())).into()
    }
}

impl ToSchema for FulfilAnswer {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SagaStanding::name().into_owned(), SagaStanding::schema()));
        SagaStanding::schemas(schemas);
    }
}
