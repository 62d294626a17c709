//! The engine on counters, a faulty store and a manual clock. No test lets time pass: it waits for a gate, a decision, a
//! position or an answer.

mod answers;
mod assumed_new_stream;
mod conflicts;
mod faults;
mod feed;
mod group_commit;
mod idempotency;
mod limits;
mod memory;
mod panics;
mod random_histories;
mod rig;
mod shared_log;
mod snapshots;
mod stream_states;
mod time;
