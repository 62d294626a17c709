//! docs/events.md and docs/asyncapi.yaml name every event with exactly the fields it has.

use std::collections::BTreeSet;

use ordo::order::OrderEvent;
use ordo_actors::aggregate::DomainEvent;
use serde_json::Value;

const EVENTS: &str = include_str!("../../../docs/events.md");
const ASYNCAPI: &str = include_str!("../../../docs/asyncapi.yaml");

fn schemas() -> Value {
    let mut document: Value = serde_json::from_str(&ordo::application::openapi()).unwrap();
    document["components"]["schemas"].take()
}

/// The fields of a schema; those that may be absent with a `?` behind them.
fn fields(schema: &Value) -> BTreeSet<String> {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let names = schema["properties"].as_object().into_iter().flatten();
    names
        .map(|(name, _)| if required.contains(&&name.as_str().into()) { name.clone() } else { format!("{name}?") })
        .collect()
}

/// The names in a cell of a table, without what is said of them in parentheses or after a colon.
fn named(cell: &str) -> BTreeSet<String> {
    let mut depth = 0;
    let outside = cell.chars().filter(|character| {
        depth += i32::from(*character == '(');
        let is_outside = depth == 0;
        depth -= i32::from(*character == ')');
        is_outside
    });
    let outside: String = outside.collect();
    let list = outside.split(':').next().unwrap().trim();
    let names = list.split(',').map(|name| name.trim().replace('`', "")).filter(|name| !name.is_empty());
    names.collect()
}

fn event_types(schemas: &Value) -> BTreeSet<String> {
    schemas["Event"]["discriminator"]["mapping"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_tables_of_events_name_every_event_with_its_fields() {
    let schemas = schemas();
    let mut told = BTreeSet::new();
    for row in EVENTS.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [event_type, payload] = cells[..] else { panic!("{row}") };
        let event_type = event_type.replace('`', "");
        assert_eq!(named(payload), fields(&schemas[event_type.as_str()]), "{event_type}");
        assert!(told.insert(event_type.clone()), "{event_type} twice");
    }
    assert_eq!(told, event_types(&schemas));
}

#[test]
fn asyncapi_names_every_event_of_an_order_with_its_fields() {
    let schemas = schemas();
    for (event_type, _) in OrderEvent::KINDS {
        let line = ASYNCAPI.lines().find_map(|line| line.strip_prefix(&format!("    {event_type}: ")));
        let told: Value = serde_json::from_str(line.expect(event_type)).expect(event_type);
        assert_eq!(fields(&told), fields(&schemas[event_type]), "{event_type}");
        assert!(ASYNCAPI.contains(&format!("- {{$ref: '#/components/schemas/{event_type}'}}")), "{event_type}");
    }
}

#[test]
fn the_examples_of_events_have_the_fields_of_the_envelope() {
    let schemas = schemas();
    let json = EVENTS.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let example: Value = serde_json::from_str(json).unwrap();
    let names: BTreeSet<_> = example.as_object().unwrap().keys().cloned().collect();
    let event_type = example["event_type"].as_str().unwrap();
    assert_eq!(names, fields(&schemas[format!("{event_type}Event")]));
    let payload: BTreeSet<_> = example["payload"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(payload, fields(&schemas[event_type]));
}
