//! A database that goes away while clients listen: they wait with it, and go on without a gap.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    event_stream::Stream,
    live_client::{LiveClient, until_metric},
    postgres_server::{PrivateServer, TestDatabase},
    test_app::{Store, TestApp},
};

/// Longer than a database is asked in vain before the first answer is given up.
const AWAY: Duration = Duration::from_secs(10);

#[test]
fn a_database_that_is_away_for_ten_seconds_costs_no_subscriber_an_event() {
    let mut server = PrivateServer::start(&[]);
    let app = TestApp::start_on(Store::Postgres(TestDatabase::on(&server.url())), &["--live-heartbeat-seconds", "5"]);
    app.draft();
    // Nothing of this is on the ring.
    until_metric(&app, "ordo_live_position", |position| position == 2);
    let mut live = LiveClient::subscribed(&app, "orders", None);
    live.expect("caught_up");
    let mut stream = Stream::open(&app, "topic=customer:ada", None);
    stream.expect("hello");
    stream.expect("caught_up");
    server.stop();
    app.get("/readyz").expect(503);
    let stopped = Instant::now();
    // These need the store.
    let mut late = LiveClient::subscribed(&app, "orders", Some(0));
    let mut late_stream = Stream::open(&app, "topic=orders", Some("1"));
    late_stream.expect("hello");
    // All hear that they have not been forgotten, and where they are.
    while stopped.elapsed() < AWAY {
        assert_eq!(live.next_of_all(), json!({"type": "heartbeat", "position": 2}));
        assert_eq!(late.next_of_all(), json!({"type": "heartbeat", "position": 0}));
    }
    server.start_again();
    while app.get("/readyz").status != 200 {}
    app.draft();
    assert_eq!(live.positions(2), [3, 4]);
    assert_eq!(late.positions(4), [1, 2, 3, 4]);
    assert_eq!(stream.positions(2), [3, 4]);
    assert_eq!(late_stream.positions(3), [2, 3, 4]);
    drop(app);
}
