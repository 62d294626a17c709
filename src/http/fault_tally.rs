//! What was answered with a server's fault: counted by kind, and told once a second. A line for each would cost more than the
//! answer, and whoever makes a server refuse much would fill its disk.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::error::ProblemKind;

/// How often it is told.
pub const EVERY: Duration = Duration::from_secs(1);

/// The counts since they were last told.
#[derive(Debug, Default)]
pub struct FaultTally {
    counts: [AtomicU64; ProblemKind::ALL.len()],
    /// Those that are no problem of ours to name, such as a server that is not ready.
    others: AtomicU64,
}

impl FaultTally {
    /// Counts one; true for the first since they were last told, which is worth a line of its own.
    pub fn count(&self, kind: Option<ProblemKind>) -> bool {
        let place =
            kind.and_then(|kind| ProblemKind::ALL.iter().position(|known| known.explain().name == kind.explain().name));
        place.map_or(&self.others, |place| &self.counts[place]).fetch_add(1, Ordering::Relaxed) == 0
    }

    /// One sentence for all that was counted, and begins anew; nothing when there was nothing, or nothing but what had a line.
    pub fn tell(&self) -> Option<String> {
        let mut sentence = String::new();
        for (place, kind) in ProblemKind::ALL.into_iter().enumerate() {
            let count = self.counts[place].swap(0, Ordering::Relaxed);
            if count > u64::from(kind.is_worth_a_line()) {
                // Writing to a string never fails.
                let _ =
                    write!(sentence, "{}{count} {}", if sentence.is_empty() { "" } else { ", " }, kind.explain().name);
            }
        }
        let others = self.others.swap(0, Ordering::Relaxed);
        if others > 1 {
            let _ = write!(sentence, "{}{others} others", if sentence.is_empty() { "" } else { ", " });
        }
        (!sentence.is_empty()).then(|| format!("answered within a second: {sentence}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_refusals_is_one_sentence() {
        let tally = FaultTally::default();
        assert_eq!(tally.tell(), None);
        assert!(tally.count(Some(ProblemKind::Overloaded)));
        assert!((1..2000).all(|_| !tally.count(Some(ProblemKind::Overloaded))));
        assert!(tally.count(Some(ProblemKind::StoreUnavailable)));
        assert_eq!(tally.tell().unwrap(), "answered within a second: 2000 overloaded");
        assert!(tally.count(None));
        assert_eq!(tally.tell(), None);
    }
}
