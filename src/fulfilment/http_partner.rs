//! A partner behind HTTP: one base URL, from the configuration and nowhere else. Redirects are not followed, answers are
//! limited in time and size, and one that keeps failing is left alone for a while.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use ordo_actors::{
    clock::{Clock, SystemClock},
    saga::{CallStatus, StepOutcome},
};
use reqwest::{
    Client, Response, Url,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
    redirect,
};

use super::{
    answer::Answer,
    call::{Call, PartnerRole},
    circuit_breaker::CircuitBreaker,
    partner::{CallKey, Partner},
    settings::{BaseUrl, PartnerLimits},
    wire::{CallBody, KEY_HEADER},
};

/// One partner; each of the three has its own, and its own breaker.
#[derive(Debug)]
pub struct HttpPartner {
    client: Client,
    base: BaseUrl,
    limits: PartnerLimits,
    breaker: CircuitBreaker,
}

/// Why there is no answer to read.
enum NoAnswer {
    /// The request never left.
    NotSent(String),
    /// It may have arrived.
    Lost(String),
}

impl HttpPartner {
    /// A partner at a base URL. Nothing is asked of it yet.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(base: BaseUrl, limits: PartnerLimits) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("ordo/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let breaker = CircuitBreaker::new(limits.breaker_opens_after, limits.breaker_pause);
        Ok(Self { client, base, limits, breaker })
    }

    async fn send(&self, call: &Call) -> Result<Answer, NoAnswer> {
        let body = serde_json::to_vec(&CallBody::from(call)).map_err(|error| NoAnswer::NotSent(error.to_string()))?;
        let request = self
            .client
            .post(self.url(&[call.kind.path()]))
            .header(KEY_HEADER, &call.key.0)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        self.read(request.send().await.map_err(|error| no_answer(&error))?).await
    }

    async fn ask(&self, key: &CallKey) -> Result<Answer, NoAnswer> {
        let request = self.client.get(self.url(&["calls", &key.0]));
        self.read(request.send().await.map_err(|error| no_answer(&error))?).await
    }

    fn url(&self, path: &[&str]) -> Url {
        self.base.join(path)
    }

    async fn read(&self, mut response: Response) -> Result<Answer, NoAnswer> {
        let header = |name| header(response.headers(), name);
        let mut answer = Answer {
            status: response.status().as_u16(),
            content_type: header(CONTENT_TYPE).unwrap_or_default(),
            retry_after: header(RETRY_AFTER),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
            if answer.body.len() + chunk.len() > self.limits.answer_bytes {
                return Err(NoAnswer::Lost(format!("the answer is larger than {} bytes", self.limits.answer_bytes)));
            }
            answer.body.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

fn header(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Without the address, which is for the log of who configured it.
fn no_answer(error: &reqwest::Error) -> NoAnswer {
    match (error.is_connect(), error.is_builder(), error.is_timeout()) {
        (true, _, _) => NoAnswer::NotSent("the partner cannot be reached".into()),
        (_, true, _) => NoAnswer::NotSent("the call cannot be written as a request".into()),
        (_, _, true) => NoAnswer::Lost("no answer in time".into()),
        _ => NoAnswer::Lost("the connection broke before the answer was there".into()),
    }
}

#[async_trait]
impl Partner for HttpPartner {
    async fn call(&self, call: &Call) -> StepOutcome {
        let permit = match self.breaker.ask(Instant::now()) {
            Ok(permit) => permit,
            Err(pause) => {
                let error = "the partner has not answered for a while and is left alone".into();
                return StepOutcome::NotDone { error, retry_after: Some(pause) };
            }
        };
        let (lives, outcome) = match self.send(call).await {
            Ok(answer) => {
                let outcome = answer.outcome(call, SystemClock.now(), self.limits.longest_pause);
                (answer.status < 500 && !matches!(outcome, StepOutcome::Unknown(_)), outcome)
            }
            Err(NoAnswer::NotSent(error)) => (false, StepOutcome::NotDone { error, retry_after: None }),
            Err(NoAnswer::Lost(error)) => (false, StepOutcome::Unknown(error)),
        };
        permit.end(lives);
        outcome
    }

    async fn status(&self, _: PartnerRole, key: &CallKey) -> CallStatus {
        let Ok(permit) = self.breaker.ask(Instant::now()) else {
            return CallStatus::Unknown("the partner has not answered for a while and is left alone".into());
        };
        let (lives, status) = match self.ask(key).await {
            Ok(answer) => {
                let status = answer.call_status(key);
                (!matches!(status, CallStatus::Unknown(_)), status)
            }
            Err(NoAnswer::NotSent(error) | NoAnswer::Lost(error)) => (false, CallStatus::Unknown(error)),
        };
        permit.end(lives);
        status
    }
}
