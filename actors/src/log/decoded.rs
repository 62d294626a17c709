//! The typed event beside the stored one: decoded by the first reader, shared by all of them.

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use serde_json::value::RawValue;

use crate::{
    aggregate::{DecodeError, DomainEvent},
    metrics::EVENTS_DECODED,
};

type Typed = Arc<dyn Any + Send + Sync>;

/// What a payload was decoded into, kept with its envelope. Takes about as much memory as the payload.
///
/// A copy is empty: what is copied may be changed.
#[derive(Default)]
pub struct Decoded(OnceLock<Result<Typed, Arc<DecodeError>>>);

impl Decoded {
    /// The typed event: decoded by whichever reader comes first, while the others wait for it.
    pub(super) fn get<E: DomainEvent>(&self, event_type: &str, payload: &RawValue) -> Result<Arc<E>, Arc<DecodeError>> {
        let known = self.0.get_or_init(|| decode::<E>(event_type, payload).map(|event| event as Typed));
        // A reader that takes the event for another type decodes it for itself.
        Arc::downcast(Arc::clone(known.as_ref().map_err(Arc::clone)?)).or_else(|_| decode(event_type, payload))
    }
}

fn decode<E: DomainEvent>(event_type: &str, payload: &RawValue) -> Result<Arc<E>, Arc<DecodeError>> {
    EVENTS_DECODED.inc();
    E::decode(event_type, payload).map(Arc::new).map_err(Arc::new)
}

impl Clone for Decoded {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "Decoded" } else { "NotDecoded" })
    }
}
