//! The newest live events, bounded in number and bytes.

use std::{collections::VecDeque, sync::Arc};

use ordo_actors::log::event::Position;

use super::{
    limits::{BATCH_BYTES, BATCH_EVENTS},
    live_event::LiveEvent,
    topic::Topic,
};

/// Live events in position order. It knows how far back it reaches and how far it has come; what was not asked for is not
/// on it (see `hub_state`).
pub struct Ring {
    events: VecDeque<Arc<LiveEvent>>,
    bytes: usize,
    most_events: usize,
    most_bytes: usize,
    floor: Position,
    head: Position,
}

/// A part of the ring.
#[derive(Debug)]
pub struct Slice {
    /// Events of the topic, in position order.
    pub events: Vec<Arc<LiveEvent>>,
    /// Everything of the topic up to here is in `events`.
    pub through: Position,
    /// Nothing of the topic is left on the ring.
    pub drained: bool,
}

impl Ring {
    /// An empty ring at the end of a log.
    pub fn new(head: Position, most_events: usize, most_bytes: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, most_events, most_bytes, floor: head, head }
    }

    /// Everything after this position that was put on the ring is still there.
    pub fn floor(&self) -> Position {
        self.floor
    }

    /// How far it has come.
    pub fn head(&self) -> Position {
        self.head
    }

    /// Puts an event on the ring, and drops the oldest beyond the limits.
    pub fn push(&mut self, event: Arc<LiveEvent>) {
        self.head = event.position;
        self.bytes += event.body.len();
        self.events.push_back(event);
        while self.events.len() > self.most_events || (self.bytes > self.most_bytes && self.events.len() > 1) {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.body.len();
            self.floor = oldest.position;
        }
    }

    /// Has come this far without a further event.
    pub fn advance(&mut self, head: Position) {
        self.head = self.head.max(head);
    }

    /// Forgets everything up to its head.
    pub fn clear(&mut self) {
        self.events = VecDeque::new();
        self.bytes = 0;
        self.floor = self.head;
    }

    /// The next events of a topic after a position that is not below the floor: a bounded number, and a bounded number of bytes.
    pub fn read(&self, after: Position, topic: &Topic) -> Slice {
        let start = self.events.partition_point(|event| event.position <= after);
        let (mut events, mut bytes) = (Vec::new(), 0);
        for event in self.events.range(start..).filter(|event| topic.takes(event)) {
            if events.len() == BATCH_EVENTS || (bytes > 0 && bytes + event.body.len() > BATCH_BYTES) {
                let through = events.last().map_or(after, |event: &Arc<LiveEvent>| event.position);
                return Slice { events, through, drained: false };
            }
            bytes += event.body.len();
            events.push(Arc::clone(event));
        }
        Slice { events, through: self.head.max(after), drained: true }
    }
}

#[cfg(test)]
mod tests {
    use ordo_actors::log::event::StreamId;

    use super::*;

    fn event(position: u64, bytes: usize) -> Arc<LiveEvent> {
        let body = "x".repeat(bytes).into();
        Arc::new(LiveEvent { position: Position(position), order: StreamId::generate(), customer: None, body })
    }

    fn fill(ring: &mut Ring, positions: &[u64], bytes: usize) {
        for position in positions {
            ring.push(event(*position, bytes));
        }
    }

    fn positions(slice: &Slice) -> Vec<u64> {
        slice.events.iter().map(|event| event.position.0).collect()
    }

    #[test]
    fn what_is_after_a_position_is_read_in_order() {
        let mut ring = Ring::new(Position(4), 10, 1000);
        fill(&mut ring, &[5, 7, 8], 1);
        ring.advance(Position(9));
        let slice = ring.read(Position(5), &Topic::Orders);
        assert_eq!((positions(&slice), slice.through), (vec![7, 8], Position(9)));
        assert_eq!(positions(&ring.read(Position(9), &Topic::Orders)), [0; 0]);
    }

    #[test]
    fn a_place_ahead_of_the_ring_stays_where_it_is() {
        let ring = Ring::new(Position(4), 10, 1000);
        assert_eq!(ring.read(Position(6), &Topic::Orders).through, Position(6));
    }

    #[test]
    fn it_holds_no_more_than_its_limit_of_events() {
        let mut ring = Ring::new(Position(0), 2, 1000);
        fill(&mut ring, &[1, 2, 3], 1);
        assert_eq!(ring.floor(), Position(1));
        assert_eq!(positions(&ring.read(ring.floor(), &Topic::Orders)), [2, 3]);
    }

    #[test]
    fn it_holds_no_more_than_its_limit_of_bytes_but_always_the_newest() {
        let mut ring = Ring::new(Position(0), 100, 10);
        fill(&mut ring, &[1, 2, 3], 4);
        assert_eq!(ring.floor(), Position(1));
        ring.push(event(4, 50));
        assert_eq!((ring.floor(), positions(&ring.read(Position(3), &Topic::Orders))), (Position(3), vec![4]));
    }

    #[test]
    fn a_slice_is_bounded_in_events_and_says_how_far_it_goes() {
        let mut ring = Ring::new(Position(0), 1000, 1 << 20);
        (1..=100).for_each(|position| ring.push(event(position, 1)));
        let slice = ring.read(Position(0), &Topic::Orders);
        assert_eq!((slice.events.len(), slice.through), (BATCH_EVENTS, Position(BATCH_EVENTS as u64)));
    }

    #[test]
    fn a_slice_is_bounded_in_bytes_but_holds_at_least_one_event() {
        let mut ring = Ring::new(Position(0), 1000, 1 << 30);
        fill(&mut ring, &[1, 2], BATCH_BYTES + 1);
        let slice = ring.read(Position(0), &Topic::Orders);
        assert_eq!((positions(&slice), slice.through), (vec![1], Position(1)));
    }
}
