//! Read models of a server that is killed at any moment: their rows are a fold of the log up to their checkpoint, and the next
//! start goes on from there, not from the beginning.
//!
//! `ORDO_TEST_ROUNDS` says how often the chances are taken.

use ordo::{
    application::open_stores,
    config::StoreUrl,
    read_models::{self, ReadPosition},
};
use ordo_actors::log::event::Position;
use serde_json::json;
use tokio::runtime::Builder;

use crate::support::{
    effort::rounds,
    ordo_command::verify,
    rng::Rng,
    test_app::{Store, TestApp},
    workload::Workload,
};

const CLIENTS: u64 = 16;

/// Where the log ends, and where each read model stands; nobody may have the store open.
fn read_positions(store: &str) -> (Position, Vec<(&'static str, ReadPosition)>) {
    let url: StoreUrl = store.parse().unwrap();
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let stores = open_stores(&url, false).await.unwrap();
        let mut read_positions = Vec::new();
        for model in read_models::all() {
            let live = stores.rows.live(model.name()).await.unwrap();
            let read_position = live.map_or_else(ReadPosition::default, |live| ReadPosition {
                generation: live.generation,
                position: live.position,
            });
            read_positions.push((model.name(), read_position));
        }
        (stores.log.head().await.unwrap().position, read_positions)
    })
}

/// How many events a read model has taken in since the server started.
fn taken_in(app: &TestApp, name: &str) -> u64 {
    let metrics = app.get("/metrics").expect(200).body;
    let series = format!("ordo_projection_events_total{{model=\"{name}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
}

/// Where a read model stands once it has come to `head`, and how many events it took in to come there; sagas that were open may go
/// on meanwhile.
fn read_position_and_taken_in(app: &TestApp, name: &str, head: Position) -> (ReadPosition, u64) {
    let read_position = || {
        let now = app.get(&format!("/admin/projections/{name}")).expect(200).json();
        let number = |field: &str| now[field].as_u64().unwrap();
        let generation = u32::try_from(number("generation")).unwrap();
        ReadPosition { generation, position: Position(number("position")) }
    };
    for _ in 0..10_000 {
        let (before, taken_in, after) = (read_position(), taken_in(app, name), read_position());
        if before == after && after.position >= head {
            return (after, taken_in);
        }
    }
    panic!("{name} does not come to rest at {head} or beyond");
}

/// After the lists have come to the end of a log that no client has written to since.
fn assert_resumed(app: &TestApp, head: Position, read_positions: &[(&'static str, ReadPosition)]) {
    for (name, before) in read_positions {
        let (now, taken_in) = read_position_and_taken_in(app, name, head);
        assert_eq!(now.generation, before.generation.max(1), "{name}");
        assert_eq!(taken_in, now.position.0 - before.position.0, "{name} has not gone on from its checkpoint");
    }
}

fn killed_under_load(store: Store, count: u64, seed: u64) {
    let mut app = TestApp::start_on(store, &[]);
    let mut rng = Rng::new(seed);
    let (mut behind, mut resumed) = (0, 0);
    for _ in 0..count {
        let workload = Workload::start(&app.url(""), CLIENTS, "shopper", rng.next());
        workload.until_ended(rng.below(60));
        if rng.percent(50) {
            // Cut off, or just done.
            let models = read_models::all();
            let name = rng.pick(&models).name();
            app.post(&format!("/admin/projections/{name}/rebuild"), &json!({}));
            workload.until_ended(workload.ended() + rng.below(10));
        }
        app.kill();
        workload.finish();
        // The rows of every read model against a fold of the log up to its checkpoint.
        assert_eq!(verify(&app.store()), read_positions(&app.store()).0.0);
        let (head, read_positions) = read_positions(&app.store());
        behind += read_positions.iter().filter(|(_, read_position)| read_position.position < head).count();
        resumed += read_positions.iter().filter(|(_, read_position)| read_position.position > Position::START).count();
        app.restart();
        app.wait_for_lists();
        assert_resumed(&app, head, &read_positions);
    }
    app.kill();
    verify(&app.store());
    assert!(behind > 0 && resumed > 0, "{behind} were behind, {resumed} had begun");
}

#[test]
fn read_models_killed_under_load_are_a_fold_of_the_log_and_go_on_from_their_checkpoint_on_sqlite() {
    killed_under_load(Store::sqlite(), rounds(10), 21);
}

#[test]
fn read_models_killed_under_load_are_a_fold_of_the_log_and_go_on_from_their_checkpoint_on_postgres() {
    killed_under_load(Store::postgres(), rounds(5), 22);
}
