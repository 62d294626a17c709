//! The log: events in streams, appended in groups, read by stream or in the order of their positions.
//!
//! ```text
//!   commits of all actors -> appender -> EventStore::append    one batch, one fsync; the next batch gathers meanwhile
//!                               |
//!                               +------> event feed -> subscribers    a hint; who lags reads the store
//!   readers <- upcast <- EventStore::read    old schema versions are lifted on their way out
//! ```
//!
//! **Invariant:** a commit is in the log whole or not at all. Positions have no holes and become visible in their order.
//!
//! **Invariant:** only the appender appends.

// The words and the contract.
pub mod decoded;
pub mod event;
pub mod event_page;
pub mod store;

// Writing and following.
pub mod appender;
pub mod event_feed;

// Reading what is old, and auditing what is there.
pub mod checksum;
pub mod inspection;
pub mod upcast;
