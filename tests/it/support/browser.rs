//! A real browser.
//!
//! Needs `chromium` and `chromedriver` (Debian: `apt-get install chromium chromium-driver`); without them a test says that it
//! was left out. `ORDO_BROWSER=required` makes that a failure.

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
