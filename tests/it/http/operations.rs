//! Health, metrics, explanations and pages.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{ErrorKind, Write},
    process::{Command, Stdio},
};

use ordo::http::error::ProblemKind;
use serde_json::json;

use crate::support::test_app::TestApp;

/// Reads metrics in the text format of Prometheus and demands what promtool would: gives series and their values.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut helped, mut typed, mut series) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(helped.insert(name.to_owned()) && !words.is_empty(), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(kind != "counter" || name.ends_with("_total"), "{line}");
            assert!(typed.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .filter(|family| typed.contains_key(*family));
            assert!(helped.contains(family.unwrap_or(name)) && typed.contains_key(family.unwrap_or(name)), "{line}");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
            assert!(series.insert(key.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    series
}

#[test]
fn the_metrics_are_what_prometheus_reads() {
    let app = TestApp::start();
    app.order_in("Completed");
    app.get("/nope");
    let reply = app.get("/metrics").expect(200);
    assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    assert!(parse(&reply.body).len() > 50);
    let promtool =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    match promtool {
        Ok(mut promtool) => {
            promtool.stdin.take().unwrap().write_all(reply.body.as_bytes()).unwrap();
            let judged = promtool.wait_with_output().unwrap();
            assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
    }
}

#[test]
fn a_command_is_counted_by_its_outcome() {
    let app = TestApp::start();
    let counts = || {
        let series = parse(&app.get("/metrics").body);
        let count = |outcome: &str| series[&format!("ordo_commands_total{{outcome=\"{outcome}\"}}")];
        (count("accepted"), count("rejected"))
    };
    assert_eq!(counts(), (0.0, 0.0));
    let path = app.draft();
    app.post(&format!("{path}/reserve"), &json!({})).expect(409);
    assert_eq!(counts(), (1.0, 1.0));
}

#[test]
fn requests_are_counted_by_route_so_that_clients_choose_no_labels() {
    let app = TestApp::start();
    let path = app.draft();
    app.get(&path).expect(200);
    app.get("/nope/7").expect(404);
    let text = app.get("/metrics").body;
    assert!(
        text.contains(r#"ordo_http_request_seconds_count{method="GET",route="/orders/{id}",status="200"} 1"#),
        "{text}"
    );
    assert!(text.contains(r#"route="none",status="404""#), "{text}");
    assert!(!text.contains(path.trim_start_matches("/orders/")) && !text.contains("/nope"), "{text}");
}

#[test]
fn a_server_that_works_says_so() {
    let app = TestApp::start();
    app.draft();
    assert_eq!(app.get("/livez").expect(200).json(), json!({"status": "ok"}));
    for path in ["/readyz", "/health"] {
        let health = app.get(path).expect(200).json();
        assert_eq!(
            (health["status"].as_str(), health["store_answers"].as_bool(), health["position"].as_u64()),
            (Some("ok"), Some(true), Some(2))
        );
    }
}

#[test]
fn every_problem_type_explains_itself_at_its_address() {
    let app = TestApp::start();
    for kind in ProblemKind::ALL {
        let explanation = kind.explain();
        let page = app.get(&format!("/problems/{}", explanation.name)).expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(page.body.contains(explanation.title) && page.body.contains(explanation.status.as_str()));
    }
}

#[test]
fn the_page_to_try_the_server_loads_with_all_its_parts() {
    let app = TestApp::start();
    assert_eq!(app.get("/docs").expect(307).header("location"), Some("/docs/"));
    let page = app.get("/docs/").expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let parts: Vec<_> = page.body.split(['"', '\'']).filter_map(|part| part.strip_prefix("./")).collect();
    assert!(parts.len() >= 3, "{parts:?}");
    for part in parts {
        app.get(&format!("/docs/{part}")).expect(200);
    }
    assert!(app.get("/docs/swagger-initializer.js").expect(200).body.contains("/openapi.json"));
}
