//! Processes that are killed, disks that fail, servers that go away: what was acknowledged stays.

mod faults;
mod histories;
mod kills;
mod matrix;
mod read_models;
