//! What clients were told, held against what the log says. Knows nothing of the server but its answers.
//!
//! Every attempt carries a request id of its own, which ends in the metadata of its events: that is how an effect is found.

use std::collections::{BTreeMap, HashMap};

use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::runtime::Builder;

use crate::support::{clients::send, test_app::TestApp};

/// Answers to keys that are asked for again after a restart.
const REPEATED: usize = 12;

/// One command and every attempt to get it done.
#[derive(Debug, Clone)]
pub struct Command {
    pub method: Method,
    pub path: String,
    pub body: Value,
    pub key: Option<String>,
    pub effect: Effect,
    pub attempts: Vec<Attempt>,
}

/// What a command does when it is accepted.
#[derive(Debug, Clone)]
pub enum Effect {
    Placed {
        customer: String,
        lines: u64,
    },
    Added {
        product: String,
    },
    Changed {
        quantity: u64,
    },
    /// One event of this type, or none when it had been done.
    Step(&'static str),
    Nothing,
}

/// One request and its answer; none when the connection broke.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub request_id: String,
    pub answer: Option<Answer>,
}

/// An answer that has arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub etag: Option<String>,
    pub location: Option<String>,
    pub position: Option<String>,
    pub replayed: bool,
}

/// What a command's answers amount to.
#[derive(Debug, PartialEq, Eq)]
enum Fate<'a> {
    Accepted(&'a Answer),
    Refused,
    Unknown,
}

impl Answer {
    pub async fn read(response: Response) -> Option<Self> {
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (etag, location, position) = (header("etag"), header("location"), header("x-position"));
        let replayed = header("idempotency-replayed").is_some();
        let status = response.status().as_u16();
        Some(Self { status, body: response.text().await.ok()?, etag, location, position, replayed })
    }

    /// The path of the order that was placed.
    pub fn created(&self) -> Option<String> {
        self.location.clone().filter(|_| self.status == 201)
    }

    /// Whether it says that something was done.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it says that nothing was done, now or ever.
    fn is_refusal(&self) -> bool {
        (400..500).contains(&self.status) && !self.body.contains("/problems/idempotency-in-flight")
    }

    fn version(&self) -> u64 {
        self.etag.as_deref().unwrap().trim_matches('"').parse().unwrap()
    }

    /// The same but for the mark that it was given before.
    fn same_as(&self, other: &Self) -> bool {
        Self { replayed: other.replayed, ..self.clone() } == *other
    }
}

impl Command {
    fn fate(&self) -> Fate<'_> {
        let mut answers = self.attempts.iter().filter_map(|attempt| attempt.answer.as_ref());
        match answers.clone().find(|answer| answer.is_success()) {
            Some(answer) => Fate::Accepted(answer),
            None if answers.any(Answer::is_refusal) => Fate::Refused,
            None => Fate::Unknown,
        }
    }

    fn last_answer(&self) -> Option<&Answer> {
        self.attempts.last().and_then(|attempt| attempt.answer.as_ref())
    }
}

/// All commands of a test, and the log as it was seen last.
#[derive(Default)]
pub struct HistoryChecker {
    commands: Vec<Command>,
    seen: Vec<Value>,
}

/// The events of the log by the request they came from, and the streams by their id.
struct Found<'a> {
    by_request: HashMap<&'a str, Vec<&'a Value>>,
    streams: BTreeMap<&'a str, Vec<&'a Value>>,
}

impl HistoryChecker {
    pub fn add(&mut self, commands: Vec<Command>) {
        self.commands.extend(commands);
    }

    /// How many commands were accepted, refused, and left without a word.
    pub fn count(&self) -> (usize, usize, usize) {
        let mut counts = (0, 0, 0);
        for command in &self.commands {
            match command.fate() {
                Fate::Accepted(_) => counts.0 += 1,
                Fate::Refused => counts.1 += 1,
                Fate::Unknown => counts.2 += 1,
            }
        }
        counts
    }

    /// Asks again, with the same keys: everything that is unknown, and some that was answered, which must come back the same.
    pub fn repeat(&mut self, app: &TestApp) {
        let base = app.url("");
        let http = Client::new();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut answered = 0;
        for command in self.commands.iter_mut().rev().filter(|command| command.key.is_some()) {
            let is_unknown = command.fate() == Fate::Unknown;
            answered += usize::from(!is_unknown);
            if !is_unknown && answered > REPEATED {
                continue;
            }
            let before = command.last_answer().cloned();
            let again = runtime.block_on(send(&http, &base, command)).expect("an answer");
            if is_unknown {
                assert!(again.is_success() || again.is_refusal(), "{command:#?}");
                continue;
            }
            // What is refused before an order is asked is not kept: it is refused alike each time, but for the request id.
            let before = before.expect("an answer");
            let kept = before.position.is_some();
            assert_eq!(again.replayed, kept, "{command:#?}");
            assert!(if kept { again.same_as(&before) } else { again.status == before.status }, "{command:#?}");
        }
    }

