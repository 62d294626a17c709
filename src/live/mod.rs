//! Live updates: one subscription type, served over WebSocket (`/ws`) and as Server-Sent Events (`/stream`).
//!
//! ```text
//!  event feed -> feed reader -- folds and writes each event once --> hub state: ring of live events, subscribers by topic
//!                                                                      |  sets the flags of the event's subscribers
//!  store --- pages, for subscriptions that are not on the ring (yet) -+ v
//!                                                                     +-> subscription -> socket       -> frames
//!                                                                                      -> event stream -> SSE
//! ```
//! A subscription holds no events: it is a place in the log. While everything after its place is on the ring it is live; when
//! the ring has moved on it reads the store at its own pace until the ring has it again. A subscriber is registered before its
//! place is chosen, so nothing falls between the two, and a place only moves forward, so nothing comes twice.
//!
//! **Invariant:** everything below `subscription` knows neither actix nor HTTP; only `socket`, `send_queue` and `event_stream`
//! wait for clients.

pub mod limits;
pub mod live_metrics;

// What is sent, and to whom.
pub mod topic;

mod commit;
mod live_event;

// From the log to the subscribers.
mod feed_reader;
mod hub_state;
pub mod live_hub;
mod ring;
pub mod subscription;

// The wire.
mod allowance;
mod client_frame;
mod close;
mod event_stream;
mod frame_gate;
pub mod routes;
mod send_queue;
mod server_frame;
mod socket;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod progress_tests;
#[cfg(test)]
mod random_subscription_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod subscription_tests;
