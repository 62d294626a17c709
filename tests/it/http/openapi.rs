//! The description says what the server does, no more and no less.

use std::collections::BTreeSet;

use ordo::{
    application::openapi,
    http::error::ProblemKind,
    order::{Currency, CustomerId, MAX_LINES, MAX_QUANTITY, ProductId, ProductName, Reason, Reference},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{api::Reply, test_app::TestApp};

const ROUTES: [&str; 2] = [include_str!("../../../src/http/routes.rs"), include_str!("../../../src/live/routes.rs")];
const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

fn description() -> Value {
    serde_json::from_str(&openapi()).unwrap()
}

/// Every operation: path, method and description.
fn operations(description: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    let of = |(path, item): (&'_ String, &'_ Value)| -> Vec<(String, &'static str)> {
        METHODS.into_iter().filter(|method| item.get(method).is_some()).map(|method| (path.clone(), method)).collect()
    };
    let names: Vec<_> = paths.iter().flat_map(of).collect();
    names
        .into_iter()
        .map(|(path, method)| {
            let (path, item) = paths.get_key_value(&path).unwrap();
            (path.as_str(), method, &item[method])
        })
        .collect()
}

/// Every object in a document.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            found.push(value);
            members.values().for_each(|member| objects(member, found));
        }
        Value::Array(entries) => entries.iter().for_each(|entry| objects(entry, found)),
        _ => {}
    }
}

#[test]
fn every_route_of_the_table_is_described_and_every_operation_described_is_a_route() {
    let mut table = BTreeSet::new();
    for line in ROUTES.into_iter().flat_map(str::lines).filter(|line| line.contains("resource(\"")) {
        let path = line.split('"').nth(1).unwrap().replace("{file:.*}", "");
        for route in line.split(".route(").skip(1) {
            table.insert((path.clone(), route.split('(').next().unwrap().to_owned()));
        }
    }
    let description = description();
    let described: BTreeSet<_> =
        operations(&description).into_iter().map(|(path, method, _)| (path.to_owned(), method.to_owned())).collect();
    assert_eq!(table, described);
    assert!(table.len() >= 20);
}

#[test]
fn every_operation_described_is_answered() {
    let app = TestApp::start();
    let description = description();
    for (path, method, _) in operations(&description) {
        let path = path.replace("{id}", "x").replace("{line_id}", "x").replace("{name}", "internal");
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
        let reply = Reply::to(app.request(method, &path));
        assert!(reply.status != 405 && !reply.body.contains("nothing at this path"), "{path}: {}", reply.body);
    }
}

