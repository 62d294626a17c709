//! The calls: what arrives, the injected fault, the ledger's verdict, the answer.

use std::{pin::Pin, time::Duration};

use actix_web::{
    Error, FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    web::{Bytes, Data, Path},
};
use ordo_actors::{retry::pass, saga::CallStatus};
use serde::Deserialize;

use super::{
    fault_injection::{Fault, Target},
    ledger::CallVerdict,
    problem::Problem,
    server::State,
};
use crate::{
    fulfilment::{
        call::{Call, CallKind, PartnerRole, Terms},
        partner::CallKey,
        wire::{CallAnswer, CallBody, KEY_HEADER, StatusAnswer},
    },
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
    let fault = state.faults.lock().next(Some(call.order_id), Target::Call(kind));
    inject_fault(&state, fault).await?;
    answer(&state, call, fault).await
}

/// What happens to a request on its way in.
async fn inject_fault(state: &State, fault: Fault) -> Result<(), Problem> {
    match fault {
        Fault::Error => Err(Problem::TurnedAway("turned away, as it was told")),
        Fault::Lose => {
            pass(state.hang_for).await;
            Err(Problem::Lost("it got lost, as it was told".into()))
        }
        Fault::Slow => {
            pass(state.slow).await;
            Ok(())
        }
        Fault::None | Fault::Refuse | Fault::Timeout | Fault::Duplicate => Ok(()),
    }
}

async fn answer(state: &State, call: Call, fault: Fault) -> Result<HttpResponse, Problem> {
    let refusal = (fault == Fault::Refuse).then(|| "refused, as it was told".to_owned());
    let verdict = state.ledger.perform(call.clone(), refusal, fault == Fault::Duplicate).await?;
    if fault == Fault::Timeout {
        pass(state.hang_for).await;
        return Err(Problem::Lost("no answer in time, as it was told".into()));
    }
    match verdict {
        CallVerdict::Done(reference) => Ok(HttpResponse::Ok().json(done(&call, &reference))),
        CallVerdict::Refused(reason) => Err(Problem::Refused { call: Box::new(call), reason }),
        CallVerdict::Contradiction(fault) => Err(Problem::Invalid(fault)),
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
pub async fn status(state: Data<State>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let (partner, key) = path.into_inner();
    let partner = PartnerRole::ALL.into_iter().find(|known| known.name() == partner);
    let partner = partner.ok_or(Problem::NotFound("there is no such partner"))?;
    let fault = state.faults.lock().next(None, Target::Status(partner));
    inject_fault(&state, fault).await?;
    if fault == Fault::Timeout {
        pass(state.hang_for).await;
        return Err(Problem::Lost("no answer in time, as it was told".into()));
    }
    let (status, reference, reason) = match state.ledger.call_status(CallKey(key.clone())).await? {
        CallStatus::Done(reference) => ("done", Some(reference), None),
        CallStatus::Refused(reason) => ("refused", None, Some(reason)),
        CallStatus::Undone => ("undone", None, None),
        CallStatus::NotReceived => return Err(Problem::NotFound("the key has never been heard of")),
        CallStatus::Unknown(reason) => return Err(Problem::Lost(reason)),
    };
    Ok(HttpResponse::Ok().json(StatusAnswer { key, status: status.into(), reference, reason }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptBody {
    /// For any order when absent.
    order_id: Option<OrderId>,
    call: String,
    outcomes: Vec<Fault>,
}

/// `POST /script`
pub async fn script(state: Data<State>, JsonBytes(body): JsonBytes) -> Result<HttpResponse, Problem> {
    let body: ScriptBody = read(&body)?;
    let asked = Target::named(&body.call).ok_or_else(|| {
        let names = CallKind::ALL.map(CallKind::name).join(", ");
        Problem::Invalid(format!("call: one of {names}, look_up_inventory, look_up_payments, look_up_shipping"))
    })?;
    let scripted = state.faults.lock().script(body.order_id, asked, body.outcomes);
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
