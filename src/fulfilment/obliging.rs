//! Partners in process that do what they are asked, at once.

use async_trait::async_trait;
use uuid::Uuid;

use super::partner::{CallKey, Charge, Inventory, Parcel, Payments, Refund, Reply, Reservation, Shipping, Standing};

/// All three partners. Remembers nothing: what a key led to follows from the key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Obliging;

fn done(key: &CallKey) -> Reply {
    Reply::Done(Uuid::new_v5(&Uuid::NAMESPACE_OID, key.0.as_bytes()).into())
}

#[async_trait]
impl Inventory for Obliging {
    async fn reserve(&self, key: &CallKey, _: &Reservation) -> Reply {
        done(key)
    }

    async fn release(&self, key: &CallKey, _: &CallKey, _: &Reservation) -> Reply {
        done(key)
    }

    async fn look_up(&self, _: &CallKey) -> Standing {
        Standing::Unheard
    }
}

#[async_trait]
impl Payments for Obliging {
    async fn charge(&self, key: &CallKey, _: &Charge) -> Reply {
        done(key)
    }

    async fn void(&self, key: &CallKey, _: &CallKey, _: &Charge) -> Reply {
        done(key)
    }

    async fn refund(&self, key: &CallKey, _: &Refund) -> Reply {
        done(key)
    }

    async fn look_up(&self, _: &CallKey) -> Standing {
        Standing::Unheard
    }
}

#[async_trait]
impl Shipping for Obliging {
    async fn ship(&self, key: &CallKey, _: &Parcel) -> Reply {
        done(key)
    }

    async fn call_back(&self, key: &CallKey, _: &CallKey, _: &Parcel) -> Reply {
        done(key)
    }

    async fn look_up(&self, _: &CallKey) -> Standing {
        Standing::Unheard
    }
}
