//! A server that is killed at any moment: what it has answered stays, what it has not is whole or absent.
//!
//! `ORDO_TEST_ROUNDS` says how often the chances are taken.

use ordo::{application::open_stores, config::StoreUrl};
use ordo_actors::log::event::Epoch;
use reqwest::Client;
use serde_json::json;
use tokio::runtime::Builder;

use crate::support::{
    api::widget,
    clients::{Clients, Mix, place, send, unique},
    effort::rounds,
    history_checker::{Answer, HistoryChecker, read_log},
    ordo_command::verify,
    rng::Rng,
    test_app::{Store, TestApp},
};

const CLIENTS: u64 = 48;

/// Small orders' lives: every order is read from the store, snapshotted and let go all the time.
const RESTLESS: &[&str] = &["--snapshot-every", "4", "--max-actors", "64", "--idle-seconds", "0"];

fn runtime() -> tokio::runtime::Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Which log a store holds; nobody else may have it open.
fn epoch(store: &str) -> Epoch {
    let url: StoreUrl = store.parse().unwrap();
    runtime().block_on(async { open_stores(&url, false).await.unwrap().log.head().await.unwrap().epoch })
}

/// Rounds of: requests, a kill after some answers, a start, the same keys again, a check of the history, an audit.
fn kill_again_and_again(store: Store, count: u64, seed: u64) {
    let mut app = TestApp::start_on(store, RESTLESS);
    let mut rng = Rng::new(seed);
    let mut checker = HistoryChecker::default();
    let mut log = None;
    for round in 0..count {
        let clients = Clients::start(&app.url(""), CLIENTS, &Mix::Everything, rng.next());
        clients.until_answered(rng.below(400));
        app.kill();
        checker.add(clients.finish());
        if round % 2 == 0 {
            verify(&app.store());
        }
        app.restart();
        checker.repeat(&app);
        checker.check(&app);
        app.kill();
        verify(&app.store());
        let now = epoch(&app.store());
        assert_eq!(*log.get_or_insert(now), now, "the log has another identity than before");
        app.restart();
    }
    let (accepted, refused, _) = checker.count();
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
}

#[test]
fn what_was_answered_outlives_kills_on_sqlite() {
    kill_again_and_again(Store::sqlite(), rounds(12), 1);
}

#[test]
fn what_was_answered_outlives_kills_on_postgres() {
    kill_again_and_again(Store::postgres(), rounds(6), 2);
}

fn one_order_for_all(store: Store, count: u64, seed: u64) {
    let mut app = TestApp::start_on(store, &["--snapshot-every", "50"]);
    let mut rng = Rng::new(seed);
    let mut first = place(&mut Rng::new(seed));
    let placed = runtime().block_on(send(&Client::new(), &app.url(""), &mut first)).unwrap();
    let mut checker = HistoryChecker::default();
    checker.add(vec![first]);
    for _ in 0..count {
        let clients = Clients::start(&app.url(""), 64, &Mix::OneOrder(placed.created().unwrap()), rng.next());
        clients.until_answered(50 + rng.below(200));
        app.kill();
        checker.add(clients.finish());
        app.restart();
        checker.repeat(&app);
        checker.check(&app);
    }
}

#[test]
fn one_order_that_all_clients_change_keeps_every_answered_change_on_sqlite() {
    one_order_for_all(Store::sqlite(), rounds(3), 3);
}

#[test]
fn one_order_that_all_clients_change_keeps_every_answered_change_on_postgres() {
    one_order_for_all(Store::postgres(), rounds(2), 4);
}

/// Sends one request with one key from many clients at once; those who are told to wait ask again. What was answered.
fn all_at_once(base: &str, key: &str) -> Vec<Answer> {
    let http = Client::new();
    let clients = runtime();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (http, base, key) = (http.clone(), base.to_owned(), key.to_owned());
            clients.spawn(async move {
                loop {
                    let request = http.post(format!("{base}/orders")).header("Idempotency-Key", &key);
                    let body = json!({"customer_id": key, "items": [widget(1)]});
                    let answer = Answer::read(request.json(&body).send().await.ok()?).await?;
                    if !answer.body.contains("/problems/idempotency-in-flight") {
                        return Some(answer);
                    }
                }
            })
        })
        .collect();
    clients.block_on(async {
        let mut answers = Vec::new();
        for task in tasks {
            answers.extend(task.await.unwrap());
        }
        answers
    })
}

fn one_key_one_effect(store: Store, count: u64, seed: u64) {
    let mut app = TestApp::start_on(store, &[]);
    let mut rng = Rng::new(seed);
    for round in 1..=count {
        let key = unique("one-key");
        let clients = Clients::start(&app.url(""), 4, &Mix::Everything, rng.next());
        let base = app.url("");
        let asking = std::thread::spawn({
            let key = key.clone();
            move || all_at_once(&base, &key)
        });
        // In every other round the server is killed while they ask.
        clients.until_answered(1 + rng.below(60));
        let mut answers = if round % 2 == 0 {
            app.kill();
            asking.join().unwrap()
        } else {
            let answers = asking.join().unwrap();
            assert_eq!(answers.len(), 64);
            app.kill();
            answers
        };
        clients.finish();
        app.restart();
        answers.extend(all_at_once(&app.url(""), &key));
        assert!(answers.len() >= 64);
        let first = Answer { replayed: false, ..answers[0].clone() };
        assert_eq!(first.status, 201, "{first:?}");
        for answer in &answers {
            assert_eq!(Answer { replayed: false, ..answer.clone() }, first);
        }
        assert!(answers.iter().filter(|answer| !answer.replayed).count() <= 1, "two answers were first");
        let log = read_log(&app);
        assert_eq!(log.iter().filter(|event| event["payload"]["customer_id"] == key.as_str()).count(), 1);
    }
}

#[test]
fn one_key_sent_by_all_clients_and_after_a_kill_has_one_effect_and_one_answer_on_sqlite() {
    one_key_one_effect(Store::sqlite(), rounds(4), 5);
}

#[test]
fn one_key_sent_by_all_clients_and_after_a_kill_has_one_effect_and_one_answer_on_postgres() {
    one_key_one_effect(Store::postgres(), rounds(2), 6);
}

fn told_to_stop_under_load(store: Store, count: u64, seed: u64) {
    let mut app = TestApp::start_on(store, &[]);
    let mut rng = Rng::new(seed);
    let mut checker = HistoryChecker::default();
    for _ in 0..count {
        let clients = Clients::start(&app.url(""), CLIENTS, &Mix::Everything, rng.next());
        clients.until_answered(50 + rng.below(300));
        assert_eq!(app.terminate().code(), Some(0));
        checker.add(clients.finish());
        verify(&app.store());
        app.restart();
        checker.check(&app);
    }
}

#[test]
fn a_server_told_to_stop_under_load_ends_well_and_keeps_what_it_answered_on_sqlite() {
    told_to_stop_under_load(Store::sqlite(), rounds(2), 7);
}

#[test]
fn a_server_told_to_stop_under_load_ends_well_and_keeps_what_it_answered_on_postgres() {
    told_to_stop_under_load(Store::postgres(), rounds(2), 8);
}
