//! Many sockets at once. The same with ten thousand, in figures: `cargo run --release --example sockets -- 10000`.

use serde_json::json;

use crate::support::{
    api::item,
    live_client::{LiveClient, metric},
    test_app::{Store, TestApp},
};

/// Sockets that are there before it is looked at what further ones cost.
const FIRST: usize = 100;
const MORE: usize = 400;

/// What a socket with its subscription may add to the server's resident memory, in bytes: for ten thousand, 300 MiB.
const EACH: u64 = 30 << 10;
/// By how much a server's resident memory moves without any socket: the allocator takes it in steps.
const UNRELATED: u64 = 4 << 20;

#[test]
fn many_idle_sockets_and_one_that_never_reads_cost_little_and_an_update_reaches_them_all() {
    let app = TestApp::start();
    let items: Vec<_> = (0..20).map(|number| item(&format!("product-{number}"), 1, 100)).collect();
    for _ in 0..200 {
        app.place(&json!({"customer_id": "ada", "items": items}));
    }
    let mut never_reads = LiveClient::connect(&app);
    for id in 0..100 {
        never_reads.subscribe(&id.to_string(), "orders", Some(0));
    }
    let listen = |_| {
        let mut listener = LiveClient::subscribed(&app, "orders", None);
        listener.expect("caught_up");
        listener
    };
    let mut listeners: Vec<_> = (0..FIRST).map(listen).collect();
    let before = resident(&app);
    listeners.extend((0..MORE).map(listen));
    let head = app.head();
    let path = app.place(&json!({"customer_id": "bob"}));
    for listener in &mut listeners {
        assert_eq!(listener.expect("event")["position"], head + 1);
    }
    app.get(&path).expect(200);
    let more = resident(&app).saturating_sub(before);
    assert!(more < MORE as u64 * EACH + UNRELATED, "{MORE} more sockets cost {more} bytes");
}

fn resident(app: &TestApp) -> u64 {
    metric(app, "process_resident_memory_bytes")
}

#[test]
fn a_server_takes_all_the_open_files_it_may_have() {
    let few_at_first = ["sh", "-c", r#"ulimit -S -n 60; exec "$0" "$@""#];
    let app = TestApp::launch(&few_at_first, Store::Memory, &[]);
    let mut clients: Vec<_> = (0..100).map(|_| LiveClient::connect(&app)).collect();
    clients.iter_mut().for_each(LiveClient::is_well);
}
