//! Logs: readable on a terminal, one JSON object per line anywhere else.

use std::io::{IsTerminal, Write};

use chrono::SecondsFormat;
use env_logger::{Builder, Env, fmt::Formatter};
use log::{
    Record,
    kv::{Error, Key, Value, VisitSource},
};
use ordo_actors::clock::{Clock, SystemClock};
use serde_json::{Map, json};

/// Starts logging to standard error. `ORDO_LOG` chooses what is shown, in `env_logger`'s language; `info` when unset.
pub fn start() {
    let mut builder = Builder::from_env(Env::new().filter_or("ORDO_LOG", "info,actix_server=warn,refinery_core=warn"));
    if !std::io::stderr().is_terminal() {
        builder.format(json_line);
    }
    // A second start in one process (tests) keeps the first.
    let _ = builder.try_init();
}

fn json_line(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let mut line = Map::new();
    line.insert("time".into(), json!(SystemClock.now().to_rfc3339_opts(SecondsFormat::Micros, true)));
    line.insert("level".into(), json!(record.level().as_str().to_ascii_lowercase()));
    line.insert("target".into(), json!(record.target()));
    line.insert("message".into(), json!(record.args().to_string()));
    // The visitor below never fails.
    let _ = record.key_values().visit(&mut Members(&mut line));
    writeln!(out, "{}", serde_json::Value::Object(line))
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
