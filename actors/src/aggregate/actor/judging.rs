//! What becomes of a group: its verdicts, or what a check has found.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::{AggregateActor, Entry, Provenance};
use crate::{
    aggregate::{
        Aggregate,
        execution::{Execution, Resolution},
        request::Failure,
    },
    log::{
        appender::Verdicts,
        event::{Position, Version},
        store::Verdict,
    },
};

impl<A: Aggregate> AggregateActor<A> {
    /// Answers the group that was in flight.
    pub(super) fn judge(&mut self, verdicts: Result<Verdicts, Failure>, ctx: &mut Context<Self>) {
        let entries = std::mem::take(&mut self.in_flight);
        self.judge_all(entries, verdicts);
        self.weigh(ctx);
        self.go_on(ctx);
    }

    fn judge_all(&mut self, entries: Vec<Entry<A>>, verdicts: Result<Verdicts, Failure>) {
        match verdicts.and_then(|verdicts| verdicts.map_err(Failure::from)) {
            Ok(verdicts) => {
                let losers = self.answer(entries, verdicts);
                if self.loaded.is_none() || !losers.is_empty() {
                    self.discard_state();
                    self.stalled.splice(..0, losers);
                    self.fail_exhausted();
                }
            }
            Err(failure) => {
                // Those who only look do not depend on it: the store tells them.
                let (reads, others): (Vec<_>, Vec<_>) =
                    entries.into_iter().partition(|entry| entry.execution.is_read());
                self.fail_all(others.into_iter().map(|entry| entry.execution), &failure);
                self.discard_state();
                // What was decided on top of an unknown state was never sent: it is certain not to have happened.
                let stalled = std::mem::take(&mut self.stalled).into_iter();
                let (waiting, surely_not): (Vec<_>, Vec<_>) = stalled.partition(|execution| execution.is_read());
                self.stalled = waiting;
                self.stalled.extend(reads.into_iter().map(|entry| entry.execution));
                self.fail_all(surely_not, &Failure::Unavailable("the commit before it failed".into()));
            }
        }
    }

    /// Has a group without a commit held against the log.
    pub(super) fn check(&mut self, ctx: &mut Context<Self>) {
        let (Some(checks), Some(loaded)) = (&self.engine.checks, &self.loaded) else { return };
        let (checks, stream) = (std::sync::Arc::clone(checks), self.stream);
        let assumed = (loaded.version, loaded.position);
        self.in_flight = std::mem::take(&mut self.gathering);
        let checking = async move { checks.end_of(stream).await };
        ctx.spawn(checking.into_actor(self).map(move |end, actor, ctx| actor.compare(assumed, end, ctx)));
    }

    /// Answers a group that has been held against the log.
    fn compare(&mut self, assumed: (Version, Position), end: Result<Version, Failure>, ctx: &mut Context<Self>) {
        let executions = std::mem::take(&mut self.in_flight).into_iter().map(|entry| entry.execution);
        let (version, position) = assumed;
        match end {
            Ok(end) if end == version => {
                self.engine.metrics.confirmed.inc();
                executions.for_each(|execution| self.resolve(execution, Resolution::Durable(position)));
            }
            Ok(_) => {
                self.engine.metrics.stale.inc();
                let executions: Vec<_> = executions.collect();
                self.discard_state();
                self.stalled.splice(..0, executions);
                self.fail_exhausted();
            }
            Err(failure) => {
                self.engine.metrics.unchecked.inc();
                self.fail_all(executions, &failure);
            }
        }
        self.go_on(ctx);
    }

    /// Answers each request by its verdict. Those that lost, or have not seen enough, come back, and `loaded` is gone when memory
    /// had run ahead wrongly.
    fn answer(&mut self, entries: Vec<Entry<A>>, verdicts: Vec<Verdict>) -> Vec<Box<dyn Execution<A>>> {
        let appended = |verdict: &Verdict| matches!(verdict, Verdict::Appended { .. });
        let confirmed = self.engine.checks.is_none() || verdicts.iter().any(appended);
        let mut verdicts = verdicts.into_iter();
        let mut losers = Vec::new();
        let mut lost_to_extra_write = false;
        for Entry { execution, commit } in entries {
            let Some(shape) = commit else {
                if self.loaded.is_some() && confirmed {
                    self.resolve(execution, Resolution::Durable(self.position()));
                } else {
                    losers.push(execution);
                }
                continue;
            };
            match verdicts.next() {
                Some(Verdict::Appended { events, position }) => {
                    self.provenance = Provenance::Remembered;
                    if let (Some(loaded), false) = (self.loaded.as_mut(), events.is_empty()) {
                        loaded.position = position;
                    }
                    self.resolve(execution, Resolution::Durable(position));
                }
                Some(Verdict::Duplicate(record)) => {
                    // Its versions were not looked at.
                    if shape.changes_state || self.provenance == Provenance::Assumed {
                        self.loaded = None;
                    }
                    self.resolve(execution, Resolution::Duplicate(record));
                }
                Some(Verdict::Conflict { stream, actual }) => {
                    self.engine.metrics.conflicts.inc();
                    if stream == self.stream || shape.changes_state || self.provenance == Provenance::Assumed {
                        self.loaded = None;
                    }
                    if stream == self.stream {
                        losers.push(execution);
                    } else {
                        lost_to_extra_write = true;
                        self.resolve(execution, Resolution::Failed(Failure::ExtraWriteConflict { stream, actual }));
                    }
                }
                None => {
                    self.loaded = None;
                    self.resolve(execution, Resolution::Failed(Failure::Unknown("the store gave no verdict".into())));
                }
            }
        }
        if lost_to_extra_write {
            losers.iter_mut().for_each(|execution| execution.forgive());
        }
        losers
    }

    /// Each request is decided a bounded number of times.
    fn fail_exhausted(&mut self) {
        let most = self.engine.lifespan.attempts;
        let stalled = std::mem::take(&mut self.stalled);
        let (exhausted, again): (Vec<_>, Vec<_>) =
            stalled.into_iter().partition(|execution| execution.attempts() >= most);
        self.fail_all(exhausted, &Failure::Contended(most));
        self.stalled = again;
    }
}
