//! Partners that are away, late, or answer nonsense while an order is fulfilled; and operators who come too late.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpResponse, body::MessageBody};
use reqwest::{Method, blocking::Client};
use serde_json::{Value, json};

use crate::support::{
    api::Reply,
    in_process_app::InProcessApp,
    partner_process::PartnerProcess,
    partner_proxy::{Moment, PartnerProxy},
    test_app::{Store, TestApp},
    waiting::wait_until,
};

struct Scene {
    app: TestApp,
    proxy: PartnerProxy,
    partners: PartnerProcess,
}

impl Scene {
    fn open(arguments: &[&str]) -> Self {
        let partners = PartnerProcess::start();
        let proxy = PartnerProxy::before(&partners.url(""));
        let flags = proxy.flags();
        let all: Vec<&str> = flags.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        Self { app: TestApp::start_on(Store::sqlite(), &all), proxy, partners }
    }

    fn fulfil(&self) -> String {
        let path = self.app.draft();
        self.start(&path);
        path
    }

    fn start(&self, path: &str) {
        let request = self.app.request(Method::POST, &format!("{path}/fulfill")).header("Prefer", "respond-async");
        Reply::to(request.json(&json!({})));
    }

    fn saga(&self, path: &str) -> Value {
        self.app.get(&format!("{path}/saga")).expect(200).json()
    }

    fn ends(&self, path: &str, saga: &str, order: &str) {
        wait_until(path, || self.saga(path)["state"] == saga);
        assert_eq!(self.app.get(path).json()["state"], order);
        let audit: Value = Client::new().get(self.partners.url("/audit")).send().unwrap().json().unwrap();
        assert_eq!(audit["faults"], json!({}), "{audit}");
    }
}

fn spoilt(how: &str, answer: HttpResponse) -> HttpResponse {
    let status = answer.status();
    let body = answer.into_body().try_into_bytes().ok().unwrap();
    let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
    match how {
        "malformed" => return HttpResponse::build(status).body("{\"key\":"),
        "huge" => return HttpResponse::build(status).body(" ".repeat(200_000)),
        "redirect" => return HttpResponse::Found().insert_header(("location", "http://127.0.0.1:1/")).finish(),
        "another order" => body["order_id"] = json!("018f0000-0000-7000-8000-000000000001"),
        "another key" => body["key"] = json!("another"),
        "another amount" => body["amount_cents"] = json!(1),
        other => panic!("{other}"),
    }
    HttpResponse::build(status).json(body)
}

#[test]
fn an_answer_that_is_nonsense_is_asked_about_and_the_money_taken_once() {
    for how in ["malformed", "huge", "redirect", "another order", "another key", "another amount"] {
        let scene = Scene::open(&[]);
        let (charged, asked) = (AtomicBool::new(false), AtomicBool::new(false));
        scene.proxy.spoil(move |call, answer| {
            let first = match call {
                "charge" => !charged.swap(true, Ordering::SeqCst),
                // An answer to a question has no order and no amount.
                "look_up" if !how.contains("order") && !how.contains("amount") => !asked.swap(true, Ordering::SeqCst),
                _ => false,
            };
            if first { spoilt(how, answer) } else { answer }
        });
        let path = scene.fulfil();
        scene.ends(&path, "Completed", "Completed");
        let saga = scene.saga(&path);
        assert_eq!(saga["steps"][1]["step"], "process_payment");
        assert!(saga["payment_id"].as_str().unwrap().starts_with("pay-"), "{how}: {saga}");
    }
}

#[test]
fn a_partner_that_answers_nothing_but_nonsense_is_given_up_and_everything_undone() {
    let scene = Scene::open(&["--saga-step-seconds", "1"]);
    scene.proxy.spoil(|call, answer| match call {
        "charge" | "look_up" => spoilt("another key", answer),
        _ => answer,
    });
    let path = scene.fulfil();
    scene.ends(&path, "Failed", "Cancelled");
}

#[test]
fn a_partner_that_names_another_amount_is_not_believed_when_it_says_done_without_any() {
    let scene = Scene::open(&["--saga-step-seconds", "1"]);
    scene.proxy.spoil(|call, answer| if call == "charge" { spoilt("another amount", answer) } else { answer });
    let path = scene.fulfil();
    scene.ends(&path, "Failed", "Cancelled");
    assert!(scene.app.log().contains("the partner answered with another amount"), "{}", scene.app.log());
}

#[test]
fn an_answer_that_comes_too_late_is_asked_about() {
    let scene = Scene::open(&["--partner-seconds", "1"]);
    let path = scene.app.draft();
    let order = path.rsplit('/').next().unwrap();
    scene.proxy.plan(order, "charge", Moment::After);
    scene.start(&path);
    scene.ends(&path, "Completed", "Completed");
    assert!(scene.proxy.is_held(order));
    scene.proxy.release(order);
}

#[test]
fn partners_that_come_back_in_time_find_the_fulfilment_waiting() {
    let mut scene = Scene::open(&[]);
    scene.partners.kill();
    let path = scene.fulfil();
    wait_until("a step that failed", || scene.saga(&path)["steps"][0]["error"].is_string());
    assert_eq!(scene.saga(&path)["state"], "Running");
    scene.partners.restart();
    scene.ends(&path, "Completed", "Completed");
}

#[test]
fn partners_that_are_away_for_too_long_find_what_was_done_to_be_undone() {
    let mut scene = Scene::open(&["--saga-step-seconds", "1"]);
    let path = scene.app.draft();
    let order = path.rsplit('/').next().unwrap();
    scene.proxy.plan(order, "charge", Moment::After);
    scene.start(&path);
    wait_until("a charge", || scene.proxy.is_held(order));
    scene.partners.kill();
    scene.proxy.cut_all();
    wait_until("compensation", || scene.saga(&path)["state"] == "Compensating");
    assert_eq!(scene.app.get(&path).json()["state"], "Reserved");
    scene.partners.restart();
    scene.ends(&path, "Failed", "Cancelled");
}

#[test]
fn operators_who_come_after_the_end_are_told_so() {
    let app = InProcessApp::open();
    let path = app.draft();
    app.fulfill(&path).expect(200);
    let saga = app.get(&format!("{path}/saga")).json()["saga_id"].as_str().unwrap().to_owned();
    let desk = format!("/admin/sagas/{saga}");
    let decided = json!({"by": "op", "reason": "fraud"});
    for (action, body) in [("retry", &json!({"by": "op"})), ("skip", &decided), ("force-compensate", &decided)] {
        let problem = app.post(&format!("{desk}/{action}"), body).problem(409, "state-conflict");
        assert_eq!(problem["saga_state"], "Completed", "{action}");
    }
    app.post(&format!("{desk}/annotate"), &json!({"by": "op", "note": "all is well"})).expect(200);
    assert_eq!(app.get(&path).json()["state"], "Completed");
}
