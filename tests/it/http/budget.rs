//! What requests may cost: bytes are counted before they are kept.

use std::io::Read;

use crate::support::{
    raw_socket::half_a_body,
    test_app::{Store, TestApp},
};

#[test]
fn bodies_that_do_not_arrive_make_room_for_those_that_do() {
    let app = TestApp::start_on(Store::Memory, &["--max-body-memory", "8388608"]);
    app.draft();
    let before = app.most_memory();
    let mut slow: Vec<_> = (0..200).map(|_| half_a_body(&app, 4 << 20, 2 << 20)).collect();
    for _ in 0..20 {
        app.draft();
    }
    let mut refused = String::new();
    slow[0].read_to_string(&mut refused).unwrap();
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("/problems/overloaded"), "{refused}");
    assert!(refused.to_ascii_lowercase().contains("retry-after: "), "{refused}");
    let grown = app.most_memory() - before;
    assert!(grown < 150, "{grown} MiB more");
}

#[test]
fn a_body_larger_than_all_bodies_may_be_is_refused_and_the_next_is_not() {
    let app = TestApp::start_on(Store::Memory, &["--max-body-memory", "100000"]);
    let large = format!("{{\"customer_id\": \"ada\"{}}}", " ".repeat(200_000));
    let refused = app.post_text("/orders", large);
    refused.problem(503, "overloaded");
    assert!(refused.header("retry-after").is_some());
    app.draft();
}
