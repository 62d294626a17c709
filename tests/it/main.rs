//! What is shown from outside, in rooms: each module of a room is one subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

mod layering;

mod cli;
mod crash;
mod http;
mod live;
mod read_models;
mod saga;
mod stores;
