//! What can be asked of an aggregate, and what comes back.

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    aggregate::Aggregate,
    log::{
        event::{Metadata, Position, Version},
        store::{IdempotencyKey, StreamWrite},
    },
};

pub use crate::failure::Failure;

/// What the asker wants to see: anything that can be kept with an idempotency key and given again.
pub trait Answer: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Answer for T {}

/// Makes the answer from what was decided. Runs once per decision, so more than once after a conflict; must be pure.
pub type Render<A, R> = Box<dyn Fn(&CommandOutcome<'_, A>) -> R + Send>;

/// Makes the writes to other streams that belong to an accepted command, from the state after it and what happened. Runs once per
/// decision, as the renderer does.
pub type ExtraWrites<A> = Box<dyn Fn(&A, &[<A as Aggregate>::Event]) -> Result<Vec<StreamWrite>, Failure> + Send>;

/// The same writes whatever is decided.
#[must_use]
pub fn always<A: Aggregate>(writes: Vec<StreamWrite>) -> ExtraWrites<A> {
    Box::new(move |_, _| Ok(writes.clone()))
}

/// How far a request may go.
#[derive(Debug, Clone)]
pub enum Intent<C> {
    /// Looks at the state.
    Read,
    /// Decides and shows what would come of it; nothing is stored, the idempotency key is not used.
    DryRun(C),
    /// Decides and makes it durable.
    Execute(C),
}

/// One request to one aggregate.
pub struct Request<A: Aggregate, R> {
    /// What to do.
    pub intent: Intent<A::Command>,
    /// When not empty, the stream must be at one of these versions.
    pub if_version: Vec<Version>,
    /// Makes the same request with the same key have one effect and one answer.
    pub idempotency: Option<IdempotencyUse>,
    /// Who asks and why; ends in the events.
    pub metadata: Metadata,
    /// The stream is assumed not to exist, so do not look first. A wrong assumption costs a conflict and a look, nothing else; what
    /// comes of it without a commit (a rejection, say) is decided after a look in any case.
    pub assume_new_stream: bool,
    /// Writes to other streams that belong into the same commit, if the command is accepted; this stream is not one of them. A
    /// conflict there is the asker's to resolve, and so is the order of time: the events carry the time of this command. An
    /// actor of such a stream does not hear of it before its next commit, so best write where none lives.
    pub extra_writes: Option<ExtraWrites<A>>,
    /// The commit carries this time at the earliest: that of the last event of a stream written alongside, say.
    pub min_timestamp: DateTime<Utc>,
    /// Makes the answer.
    pub render: Render<A, R>,
}

/// The key a request carries, and the digest of the whole request.
#[derive(Debug, Clone)]
pub struct IdempotencyUse {
    /// The key and its scope.
    pub key: IdempotencyKey,
    /// Tells requests with the same key apart.
    pub fingerprint: [u8; 32],
}

/// The outcome of a request, as the renderer sees it.
#[derive(Debug)]
pub enum CommandOutcome<'a, A: Aggregate> {
    /// The state after it. Without events, nothing changed (or nothing was to change).
    Accepted {
        /// The state after.
        state: &'a A,
        /// The version after.
        version: Version,
        /// What happened.
        events: &'a [A::Event],
    },
    /// The aggregate said no.
    Rejected {
        /// Why.
        rejection: &'a A::Rejection,
        /// The state it said no in.
        state: &'a A,
        /// The version of that state.
        version: Version,
    },
    /// The stream is not at a version the asker demanded.
    VersionMismatch {
        /// The state there is.
        state: &'a A,
        /// The version there is.
        version: Version,
    },
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<R> {
    /// The answer.
    pub answer: R,
    /// A reader that has come this far has seen everything the answer speaks of.
    pub position: Position,
    /// The answer is the one given to an earlier request with the same idempotency key.
    pub replayed: bool,
}

impl<A: Aggregate, R: Answer> Request<A, R> {
    /// Executes a command.
    pub fn execute(command: A::Command, render: impl Fn(&CommandOutcome<'_, A>) -> R + Send + 'static) -> Self {
        Self::new(Intent::Execute(command), render)
    }

    /// Looks at the state.
    pub fn read(render: impl Fn(&CommandOutcome<'_, A>) -> R + Send + 'static) -> Self {
        Self::new(Intent::Read, render)
    }

    /// A request with nothing but an intent; the other fields are there to be set.
    pub fn new(intent: Intent<A::Command>, render: impl Fn(&CommandOutcome<'_, A>) -> R + Send + 'static) -> Self {
        Self {
            intent,
            if_version: Vec::new(),
            idempotency: None,
            metadata: Metadata::default(),
            assume_new_stream: false,
            extra_writes: None,
            min_timestamp: DateTime::UNIX_EPOCH,
            render: Box::new(render),
        }
    }

    /// Gives the metadata a command id when it has none.
    pub(crate) fn stamp(&mut self) {
        self.metadata.command_id.get_or_insert_with(Uuid::now_v7);
    }
}
