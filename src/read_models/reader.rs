//! What readers of the read models need: the rows, and how far each read model has come.

use std::sync::Arc;

use async_trait::async_trait;
use ordo_actors::{
    log::event::Position,
    projection::{ProjectionHandle, row_store::RowStore},
};

use super::kind::ReadModelKind;

/// Where a read model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadPosition {
    /// Which generation of rows readers are to read; zero while that is not known.
    pub generation: u32,
    /// Everything up to here is in them.
    pub position: Position,
}

impl ReadPosition {
    /// Whether there are rows to read. Not so between the start of the process and the first look at the checkpoint.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.generation > 0
    }
}

/// How far a read model has come, and a way to wait for it.
#[async_trait]
pub trait ReadModelProgress: Send + Sync + 'static {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Where it stands now. Its rows may be newer, never older.
    fn now(&self) -> ReadPosition;

    /// Waits until its rows have come this far, for as long as it takes; ends early when it has stopped for good.
    async fn wait_until(&self, position: Position);
}

#[async_trait]
impl ReadModelProgress for ProjectionHandle {
    fn name(&self) -> &'static str {
        self.name()
    }

    fn now(&self) -> ReadPosition {
        let checkpoint = self.progress().checkpoint;
        checkpoint
            .map_or_else(ReadPosition::default, |at| ReadPosition { generation: at.generation, position: at.position })
    }

    async fn wait_until(&self, position: Position) {
        self.reached(position).await;
    }
}

/// The read models, for those who read them.
#[derive(Clone)]
pub struct ReadModels {
    /// Their rows.
    pub rows: Arc<dyn RowStore>,
    progress: [Arc<dyn ReadModelProgress>; ReadModelKind::ALL.len()],
}

impl ReadModels {
    /// Puts together rows and what tells how far each read model is.
    #[must_use]
    pub fn new(rows: Arc<dyn RowStore>, progress: impl Fn(ReadModelKind) -> Arc<dyn ReadModelProgress>) -> Self {
        Self { rows, progress: ReadModelKind::ALL.map(progress) }
    }

    /// How far a read model is.
    #[must_use]
    pub fn progress(&self, kind: ReadModelKind) -> &dyn ReadModelProgress {
        &*self.progress[kind as usize]
    }
}
