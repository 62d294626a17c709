//! Waiting for what happens in another process.

use std::{thread, time::Duration};

/// Looks again until it is so.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if is_so() {
            return;
        }
        thread::park_timeout(Duration::from_millis(30));
    }
    panic!("it never came: {what}");
}
