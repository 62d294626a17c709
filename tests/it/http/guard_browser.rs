//! Pages in a real browser: what one of another origin can do, what an allowed one can, and whether the server's own page works.

use std::net::TcpListener;

use crate::support::{
    browser::{Browser, Driver, driver, serve},
    test_app::{Store, TestApp},
};

/// Tries everything that a page can do without asking first, then what it must ask for, and shows what came of it.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>A page</title>
<p id="socket">?</p><p id="stream">?</p><p id="sent">?</p><p id="read">?</p><p id="done">?</p>
<iframe name="nowhere" hidden></iframe>
<form id="form" method="post" target="nowhere" action="SERVER/orders"></form>
<form id="text" method="post" target="nowhere" action="SERVER/orders" enctype="text/plain"><input name='{"items":[],"q' value='":1}'></form>
<script>
const show = (id, text) => document.getElementById(id).textContent = text;
const blind = body => fetch('SERVER/orders', {method: 'POST', mode: 'no-cors', body}).catch(() => {});
const socket = new WebSocket('WSERVER/ws', 'ordo.v1.json');
const opened = new Promise(done => { socket.onopen = () => done('open'); socket.onerror = () => done('refused'); });
const source = new EventSource('SERVER/stream?topic=orders');
const streamed = new Promise(done => { source.onopen = () => done('open'); source.onerror = () => { source.close(); done('refused'); }; });
(async () => {
  await blind(new Blob(['{"customer_id":"blob"}']));
  await blind('{"customer_id":"text"}');
  await blind(new URLSearchParams({customer_id: 'form'}));
  navigator.sendBeacon('SERVER/orders', '{"customer_id":"beacon"}');
  document.getElementById('form').submit();
  document.getElementById('text').submit();
  show('socket', await opened);
  show('stream', await streamed);
  try {
    const headers = {'Content-Type': 'application/json', 'Idempotency-Key': 'page-1'};
    const placed = await fetch('SERVER/orders', {method: 'POST', headers, body: '{"customer_id":"page"}'});
    show('sent', placed.status + ' ' + placed.headers.get('ETag') + ' ' + placed.headers.get('Location'));
  } catch { show('sent', 'refused'); }
  try {
    show('read', (await (await fetch('SERVER/orders')).json()).map(order => order.customer_id).join());
  } catch { show('read', 'refused'); }
  show('done', 'done');
})();
</script>"#;

fn open(app: &TestApp, listener: TcpListener, driver: &Driver) -> Browser {
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let address = app.address();
    serve(
        listener,
        PAGE.replace("WSERVER", &format!("ws://{address}")).replace("SERVER", &format!("http://{address}")),
    );
    let browser = Browser::open(driver, &origin);
    browser.until("done", "done");
    browser
}

#[test]
fn a_page_of_another_origin_writes_reads_and_hears_nothing() {
    let Some(driver) = driver() else { return };
    let app = TestApp::start();
    let browser = open(&app, TcpListener::bind("127.0.0.1:0").unwrap(), &driver);
    for id in ["socket", "stream", "sent", "read"] {
        assert_eq!(browser.shown(id), "refused", "{id}");
    }
    assert_eq!(app.head(), 0);
}

#[test]
fn a_page_that_is_allowed_writes_json_reads_and_hears() {
    let Some(driver) = driver() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let app = TestApp::start_on(Store::Memory, &["--allow-origin", &origin]);
    let browser = open(&app, listener, &driver);
    assert_eq!((browser.shown("socket").as_str(), browser.shown("stream").as_str()), ("open", "open"));
    assert!(browser.shown("sent").starts_with("201 \"1\" /orders/"), "{}", browser.shown("sent"));
    // The empty form is a bodyless command, and the page is allowed; what is not called JSON is not.
    app.wait_for_lists();
    let placed = app.get("/orders").json();
    let customers: Vec<_> =
        placed.as_array().unwrap().iter().filter_map(|order| order["customer_id"].as_str()).collect();
    assert!(customers.contains(&"page") && customers.len() <= 2, "{customers:?}");
    for blind in ["blob", "text", "form", "beacon"] {
        assert!(!customers.contains(&blind), "{customers:?}");
    }
}

#[test]
fn the_page_of_the_server_shows_itself_and_sends_requests() {
    let Some(driver) = driver() else { return };
    let app = TestApp::start();
    let browser = Browser::open(&driver, &app.url("/docs/"));
    browser.until_script("return document.querySelectorAll('.opblock').length > 20");
    browser.script("document.querySelector('[id$=placeOrder]').querySelector('button').click()");
    browser.until_script("return !!document.querySelector('.try-out__btn')");
    browser.script("document.querySelector('.try-out__btn').click()");
    browser.until_script("return !!document.querySelector('.execute')");
    browser.script("document.querySelector('.execute').click()");
    browser.until_script("return !!document.querySelector('.live-responses-table')");
    browser.until_script(
        "return !!document.querySelector('.live-responses-table .response .response-col_status')?.innerText.startsWith('201')",
    );
    browser.picture(&std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs-browser.png"));
    assert_eq!(app.head(), 2);
}
