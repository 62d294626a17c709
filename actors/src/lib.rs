#![doc = include_str!("../README.md")]

pub mod aggregate;
pub mod clock;
pub mod event;
pub mod store;
