//! What people read is what was written: nothing hidden comes in, and what came in before is still served.

use serde_json::json;
use uuid::Uuid;

use crate::support::{
    api::widget,
    old_log::{append, draft},
    ordo_command::{orders, verify},
    test_app::{Store, TestApp},
};

/// A text with a change of direction in it, as it was taken once.
const OLD: &str = "ada\u{202e}nimda";
/// The same in the path of a URL.
const OLD_IN_PATH: &str = "ada%E2%80%AEnimda";

#[test]
fn no_text_of_a_request_may_hold_invisible_characters() {
    let app = TestApp::start();
    for hidden in ["ada\u{202e}", "a\u{200b}da", "\u{feff}ada", "a\u{2067}da"] {
        let mut item = widget(1);
        (item["product_id"], item["product_name"]) = (hidden.into(), hidden.into());
        let mut faults = app.post("/orders", &json!({"customer_id": hidden, "items": [item]})).faults();
        faults.sort();
        assert_eq!(faults, ["/customer_id", "/items/0/product_id", "/items/0/product_name"], "{hidden:?}");
        let order = app.draft();
        let cancel = json!({"reason": hidden, "cancelled_by": hidden});
        assert_eq!(app.post(&format!("{order}/cancel"), &cancel).faults().len(), 2);
        app.post(&format!("{order}/submit"), &json!({})).expect(200);
        let reserve = app.post(&format!("{order}/reserve"), &json!({"reservation_id": hidden}));
        assert_eq!(reserve.faults(), ["/reservation_id"]);
    }
    assert_eq!(app.post("/orders", &json!({"customer_id": "e\u{301}"})).faults(), ["/customer_id"]);
    app.post("/orders", &json!({"customer_id": "é", "items": [widget(1)]})).expect(201);
}

#[test]
fn an_order_from_before_is_shown_found_fulfilled_and_returned() {
    let store = Store::sqlite();
    let id = Uuid::now_v7();
    append(&store.argument(), id, None, &draft(OLD, OLD));
    let mut app = TestApp::start_on(store, &[]);
    app.wait_for_lists();
    let path = format!("/orders/{id}");
    assert_eq!(app.get(&path).expect(200).json()["customer_id"], OLD);
    for list in ["customer_id", "product_id"] {
        let found = app.get(&format!("/orders?{list}={OLD_IN_PATH}")).expect(200).json();
        assert_eq!(found[0]["id"], id.to_string(), "{list}");
    }
    app.get(&format!("/customers/{OLD_IN_PATH}")).expect(200);
    app.get(&format!("/inventory/{OLD_IN_PATH}")).expect(200);
    let fulfilled = app.post(&format!("{path}/fulfill"), &json!({})).expect(200).json();
    assert_eq!(fulfilled["saga_state"], "Completed");
    let back = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "too many"});
    app.post(&format!("{path}/returns"), &back).expect(202);
    app.terminate();
    verify(&app.store());
    assert!(orders(&app.store()).contains("nimda"));
}
