//! A real browser with the documented client: an order changes before one's eyes, and goes on to do so after the server was killed.
//!
//! Needs `chromium` and `chromedriver` (Debian: `apt-get install chromium chromium-driver`); without them it says that it was
//! left out. `ORDO_BROWSER=required` makes that a failure.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use reqwest::{Method, blocking::Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    live_client::id_of,
    live_scripted::Script,
    test_app::{Store, TestApp},
};

const CLIENT: &str = include_str!("../../docs/live-client.js");
const NO_BROWSER: &str = "no chromedriver; apt-get install chromium chromium-driver";
const PATIENCE: Duration = Duration::from_mins(1);

/// What a browser in a test neither needs nor has.
const PLAIN: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
];

/// The driver of the browser, which speaks `WebDriver` over HTTP. Ends with this value.
pub struct Driver {
    process: Child,
    url: String,
}

impl Driver {
    /// Starts it on a free port; nothing when it is not there.
    fn start() -> Option<Self> {
        let mut process =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port =
            lines.find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned()));
        // What it says later must not meet a closed pipe.
        thread::spawn(move || lines.for_each(drop));
        let port = port.expect("chromedriver says where it listens");
        Some(Self { process, url: format!("http://127.0.0.1:{port}") })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A window with one page. Closed with this value.
pub struct Browser {
    http: Client,
    session: String,
    _profile: TempDir,
}

impl Browser {
    pub fn open(driver: &Driver, page: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let of_its_own = format!("--user-data-dir={}", profile.path().display());
        let wishes: Vec<&str> = PLAIN.iter().copied().chain([of_its_own.as_str()]).collect();
        let http = Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        let wishes = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": wishes}}}});
        let session = ask(&http, &Method::POST, &format!("{}/session", driver.url), &wishes);
        let session = format!("{}/session/{}", driver.url, session["sessionId"].as_str().unwrap());
        let browser = Self { http, session, _profile: profile };
        browser.ask(&Method::POST, "url", &json!({"url": page}));
        browser
    }

    fn ask(&self, method: &Method, what: &str, body: &Value) -> Value {
        ask(&self.http, method, &format!("{}/{what}", self.session), body)
    }

    /// What a script returns.
    pub fn script(&self, script: &str) -> Value {
        self.ask(&Method::POST, "execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until a script returns true.
    #[track_caller]
    pub fn until_script(&self, script: &str) {
        let started = Instant::now();
        while self.script(script) != true {
            assert!(started.elapsed() < PATIENCE, "{script}");
        }
    }

    /// What the element of this id shows.
    pub fn shown(&self, id: &str) -> String {
        let script = "return document.getElementById(arguments[0])?.innerText ?? ''";
        let text = self.ask(&Method::POST, "execute/sync", &json!({"script": script, "args": [id]}));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an element shows what begins like this: asking the browser is what lets time pass.
    #[track_caller]
    pub fn until(&self, id: &str, text: &str) {
        let started = Instant::now();
        while !self.shown(id).starts_with(text) {
            let late = started.elapsed() > PATIENCE;
            assert!(!late, "#{id} is not {text}: {}", self.ask(&Method::GET, "source", &Value::Null));
        }
    }

    pub fn picture(&self, file: &Path) {
        let picture = self.ask(&Method::GET, "screenshot", &Value::Null);
        let picture = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, picture.as_str().unwrap()).unwrap();
        std::fs::write(file, picture).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.http.delete(&self.session).send();
    }
}

/// One `WebDriver` command: the value it answers with.
fn ask(http: &Client, method: &Method, url: &str, body: &Value) -> Value {
    let request = http.request(method.clone(), url);
    let request = if method == Method::GET { request } else { request.json(body) };
    let response = request.send().unwrap();
    let (status, mut answer) = (response.status(), response.json::<Value>().unwrap());
    assert!(status.is_success(), "{url}: {answer}");
    answer["value"].take()
}

/// Serves one page, wherever it is asked for.
pub fn serve(listener: TcpListener, page: String) {
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

#[expect(clippy::disallowed_methods, reason = "where everything must be shown, the environment says so")]
fn required() -> bool {
    std::env::var("ORDO_BROWSER").is_ok_and(|wish| wish == "required")
}

#[expect(clippy::print_stderr, reason = "a test that was left out says so")]
pub fn driver() -> Option<Driver> {
    let driver = Driver::start();
    if driver.is_none() {
        assert!(!required(), "{NO_BROWSER}");
        eprintln!("left out: {NO_BROWSER}");
    }
    driver
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
