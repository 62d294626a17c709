//! Logs: readable on a terminal, one JSON object per line anywhere else. Nobody who logs waits for who reads the log.

mod log_queue;

use std::{
    fs::File,
    io::{IsTerminal, Write, stderr},
    os::fd::AsFd,
    panic::{PanicHookInfo, set_hook},
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use chrono::SecondsFormat;
use env_logger::{
    Builder, Env, Target,
    fmt::{ConfigurableFormat, Formatter},
};
use log::{
    LevelFilter, Record,
    kv::{Error, Key, Value, VisitSource},
};
use ordo_actors::clock::{Clock, SystemClock};
use prometheus::IntCounter;
use serde_json::{Map, json};

use self::log_queue::LogQueue;
use crate::order::escaped;

/// What waits for the reader of the log at most, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// How long a process that ends waits for the reader of the log.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How long a thread that panics does.
const PANIC_LINES: Duration = Duration::from_millis(200);

/// Lines that were dropped because nobody read them in time.
#[expect(clippy::expect_used, reason = "a constant name that is acceptable")]
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::new("ordo_log_lines_dropped_total", "Lines of the log that nobody read in time.").expect("a good name")
});

static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// The log while the process runs; when this value goes, the lines that wait have been written, or a second has gone by.
pub struct Logging(());

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(queue) = QUEUE.get() {
            queue.flush(LAST_LINES);
        }
    }
}

/// How many lines of the log nobody read in time.
#[must_use]
pub fn dropped_lines() -> IntCounter {
    DROPPED.clone()
}

/// What is shown of these unless `ORDO_LOG` names them: every malformed request is an error to the web server, and statements
/// hold what clients have sent.
const QUIET: [(&str, LevelFilter); 2] = [("actix_http", LevelFilter::Off), ("tokio_postgres", LevelFilter::Info)];

/// Starts logging to standard error, by way of a thread of its own. `ORDO_LOG` chooses what is shown, in `env_logger`'s
/// language; `info` when unset. Panics are logged, too.
#[must_use]
pub fn start() -> Logging {
    let is_terminal = stderr().is_terminal();
    let mut builder = Builder::new();
    if is_terminal {
        builder.write_style(anstream::AutoStream::choice(&stderr()).into());
        builder.format(readable_line());
    } else {
        builder.format(json_line);
    }
    for (module, most) in QUIET {
        builder.filter_module(module, most);
    }
    builder.parse_env(Env::new().filter_or("ORDO_LOG", "info,actix_server=warn,refinery_core=warn"));
    // Without a descriptor or a thread of its own the log goes straight to standard error.
    if let Ok(queue) = queue(is_terminal) {
        let queue = QUEUE.get_or_init(|| queue);
        builder.target(Target::Pipe(Box::new(Enqueue(queue.clone()))));
        set_hook(Box::new(move |panic| log_panic(queue, panic, is_terminal)));
    }
    // A second start in one process (tests) keeps the first.
    let _ = builder.try_init();
    Logging(())
}

/// Says a sentence for whoever ran the command, after all that was logged and whatever is logged.
pub fn say(sentence: &str) {
    let line = format!("{}\n", escaped(sentence, true));
    match QUEUE.get() {
        Some(queue) => queue.push_last(line.as_bytes()),
        // There is nowhere left to say it.
        None => drop(stderr().write_all(line.as_bytes())),
    }
}

/// The lock of standard error is left alone: it would be held while nobody reads.
fn queue(is_terminal: bool) -> std::io::Result<LogQueue> {
    let out = File::from(stderr().as_fd().try_clone_to_owned()?);
    let tell = move |count| {
        let mut line = line_of(
            "warn",
            module_path!(),
            &format!("{count} lines of the log were dropped: nobody read them in time"),
        );
        line.insert("dropped".into(), json!(count));
        shown(&line, is_terminal)
    };
    LogQueue::start(out, MOST_BYTES, dropped_lines(), tell)
}

fn log_panic(queue: &LogQueue, panic: &PanicHookInfo<'_>, is_terminal: bool) {
    let thread = std::thread::current();
    let trace = std::backtrace::Backtrace::capture();
    let traced = matches!(trace.status(), std::backtrace::BacktraceStatus::Captured);
    let trace = if traced { format!("\n{trace}") } else { String::new() };
    let message = format!("thread '{}' {panic}{trace}", thread.name().unwrap_or("unnamed"));
    queue.push(&shown(&line_of("error", "panic", &message), is_terminal));
    // The process may not live to write it.
    queue.flush(PANIC_LINES);
}

/// The end of the queue that `env_logger` writes to, one line at a time.
struct Enqueue(LogQueue);

impl Write for Enqueue {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// As `env_logger` does it, with what a terminal would obey made visible.
fn readable_line() -> impl Fn(&mut Formatter, &Record<'_>) -> std::io::Result<()> {
    let mut format = ConfigurableFormat::default();
    format.key_values(|out, source| {
        let mut members = Map::new();
        // The visitor below never fails.
        let _ = source.visit(&mut Members(&mut members));
        members.iter().try_for_each(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write!(out, " {name}={}", escaped(&value, false))
        })
    });
    move |out, record| {
        let message = record.args().to_string();
        format.format(out, &record.to_builder().args(format_args!("{}", escaped(&message, false))).build())
    }
}

fn json_line(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let level = record.level().as_str().to_ascii_lowercase();
    let mut line = line_of(&level, record.target(), &record.args().to_string());
    // The visitor below never fails.
    let _ = record.key_values().visit(&mut Members(&mut line));
    out.write_all(&shown(&line, false))
}

fn line_of(level: &str, target: &str, message: &str) -> Map<String, serde_json::Value> {
    let mut line = Map::new();
    line.insert("time".into(), json!(SystemClock.now().to_rfc3339_opts(SecondsFormat::Micros, true)));
    line.insert("level".into(), json!(level));
    line.insert("target".into(), json!(target));
    line.insert("message".into(), json!(message));
    line
}

/// A line for a terminal, or as JSON.
fn shown(line: &Map<String, serde_json::Value>, is_terminal: bool) -> Vec<u8> {
    if is_terminal {
        let text = |member: &str| line[member].as_str().unwrap_or_default().to_owned();
        let (time, level, message) = (text("time"), text("level").to_uppercase(), text("message"));
        return format!("[{time} {level} {}] {}\n", text("target"), escaped(&message, true)).into_bytes();
    }
    // What JSON lets stand (DEL, C1, direction marks), a terminal may obey. It is a string's, and so is the escape.
    let text = serde_json::to_string(line).unwrap_or_default();
    format!("{}\n", escaped(&text, false)).into_bytes()
}

struct Members<'a>(&'a mut Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let value = match (value.to_u64(), value.to_i64(), value.to_f64()) {
            (Some(number), _, _) => json!(number),
            (None, Some(number), _) => json!(number),
            (None, None, Some(number)) => json!(number),
            (None, None, None) => json!(value.to_string()),
        };
        self.0.insert(key.to_string(), value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_nothing_that_a_terminal_would_obey() {
        let line = line_of("warn", "here", "\u{1b}[2J \u{9b}31m \u{7f} \u{202e}x\n\u{e0001}");
        let json = shown(&line, false);
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read["message"], line["message"]);
        for text in [json, shown(&line, true)] {
            let text = String::from_utf8(text).unwrap();
            let unseen = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{e0001}');
            assert!(!text.contains(unseen), "{text:?}");
        }
    }
}
