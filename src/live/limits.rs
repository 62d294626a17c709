//! What bounds the live side.

use std::time::Duration;

/// The largest frame a client may send, in bytes; also the largest message of several frames.
pub const FRAME_BYTES: usize = 64 << 10;
/// The most frames of one message.
pub const MESSAGE_FRAMES: u32 = 1_024;
/// Subscriptions on one socket.
pub const SUBSCRIPTIONS: usize = 100;
/// Messages of one socket that wait for the client to take them.
pub const WAITING_MESSAGES: usize = 24;
/// Bytes of those messages. A larger message waits alone.
pub const WAITING_BYTES: usize = 256 << 10;
/// Answers to a client's frames that wait for those; a client with more is not listened to.
pub const WAITING_ANSWERS: usize = 64;
/// Frames of a client, control frames too, that are heard at once. The rest waits in its connection.
pub const FRAMES_AT_ONCE: u32 = 1_000;
/// The same in a second, in the long run.
pub const FRAMES_PER_SECOND: u32 = 200;
/// Pages of the log that hold nothing for their subscriber, read for one connection at once.
pub const IDLE_READS_AT_ONCE: u32 = 500;
/// The same in a second, in the long run.
pub const IDLE_READS_PER_SECOND: u32 = 20;
/// Frames that cannot be read before the socket is closed.
pub const BAD_FRAMES: u32 = 100;
/// Events that a subscription takes at once, from the ring or from the store.
pub const BATCH_EVENTS: usize = 64;
/// Bytes of events that a subscription takes at once; a larger event is taken alone.
pub const BATCH_BYTES: usize = 256 << 10;
/// A longer text is sent in frames of so many bytes, each when the client has taken those before: nothing of it is copied
/// ahead. An order longer than this takes room among the large ones.
pub const PART_BYTES: usize = 64 << 10;
/// Bytes of large orders as text, over all clients. One that finds no room is left out of its frame, which says so.
pub const LARGE_ORDERS_BYTES: usize = 64 << 20;
/// Bytes of live events kept for slow subscribers.
pub const RING_BYTES: usize = 16 << 20;
/// Pages of the store that are read at once, over all subscriptions.
pub const READS_AT_ONCE: usize = 8;
/// Events the feed reader reads at once when it has to catch up.
pub const FEED_READER_PAGE: usize = 500;
/// How long clients have to go when the server stops, before their connections are cut.
pub const DRAIN: Duration = Duration::from_secs(2);

/// The limits an operator can set.
#[derive(Debug, Clone, Copy)]
pub struct LiveLimits {
    /// Live connections; one more is told to come back.
    pub connections: usize,
    /// Live events kept for slow subscribers.
    pub ring_events: usize,
    /// How often a quiet connection says where it is; a client that answers nothing for two such times is closed.
    pub heartbeat: Duration,
    /// How long a client may take nothing of what waits for it. Then its socket is closed. After twice that time and a
    /// little more its connection is cut, like that of any client that takes nothing.
    pub stall: Duration,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            ring_events: 8_192,
            heartbeat: Duration::from_secs(15),
            stall: Duration::from_secs(20),
        }
    }
}
