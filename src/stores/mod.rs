//! Where the log is kept: one contract ([`ordo_actors::store::EventStore`]), one test suite, several databases.

pub mod postgres;
