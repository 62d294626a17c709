//! Many fulfilments at once, over HTTP, with partners that fail one call in ten; clients that race; a database that goes away.
//!
//! A hundred of them, or a thousand with `ORDO_TEST_MATRIX=full`.

use std::{io::Write as _, thread, time::Instant};

use reqwest::{Method, blocking::Client};
use serde_json::{Value, json};

use crate::support::{
    api::{Reply, item, widget},
    effort::is_full,
    ordo_command::verify,
    partner_process::PartnerProcess,
    postgres_server::{PrivateServer, TestDatabase},
    test_app::{Store, TestApp},
    waiting::wait_until,
};

/// One call in ten.
const FAULTS: &[&str] = &[
    "--refuse",
    "0.02",
    "--error",
    "0.02",
    "--lose",
    "0.02",
    "--timeout-after-work",
    "0.02",
    "--duplicate",
    "0.02",
    "--silence-ms",
    "30",
];

struct Fulfilments {
    app: TestApp,
    partners: PartnerProcess,
}

impl Fulfilments {
    fn open(store: Store, partners: &[&str]) -> Self {
        let partners = PartnerProcess::start_with(partners);
        let urls = ["inventory", "payments", "shipping"].map(|name| partners.url(&format!("/{name}")));
        let flags = ["--inventory-url", &urls[0], "--payments-url", &urls[1], "--shipping-url", &urls[2]];
        Self { app: TestApp::start_on(store, &flags), partners }
    }

    /// Places an order worth so many dollars.
    fn draft(&self, dollars: i64) -> String {
        self.app.place(&json!({"customer_id": "ada", "items": [widget(1), item("gadget", 1, 100 * dollars + 1)]}))
    }

    fn fulfil(&self, path: &str, prefer: &str) -> Reply {
        let request = self.app.request(Method::POST, &format!("{path}/fulfill")).header("Prefer", prefer);
        Reply::to(request.json(&json!({})))
    }

    /// Starts as many at once as there are clients.
    fn start_all(&self, paths: &[String]) {
        thread::scope(|scope| {
            for some in paths.chunks(paths.len().div_ceil(16)) {
                scope.spawn(move || {
                    for path in some {
                        let started = self.fulfil(path, "respond-async");
                        assert!([200, 202].contains(&started.status), "{}", started.body);
                    }
                });
            }
        });
    }

    fn wait_for_all(&self, paths: &[String]) {
        for path in paths {
            wait_until(path, || {
                let saga = self.app.get(&format!("{path}/saga"));
                saga.status == 200 && ["Completed", "Failed"].iter().any(|end| saga.json()["state"] == *end)
            });
        }
    }

    /// Holds the partners' ledger against the orders; gives how many of them were completed.
    fn balance(&self, paths: &[String]) -> usize {
        let orders: Vec<Value> = paths.iter().map(|path| self.app.get(path).expect(200).json()).collect();
        let completed: Vec<&Value> = orders.iter().filter(|order| order["state"] == "Completed").collect();
        assert!(orders.iter().all(|order| order["state"] == "Completed" || order["state"] == "Cancelled"));
        let sold: i64 = completed.iter().map(|order| order["total_cents"].as_i64().unwrap()).sum();
        let audit: Value = Client::new().get(self.partners.url("/audit")).send().unwrap().json().unwrap();
        assert_eq!(audit["faults"], json!({}), "{audit}");
        let usd = &audit["totals"]["money"]["USD"];
        let [charged, voided, refunded] = ["charged", "voided", "refunded"].map(|sum| usd[sum].as_i64().unwrap_or(0));
        assert_eq!(charged - voided - refunded, sold, "{audit}");
        assert_eq!(
            audit["totals"]["shipped"].as_u64().unwrap() - audit["totals"]["called_back"].as_u64().unwrap(),
            completed.len() as u64
        );
        completed.len()
    }
}

