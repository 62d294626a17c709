//! Payloads: the same JSON text, byte for byte.

use std::sync::Arc;

use super::building::{append, commit, event_saying, exact, log_of, stream_of, write};
use crate::log::{event::StreamId, store::EventStore};

/// Writes each payload and demands it back by every way of reading.
async fn come_back<'a>(store: &dyn EventStore, payloads: impl IntoIterator<Item = &'a str>) {
    let payloads: Vec<_> = payloads.into_iter().collect();
    let stream = StreamId::generate();
    let answered =
        append(store, commit([write(stream, exact(0), payloads.iter().map(|text| event_saying(text)))])).await;
    let by_stream = stream_of(store, stream).await;
    let by_log = log_of(store).await;
    assert_eq!([answered.len(), by_stream.len(), by_log.len()], [payloads.len(); 3]);
    for (index, expected) in payloads.into_iter().enumerate() {
        for (way, events) in [("the verdict", &answered), ("the stream", &by_stream), ("the log", &by_log)] {
            let text = events[index].payload.get();
            assert!(text == expected, "{way} says {text:.200} and not {expected:.200}");
        }
    }
}

pub async fn an_empty_object_comes_back(store: Arc<dyn EventStore>) {
    come_back(&*store, ["{}"]).await;
}

pub async fn every_json_value_comes_back(store: Arc<dyn EventStore>) {
    come_back(&*store, [r#"{"a":null,"b":true,"c":false,"d":"","e":[],"f":{},"g":0}"#]).await;
}

pub async fn unicode_comes_back(store: Arc<dyn EventStore>) {
    come_back(&*store, [r#"{"naïve":"Größe 日本語 🚀👩‍👩‍👧 \u202e e\u0301 é"}"#, "{\"\u{2028}\":\"\u{feff}\u{10ffff}\"}"])
        .await;
}

pub async fn escapes_come_back_as_they_were_written(store: Arc<dyn EventStore>) {
    come_back(&*store, [r#"{"a":"\u00fc ü \/ / \\ \" \b\f\n\r\t","\u0061":"\uD83D\uDE80"}"#]).await;
}

pub async fn a_null_character_comes_back(store: Arc<dyn EventStore>) {
    come_back(&*store, [r#"{"a":"before\u0000after"}"#]).await;
}

pub async fn blanks_and_line_breaks_come_back(store: Arc<dyn EventStore>) {
    come_back(&*store, ["{ \"a\" : 1 ,\n\t\"b\" :\r\n [ 1 , 2 ] }"]).await;
}

pub async fn the_order_of_the_keys_comes_back(store: Arc<dyn EventStore>) {
    come_back(&*store, [r#"{"z":1,"a":2,"m":3,"aa":4,"":5}"#]).await;
}

pub async fn a_key_said_twice_comes_back_twice(store: Arc<dyn EventStore>) {
    come_back(&*store, [r#"{"a":1,"a":2}"#]).await;
}

pub async fn long_whole_numbers_come_back(store: Arc<dyn EventStore>) {
    come_back(
        &*store,
        [r#"{"a":12345678901234567890,"b":-9223372036854775809,"c":9007199254740993,"d":123456789012345678901234567890}"#],
    )
    .await;
}

pub async fn numbers_come_back_as_they_were_written(store: Arc<dyn EventStore>) {
    come_back(&*store, [r#"{"a":-0,"b":-0.0,"c":1.10,"d":1E+2,"e":0.1e-7,"f":0.30000000000000004}"#]).await;
}

pub async fn numbers_beyond_floating_point_come_back(store: Arc<dyn EventStore>) {
    come_back(&*store, [r#"{"a":1e400,"b":-1e400,"c":1e-400}"#]).await;
}

pub async fn deep_nesting_comes_back(store: Arc<dyn EventStore>) {
    let deep = format!("{}0{}", r#"{"a":["#.repeat(60), "]}".repeat(60));
    come_back(&*store, [&*deep]).await;
}

pub async fn a_payload_of_a_megabyte_comes_back(store: Arc<dyn EventStore>) {
    let big = format!(r#"{{"text":"{}"}}"#, "0123456789abcdef".repeat(1 << 16));
    come_back(&*store, [&*big, "{}"]).await;
}

pub async fn an_object_of_many_keys_comes_back(store: Arc<dyn EventStore>) {
    let keys: Vec<_> = (0..5000).rev().map(|number| format!(r#""key{number}":{number}"#)).collect();
    let wide = format!("{{{}}}", keys.join(","));
    come_back(&*store, [&*wide]).await;
}

pub async fn text_that_looks_like_another_language_comes_back(store: Arc<dyn EventStore>) {
    come_back(&*store, [r#"{"a":"'; DROP TABLE events; --","b":"$1 ? :name %s {}","c":"\\x00"}"#]).await;
}

pub async fn payloads_of_one_commit_are_not_mixed_up(store: Arc<dyn EventStore>) {
    let numbered: Vec<_> = (0..300).map(|number| format!(r#"{{"number":{number}}}"#)).collect();
    come_back(&*store, numbered.iter().map(String::as_str)).await;
}
