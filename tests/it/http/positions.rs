//! `X-Position` and `min_position`: reading what one has written.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{api::widget, test_app::TestApp};

#[test]
fn every_command_tells_the_position_it_reached() {
    let app = TestApp::start();
    let path = app.draft();
    assert_eq!(app.post(&format!("{path}/items"), &widget(1)).header("x-position"), Some("3"));
    app.draft();
    assert_eq!(app.post(&format!("{path}/submit"), &json!({})).header("x-position"), Some("6"));
    assert_eq!(app.post(&format!("{path}/submit"), &json!({})).header("x-position"), Some("6"));
}

#[test]
fn a_rejection_has_a_position_too() {
    let app = TestApp::start();
    let path = app.draft();
    assert_eq!(app.post(&format!("{path}/reserve"), &json!({})).expect(409).header("x-position"), Some("2"));
}

#[test]
fn a_position_that_has_been_reached_is_no_wait() {
    let app = TestApp::start();
    let path = app.draft();
    for read in [path.as_str(), &format!("{path}/events"), "/events"] {
        app.get(&format!("{read}?min_position=2")).expect(200);
    }
}

#[test]
fn a_position_that_is_not_reached_is_503_with_the_position_there_is_before_long() {
    let app = TestApp::start();
    let path = app.draft();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for read in [path.clone(), format!("{path}/events"), "/events".to_owned()] {
            let app = &app;
            scope.spawn(move || {
                let reply = app.get(&format!("{read}?min_position=3"));
                assert_eq!(reply.problem(503, "position-not-reached")["position"], 2);
                assert_eq!(reply.header("retry-after"), Some("1"));
            });
        }
    });
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn a_reader_that_waits_is_answered_when_the_position_is_reached() {
    let app = TestApp::start();
    let path = app.draft();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| app.get(&format!("{path}?min_position=3")));
        app.post(&format!("{path}/items"), &widget(1)).expect(200);
        assert_eq!(reader.join().unwrap().expect(200).json()["version"], 3);
    });
}

#[test]
fn a_position_nobody_can_reach_is_422() {
    let app = TestApp::start();
    let path = app.draft();
    for number in ["-1", "9223372036854775808", "99999999999999999999"] {
        assert_eq!(app.get(&format!("{path}?min_position={number}")).faults(), ["?min_position"]);
    }
}
