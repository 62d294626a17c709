//! A real browser with the documented client: an order changes before one's eyes, and goes on to do so after the server was killed.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::json;
use thirtyfour::prelude::*;

use crate::{
    live_client::id_of,
    test_app::{Store, TestApp},
};

const CLIENT: &str = include_str!("../../docs/live-client.js");
const PATIENCE: Duration = Duration::from_secs(60);

/// Debian's `chromium-driver`, on a free port; ends with this value, and its browsers with it.
struct Driver {
    process: Child,
    url: String,
}

impl Driver {
    fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is needed: apt-get install chromium chromium-driver");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port =
            lines.find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned()));
        // What it says later must not meet a closed pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("http://127.0.0.1:{}", port.unwrap()) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves one page, wherever it is asked for; gives its address.
fn serve(listener: TcpListener, page: String) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            // A browser may open a connection and say nothing.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let _ = stream.read(&mut [0; 4096]);
            let length = page.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
}

fn page(app: &TestApp, order: &str) -> String {
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
follow('ws://{address}/ws', 'order:{order}', {{
  snapshot: show,
  event: frame => {{ show(frame); note(frame.position + ' ' + frame.event.event_type); }},
  caught_up: () => connection('live'),
  closed: code => connection('lost ' + code),
}});
</script>"#,
        address = app.address(),
    )
}

async fn until(browser: &WebDriver, id: &str, text: &str) {
    let shown = async {
        loop {
            let element = browser.find(By::Id(id)).await.unwrap();
            if element.text().await.unwrap().starts_with(text) {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, shown).await;
    assert!(in_time.is_ok(), "#{id} is not {text}: {}", browser.source().await.unwrap());
}

#[test]
fn a_page_shows_an_order_changing_and_goes_on_after_the_server_was_killed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut app = TestApp::start_on(Store::sqlite(), &["--allow-origin", &origin]);
    let (path, address) = (app.draft(), app.address());
    serve(listener, page(&app, id_of(&path)));
    let step = |app: &TestApp, step: &str| app.post(&format!("{path}/{step}"), &json!({})).expect(200);
    let driver = Driver::start();
    let profile = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut wishes = DesiredCapabilities::chrome();
        let profile = format!("--user-data-dir={}", profile.path().display());
        for wish in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", &profile] {
            wishes.add_arg(wish).unwrap();
        }
        let browser = WebDriver::new(&driver.url, wishes).await.unwrap();
        browser.goto(&origin).await.unwrap();
        until(&browser, "state", "Draft").await;
        until(&browser, "connection", "live").await;
        tokio::task::block_in_place(|| step(&app, "submit"));
        until(&browser, "state", "Submitted").await;
        tokio::task::block_in_place(|| app.kill());
        until(&browser, "connection", "lost").await;
        tokio::task::block_in_place(|| {
            app.start_at(&address);
            step(&app, "reserve");
        });
        until(&browser, "state", "Reserved").await;
        until(&browser, "connection", "live").await;
        tokio::task::block_in_place(|| step(&app, "process"));
        until(&browser, "state", "Processing").await;
        let events = browser.find(By::Id("events")).await.unwrap().text().await.unwrap();
        assert_eq!(events.lines().collect::<Vec<_>>(), ["3 OrderSubmitted", "4 OrderReserved", "5 OrderProcessing"]);
        let picture = browser.screenshot_as_png().await.unwrap();
        std::fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("live-browser.png"), picture).unwrap();
        browser.quit().await.unwrap();
    });
}
