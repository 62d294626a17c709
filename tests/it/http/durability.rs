//! What was acknowledged stays, on every store that promises it: through `kill -9`, through a stop, under load.

use std::{collections::BTreeSet, sync::mpsc};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    http::{concurrency, idempotency},
    support::{
        api::{Reply, widget},
        test_app::{Store, TestApp},
    },
};

/// Declares each rule as a test on each durable store.
macro_rules! on_every_durable_store {
    ($($rule:path as $name:ident,)+) => {
        mod sqlite {
            $(#[test] fn $name() { $rule(super::Store::sqlite()); })+
        }
        mod postgres {
            $(#[test] fn $name() { $rule(super::Store::postgres()); })+
        }
    };
}

on_every_durable_store! {
    super::looks_the_same_after_a_kill as everything_looks_the_same_after_a_kill,
    super::goes_on_after_a_kill as an_order_goes_on_after_a_kill_where_it_was,
    super::answers_again_after_a_kill as an_answer_is_given_again_after_a_kill_byte_for_byte,
    super::keeps_what_it_acknowledged_through_a_kill as what_was_acknowledged_under_load_outlives_a_kill,
    super::keeps_what_it_acknowledged_through_a_stop as what_was_acknowledged_under_load_outlives_a_stop,
    super::concurrency::many_clients_add_to_one_order as every_acknowledged_item_of_many_clients_is_in_the_order,
    super::idempotency::many_place_one_order_with_one_key as many_at_once_with_one_key_have_one_effect_and_one_answer,
}

/// Places orders from eight clients, ends the server when two hundred have been acknowledged, and goes on until it is gone.
/// Gives the paths of all that were acknowledged.
pub fn under_load(app: &TestApp, end: impl FnOnce(&TestApp)) -> Vec<String> {
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let tell = tell.clone();
                scope.spawn(move || place_until_gone(app, &tell))
            })
            .collect();
        drop(tell);
        told.iter().take(200).for_each(drop);
        end(app);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

fn place_until_gone(app: &TestApp, acknowledged: &mpsc::Sender<()>) -> Vec<String> {
    let mut paths = Vec::new();
    loop {
        let request = app.request(Method::POST, "/orders").json(&json!({"items": [widget(1)]}));
        let Ok(response) = request.send() else { return paths };
        let Some(path) = response.headers().get("location").map(|path| path.to_str().unwrap().to_owned()) else {
            Reply::read(response).problem(503, "overloaded");
            return paths;
        };
        paths.push(path);
        // Nobody listens any more once there are enough.
        let _ = acknowledged.send(());
    }
}

/// Every acknowledged order is there, whole, and the log has no hole.
fn assert_kept(app: &TestApp, acknowledged: &[String]) {
    assert!(acknowledged.len() >= 200);
    for path in acknowledged {
        assert_eq!(app.get(path).expect(200).json()["version"], 2);
    }
    let (mut after, mut streams) = (0, BTreeSet::new());
    loop {
        let page = app.get(&format!("/events?limit=1000&after={after}")).expect(200).json();
        let events = page.as_array().unwrap();
        for event in events {
            after += 1;
            assert_eq!(event["position"], after);
            streams.insert(event["aggregate_id"].as_str().unwrap().to_owned());
        }
        if events.len() < 1000 {
            break;
        }
    }
    assert_eq!(after, 2 * u64::try_from(streams.len()).unwrap(), "an order is there in part");
}

fn looks_the_same_after_a_kill(store: Store) {
    let mut app = TestApp::start_on(store, &[]);
    let path = app.order_in("Completed");
    let reads = [path.clone(), format!("{path}?at_version=2"), format!("{path}/events"), "/events".into()];
    let before: Vec<_> = reads.iter().map(|read| app.get(read).expect(200).body).collect();
    app.restart();
    let after: Vec<_> = reads.iter().map(|read| app.get(read).expect(200).body).collect();
    assert_eq!(before, after);
    assert_eq!(app.head(), 6);
}

fn goes_on_after_a_kill(store: Store) {
    let mut app = TestApp::start_on(store, &[]);
    let path = app.draft();
    app.restart();
    let stale = app.request(Method::POST, &format!("{path}/items")).header("If-Match", "\"1\"").json(&widget(1));
    assert_eq!(Reply::to(stale).problem(412, "version-conflict")["version"], 2);
    let added = app.post(&format!("{path}/items"), &widget(1)).expect(200);
    assert_eq!((added.header("etag"), added.header("x-position")), (Some("\"3\""), Some("3")));
}

fn answers_again_after_a_kill(store: Store) {
    let mut app = TestApp::start_on(store, &[]);
    let path = app.draft();
    let requests = [
        ("/orders".to_owned(), json!({"customer_id": "ada", "items": [widget(2)]})),
        (format!("{path}/items"), widget(1)),
        (format!("{path}/reserve"), json!({})),
    ];
    let send = |app: &TestApp, (path, body): &(String, Value)| {
        Reply::to(app.request(Method::POST, path).header("Idempotency-Key", path).json(body))
    };
    let first: Vec<_> = requests.iter().map(|request| send(&app, request)).collect();
    assert_eq!(first.iter().map(|reply| reply.status).collect::<Vec<_>>(), [201, 200, 409]);
    let head = app.head();
    app.restart();
    for (request, first) in requests.iter().zip(&first) {
        idempotency::assert_replayed(first, &send(&app, request));
    }
    assert_eq!(app.head(), head);
}

fn keeps_what_it_acknowledged_through_a_kill(store: Store) {
    let mut app = TestApp::start_on(store, &[]);
    let acknowledged = under_load(&app, TestApp::begin_to_kill);
    app.restart();
    assert_kept(&app, &acknowledged);
}

fn keeps_what_it_acknowledged_through_a_stop(store: Store) {
    let mut app = TestApp::start_on(store, &[]);
    let acknowledged = under_load(&app, TestApp::begin_to_terminate);
    assert_eq!(app.wait_for_exit().code(), Some(0));
    app.restart();
    assert_kept(&app, &acknowledged);
}
