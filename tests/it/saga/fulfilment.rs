//! `POST /orders/{id}/fulfill`, `GET /orders/{id}/saga`, and what a saga means to the other commands; on every store.

use std::thread;

use ordo::{fulfilment::call::CallKind, partner_sim::fault_injection::Fault};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{api::Reply, in_process_app::InProcessApp, test_app::Store};

fn on_every_store(test: impl Fn(InProcessApp)) {
    for store in [Store::Memory, Store::sqlite(), Store::postgres()] {
        test(InProcessApp::open_on(store, false));
    }
}

fn totals(app: &InProcessApp) -> [u64; 6] {
    let totals = app.partners.ledger.reconcile().totals;
    [totals.reserved, totals.released, totals.charged, totals.voided, totals.shipped, totals.called_back]
}

/// Nothing taken without being given or given back.
fn settled(app: &InProcessApp) {
    let reconciliation = app.partners.ledger.reconcile();
    assert!(reconciliation.faults.is_empty(), "{:?}", reconciliation.faults);
}

#[test]
fn an_order_goes_from_draft_to_completed_by_itself() {
    on_every_store(|app| {
        let path = app.draft_of_two();
        let answer = app.fulfill(&path).expect(200);
        assert_eq!(answer.json()["saga_state"], "Completed");
        assert!(answer.header("x-position").is_some());
        let (order, saga) = (app.get(&path).json(), app.get(&format!("{path}/saga")).expect(200).json());
        assert_eq!(order["state"], "Completed");
        for name in ["reservation_id", "payment_id", "tracking_number"] {
            assert!(order[name].is_string(), "{name}");
            assert_eq!(order[name], saga[name], "{name}");
        }
        assert_eq!(saga["completed_steps"], json!(["reserve_inventory", "process_payment", "create_shipment"]));
        assert_eq!(saga["state"], "Completed");
        assert_eq!(saga["saga_id"], answer.json()["saga_id"]);
        assert_eq!(app.get(&format!("/orders/{}/saga", saga["saga_id"].as_str().unwrap())).json(), saga);
        assert_eq!(totals(&app), [1, 0, 1, 0, 1, 0]);
    });
}

#[test]
fn a_fulfilment_takes_as_many_commits_as_the_steps_by_hand() {
    let app = InProcessApp::open();
    let path = app.draft_of_two();
    app.fulfill(&path).expect(200);
    let events = app.get("/events?limit=100").json();
    let of_saga = |event: &&Value| event["aggregate_type"] == "FulfilmentSaga";
    let mut commits: Vec<_> =
        events.as_array().unwrap().iter().filter(of_saga).map(|event| &event["metadata"]["command_id"]).collect();
    commits.dedup();
    assert_eq!(commits.len(), 4);
}

#[test]
fn a_refused_payment_gives_the_stock_back_and_cancels_the_order() {
    on_every_store(|app| {
        app.partners.script(CallKind::Charge, &[Fault::Refuse]);
        let path = app.draft_of_two();
        let saga = app.fulfill(&path).expect(200).json();
        assert_eq!(saga["saga_state"], "Failed");
        let order = app.get(&path).json();
        assert_eq!(order["state"], "Cancelled");
        assert_eq!(order["cancel_reason"], "process_payment was refused: refused, as scripted");
        let saga = app.get(&format!("{path}/saga")).json();
        assert_eq!(saga["failure_reason"], order["cancel_reason"]);
        assert_eq!(saga["completed_steps"], json!([]));
        assert_eq!(totals(&app), [1, 1, 0, 0, 0, 0]);
        settled(&app);
    });
}

#[test]
fn a_refused_shipment_gives_money_and_stock_back_in_reverse() {
    let app = InProcessApp::open();
    app.partners.script(CallKind::Ship, &[Fault::Refuse]);
    let path = app.draft_of_two();
    assert_eq!(app.fulfill(&path).expect(200).json()["saga_state"], "Failed");
    assert_eq!(app.get(&path).json()["state"], "Cancelled");
    assert_eq!(totals(&app), [1, 1, 1, 1, 0, 0]);
    let saga = app.get(&format!("{path}/saga")).json();
    let events = app.get(&format!("/events?aggregate_id={}&limit=100", saga["saga_id"].as_str().unwrap())).json();
    let undone = events.as_array().unwrap().iter().filter(|event| event["event_type"] == "CompensationStepCompleted");
    let undone: Vec<_> = undone.map(|event| event["payload"]["step"].as_str().unwrap()).collect();
    assert_eq!(undone, ["process_payment", "reserve_inventory"]);
    settled(&app);
}

