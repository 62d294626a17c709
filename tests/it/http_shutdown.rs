//! Stopping: with grace, and under load.

use std::{sync::mpsc, time::Instant};

use reqwest::Method;
use serde_json::json;

use crate::test_app::{Reply, Store, TestApp, widget};

/// Places orders until the server is gone; gives the paths of those that were acknowledged.
fn load(app: &TestApp, acknowledged: &mpsc::Sender<()>) -> Vec<String> {
    let mut paths = Vec::new();
    loop {
        let request = app.request(Method::POST, "/orders").json(&json!({"items": [widget(1)]}));
        let Ok(response) = request.send() else { return paths };
        let reply = Reply::read(response);
        if reply.status != 201 {
            reply.problem(503, "overloaded");
            return paths;
        }
        paths.push(reply.header("location").unwrap().to_owned());
        let _ = acknowledged.send(());
    }
}

/// Stops a server while eight clients place orders; gives it, stopped, with the orders it acknowledged.
fn stopped_under_load(store: Store) -> (TestApp, Vec<String>) {
    let mut app = TestApp::start_on(store, &[]);
    let (tell, told) = mpsc::channel();
    let paths = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (app, tell) = (&app, tell.clone());
                scope.spawn(move || load(app, &tell))
            })
            .collect();
        told.iter().take(200).for_each(drop);
        app.begin_to_terminate();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let status = app.wait_for_exit();
    assert_eq!(status.code(), Some(0));
    (app, paths)
}

#[test]
fn a_server_told_to_stop_under_load_exits_with_0_within_ten_seconds() {
    let (_, acknowledged) = stopped_under_load(Store::Memory);
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
