//! Where the read models stand: checkpoints, and the streams they have parked.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::{
    log::event::{Epoch, Position, StreamId},
    projection::row_store::{Checkpoint, DeadLetter, RowVerdict},
};

/// All read models.
#[derive(Debug, Default)]
pub struct Checkpoints {
    models: HashMap<&'static str, Model>,
}

#[derive(Debug)]
struct Model {
    live: u32,
    generations: BTreeMap<u32, Generation>,
}

/// One generation of one read model.
#[derive(Debug)]
pub struct Generation {
    checkpoint: Checkpoint,
    parked: HashMap<StreamId, DeadLetter>,
}

impl Generation {
    /// Moves the checkpoint, frees streams, then parks others.
    pub fn advance(&mut self, next: Checkpoint, free: &[StreamId], park: Vec<DeadLetter>) {
        self.checkpoint = Checkpoint { generation: self.checkpoint.generation, ..next };
        for stream in free {
            self.parked.remove(stream);
        }
        self.parked.extend(park.into_iter().map(|letter| (letter.stream, letter)));
    }
}

impl Checkpoints {
    /// Where the live generation stands.
    pub fn live(&self, model: &str) -> Option<Checkpoint> {
        let model = self.models.get(model)?;
        Some(model.generations.get(&model.live)?.checkpoint)
    }

    /// Whether it is the live generation.
    pub fn is_live(&self, model: &str, generation: u32) -> bool {
        self.models.get(model).is_some_and(|model| model.live == generation)
    }

    /// Where a generation stands.
    pub fn checkpoint(&self, model: &str, generation: u32) -> Option<Checkpoint> {
        self.generation(model, generation).map(|found| found.checkpoint)
    }

    /// Puts a new owner on a generation, which is made if need be.
    pub fn claim(&mut self, model: &'static str, generation: u32, epoch: Epoch, owner: Uuid) -> Checkpoint {
        let model =
            self.models.entry(model).or_insert_with(|| Model { live: generation, generations: BTreeMap::new() });
        let claimed = model.generations.entry(generation).or_insert_with(|| Generation {
            checkpoint: Checkpoint { position: Position::START, epoch, generation, owner },
            parked: HashMap::new(),
        });
        claimed.checkpoint.owner = owner;
        claimed.checkpoint
    }

    /// The generation of a checkpoint, if it stands there.
    pub fn at(&mut self, model: &str, expected: &Checkpoint) -> Option<&mut Generation> {
        let generation = self.generation_mut(model, expected.generation)?;
        (generation.checkpoint == *expected).then_some(generation)
    }

    /// Makes a generation live, if it stands at `expected`.
    pub fn switch(&mut self, model: &str, expected: &Checkpoint) -> RowVerdict {
        let stands_there = self.at(model, expected).is_some();
        match self.models.get_mut(model).filter(|_| stands_there) {
            Some(model) => {
                model.live = expected.generation;
                RowVerdict::Committed
            }
            None => RowVerdict::Superseded,
        }
    }

    /// Supersedes the runner of a generation that is being discarded.
    pub fn doom(&mut self, model: &str, generation: u32) {
        if let Some(found) = self.generation_mut(model, generation) {
            let (position, epoch, owner) = (Position::START, Epoch(Uuid::nil()), Uuid::nil());
            found.checkpoint = Checkpoint { position, epoch, generation, owner };
        }
    }

    /// Forgets at most so many parked streams; tells how many.
    pub fn forget_letters(&mut self, model: &str, generation: u32, most: usize) -> usize {
        let Some(found) = self.generation_mut(model, generation) else { return 0 };
        let gone: Vec<_> = found.parked.keys().take(most).copied().collect();
        for stream in &gone {
            found.parked.remove(stream);
        }
        gone.len()
    }

    /// Removes a checkpoint.
    pub fn remove(&mut self, model: &str, generation: u32) {
        if let Some(model) = self.models.get_mut(model) {
            model.generations.remove(&generation);
        }
    }

    /// The parked streams by position.
    pub fn dead_letters(&self, model: &str, generation: u32) -> Vec<DeadLetter> {
        let parked = self.generation(model, generation).map(|found| found.parked.values().cloned());
        let mut letters: Vec<_> = parked.into_iter().flatten().collect();
        letters.sort_by_key(|letter| (letter.position, letter.stream));
        letters
    }

    fn generation(&self, model: &str, generation: u32) -> Option<&Generation> {
        self.models.get(model)?.generations.get(&generation)
    }

    fn generation_mut(&mut self, model: &str, generation: u32) -> Option<&mut Generation> {
        self.models.get_mut(model)?.generations.get_mut(&generation)
    }
}
