//! Several servers on one database.

use super::{
    postgres_server::TestDatabase,
    test_app::{Store, TestApp},
};

/// Servers on one database.
pub struct Nodes {
    pub servers: Vec<TestApp>,
    pub database: TestDatabase,
}

impl Nodes {
    pub fn start(number: usize) -> Self {
        let database = TestDatabase::fresh();
        let start = |_| TestApp::start_on(Store::Shared(database.url()), &[]);
        Self { servers: (0..number).map(start).collect(), database }
    }

    pub fn two() -> (TestApp, TestApp, TestDatabase) {
        let Self { mut servers, database } = Self::start(2);
        let there = servers.remove(1);
        (servers.remove(0), there, database)
    }
}
