//! What a caller sends along with a command.

use ordo_actors::{
    aggregate::request::IdempotencyUse,
    log::event::{Metadata, Version},
};

use super::outcome::Present;
use crate::order::OrderId;

/// The conditions of a command, and what its events say of their cause.
#[derive(Debug, Clone, Default)]
pub struct CommandOptions {
    /// Only decide and show: nothing is stored.
    pub dry_run: bool,
    /// The versions the order may be at; empty means any.
    pub if_version: Vec<Version>,
    /// The key that makes the command repeatable.
    pub idempotency: Option<IdempotencyUse>,
    /// Goes into the events of the command.
    pub metadata: Metadata,
}

/// One request to one order.
pub struct Call<'a, P: Present> {
    /// Which order.
    pub order: OrderId,
    /// On which conditions.
    pub options: &'a CommandOptions,
    /// What makes the answer.
    pub present: P,
}
