//! Reads do not wait for long behind a commit that is held up: the store tells what is durable.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::{AggregateActor, Entry};
use crate::aggregate::{
    Aggregate,
    execution::{Execution, Resolution},
    rehydrate::{Loaded, Until, rehydrate},
    request::Failure,
};

impl<A: Aggregate> AggregateActor<A> {
    /// Sees to it that the reads in line are looked after.
    pub(super) fn watch_reads(&mut self, ctx: &mut Context<Self>) {
        if self.reads_wait && !self.reads_watched {
            self.reads_watched = true;
            ctx.run_later(self.engine.lifespan.read_patience, Self::look_past);
        }
    }

    /// Answers the reads that still wait for a commit from the store. It is asked after they came, so it knows all that had
    /// been acknowledged by then.
    fn look_past(&mut self, ctx: &mut Context<Self>) {
        self.reads_watched = false;
        // A check takes no longer than the store would; a read behind it may wait for a commit next.
        if self.in_flight.iter().all(|entry| entry.commit.is_none()) {
            self.reads_wait = self.gathering.iter().any(|entry| entry.execution.is_read());
            return;
        }
        self.reads_wait = false;
        let reads = self.take_reads();
        if reads.is_empty() {
            return;
        }
        self.reads_watched = true;
        let (engine, stream) = (Arc::clone(&self.engine), self.stream);
        let reading = async move { rehydrate(engine.store.as_ref(), stream, Until::Now, engine.lifespan.page()).await };
        ctx.spawn(reading.into_actor(self).map(move |loaded, actor, ctx| {
            actor.reads_watched = false;
            actor.tell(reads, loaded);
            actor.watch_reads(ctx);
        }));
    }

    /// All who only look, out of every line.
    fn take_reads(&mut self) -> Vec<Box<dyn Execution<A>>> {
        let is_read = |entry: &mut Entry<A>| entry.execution.is_read();
        let mut reads: Vec<_> = self.in_flight.extract_if(.., is_read).map(|entry| entry.execution).collect();
        reads.extend(self.gathering.extract_if(.., is_read).map(|entry| entry.execution));
        reads.extend(self.stalled.extract_if(.., |execution| execution.is_read()));
        reads
    }

    fn tell(&self, reads: Vec<Box<dyn Execution<A>>>, loaded: Result<Loaded<A>, Failure>) {
        let mut loaded = match loaded {
            Ok(loaded) => loaded,
            Err(failure) => return self.fail_all(reads, &failure),
        };
        let context = self.context();
        for mut read in reads {
            let resolution = match catch_unwind(AssertUnwindSafe(|| read.attempt(&mut loaded, &context))) {
                Ok(Ok(_)) => Resolution::Durable(loaded.position),
                Ok(Err(failure)) => Resolution::Failed(failure),
                Err(_) => Resolution::Failed(Failure::Panicked),
            };
            self.resolve(read, resolution);
        }
    }
}