#[test]
fn partners_that_fail_lose_and_repeat_calls_end_in_one_charge_and_one_parcel() {
    let app = InProcessApp::open();
    app.partners.script(CallKind::Reserve, &[Fault::Error, Fault::Duplicate]);
    app.partners.script(CallKind::Charge, &[Fault::Timeout]);
    app.partners.script(CallKind::Ship, &[Fault::Lose, Fault::Slow]);
    let path = app.draft_of_two();
    assert_eq!(app.rested(&path)["state"], "Completed");
    assert_eq!(totals(&app), [1, 0, 1, 0, 1, 0]);
    settled(&app);
}

#[test]
fn sixty_four_who_fulfil_at_once_get_one_saga_and_one_charge() {
    on_every_store(|app| {
        one_of_sixty_four(&app, &app.draft_of_two());
        let submitted = app.draft_of_two();
        app.post(&format!("{submitted}/submit"), &json!({})).expect(200);
        one_of_sixty_four(&app, &submitted);
        assert_eq!(totals(&app), [2, 0, 2, 0, 2, 0]);
    });
}

fn one_of_sixty_four(app: &InProcessApp, path: &str) {
    let answers: Vec<Value> = thread::scope(|scope| {
        let all: Vec<_> = (0..64).map(|_| scope.spawn(|| app.fulfill(path).expect(200).json())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let saga = app.event_types(answers[0]["saga_id"].as_str().unwrap());
    assert_eq!(saga.iter().filter(|name| *name == "SagaStarted").count(), 1);
    assert_eq!(saga.len(), 8);
}

#[test]
fn cancelling_while_it_is_fulfilled_ends_in_one_of_two_ways() {
    on_every_store(|app| {
        for _ in 0..8 {
            let path = app.draft_of_two();
            let (fulfilled, cancelled) = thread::scope(|scope| {
                let one = scope.spawn(|| app.fulfill(&path));
                let other = scope.spawn(|| app.post(&format!("{path}/cancel"), &json!({"reason": "changed my mind"})));
                (one.join().unwrap(), other.join().unwrap())
            });
            let state = app.get(&path).json()["state"].clone();
            match cancelled.status {
                200 => assert_eq!((&state, &cancelled.json()["state"]), (&json!("Cancelled"), &json!("Cancelled"))),
                409 => assert_eq!(state, "Completed", "{}", cancelled.body),
                other => panic!("{other}: {}", cancelled.body),
            }
            assert!([200, 409].contains(&fulfilled.status), "{}", fulfilled.body);
            settled(&app);
        }
    });
}

#[test]
fn a_cancellation_waits_for_the_call_that_is_out_and_then_undoes_it() {
    let app = InProcessApp::open();
    app.partners.hang(true);
    let path = app.draft_of_two();
    let started = app.post_async(&format!("{path}/fulfill"), &json!({})).expect(202);
    let saga = started.json()["saga_id"].as_str().unwrap().to_owned();
    assert_eq!(started.header("location"), Some(format!("/orders/{saga}/saga").as_str()));
    app.partners.wait_for_hanging(1);
    let body = json!({"reason": "changed my mind", "cancelled_by": "ada"});
    let waiting = app.post_async(&format!("{path}/cancel"), &body).expect(202);
    assert_eq!(waiting.header("location"), started.header("location"));
    assert_eq!(waiting.json()["state"], "Reserved");
    assert_eq!(app.get(&format!("{path}/saga")).json()["state"], "Compensating");
    app.partners.hang(false);
    assert_eq!(app.rested(&path)["state"], "Failed");
    let order = app.get(&path).json();
    assert_eq!(
        (order["state"].as_str(), order["cancel_reason"].as_str()),
        (Some("Cancelled"), Some("changed my mind"))
    );
    let last = app.get(&format!("{path}/events")).json().as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["payload"], body);
    assert_eq!(totals(&app), [1, 1, 1, 1, 0, 0]);
    assert_eq!(app.post(&format!("{path}/cancel"), &body).expect(200).json()["state"], "Cancelled");
}

#[test]
fn steps_by_hand_are_refused_while_a_saga_is_at_work() {
    let app = InProcessApp::open();
    app.partners.hang(true);
    let path = app.draft_of_two();
    app.post_async(&format!("{path}/fulfill"), &json!({})).expect(202);
    app.partners.wait_for_hanging(1);
    // What its state forbids is refused for that reason.
    assert_eq!(app.post(&format!("{path}/complete"), &json!({})).problem(409, "state-conflict")["state"], "Reserved");
    for step in ["reserve", "process", "process?dry_run=true"] {
        let problem = app.post(&format!("{path}/{step}"), &json!({})).problem(409, "state-conflict");
        assert_eq!((problem["state"].as_str(), problem["saga_state"].as_str()), (Some("Reserved"), Some("Running")));
    }
    app.partners.hang(false);
    assert_eq!(app.rested(&path)["state"], "Completed");
    app.post(&format!("{path}/complete"), &json!({})).expect(200);
    app.post(&format!("{path}/process"), &json!({})).problem(409, "state-conflict");
}

#[test]
fn an_order_that_was_moved_by_hand_or_has_no_items_is_not_fulfilled() {
    let app = InProcessApp::open();
    let empty = app.post("/orders", &json!({})).expect(201).header("location").unwrap().to_owned();
    assert_eq!(app.fulfill(&empty).problem(409, "state-conflict")["state"], "Draft");
    let path = app.draft_of_two();
    app.post(&format!("{path}/submit"), &json!({})).expect(200);
    app.post(&format!("{path}/reserve"), &json!({})).expect(200);
    assert_eq!(app.fulfill(&path).problem(409, "state-conflict")["state"], "Reserved");
    app.post(&format!("{path}/fulfill?dry_run=true"), &json!({})).problem(409, "state-conflict");
    app.fulfill("/orders/7d444840-9dc0-11d1-b245-5ffdce74fad2").problem(404, "not-found");
    app.get(&format!("{path}/saga")).problem(404, "not-found");
    app.fulfill("/orders/x").problem(400, "invalid-request");
}

#[test]
fn a_submitted_order_is_fulfilled_as_it_is() {
    let app = InProcessApp::open();
    let path = app.draft_of_two();
    app.post(&format!("{path}/submit"), &json!({})).expect(200);
    app.fulfill(&path).expect(200);
    let events = app.event_types(path.rsplit('/').next().unwrap());
    assert_eq!(events.iter().filter(|name| *name == "OrderSubmitted").count(), 1);
}

#[test]
fn a_dry_run_starts_nothing() {
    let app = InProcessApp::open();
    let path = app.draft_of_two();
    let would_be = app.post(&format!("{path}/fulfill?dry_run=true"), &json!({})).expect(200);
    assert_eq!(would_be.json()["state"], "Submitted");
    assert_eq!(app.get(&path).json()["state"], "Draft");
    app.get(&format!("{path}/saga")).problem(404, "not-found");
}

#[test]
fn the_same_key_gives_the_same_saga_and_another_use_of_it_is_refused() {
    let app = InProcessApp::open();
    let (path, other) = (app.draft_of_two(), app.draft_of_two());
    let keyed = |path: &str| {
        Reply::to(
            app.request(Method::POST, &format!("{path}/fulfill")).header("Idempotency-Key", "k1").json(&json!({})),
        )
    };
    let first = keyed(&path).expect(200);
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = keyed(&path).expect(200);
    assert_eq!((again.json(), again.header("idempotency-replayed")), (first.json(), Some("true")));
    keyed(&other).problem(422, "idempotency-key-reused");
    assert_eq!(app.get(&other).json()["state"], "Draft");
}

#[test]
fn a_fulfilment_demands_the_version_its_client_has_seen() {
    let app = InProcessApp::open();
    let path = app.draft_of_two();
    let tagged = |tag: &str| {
        Reply::to(app.request(Method::POST, &format!("{path}/fulfill")).header("If-Match", tag).json(&json!({})))
    };
    assert_eq!(tagged("\"1\"").problem(412, "version-conflict")["version"], 3);
    tagged("\"3\"").expect(200);
}

#[test]
fn what_a_client_prefers_is_a_number_of_seconds() {
    let app = InProcessApp::open();
    let path = app.draft_of_two();
    let preferring = |what: &str| {
        Reply::to(app.request(Method::POST, &format!("{path}/fulfill")).header("Prefer", what).json(&json!({})))
    };
    preferring("wait=soon").problem(400, "invalid-request");
    app.partners.hang(true);
    preferring("handling=strict, wait=0").expect(202);
    app.partners.hang(false);
    preferring("wait=100000").expect(200);
}

#[test]
fn what_was_under_way_when_the_server_stopped_is_taken_up_by_the_next_one() {
    for store in [Store::sqlite(), Store::postgres()] {
        let mut app = InProcessApp::open_on(store, false);
        app.partners.hang(true);
        let paths: Vec<_> = (0..3).map(|_| app.draft_of_two()).collect();
        for path in &paths {
            app.post_async(&format!("{path}/fulfill"), &json!({})).expect(202);
        }
        app.partners.wait_for_hanging(3);
        app.stop();
        app.partners.hang(false);
        app.start();
        for path in &paths {
            assert_eq!(app.rested(path)["state"], "Completed");
            assert_eq!(app.get(path).json()["state"], "Completed");
        }
        assert_eq!(totals(&app), [3, 0, 3, 0, 3, 0]);
        settled(&app);
    }
}

#[test]
fn nobody_needs_to_ask_for_a_saga_after_a_restart() {
    let mut app = InProcessApp::open_on(Store::sqlite(), false);
    app.partners.hang(true);
    let path = app.draft_of_two();
    app.post_async(&format!("{path}/fulfill"), &json!({})).expect(202);
    app.partners.wait_for_hanging(1);
    app.stop();
    app.start();
    // The charge is looked up and found, so what hangs next is nothing: the saga ends by itself.
    let version = until(|| {
        let order = app.get(&path).json();
        (order["state"] == "Completed").then(|| order["version"].as_u64().unwrap())
    });
    assert_eq!(version, 7);
}

/// Looks again and again until there is something to see.
fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "it never came");
        thread::yield_now();
    }
}

