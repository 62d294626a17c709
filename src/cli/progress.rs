//! Progress: a bar on a terminal, a line every few seconds anywhere else, always on standard error.

use std::{io::IsTerminal, sync::Mutex, time::Duration, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows how far a long command has come.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: u64,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// Starts at zero of `total`.
    pub fn start(what: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} {bar:40} {human_pos}/{human_len} {per_sec} {eta}");
            let bar = ProgressBar::new(total).with_message(what);
            if let Ok(style) = style { bar.with_style(style) } else { bar }
        });
        Self { bar, what, total, last_line: Mutex::new(Instant::now()) }
    }

    /// Has come to here.
    pub fn at(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let Ok(mut last) = self.last_line.lock() else { return };
        if last.elapsed() >= PLAIN_EVERY {
            *last = Instant::now();
            log::info!("{}: {done} of {}", self.what, self.total);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
