//! Stopping: with grace, and under load.

use std::time::Instant;

use crate::{
    http_durability::under_load,
    test_app::{Store, TestApp},
};

#[test]
fn a_server_told_to_stop_under_load_exits_with_0_within_ten_seconds() {
    let mut app = TestApp::start_on(Store::Memory, &[]);
    let acknowledged = under_load(&app, TestApp::begin_to_terminate);
    assert_eq!(app.wait_for_exit().code(), Some(0));
    assert!(acknowledged.len() >= 200);
}

#[test]
fn a_server_told_to_stop_does_not_wait_for_idle_connections() {
    let mut app = TestApp::start();
    app.get("/livez").expect(200);
    let idle = std::net::TcpStream::connect(app.address()).unwrap();
    let started = Instant::now();
    assert_eq!(app.terminate().code(), Some(0));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    drop(idle);
}

#[test]
fn a_server_that_waits_for_a_position_stops_in_time() {
    let mut app = TestApp::start();
    let path = app.url(&format!("{}?min_position=99", app.draft()));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| reqwest::blocking::get(path).map(|response| response.status().as_u16()));
        app.get("/livez").expect(200);
        assert_eq!(app.terminate().code(), Some(0));
        // It is answered, or it is cut off; it does not hang.
        if let Ok(status) = reader.join().unwrap() {
            assert_eq!(status, 503);
        }
    });
}