#[test]
fn items_that_come_back_are_refunded_once_and_everybody_sees_it() {
    on_every_store(|app| {
        let path = app.draft_of_two();
        app.fulfill(&path).expect(200);
        let back = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "broken"});
        let returned = app.post(&format!("{path}/returns"), &back).expect(202);
        let saga = returned.header("location").unwrap().to_owned();
        let saga = until(|| Some(app.get(&saga).expect(200).json()).filter(|saga| saga["state"] == "Completed"));
        assert_eq!((saga["kind"].as_str(), &saga["return_id"]), (Some("refund"), &returned.json()["return_id"]));
        assert_eq!(app.get(&path).json()["refunded_cents"], 1000);
        let position = app.get("/readyz").json()["position"].as_u64().unwrap();
        let customer = app.get(&format!("/customers/ada?min_position={position}")).expect(200).json();
        assert_eq!(customer["total_spent_cents"], 1500);
        assert_eq!(app.partners.ledger.reconcile().totals.refunded, 1);
        settled(&app);
    });
}

#[test]
fn a_return_that_is_repeated_with_its_key_is_refunded_once() {
    let app = InProcessApp::open();
    let path = app.draft_of_two();
    app.fulfill(&path).expect(200);
    let back = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "broken"});
    let keyed =
        || Reply::to(app.request(Method::POST, &format!("{path}/returns")).header("Idempotency-Key", "r1").json(&back));
    let (first, again) = (keyed().expect(202), keyed().expect(202));
    assert_eq!((first.body.as_str(), first.header("location")), (again.body.as_str(), again.header("location")));
    until(|| (app.get(&path).json()["refunded_cents"] == 1000).then_some(()));
    assert_eq!(app.partners.ledger.reconcile().totals.refunded, 1);
}