    /// Holds every answer against the log of a server.
    pub fn check(&mut self, app: &TestApp) {
        let log = read_log(app);
        assert!(log.starts_with(&self.seen), "what was in the log has changed");
        assert_eq!(log.len() as u64, app.head(), "the head of the log");
        let found = Found::of(&log);
        found.check_streams();
        for command in &self.commands {
            found.check_command(command);
        }
        self.seen = log;
    }
}

/// The whole log, over HTTP.
pub fn read_log(app: &TestApp) -> Vec<Value> {
    let mut log: Vec<Value> = Vec::new();
    loop {
        let page = app.get(&format!("/events?after={}&limit=1000", log.len())).expect(200).json();
        let page = page.as_array().unwrap();
        if page.is_empty() {
            return log;
        }
        log.extend_from_slice(page);
    }
}

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap()
}

impl<'a> Found<'a> {
    fn of(log: &'a [Value]) -> Self {
        let mut found = Self { by_request: HashMap::new(), streams: BTreeMap::new() };
        for (event, position) in log.iter().zip(1..) {
            assert_eq!(number(event, "position"), position, "positions are 1, 2, ... without a hole");
            let request = event["metadata"]["correlation_id"].as_str().unwrap();
            found.by_request.entry(request).or_default().push(event);
            found.streams.entry(event["aggregate_id"].as_str().unwrap()).or_default().push(event);
        }
        found
    }

    fn check_streams(&self) {
        for (stream, events) in &self.streams {
            let versions: Vec<_> = events.iter().map(|event| number(event, "version")).collect();
            assert!(versions.iter().copied().eq(1..=events.len() as u64), "stream {stream} is {versions:?}");
            assert_eq!(events[0]["event_type"], "OrderCreated");
        }
    }

    fn check_command(&self, command: &Command) {
        let requests = command.attempts.iter().map(|attempt| attempt.request_id.as_str());
        let effects: Vec<_> = requests.filter_map(|request| self.by_request.get(request)).collect();
        assert!(effects.len() <= 1, "it was done {} times: {command:#?}", effects.len());
        let effect = effects.first().map_or(&[][..], |events| events.as_slice());
        match command.fate() {
            Fate::Refused => assert!(effect.is_empty(), "refused and done: {command:#?} {effect:#?}"),
            Fate::Unknown => assert!(effect.is_empty() || is_whole(command, effect), "half: {command:#?} {effect:#?}"),
            Fate::Accepted(answer) if effect.is_empty() => self.check_done_before(command, answer),
            Fate::Accepted(answer) => {
                assert!(is_whole(command, effect), "{command:#?} {effect:#?}");
                let last = effect.last().unwrap();
                assert_eq!(number(last, "version"), answer.version(), "{command:#?} {effect:#?}");
                assert_eq!(Some(number(last, "position").to_string()), answer.position, "{command:#?}");
                assert!(answer.body.contains(last["aggregate_id"].as_str().unwrap()), "{command:#?}");
            }
        }
    }

    /// A step that changed nothing must have been taken by another command, no later than the answer says.
    fn check_done_before(&self, command: &Command, answer: &Answer) {
        let Effect::Step(event_type) = command.effect else { panic!("accepted and lost: {command:#?}") };
        let stream = command.path.split('/').nth(2).unwrap();
        let taken = self.streams[stream].iter().find(|event| event["event_type"] == event_type);
        assert!(taken.is_some_and(|event| number(event, "version") <= answer.version()), "lost: {command:#?}");
    }
}

/// Whether these events are exactly what the command does.
fn is_whole(command: &Command, events: &[&Value]) -> bool {
    let first = number(events[0], "position");
    let follow = events.iter().zip(first..).all(|(event, position)| number(event, "position") == position);
    let types: Vec<_> = events.iter().map(|event| event["event_type"].as_str().unwrap()).collect();
    let payload = &events[0]["payload"];
    let fits = match &command.effect {
        Effect::Placed { customer, lines } => {
            types[0] == "OrderCreated"
                && payload["customer_id"] == customer.as_str()
                && types[1..].iter().all(|kind| *kind == "ItemAdded")
                && types.len() as u64 == 1 + lines
        }
        Effect::Added { product } => types == ["ItemAdded"] && payload["product_id"] == product.as_str(),
        Effect::Changed { quantity } => types == ["ItemQuantityUpdated"] && payload["new_quantity"] == *quantity,
        Effect::Step(event_type) => types == [*event_type],
        Effect::Nothing => false,
    };
    follow && fits
}
