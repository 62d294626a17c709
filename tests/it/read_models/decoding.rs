//! How often a running server decodes an event, with every read model and a listener on.

use crate::support::{
    live_client::{LiveClient, metric},
    test_app::{Store, TestApp},
    waiting::wait_until,
};

const APPENDED: &str = "ordo_appended_events_total";
const DECODED: &str = "ordo_events_decoded_total";

/// Waits until every read model has taken in the whole log. A list would hurry them: this only looks.
fn settle(app: &TestApp) {
    let head = metric(app, APPENDED);
    let positions = || app.get("/admin/projections").expect(200).json();
    wait_until("read models at the end of the log", || {
        positions().as_array().unwrap().iter().all(|model| model["position"].as_u64() == Some(head))
    });
}

fn an_event_is_decoded_once_for_all_who_take_it_in(store: Store) {
    let app = TestApp::start_on(store, &[]);
    let mut listener = LiveClient::subscribed(&app, "orders", None);
    app.draft();
    listener.positions(2);
    settle(&app);
    let before = [APPENDED, DECODED].map(|name| metric(&app, name));
    for state in ["Draft", "Submitted", "Reserved", "Processing", "Completed", "Cancelled"].repeat(5) {
        app.order_in(state);
        // Lists wait for what was written, and so hurry their read model.
        for list in ["/orders", "/customers", "/inventory"] {
            app.get(&format!("{list}?min_position={}", app.head())).expect(200);
        }
    }
    settle(&app);
    let after = [APPENDED, DECODED].map(|name| metric(&app, name));
    let appended = after[0] - before[0];
    listener.positions(usize::try_from(appended).unwrap());
    assert!(appended > 100, "{appended}");
    assert_eq!(metric(&app, DECODED) - before[1], appended);
}

#[test]
fn an_event_is_decoded_once_in_memory() {
    an_event_is_decoded_once_for_all_who_take_it_in(Store::Memory);
}

#[test]
fn an_event_is_decoded_once_on_sqlite() {
    an_event_is_decoded_once_for_all_who_take_it_in(Store::sqlite());
}
