//! The store contract on the memory store.

use std::sync::Arc;

use ordo_actors::{memory_store::MemoryStore, store::EventStore};

mod contract {
    use super::{Arc, EventStore, MemoryStore};

    ordo_actors::store_contract!(|| async { Arc::new(MemoryStore::new()) as Arc<dyn EventStore> });
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
