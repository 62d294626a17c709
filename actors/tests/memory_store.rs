//! The store contract on the memory store.

use std::sync::Arc;

use ordo_actors::{
    log::{
        event::{Position, StreamId, Version},
        store::{EventStore, ExpectedVersion, LogQuery, MAX_READ},
    },
    stores::memory::MemoryStore,
    testing::contract::{
        ContractFixture,
        building::{commit, found, increments, log_of, verdict},
    },
};

mod contract {
    use super::{Arc, EventStore, MemoryStore};

    ordo_actors::store_contract!(|| async { Arc::new(MemoryStore::new()) as Arc<dyn EventStore> });
}

/// A memory store cannot be opened again; one that was never closed shows that the durable cases demand nothing impossible.
struct NeverClosed(Arc<MemoryStore>);

impl ContractFixture for NeverClosed {
    fn store(&self) -> Arc<dyn EventStore> {
        Arc::clone(&self.0) as Arc<dyn EventStore>
    }

    async fn reopen(self) -> Self {
        self
    }
}

mod durable_contract {
    use super::{Arc, MemoryStore, NeverClosed};

    ordo_actors::durable_store_contract!(|| async { NeverClosed(Arc::new(MemoryStore::new())) });
}

#[tokio::test]
async fn every_log_has_an_epoch_of_its_own() {
    let epochs =
        [MemoryStore::new().head().await, MemoryStore::new().head().await].map(|head| head.expect("a head").epoch);
    assert_ne!(epochs[0], epochs[1]);
}

/// Every way into a stream, from everywhere, against a plain walk over the log.
#[tokio::test]
async fn streams_that_run_through_each_other_read_as_the_log_says() {
    let store = MemoryStore::new();
    let streams = [0; 5].map(|_| StreamId::generate());
    let mut dice: u64 = 42;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((dice >> 33) % sides).expect("a small number")
    };
    for _ in 0..60 {
        let first = roll(5);
        let writes = (0..=roll(2)).map(|next| increments(streams[(first + next) % 5], ExpectedVersion::Any, roll(4)));
        let writes: Vec<_> = writes.collect();
        verdict(&store, commit(writes)).await;
    }
    let log = log_of(&store).await;
    assert!(log.len() > 60, "a log of {} events", log.len());
    for stream in streams {
        let of_stream: Vec<_> = log.iter().filter(|event| event.aggregate_id == stream).cloned().collect();
        for from in 0..of_stream.len() as u64 + 2 {
            let read = store.read_stream(stream, Version(from), MAX_READ).await.expect("a stream");
            let expected: Vec<_> = of_stream.iter().filter(|event| event.version >= Version(from)).cloned().collect();
            assert_eq!(read.into_events(), expected, "from version {from}");
        }
        for after in 0..log.len() as u64 + 2 {
            let query = LogQuery { stream: Some(stream), ..LogQuery::after(Position(after), 3) };
            let expected: Vec<_> =
                of_stream.iter().filter(|event| event.position > Position(after)).take(3).cloned().collect();
            assert_eq!(found(&store, query).await, expected, "after position {after}");
        }
    }
}

#[test]
fn every_case_of_the_contract_is_in_the_list() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing/contract");
    let list = std::fs::read_to_string(folder.join("list.rs")).expect("the list");
    let listed: std::collections::HashSet<_> = list.split_whitespace().collect();
    let mut cases = 0;
    for file in std::fs::read_dir(&folder).expect("the folder") {
        let path = file.expect("a file").path();
        if path.ends_with("building.rs") {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source");
        for case in source.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
            let name = case.split(['(', '<']).next().expect("a name");
            assert!(listed.contains(name), "{name} in {} is in no list", path.display());
            cases += 1;
        }
    }
    assert!(cases > 100, "found only {cases} cases");
}
