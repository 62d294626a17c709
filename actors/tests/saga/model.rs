//! Every way a saga can go: all outcomes, crashes, cancellations and deadlines, at every point, explored to the end.
//!
//! The partner of the model keeps its promises: a key has one effect, an undo ends its key, a message may arrive late or never.

use std::collections::{BTreeMap, HashSet, VecDeque};

use chrono::{DateTime, Utc};
use ordo_actors::{
    aggregate::Aggregate,
    saga::{Action, CallKnowledge, SagaCommand, SagaState, StepOutcome},
    testing::nth_second,
};
use serde_json::to_string;

use crate::toy::{POLICY, SAGA, Trip, TripSaga, TripStep, trip};

/// What the partner remembers of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Entry {
    Done,
    Refused,
    Undone,
}

#[derive(Debug, Clone)]
struct World {
    saga: TripSaga,
    knowledge: CallKnowledge,
    partner: BTreeMap<String, Entry>,
    /// Calls whose caller has given up, and that may still arrive.
    late: Vec<String>,
    /// How often each key had an effect.
    effects: BTreeMap<String, u32>,
    crashes_left: u8,
    cancels_left: u8,
    now: DateTime<Utc>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            saga: TripSaga::default(),
            knowledge: CallKnowledge::Nothing,
            partner: BTreeMap::new(),
            late: Vec::new(),
            effects: BTreeMap::new(),
            crashes_left: 1,
            cancels_left: 1,
            now: nth_second(0),
        };
        world.apply(&SagaCommand::Start { saga_id: SAGA, definition: trip() });
        world
    }

    fn fingerprint(&self) -> String {
        let saga = to_string(&self.saga).expect("JSON");
        let Self { knowledge, partner, late, effects, crashes_left, cancels_left, now, .. } = self;
        format!("{saga}{knowledge:?}{partner:?}{late:?}{effects:?}{crashes_left}{cancels_left}{now}")
    }

    /// Decides and commits, as the runner does.
    fn apply(&mut self, command: &SagaCommand<Trip>) {
        let events = self.saga.decide(command).unwrap_or_default();
        if events.is_empty() {
            return;
        }
        events.iter().for_each(|event| self.saga.evolve(event, nth_second(0)));
        let begun = events.iter().any(|event| matches!(event, ordo_actors::saga::SagaEvent::StepStarted(_)));
        self.knowledge = if begun { CallKnowledge::Begun } else { CallKnowledge::Nothing };
    }

    /// A call arrives at the partner, which decides unless it has before.
    fn arrive(&mut self, key: &str, says_yes: bool) -> Entry {
        if let Some(known) = self.partner.get(key) {
            return *known;
        }
        let entry = if says_yes { Entry::Done } else { Entry::Refused };
        if says_yes {
            *self.effects.entry(key.to_owned()).or_default() += 1;
        }
        self.partner.insert(key.to_owned(), entry);
        entry
    }

    fn answer(entry: Entry) -> StepOutcome {
        match entry {
            Entry::Done => StepOutcome::Done("R".into()),
            Entry::Refused | Entry::Undone => StepOutcome::Refused("no".into()),
        }
    }

    fn recorded(&self, step: TripStep, outcome: StepOutcome) -> Self {
        let mut next = self.clone();
        next.apply(&SagaCommand::Record { step, outcome, at: next.now, policy: POLICY });
        next
    }

    fn recorded_undo(&self, step: TripStep, outcome: StepOutcome) -> Self {
        let mut next = self.clone();
        next.apply(&SagaCommand::RecordUndo { step, outcome, at: next.now, policy: POLICY });
        next
    }

    /// Everything that can happen next.
    fn successors(&self) -> Vec<Self> {
        let mut all = self.surprises();
        match self.saga.next(self.now, |_| POLICY, self.knowledge) {
            Action::Call { step, key } => all.extend(self.call(step, &key)),
            Action::QueryStatus { step, key } => all.extend(self.query_status(step, &key)),
            Action::Undo { step, of, .. } => all.extend(self.undo(step, &of)),
            Action::Begin { step } => {
                let mut next = self.clone();
                next.apply(&SagaCommand::Begin { step });
                all.push(next);
            }
            Action::GiveUp { step } => {
                let mut next = self.clone();
                next.apply(&SagaCommand::GiveUp { step });
                all.push(next);
            }
            Action::WaitUntil(_) => panic!("there are no pauses here: {:?}", self.saga),
            Action::Ended | Action::Stuck => {}
        }
        all
    }

    /// What happens beside what the saga does.
    fn surprises(&self) -> Vec<Self> {
        let mut all = Vec::new();
        if self.crashes_left > 0 {
            let crashed =
                Self { knowledge: CallKnowledge::Nothing, crashes_left: self.crashes_left - 1, ..self.clone() };
            all.push(crashed);
        }
        if self.cancels_left > 0 && self.saga.state() == SagaState::Running {
            let mut cancelled = Self { cancels_left: self.cancels_left - 1, ..self.clone() };
            cancelled.apply(&SagaCommand::Cancel { reason: "rain".into(), requested_by: None });
            all.push(cancelled);
        }
        if self.now == nth_second(0) && self.saga.state() == SagaState::Running {
            all.push(Self { now: nth_second(3601), ..self.clone() });
        }
        for (place, key) in self.late.iter().enumerate() {
            let mut arrived = self.clone();
            arrived.late.remove(place);
            arrived.arrive(key, true);
            all.push(arrived);
        }
        all
    }

    fn call(&self, step: TripStep, key: &str) -> Vec<Self> {
        let mut all = Vec::new();
        for says_yes in [true, false] {
            let mut arrived = self.clone();
            let entry = arrived.arrive(key, says_yes);
            all.push(arrived.recorded(step, Self::answer(entry)));
            // Done or refused, and the answer is lost; or the process dies before it can write it down.
            all.push(arrived.recorded(step, StepOutcome::Unknown("lost".into())));
            if arrived.crashes_left > 0 {
                arrived.crashes_left -= 1;
                arrived.knowledge = CallKnowledge::Nothing;
                all.push(arrived.clone());
            }
            // It is cancelled while the call is out.
            if arrived.cancels_left > 0 {
                arrived.cancels_left -= 1;
                arrived.apply(&SagaCommand::Cancel { reason: "rain".into(), requested_by: None });
                all.push(arrived.recorded(step, Self::answer(entry)));
            }
        }
        let not_done = StepOutcome::NotDone { error: "busy".into(), retry_after: None };
        all.push(self.recorded(step, not_done));
        let mut on_its_way = self.recorded(step, StepOutcome::Unknown("slow".into()));
        on_its_way.late.push(key.to_owned());
        all.push(on_its_way);
        all
    }

    fn query_status(&self, step: TripStep, key: &str) -> Vec<Self> {
        let silence = self.recorded(step, StepOutcome::Unknown("silence".into()));
        match self.partner.get(key) {
            Some(entry) => vec![self.recorded(step, Self::answer(*entry)), silence],
            None => vec![Self { knowledge: CallKnowledge::NotReceived, ..self.clone() }, silence],
        }
    }

    fn undo(&self, step: TripStep, of: &str) -> Vec<Self> {
        let mut undone = self.clone();
        undone.partner.insert(of.to_owned(), Entry::Undone);
        let not_done = StepOutcome::NotDone { error: "busy".into(), retry_after: None };
        vec![
            undone.recorded_undo(step, StepOutcome::Done("U".into())),
            undone.recorded_undo(step, StepOutcome::Unknown("lost".into())),
            self.recorded_undo(step, StepOutcome::Unknown("lost".into())),
            self.recorded_undo(step, not_done),
            self.recorded_undo(step, StepOutcome::Refused("no".into())),
        ]
    }

    /// What must be true at the end, when all that is late has arrived, too.
    fn check_the_end(&self) {
        let mut end = self.clone();
        for key in std::mem::take(&mut end.late) {
            end.arrive(&key, true);
        }
        let stand = end.partner.values().filter(|entry| **entry == Entry::Done).count();
        match end.saga.state() {
            SagaState::Completed => assert_eq!(stand, 2, "completed, and not all is done: {end:#?}"),
            SagaState::Failed => assert_eq!(stand, 0, "failed, and something stands: {end:#?}"),
            SagaState::Stuck => {}
            state => panic!("it rests in {state}: {end:#?}"),
        }
    }
}

