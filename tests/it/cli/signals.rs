//! Signals: some stop the server in order, some change nothing, none but KILL ends it abruptly.

use serde_json::json;

use crate::support::{
    api::widget,
    ordo_command::verify,
    partner_process::PartnerProcess,
    test_app::{Store, TestApp},
};

#[test]
fn a_hangup_and_other_signals_without_a_meaning_do_not_end_the_server() {
    let mut app = TestApp::start_on(Store::sqlite(), &[]);
    for signal in ["HUP", "USR1", "USR2", "PIPE", "HUP"] {
        app.signal(signal);
        app.post("/orders", &json!({"items": [widget(1)]})).expect(201);
    }
    assert_eq!(app.terminate().code(), Some(0));
    assert_eq!(verify(&app.store()), 10);
}

#[test]
fn quit_interrupt_and_term_stop_the_server_in_order() {
    for signal in ["QUIT", "INT", "TERM"] {
        let mut app = TestApp::start();
        app.draft();
        app.signal(signal);
        assert_eq!(app.wait_for_exit().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_hangup_does_not_end_the_partners() {
    let partners = PartnerProcess::start();
    partners.signal("HUP");
    assert!(reqwest::blocking::get(partners.url("/audit")).unwrap().status().is_success());
}
