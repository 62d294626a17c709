//! A store that hangs: requests are answered in time all the same, and what was unknown settles.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ordo_actors::{stores::memory::MemoryStore, testing::FaultyStore};
use reqwest::Method;
use serde_json::json;

use crate::support::{
    api::{Reply, widget},
    in_process_app::InProcessApp,
};

/// What a client waits for at most, and some room for a machine that has other things to do.
const ANSWER_WITHIN: Duration = Duration::from_millis(5500);

#[test]
fn an_append_that_hangs_is_answered_with_503_in_time_and_its_key_gives_the_outcome() {
    let log = Arc::new(FaultyStore::new(MemoryStore::new()));
    let app = InProcessApp::on_log(&log);
    let place = |key: usize| {
        let request = app.request(Method::POST, "/orders").header("Idempotency-Key", format!("key-{key}"));
        Reply::to(request.json(&json!({"customer_id": "ada", "items": [widget(1)]})))
    };
    let head = app.head();
    log.before_append().close();
    thread::scope(|scope| {
        for key in 0..8 {
            scope.spawn(move || {
                let started = Instant::now();
                place(key).problem(503, "store-unavailable");
                assert!(started.elapsed() < ANSWER_WITHIN, "{:?}", started.elapsed());
            });
        }
    });
    log.before_append().open();
    for key in 0..8 {
        let placed = place(key).expect(201);
        assert_eq!(place(key).expect(201).body, placed.body);
    }
    assert_eq!(app.head(), head + 16, "an order was lost or doubled");
}
