//! The events of the log, each with the schema of its payload: `Event` is one of them, told apart by `event_type`.

use ordo_actors::{
    aggregate::{Aggregate, DomainEvent, EventKind},
    saga::{SagaDefinition, SagaEvent},
};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Discriminator, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type,
        schema::{ArrayBuilder, Object},
    },
};

use crate::{
    fulfilment::{self, Fulfilment},
    http::events::MOST_EVENTS,
    order::{Order, OrderEvent, schema},
};

/// Who and what caused an event.
#[derive(ToSchema)]
pub struct Metadata {
    /// The `X-Request-Id` of the request that led to it.
    #[schema(required = false)]
    pub correlation_id: String,
    /// The event or command that led to it.
    #[schema(required = false, value_type = schema::Id)]
    pub causation_id: String,
    /// The command whose decision it is; the same for all events of one commit.
    #[schema(required = false, value_type = schema::Id)]
    pub command_id: String,
    /// Who asked.
    #[schema(required = false)]
    pub principal: String,
}

/// What every event has.
#[derive(ToSchema)]
pub struct Envelope {
    /// Unique over all logs.
    #[schema(value_type = schema::Id)]
    pub event_id: String,
    /// What happened.
    pub event_type: String,
    /// Which shape `payload` has.
    #[schema(minimum = 1)]
    pub schema_version: u32,
    /// The stream: the id of the order, or of the saga.
    #[schema(value_type = schema::Id)]
    pub aggregate_id: String,
    /// What kind of aggregate the stream belongs to.
    pub aggregate_type: String,
    /// Its number in the stream: 1, 2, ... without a hole.
    #[schema(value_type = schema::Version)]
    pub version: u64,
    /// Its number in the log: 1, 2, ... without a hole.
    #[schema(value_type = schema::EventPosition)]
    pub position: u64,
    /// When it was decided; UTC, microseconds.
    #[schema(value_type = schema::Time)]
    pub timestamp: String,
    /// The event itself.
    #[schema(value_type = Object)]
    pub payload: String,
    /// Who and what caused it.
    pub metadata: Metadata,
}

/// An event as it stands in the log.
pub struct Event;

impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let names: Vec<_> = kinds().map(|(name, _)| (name, component(name))).collect();
        let refs = names.iter().map(|(name, component)| (*name, Ref::from_schema_name(component).ref_location));
        let one_of = names
            .iter()
            .fold(OneOfBuilder::new(), |one_of, (_, component)| one_of.item(Ref::from_schema_name(component)));
        one_of
            .description(Some("An event as it stands in the log."))
            .discriminator(Some(Discriminator::with_mapping("event_type", refs)))
            .into()
    }
}

impl ToSchema for Event {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Envelope::schemas(schemas);
        let mut payloads = Vec::new();
        OrderEvent::payload_schemas(&mut payloads);
        fulfilment::schema::payload_schemas(&mut payloads);
        for (name, aggregate_type) in kinds() {
            let payload = payloads.iter().find(|(of, _)| of == name);
            schemas.push((component(name), event(name, aggregate_type, payload.map(|(_, payload)| payload)).into()));
        }
        schemas.append(&mut payloads);
    }
}

/// Every event type, and the type of the aggregate whose streams hold it.
fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |kinds: &'static [EventKind], aggregate_type| kinds.iter().map(move |(name, _)| (*name, aggregate_type));
    of(OrderEvent::KINDS, Order::TYPE).chain(of(SagaEvent::<Fulfilment>::KINDS, Fulfilment::TYPE))
}

/// The name of an event with all that is around its payload.
fn component(name: &str) -> String {
    format!("{name}Event")
}

fn event(name: &str, aggregate_type: &str, payload: Option<&RefOr<Schema>>) -> Object {
    let RefOr::T(Schema::Object(mut event)) = Envelope::schema() else { return Object::new() };
    let only = |text: &str, doc: &str| -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some([text])).description(Some(doc)).into()
    };
    event.description = match payload {
        Some(RefOr::T(Schema::Object(payload))) => payload.description.clone(),
        _ => None,
    };
    event.properties.insert("event_type".into(), only(name, "What happened."));
    event
        .properties
        .insert("aggregate_type".into(), only(aggregate_type, "What kind of aggregate the stream belongs to."));
    event.properties.insert("payload".into(), Ref::from_schema_name(name).into());
    event
}

/// A page of a log.
pub struct EventPage;

impl PartialSchema for EventPage {
    fn schema() -> RefOr<Schema> {
        let example = json!([{
            "event_id": "0192e4a0-7c1d-7b22-8c4d-5e6f70819203", "event_type": "OrderSubmitted", "schema_version": 1,
            "aggregate_id": "0192e4a0-7c1d-7000-8000-00000000c0de", "aggregate_type": "Order", "version": 3, "position": 3,
            "timestamp": "2026-01-31T09:05:07.000250Z", "payload": {"total_cents": 2000, "item_count": 1},
            "metadata": {
                "correlation_id": "0192e4a0-7c1d-7a11-9f3e-2b8a66d0c0fe",
                "command_id": "0192e4a0-7c1d-7a33-a1b2-c3d4e5f60718",
            },
        }]);
        let events = ArrayBuilder::new().items(Ref::from_schema_name(Event::name()));
        events.max_items(Some(MOST_EVENTS)).examples([example]).into()
    }
}

impl ToSchema for EventPage {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Event::name().into_owned(), Event::schema()));
        Event::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_metadata_described_are_those_of_the_engine() {
        let id = Some(Uuid::nil());
        let (correlation_id, principal) = (Some(String::new()), Some(String::new()));
        // Every field is named: a new one does not compile.
        let written = ordo_actors::log::event::Metadata { correlation_id, causation_id: id, command_id: id, principal };
        let written = serde_json::to_value(written).unwrap();
        let schema = serde_json::to_value(Metadata::schema()).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&written), names(&schema["properties"]));
        assert!(schema.get("required").is_none());
    }
}
