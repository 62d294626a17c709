//! The calls: what arrives, its fate, what the ledger makes of it, the answer.

use std::{pin::Pin, time::Duration};

use actix_web::{
    Error, FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    web::{Bytes, Data, Path},
};
use ordo_actors::retry::Backoff;
use serde::Deserialize;

use super::{problem::Problem, server::State};
use crate::fulfilment::{
    call::{Call, CallKind, Partner, Terms},
    fate::{Asked, Fate},
    ledger::Verdict,
    partner::{CallKey, Standing},
    wire::{CallAnswer, CallBody, KEY_HEADER, StandingAnswer},
};
use crate::{
    guard::media::is_json,
    order::{OrderId, Reference},
};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A body that is called JSON and arrives in time.
pub struct JsonBytes(Bytes);

impl FromRequest for JsonBytes {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let named = is_json(request.method(), request.headers());
        let body = Bytes::from_request(request, payload);
        Box::pin(async move {
            if !named {
                return Err(Problem::NotJson.into());
            }
            let late = |_| Problem::Invalid("the body did not arrive in time".into());
            Ok(Self(tokio::time::timeout(BODY_TIMEOUT, body).await.map_err(late)??))
        })
    }
}

/// Characters in a key.
const LONGEST_KEY: usize = 255;

/// `POST /{partner}/{calls}`
pub async fn perform(
    state: Data<State>,
    path: Path<(String, String)>,
    request: HttpRequest,
    JsonBytes(body): JsonBytes,
) -> Result<HttpResponse, Problem> {
    let (partner, calls) = path.into_inner();
    let kind = CallKind::ALL.into_iter().find(|kind| kind.partner().name() == partner && kind.path() == calls);
    let kind = kind.ok_or(Problem::NotFound("there is no such call"))?;
    let body: CallBody = read(&body)?;
    let call = body.into_call(key(&request)?, kind).map_err(Problem::Invalid)?;
    let fate = state.fates.lock().next(Some(call.order_id), Asked::Call(kind));
    suffer(&state, fate).await?;
    answer(&state, call, fate).await
}

/// What happens to a request on its way in.
async fn suffer(state: &State, fate: Fate) -> Result<(), Problem> {
    match fate {
        Fate::Error => Err(Problem::TurnedAway("turned away, as it was told")),
        Fate::Lose => {
            pass(state.silence).await;
            Err(Problem::Lost("it got lost, as it was told".into()))
        }
        Fate::Slow => {
            pass(state.slow).await;
            Ok(())
        }
        Fate::Ok | Fate::Refuse | Fate::Timeout | Fate::Duplicate => Ok(()),
    }
}

async fn answer(state: &State, call: Call, fate: Fate) -> Result<HttpResponse, Problem> {
    let refusal = (fate == Fate::Refuse).then(|| "refused, as it was told".to_owned());
    let verdict = state.ledger.perform(call.clone(), refusal, fate == Fate::Duplicate).await?;
    if fate == Fate::Timeout {
        pass(state.silence).await;
        return Err(Problem::Lost("no answer in time, as it was told".into()));
    }
    match verdict {
        Verdict::Done(reference) => Ok(HttpResponse::Ok().json(done(&call, &reference))),
        Verdict::Refused(reason) => Err(Problem::Refused { call: Box::new(call), reason }),
        Verdict::Contradiction(fault) => Err(Problem::Invalid(fault)),
    }
}

fn done(call: &Call, reference: &Reference) -> CallAnswer {
    let (amount_cents, currency) = match &call.terms {
        Terms::Money { amount_cents, currency } => (Some(*amount_cents), Some(currency.code().to_owned())),
        Terms::Goods(_) => (None, None),
    };
    CallAnswer {
        key: call.key.0.clone(),
        order_id: call.order_id,
        status: "done".into(),
        reference: reference.as_str().into(),
        amount_cents,
        currency,
    }
}

/// `GET /{partner}/calls/{key}`
pub async fn look_up(state: Data<State>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let (partner, key) = path.into_inner();
    let partner = Partner::ALL.into_iter().find(|known| known.name() == partner);
    let partner = partner.ok_or(Problem::NotFound("there is no such partner"))?;
    let fate = state.fates.lock().next(None, Asked::LookUp(partner));
    suffer(&state, fate).await?;
    if fate == Fate::Timeout {
        pass(state.silence).await;
        return Err(Problem::Lost("no answer in time, as it was told".into()));
    }
    let (status, reference, reason) = match state.ledger.standing(CallKey(key.clone())).await? {
        Standing::Done(reference) => ("done", Some(reference.as_str().to_owned()), None),
        Standing::Refused(reason) => ("refused", None, Some(reason)),
        Standing::Undone => ("undone", None, None),
        Standing::Unheard => return Err(Problem::NotFound("the key has never been heard of")),
        Standing::Unknown(reason) => return Err(Problem::Lost(reason)),
    };
    Ok(HttpResponse::Ok().json(StandingAnswer { key, status: status.into(), reference, reason }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptBody {
    /// For any order when absent.
    order_id: Option<OrderId>,
    call: String,
    outcomes: Vec<Fate>,
}

/// `POST /script`
pub async fn script(state: Data<State>, JsonBytes(body): JsonBytes) -> Result<HttpResponse, Problem> {
    let body: ScriptBody = read(&body)?;
    let asked = Asked::named(&body.call).ok_or_else(|| {
        let names = CallKind::ALL.map(CallKind::name).join(", ");
        Problem::Invalid(format!("call: one of {names}, look_up_inventory, look_up_payments, look_up_shipping"))
    })?;
    let scripted = state.fates.lock().script(body.order_id, asked, body.outcomes);
    scripted.map_err(|fault| Problem::Invalid(fault.to_string()))?;
    Ok(HttpResponse::NoContent().finish())
}

fn read<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|fault| Problem::Invalid(fault.to_string()))
}

fn key(request: &HttpRequest) -> Result<CallKey, Problem> {
    let key = request.headers().get(KEY_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Problem::Invalid(format!("{KEY_HEADER}: 1 to {LONGEST_KEY} characters")));
    }
    Ok(CallKey(key.into()))
}

async fn pass(time: Duration) {
    Backoff::new(time, time, 1).pause().await;
}