#[test]
fn a_refused_refund_is_stuck_for_an_operator() {
    let app = InProcessApp::open();
    let path = app.draft_of_two();
    app.fulfill(&path).expect(200);
    app.partners.script(CallKind::Refund, &[Fault::Refuse]);
    let back = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "broken"});
    let saga = app.post(&format!("{path}/returns"), &back).expect(202).header("location").unwrap().to_owned();
    let saga = until(|| Some(app.get(&saga).json()).filter(|saga| saga["state"] == "Stuck"));
    assert_eq!(saga["failure_reason"], "refund_payment was refused: refused, as scripted");
    assert_eq!(app.get(&path).json()["refunded_cents"], 0);
}

#[test]
fn submitting_starts_the_fulfilment_when_the_server_is_told_so() {
    let app = InProcessApp::open_on(Store::Memory, true);
    let path = app.draft_of_two();
    let submitted = app.post(&format!("{path}/submit"), &json!({})).expect(200);
    assert_eq!(submitted.json()["state"], "Submitted");
    until(|| (app.get(&path).json()["state"] == "Completed").then_some(()));
    assert_eq!(totals(&app), [1, 0, 1, 0, 1, 0]);
    let again = app.draft_of_two();
    app.post(&format!("{again}/submit?dry_run=true"), &json!({})).expect(200);
    app.get(&format!("{again}/saga")).problem(404, "not-found");
}