fn a_storm(store: Store) {
    let fulfilments = Fulfilments::open(store, FAULTS);
    let paths: Vec<String> =
        (0..if is_full() { 1000 } else { 100 }).map(|dollars| fulfilments.draft(dollars)).collect();
    let begun = Instant::now();
    fulfilments.start_all(&paths);
    fulfilments.wait_for_all(&paths);
    let (took, completed) = (begun.elapsed().as_secs_f32(), fulfilments.balance(&paths));
    assert!(completed > 0 && completed < paths.len(), "{completed} completed");
    verify_when_stopped(fulfilments.app);
    let told = format!("{} fulfilments ended in {took:.1} s, {completed} of them well\n", paths.len());
    std::io::stderr().write_all(told.as_bytes()).unwrap();
}

fn verify_when_stopped(mut app: TestApp) {
    let url = app.store();
    app.kill();
    verify(&url);
}

#[test]
fn many_fulfilments_at_once_with_faults_balance_to_the_cent_on_sqlite() {
    a_storm(Store::sqlite());
}

#[test]
fn many_fulfilments_at_once_with_faults_balance_to_the_cent_on_postgres() {
    a_storm(Store::postgres());
}

#[test]
fn sixty_four_who_fulfil_at_once_over_http_get_one_saga_and_one_charge() {
    let fulfilments = Fulfilments::open(Store::sqlite(), &[]);
    let path = fulfilments.draft(1);
    let answers: Vec<Value> = thread::scope(|scope| {
        let all: Vec<_> =
            (0..64).map(|_| scope.spawn(|| fulfilments.fulfil(&path, "wait=30").expect(200).json())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer["saga_state"] == "Completed"), "{answers:?}");
    assert_eq!(fulfilments.balance(&[path]), 1);
}

#[test]
fn cancellations_that_race_with_fulfilments_over_http_end_in_one_of_two_ways() {
    let fulfilments = Fulfilments::open(Store::sqlite(), &["--slow", "0.5", "--slow-ms", "20"]);
    let paths: Vec<String> = (0..16).map(|dollars| fulfilments.draft(dollars)).collect();
    thread::scope(|scope| {
        let fulfilments = &fulfilments;
        for path in &paths {
            scope.spawn(move || fulfilments.fulfil(path, "wait=30"));
            scope.spawn(move || {
                let cancel =
                    fulfilments.app.request(Method::POST, &format!("{path}/cancel")).header("Prefer", "wait=30");
                let answer = Reply::to(cancel.json(&json!({"reason": "changed my mind"})));
                let state = fulfilments.app.get(path).json()["state"].clone();
                match answer.status {
                    200 => assert_eq!(state, "Cancelled"),
                    409 => assert_eq!(state, "Completed", "{}", answer.body),
                    other => panic!("{other}: {}", answer.body),
                }
            });
        }
    });
    fulfilments.balance(&paths);
}

#[test]
fn fulfilments_wait_for_a_database_that_was_away_and_go_on_by_themselves() {
    let mut server = PrivateServer::start(&[]);
    let fulfilments =
        Fulfilments::open(Store::Postgres(TestDatabase::on(&server.url())), &["--slow", "0.5", "--slow-ms", "200"]);
    let paths: Vec<String> = (0..40).map(|dollars| fulfilments.draft(dollars)).collect();
    fulfilments.start_all(&paths);
    server.stop();
    wait_until("a server without a database", || fulfilments.app.get("/readyz").status == 503);
    let away = Instant::now();
    let seconds = if is_full() { 10 } else { 1 };
    wait_until("the end of the pause", || away.elapsed().as_secs() >= seconds);
    fulfilments.app.get("/livez").expect(200);
    fulfilments.app.get(&format!("{}/saga", paths[0])).problem(503, "store-unavailable");
    server.start_again();
    fulfilments.wait_for_all(&paths);
    assert_eq!(fulfilments.balance(&paths), paths.len());
    verify(&fulfilments.app.store());
    drop(fulfilments);
}
