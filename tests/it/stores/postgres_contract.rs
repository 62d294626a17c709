//! The PostgreSQL store keeps the contract that all stores share.

use std::sync::Arc;

use ordo::application::schema::in_postgres;
use ordo_actors::stores::postgres::{PostgresOptions, PostgresStore};
use ordo_actors::{log::store::EventStore, testing::contract::ContractFixture};

use crate::support::postgres_server::TestDatabase;

struct Log {
    store: Arc<PostgresStore>,
    database: TestDatabase,
}

async fn open(database: &TestDatabase) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(&database.url(), in_postgres(PostgresOptions::patient())).await.expect("a store"))
}

async fn new_log() -> Log {
    let database = TestDatabase::fresh();
    Log { store: open(&database).await, database }
}

impl ContractFixture for Log {
    fn store(&self) -> Arc<dyn EventStore> {
        Arc::clone(&self.store) as Arc<dyn EventStore>
    }

    async fn reopen(self) -> Self {
        let Self { store, database } = self;
        drop(store);
        Self { store: open(&database).await, database }
    }
}

mod kept {
    ordo_actors::store_contract!(super::new_log);
}

mod kept_over_a_restart {
    ordo_actors::durable_store_contract!(super::new_log);
}