#[test]
fn every_problem_type_is_described_with_its_status() {
    let description = description();
    let problem = &description["components"]["schemas"]["Problem"]["properties"];
    let types: Vec<_> =
        problem["type"]["enum"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(types, ProblemKind::ALL.map(|kind| format!("/problems/{}", kind.explain().name)));
    let statuses: BTreeSet<_> =
        problem["status"]["enum"].as_array().unwrap().iter().map(|status| status.as_u64().unwrap()).collect();
    assert_eq!(statuses, ProblemKind::ALL.iter().map(|kind| u64::from(kind.explain().status.as_u16())).collect());
}

#[test]
fn every_example_of_a_problem_is_one_the_server_could_send() {
    let description = description();
    for (_, response) in description["components"]["responses"].as_object().unwrap() {
        for (name, example) in response["content"]["application/problem+json"]["examples"].as_object().unwrap() {
            let value = &example["value"];
            let is_told = |kind: ProblemKind| {
                let told = kind.explain();
                let status = Some(u64::from(told.status.as_u16()));
                (told.name, Some(told.title)) == (name, value["title"].as_str()) && status == value["status"].as_u64()
            };
            assert!(ProblemKind::ALL.into_iter().chain([ProblemKind::Contended]).any(is_told), "{name}: {value}");
            assert_eq!(value["type"], format!("/problems/{name}"));
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let description = description();
    let mut found = Vec::new();
    objects(&description, &mut found);
    let references = found.iter().filter_map(|object| object.get("$ref")?.as_str());
    let broken: Vec<_> =
        references.filter(|reference| description.pointer(reference.trim_start_matches('#')).is_none()).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn every_operation_tells_its_failures_and_every_response_its_request_id() {
    let description = description();
    for (path, method, operation) in operations(&description) {
        assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{method} {path}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = match response.get("$ref") {
                Some(reference) => description.pointer(reference.as_str().unwrap().trim_start_matches('#')).unwrap(),
                None => response,
            };
            assert!(response["headers"].get("X-Request-Id").is_some(), "{method} {path} {status}");
            let fails = status.as_str() >= "400" && !path.contains("health") && !path.contains("readyz");
            assert!(
                !fails || response["content"].get("application/problem+json").is_some(),
                "{method} {path} {status}"
            );
        }
    }
}

#[test]
fn the_limits_described_are_those_of_the_domain() {
    let description = description();
    let schemas = &description["components"]["schemas"];
    let longest = [
        ("CustomerId", CustomerId::MAX_CHARS),
        ("ProductId", ProductId::MAX_CHARS),
        ("ProductName", ProductName::MAX_CHARS),
        ("Reference", Reference::MAX_CHARS),
        ("Reason", Reason::MAX_CHARS),
    ];
    for (name, limit) in longest {
        assert_eq!(schemas[name]["maxLength"], limit, "{name}");
    }
    assert_eq!(schemas["Quantity"]["maximum"], MAX_QUANTITY);
    assert_eq!(schemas["Order"]["properties"]["items"]["maxItems"], MAX_LINES);
    assert_eq!(schemas["UnitPrice"]["maximum"], i64::MAX);
    assert_eq!(schemas["LineCount"]["maximum"], MAX_LINES);
}

#[test]
fn the_currencies_described_are_those_that_are_taken() {
    let letters = || 'A'..='Z';
    let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
    let taken: Vec<_> = codes.filter(|code| Currency::new(code).is_ok()).collect();
    assert_eq!(description()["components"]["schemas"]["Currency"]["enum"], json!(taken));
}

#[test]
fn answers_have_exactly_the_fields_described() {
    let app = TestApp::start();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let description = description();
    let schemas = &description["components"]["schemas"];
    let order = app.get(&app.order_in("Completed")).json();
    assert_eq!(names(&order), names(&schemas["Order"]["properties"]));
    assert_eq!(names(&order["items"][0]), names(&schemas["Line"]["properties"]));
    assert_eq!(names(&app.get("/readyz").json()), names(&schemas["Health"]["properties"]));
    let created = app.post("/orders", &json!({})).expect(201).json();
    assert_eq!(names(&created), names(&schemas["CreatedOrder"]["properties"]));
    let order = app.order_in("Completed");
    let back = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "arrived broken"});
    let would_be = app.post(&format!("{order}/returns?dry_run=true"), &back).expect(200).json();
    assert_eq!(names(&would_be), names(&schemas["OrderAsItWouldBe"]["properties"]));
    let after = app.post(&format!("{order}/returns"), &back).expect(202).json();
    assert_eq!(names(&after), names(&schemas["OrderAfterReturn"]["properties"]));
    for projection in app.get("/admin/projections").json().as_array().unwrap() {
        assert_eq!(names(projection), names(&schemas["Projection"]["properties"]));
        assert!(schemas["ProjectionName"]["enum"].as_array().unwrap().contains(&projection["name"]));
    }
}

#[test]
fn every_event_of_an_order_has_exactly_the_fields_described() {
    let app = TestApp::start();
    let description = description();
    let schemas = &description["components"]["schemas"];
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    app.order_in("Completed");
    let events = app.get("/events").json();
    assert!(events.as_array().unwrap().len() >= 6);
    for event in events.as_array().unwrap() {
        let event_type = event["event_type"].as_str().unwrap();
        let described = &schemas[format!("{event_type}Event")];
        assert_eq!(names(event), names(&described["properties"]));
        assert_eq!(described["properties"]["event_type"]["enum"], json!([event_type]));
        assert_eq!(described["properties"]["aggregate_type"]["enum"], json!([event["aggregate_type"]]));
        let payload = &schemas[event_type];
        assert!(names(&event["payload"]).is_subset(&names(&payload["properties"])), "{event}");
        let required: BTreeSet<_> = payload["required"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        assert!(required.is_subset(&names(&event["payload"])), "{event}");
    }
}

#[test]
fn every_example_of_a_request_works() {
    let app = TestApp::start();
    let state_before = |path: &str| match path.rsplit('/').next().unwrap() {
        "reserve" => "Submitted",
        "process" => "Reserved",
        "complete" => "Processing",
        "returns" => "Completed",
        _ => "Draft",
    };
    let description = description();
    let mut sent = 0;
    for (path, method, operation) in operations(&description) {
        let Some(examples) = operation.pointer("/requestBody/content/application~1json/examples") else { continue };
        for example in examples.as_object().unwrap().values() {
            let order = app.order_in(state_before(path));
            let path = path.replace("/orders/{id}", &order).replace("{line_id}", "1");
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
            let reply = Reply::to(app.request(method, &path).json(&example["value"]));
            assert!((200..300).contains(&reply.status), "{path}: {}", reply.body);
            sent += 1;
        }
    }
    assert!(sent >= 10);
}

#[test]
fn the_description_is_served_as_it_is_and_is_of_this_version() {
    let served = TestApp::start().get("/openapi.json").expect(200).json();
    assert_eq!(served, description());
    assert_eq!(served["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(served["openapi"], "3.1.0");
}
