//! What becomes of a group: its verdicts, or what a check has found.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::{AggregateActor, Entry, Trust};
use crate::{
    aggregate::{
        Aggregate,
        execution::{Settled, Work},
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
                    self.distrust();
                    self.stalled.splice(..0, losers);
                    self.give_up_on_the_weary();
                }
            }
            Err(failure) => {
                // Those who only look do not depend on it: the store tells them.
                let (reads, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.work.is_read());
                self.fail_all(others.into_iter().map(|entry| entry.work), &failure);
                self.distrust();
                // What was decided on top of an unknown state was never sent: it is certain not to have happened.
                let stalled = std::mem::take(&mut self.stalled).into_iter();
                let (waiting, surely_not): (Vec<_>, Vec<_>) = stalled.partition(|work| work.is_read());
                self.stalled = waiting;
                self.stalled.extend(reads.into_iter().map(|entry| entry.work));
                self.fail_all(surely_not, &Failure::Unavailable("the commit before it failed".into()));
            }
        }
    }

    /// Has a group without a commit held against the log.
    pub(super) fn check(&mut self, ctx: &mut Context<Self>) {
        let (Some(checks), Some(loaded)) = (&self.engine.checks, &self.loaded) else { return };
        let (checks, stream) = (std::sync::Arc::clone(checks), self.stream);
        let believed = (loaded.version, loaded.position);
        self.in_flight = std::mem::take(&mut self.gathering);
        let checking = async move { checks.end_of(stream).await };
        ctx.spawn(checking.into_actor(self).map(move |end, actor, ctx| actor.compare(believed, end, ctx)));
    }

    /// Answers a group that has been held against the log.
    fn compare(&mut self, believed: (Version, Position), end: Result<Version, Failure>, ctx: &mut Context<Self>) {
        let works = std::mem::take(&mut self.in_flight).into_iter().map(|entry| entry.work);
        let (version, position) = believed;
        match end {
            Ok(end) if end == version => {
                self.engine.metrics.confirmed.inc();
                works.for_each(|work| self.settle(work, Settled::Durable(position)));
            }
            Ok(_) => {
                self.engine.metrics.stale.inc();
                let works: Vec<_> = works.collect();
                self.distrust();
                self.stalled.splice(..0, works);
                self.give_up_on_the_weary();
            }
            Err(failure) => {
                self.engine.metrics.unchecked.inc();
                self.fail_all(works, &failure);
            }
        }
        self.go_on(ctx);
    }

    /// Answers each request by its verdict. Those that lost, or have not seen enough, come back, and `loaded` is gone when memory
    /// had run ahead wrongly.
    fn answer(&mut self, entries: Vec<Entry<A>>, verdicts: Vec<Verdict>) -> Vec<Box<dyn Work<A>>> {
        let appended = |verdict: &Verdict| matches!(verdict, Verdict::Appended { .. });
        let confirmed = self.engine.checks.is_none() || verdicts.iter().any(appended);
        let mut verdicts = verdicts.into_iter();
        let mut losers = Vec::new();
        let mut lost_alongside = false;
        for Entry { work, commit } in entries {
            let Some(shape) = commit else {
                if self.loaded.is_some() && confirmed {
                    self.settle(work, Settled::Durable(self.position()));
                } else {
                    losers.push(work);
                }
                continue;
            };
            match verdicts.next() {
                Some(Verdict::Appended { events, position }) => {
                    self.trust = Trust::Remembered;
                    if let (Some(loaded), false) = (self.loaded.as_mut(), events.is_empty()) {
                        loaded.position = position;
                    }
                    self.settle(work, Settled::Durable(position));
                }
                Some(Verdict::Duplicate(record)) => {
                    // Its versions were not looked at.
                    if shape.changes_state || self.trust == Trust::Believed {
                        self.loaded = None;
                    }
                    self.settle(work, Settled::Duplicate(record));
                }
                Some(Verdict::Conflict { stream, actual }) => {
                    self.engine.metrics.conflicts.inc();
                    if stream == self.stream || shape.changes_state || self.trust == Trust::Believed {
                        self.loaded = None;
                    }
                    if stream == self.stream {
                        losers.push(work);
                    } else {
                        lost_alongside = true;
                        self.settle(work, Settled::Failed(Failure::ConflictAlongside { stream, actual }));
                    }
                }
                None => {
                    self.loaded = None;
                    self.settle(work, Settled::Failed(Failure::Unknown("the store gave no verdict".into())));
                }
            }
        }
        if lost_alongside {
            losers.iter_mut().for_each(|work| work.forgive());
        }
        losers
    }

    /// Each request is decided a bounded number of times.
    fn give_up_on_the_weary(&mut self) {
        let most = self.engine.lifespan.attempts;
        let stalled = std::mem::take(&mut self.stalled);
        let (weary, again): (Vec<_>, Vec<_>) = stalled.into_iter().partition(|work| work.attempts() >= most);
        self.fail_all(weary, &Failure::Contended(most));
        self.stalled = again;
    }
}
