//! What operators do with parked streams, between two turns of the projection.

use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseActFuture, WrapFuture};
use tokio::sync::oneshot;

use super::{ProjectionActor, ProjectionHandle};
use crate::{
    log::{event::StreamId, store::StoreError},
    projection::{
        projector::Projector,
        row_store::{DeadLetter, Skip},
    },
};

impl ProjectionHandle {
    /// Tries a parked stream again; true when it is in the rows now. Errs when the store failed, or another process runs the
    /// projection.
    pub async fn retry(&self, stream: StreamId) -> Result<bool, StoreError> {
        self.actor.send(Retry(stream)).await.map_err(|_| ended())?
    }

    /// Notes durably that the read model does without a parked stream: it stays parked, nobody need look at it, and a rebuild
    /// that parks it again keeps the note. Gives what is noted; nothing when the stream is not parked. The first note stays,
    /// as long as the stream is parked.
    ///
    /// Errs as [`retry`](Self::retry) does.
    pub async fn skip(&self, stream: StreamId, by: String, reason: String) -> Result<Option<DeadLetter>, StoreError> {
        self.actor.send(SkipStream { stream, by, reason }).await.map_err(|_| ended())?
    }
}

/// Tries a parked stream again.
#[derive(Message)]
#[rtype(result = "Result<bool, StoreError>")]
struct Retry(StreamId);

/// Does without a parked stream.
#[derive(Message)]
#[rtype(result = "Result<Option<DeadLetter>, StoreError>")]
struct SkipStream {
    stream: StreamId,
    by: String,
    reason: String,
}

fn ended() -> StoreError {
    StoreError::Unavailable("the projection has ended".into())
}

impl ProjectionActor {
    /// Works with the projector; everything else waits until it is back.
    fn with_projector<T: 'static, F>(
        &mut self,
        ctx: &mut Context<Self>,
        work: impl FnOnce(Projector) -> F,
    ) -> ResponseActFuture<Self, Result<T, StoreError>>
    where
        F: Future<Output = (Projector, Result<T, StoreError>)> + 'static,
    {
        let Some(projector) = self.projector.take() else {
            let elsewhere = StoreError::Unavailable("another process runs the projection".into());
            return Box::pin(actix::fut::ready(Err(elsewhere)));
        };
        let (answer, answered) = oneshot::channel();
        ctx.wait(work(projector).into_actor(self).map(|(projector, result), actor, _| {
            actor.projector = Some(projector);
            let state = actor.progress.borrow().state;
            actor.show(state, None);
            let _ = answer.send(result);
        }));
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(ended())) }.into_actor(self))
    }
}

impl Handler<Retry> for ProjectionActor {
    type Result = ResponseActFuture<Self, Result<bool, StoreError>>;

    fn handle(&mut self, Retry(stream): Retry, ctx: &mut Context<Self>) -> Self::Result {
        self.with_projector(ctx, move |mut projector| async move {
            let retried = projector.retry(stream).await;
            (projector, retried)
        })
    }
}

impl Handler<SkipStream> for ProjectionActor {
    type Result = ResponseActFuture<Self, Result<Option<DeadLetter>, StoreError>>;

    fn handle(&mut self, asked: SkipStream, ctx: &mut Context<Self>) -> Self::Result {
        let now = self.parts.clock.now();
        let at = chrono::DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        let SkipStream { stream, by, reason } = asked;
        self.with_projector(ctx, move |mut projector| async move {
            let skipped = projector.skip(stream, Skip { by, reason, at }).await;
            (projector, skipped)
        })
    }
}