#[test]
fn every_way_ends_and_nothing_stands_half_done() {
    let mut seen = HashSet::new();
    let mut queue = VecDeque::from([World::new()]);
    let mut ends = BTreeMap::<&str, usize>::new();
    while let Some(world) = queue.pop_front() {
        if !seen.insert(world.fingerprint()) {
            continue;
        }
        assert!(world.effects.values().all(|times| *times <= 1), "an effect twice: {world:#?}");
        match world.saga.next(world.now, |_| POLICY, world.knowledge) {
            Action::Ended | Action::Stuck => {
                world.check_the_end();
                *ends.entry(world.saga.state().name()).or_default() += 1;
            }
            _ => assert!(!world.successors().is_empty(), "it hangs: {world:#?}"),
        }
        queue.extend(world.successors());
    }
    assert!(ends.keys().eq(["Completed", "Failed", "Stuck"].iter()), "{ends:?}");
    assert!(seen.len() > 1000, "only {} states", seen.len());
}

/// Finite paths: whatever happens, the number of steps to the end is bounded.
#[test]
fn no_way_goes_on_for_ever() {
    fn longest(world: &World, known: &mut BTreeMap<String, Option<usize>>) -> usize {
        let name = world.fingerprint();
        match known.get(&name) {
            Some(Some(length)) => return *length,
            Some(None) => panic!("it goes round: {world:#?}"),
            None => {}
        }
        known.insert(name.clone(), None);
        let length = world.successors().iter().map(|next| 1 + longest(next, known)).max().unwrap_or(0);
        known.insert(name, Some(length));
        length
    }
    let length = longest(&World::new(), &mut BTreeMap::new());
    assert!(length < 64, "{length}");
}
