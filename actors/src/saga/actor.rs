//! The actor of one running saga: a run in a task of its own, so that a panic ends this run and nothing else.

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, WrapFuture};

use super::{
    effects::SagaEffects,
    runner::Runner,
    supervisor::{Ended, SagaSupervisor},
};

/// One run of one saga. Tells the supervisor when it is over, and how.
pub(crate) struct SagaActor<E: SagaEffects> {
    runner: Option<Runner<E>>,
    supervisor: Addr<SagaSupervisor<E>>,
}

impl<E: SagaEffects> SagaActor<E> {
    pub fn new(runner: Runner<E>, supervisor: Addr<SagaSupervisor<E>>) -> Self {
        Self { runner: Some(runner), supervisor }
    }
}

impl<E: SagaEffects> Actor for SagaActor<E> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        use actix::ActorContext;
        let Some(runner) = self.runner.take() else { return ctx.stop() };
        let saga_id = runner.saga_id;
        let supervisor = self.supervisor.clone();
        let run = async move {
            let end = actix::spawn(runner.run()).await.ok();
            // A supervisor that has ended needs no telling.
            let _ = supervisor.send(Ended { saga_id, end }).await;
        };
        ctx.spawn(run.into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}