#[test]
fn a_log_with_sagas_is_verified_migrated_and_exported() {
    let mut app = InProcessApp::open_on(Store::sqlite(), false);
    for faults in [vec![], vec![Fault::Refuse]] {
        app.partners.script(CallKind::Charge, &faults);
        app.fulfill(&app.draft_of_two()).expect(200);
    }
    let (store, folder) = (app.store(), tempfile::tempdir().unwrap());
    app.stop();
    let ordo = |arguments: &[&str]| {
        assert_cmd::Command::new(env!("CARGO_BIN_EXE_ordo")).args(arguments).assert().success().get_output().clone()
    };
    ordo(&["verify", "--store", &store]);
    let copy = format!("sqlite:{}", folder.path().join("copy.db").display());
    ordo(&["migrate", "--from", &store, "--to", &copy]);
    ordo(&["verify", "--store", &copy]);
    let orders = String::from_utf8(ordo(&["export", "--store", &store]).stdout).unwrap();
    assert_eq!(orders.lines().count(), 2, "{orders}");
}

/// A refund that was refused: its saga's path for operators.
fn stuck(app: &InProcessApp) -> String {
    let path = app.draft_of_two();
    app.fulfill(&path).expect(200);
    app.partners.script(CallKind::Refund, &[Fault::Refuse]);
    let back = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "broken"});
    let saga = app.post(&format!("{path}/returns"), &back).expect(202).header("location").unwrap().to_owned();
    until(|| (app.get(&saga).json()["state"] == "Stuck").then_some(()));
    let id = saga.split('/').nth(2).unwrap();
    format!("/admin/sagas/{id}")
}

#[test]
fn operators_see_the_stuck_sagas_first_and_have_them_tried_again() {
    on_every_store(|app| {
        let desk = stuck(&app);
        let position = app.get("/readyz").json()["position"].as_u64().unwrap();
        let sagas = app.get(&format!("/admin/sagas?min_position={position}")).expect(200).json();
        let states: Vec<_> = sagas.as_array().unwrap().iter().map(|saga| saga["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["Stuck", "Completed"]);
        assert_eq!(app.get("/admin/sagas?state=Running").expect(200).json(), json!([]));
        assert_eq!(app.get("/admin/sagas?state=Sad").faults(), ["?state"]);
        app.post(&format!("{desk}/annotate"), &json!({"by": "op", "note": "called the bank"})).expect(200);
        let would_be = app.post(&format!("{desk}/retry?dry_run=true"), &json!({"by": "op"})).expect(200).json();
        assert_eq!(would_be["state"], "Running");
        app.post(&format!("{desk}/retry"), &json!({"by": "op"})).expect(200);
        let order = format!("/orders/{}", sagas[0]["order_id"].as_str().unwrap());
        until(|| (app.get(&order).json()["refunded_cents"] == 1000).then_some(()));
        let problem = app.post(&format!("{desk}/retry"), &json!({"by": "op"})).problem(409, "state-conflict");
        assert_eq!(problem["saga_state"], "Completed");
        let events = app.event_types(sagas[0]["saga_id"].as_str().unwrap());
        assert_eq!(events[3..6], ["SagaStuck", "SagaAnnotated", "StepRetried"]);
    });
}

#[test]
fn operators_skip_what_they_took_care_of_and_leave_their_name() {
    let app = InProcessApp::open();
    let desk = stuck(&app);
    assert_eq!(app.post(&format!("{desk}/skip"), &json!({"by": "", "reason": ""})).faults(), ["/by", "/reason"]);
    let skipped = app.post(&format!("{desk}/skip"), &json!({"by": "op", "reason": "paid in cash"})).expect(200).json();
    assert_eq!((skipped["state"].as_str(), skipped["steps"][0]["state"].as_str()), (Some("Failed"), Some("Skipped")));
    app.post("/admin/sagas/7d444840-9dc0-11d1-b245-5ffdce74fad2/retry", &json!({"by": "op"})).problem(404, "not-found");
}

#[test]
fn operators_have_a_running_saga_undone() {
    let app = InProcessApp::open();
    app.partners.hang(true);
    let path = app.draft_of_two();
    let saga = app.post_async(&format!("{path}/fulfill"), &json!({})).expect(202).json()["saga_id"].clone();
    app.partners.wait_for_hanging(1);
    let desk = format!("/admin/sagas/{}/force-compensate", saga.as_str().unwrap());
    let undoing = app.post(&desk, &json!({"by": "op", "reason": "fraud"})).expect(200).json();
    assert_eq!(undoing["state"], "Compensating");
    app.partners.hang(false);
    assert_eq!(app.rested(&path)["state"], "Failed");
    assert_eq!(app.get(&path).json()["cancel_reason"], "fraud");
}
