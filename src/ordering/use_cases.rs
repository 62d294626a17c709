//! The use cases of a server: commands, and the sagas that go with them.

use std::time::Duration;

use ordo_actors::{
    aggregate::request::Failure,
    log::{
        event::{StreamId, Version},
        store::StreamWrite,
    },
    saga::{SagaState, effects::start_write},
};

use super::{
    command_runner::{CommandRunner, Orders},
    error::OrderingError,
};
use crate::fulfilment::{Fulfilment, SagaSupervisorHandle};

/// A saga that has just been started, with its first step.
pub(super) const JUST_STARTED: Version = Version(2);

/// What can be asked of orders. Its use cases are in the files of this module.
pub struct Ordering<'a, O> {
    /// Runs the commands.
    pub commands: CommandRunner<'a, O>,
    /// Runs the sagas.
    pub sagas: &'a SagaSupervisorHandle,
}

impl<O: Orders> Ordering<'_, O> {
    /// Has a saga run. When it cannot be now, it is found in the durable index later.
    pub(super) async fn ensure_running(&self, saga_id: StreamId, begun_at: Option<Version>) {
        if let Err(failure) = self.sagas.ensure_running(saga_id, begun_at).await {
            log::warn!(saga = saga_id.to_string(); "a saga waits to be run: {failure}");
        }
    }

    /// Has a saga run and waits until it settles, at most for `wait`; tells where it is.
    pub(super) async fn wait_settled(
        &self,
        saga_id: StreamId,
        begun_at: Option<Version>,
        wait: Duration,
    ) -> Result<SagaState, OrderingError> {
        match self.sagas.ensure_running(saga_id, begun_at).await {
            Ok(watched) => {
                if let Ok(Some(settled)) = tokio::time::timeout(wait, watched.settled()).await {
                    return Ok(settled);
                }
            }
            Err(failure) => log::warn!(saga = saga_id.to_string(); "a saga waits to be run: {failure}"),
        }
        let saga = self.commands.load_saga(saga_id).await?;
        Ok(saga.map_or(SagaState::Absent, |saga| saga.state.state()))
    }
}

/// The write that starts a saga, if there is one to start.
pub(super) fn start(saga_id: StreamId, plan: Option<Fulfilment>) -> Result<Vec<StreamWrite>, Failure> {
    Ok(plan.map(|plan| start_write(saga_id, plan)).transpose()?.into_iter().collect())
}
