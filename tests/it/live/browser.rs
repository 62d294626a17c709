//! A real browser with the documented client: an order changes before one's eyes, and goes on to do so after the server was killed.

use std::{net::TcpListener, path::Path};

use serde_json::json;

use crate::support::{
    browser::{Browser, driver, serve},
    live_client::id_of,
    scripted_server::Script,
    test_app::{Store, TestApp},
};

const CLIENT: &str = include_str!("../../../docs/live-client.js");
fn page(url: &str, order: &str) -> String {
    format!(
        r#"<!doctype html><meta charset="utf-8"><title>An order</title>
<style>body {{ font: 18px sans-serif; margin: 2em }} #state {{ font-size: 2em }} li {{ color: #555 }}</style>
<h1>Order <small>{order}</small></h1>
<p id="state">?</p><p>version <b id="version">?</b>, <span id="total">?</span> cents, connection <b id="connection">opening</b></p>
<ol id="events"></ol>
<script>{CLIENT}</script>
<script>
const show = frame => {{
  document.getElementById('state').textContent = frame.order.state;
  document.getElementById('version').textContent = frame.order.version;
  document.getElementById('total').textContent = frame.order.total_cents;
}};
const note = text => {{
  const line = document.createElement('li');
  line.textContent = text;
  document.getElementById('events').append(line);
}};
const connection = text => document.getElementById('connection').textContent = text;
follow('{url}', 'order:{order}', {{
  snapshot: show,
  event: frame => {{ show(frame); note(frame.position + ' ' + frame.event.event_type); }},
  caught_up: () => connection('live'),
  closed: code => connection('lost ' + code),
}});
</script>"#
    )
}

#[test]
fn a_page_shows_an_order_changing_and_goes_on_after_the_server_was_killed() {
    let Some(driver) = driver() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut app = TestApp::start_on(Store::sqlite(), &["--allow-origin", &origin]);
    let (path, address) = (app.draft(), app.address());
    serve(listener, page(&format!("ws://{address}/ws"), id_of(&path)));
    let step = |app: &TestApp, step: &str| app.post(&format!("{path}/{step}"), &json!({})).expect(200);
    let browser = Browser::open(&driver, &origin);
    browser.until("state", "Draft");
    browser.until("connection", "live");
    step(&app, "submit");
    browser.until("state", "Submitted");
    app.kill();
    browser.until("connection", "lost");
    app.start_at(&address);
    // It may come back before this or after it.
    step(&app, "reserve");
    browser.until("state", "Reserved");
    browser.until("connection", "live");
    step(&app, "process");
    browser.until("state", "Processing");
    let events = browser.shown("events");
    assert_eq!(events.lines().collect::<Vec<_>>(), ["3 OrderSubmitted", "4 OrderReserved", "5 OrderProcessing"]);
    browser.picture(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("live-browser.png"));
}

#[test]
fn a_page_comes_back_when_the_store_was_away_and_goes_on_after_what_it_has_shown() {
    let Some(driver) = driver() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let script = Script::new();
    serve(listener, page(&script.url(), "0192e4a0-7c1d-7a11-9f3e-2b8a66d0c0fe"));
    let asked = script.store_goes_away();
    let browser = Browser::open(&driver, &origin);
    assert_eq!(asked.join().unwrap()["after"], 7);
    assert_eq!(browser.shown("events"), "7 ItemAdded");
}
