//! A partner behind HTTP: one base URL, from the configuration and nowhere else. Redirects are not followed, answers are
//! limited in time and size, and one that keeps failing is left alone for a while.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use ordo_actors::clock::{Clock, SystemClock};
use reqwest::{
    Client, Response, Url,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
    redirect,
};

use super::{
    answer::Answer,
    call::Call,
    circuit_breaker::CircuitBreaker,
    partner::{CallKey, Charge, Inventory, Parcel, Payments, Refund, Reply, Reservation, Shipping, Standing},
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

    async fn perform(&self, call: Call) -> Reply {
        let leave = match self.breaker.ask(Instant::now()) {
            Ok(leave) => leave,
            Err(pause) => {
                let reason = "the partner has not answered for a while and is left alone".into();
                return Reply::NotDone { reason, retry_after: Some(pause) };
            }
        };
        let (lives, reply) = match self.send(&call).await {
            Ok(answer) => {
                let reply = answer.reply(&call, SystemClock.now(), self.limits.longest_pause);
                (answer.status < 500 && !matches!(reply, Reply::Unknown(_)), reply)
            }
            Err(NoAnswer::NotSent(reason)) => (false, Reply::NotDone { reason, retry_after: None }),
            Err(NoAnswer::Lost(reason)) => (false, Reply::Unknown(reason)),
        };
        if lives {
            leave.answered();
        } else {
            leave.failed(Instant::now());
        }
        reply
    }

    async fn stands(&self, key: &CallKey) -> Standing {
        let Ok(leave) = self.breaker.ask(Instant::now()) else {
            return Standing::Unknown("the partner has not answered for a while and is left alone".into());
        };
        let (lives, standing) = match self.ask(key).await {
            Ok(answer) => {
                let standing = answer.standing(key);
                (!matches!(standing, Standing::Unknown(_)), standing)
            }
            Err(NoAnswer::NotSent(reason) | NoAnswer::Lost(reason)) => (false, Standing::Unknown(reason)),
        };
        if lives {
            leave.answered();
        } else {
            leave.failed(Instant::now());
        }
        standing
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
impl Inventory for HttpPartner {
    async fn reserve(&self, key: &CallKey, reservation: &Reservation) -> Reply {
        self.perform(Call::reserve(key, reservation)).await
    }

    async fn release(&self, key: &CallKey, of: &CallKey, reservation: &Reservation) -> Reply {
        self.perform(Call::release(key, of, reservation)).await
    }

    async fn look_up(&self, key: &CallKey) -> Standing {
        self.stands(key).await
    }
}

#[async_trait]
impl Payments for HttpPartner {
    async fn charge(&self, key: &CallKey, charge: &Charge) -> Reply {
        self.perform(Call::charge(key, charge)).await
    }

    async fn void(&self, key: &CallKey, of: &CallKey, charge: &Charge) -> Reply {
        self.perform(Call::void(key, of, charge)).await
    }

    async fn refund(&self, key: &CallKey, refund: &Refund) -> Reply {
        self.perform(Call::refund(key, refund)).await
    }

    async fn look_up(&self, key: &CallKey) -> Standing {
        self.stands(key).await
    }
}

#[async_trait]
impl Shipping for HttpPartner {
    async fn ship(&self, key: &CallKey, parcel: &Parcel) -> Reply {
        self.perform(Call::ship(key, parcel)).await
    }

    async fn call_back(&self, key: &CallKey, of: &CallKey, parcel: &Parcel) -> Reply {
        self.perform(Call::call_back(key, of, parcel)).await
    }

    async fn look_up(&self, key: &CallKey) -> Standing {
        self.stands(key).await
    }
}
