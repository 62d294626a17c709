//! Rows in the PostgreSQL store: the contract, and what is its own beside it.

use std::sync::Arc;

use ordo::application::schema::in_postgres;
use ordo_actors::stores::{
    postgres::{PostgresOptions, PostgresStore},
    row_sql::PageQuery,
};
use ordo_actors::{
    projection::row_store::{ColumnType, Condition, Page, RowStore, RowVerdict, Table, Value},
    testing::row_contract::{RowFixture, building, tables},
};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::{
    stores::row_tables::{self, POSTGRES},
    support::postgres_server::TestDatabase,
};

struct Database {
    store: Arc<PostgresStore>,
    database: TestDatabase,
}

impl Database {
    /// A new database that has the tables of the contract beside its own.
    async fn new() -> Self {
        let database = TestDatabase::fresh();
        let store = open(&database).await;
        for table in tables::ALL {
            execute(&database, &row_tables::create(table, &POSTGRES)).await;
        }
        Self { store, database }
    }
}

async fn execute(database: &TestDatabase, text: &str) {
    session(database).await.batch_execute(text).await.unwrap();
}

/// Somebody else's session.
async fn session(database: &TestDatabase) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn open(database: &TestDatabase) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(&database.url(), in_postgres(PostgresOptions::patient())).await.unwrap())
}

impl RowFixture for Database {
    fn rows(&self) -> Arc<dyn RowStore> {
        Arc::clone(&self.store) as Arc<dyn RowStore>
    }

    async fn reopen(self) -> Self {
        let Self { store, database } = self;
        drop(store);
        Self { store: open(&database).await, database }
    }
}

mod kept {
    ordo_actors::row_store_contract!(super::Database::new);
}

mod kept_over_a_restart {
    ordo_actors::durable_row_store_contract!(super::Database::new);
}

#[tokio::test]
async fn a_runner_on_another_node_is_superseded() {
    let Database { store, database } = Database::new().await;
    let other = open(&database).await;
    let mut ann = building::Runner::start(&*store).await;
    ann.writes([building::put("a", "red", 1)]).await;
    let mut bob = building::Runner::of(&*other, 1, building::BOB).await;
    let late = building::commit_at(ann.at, [building::put("a", "blue", 2)]);
    assert_eq!(building::verdict(&*store, late).await, RowVerdict::Superseded);
    bob.writes([building::put("b", "green", 3)]).await;
    let seen = building::page(&*store, building::counters()).await;
    assert_eq!(seen, [building::counter("a", "red", 1), building::counter("b", "green", 3)]);
}

#[tokio::test]
async fn rows_are_written_again_after_every_connection_broke() {
    let Database { store, database } = Database::new().await;
    let mut runner = building::Runner::start(&*store).await;
    runner.writes([building::put("a", "red", 1)]).await;
    let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(&database, all).await;
    runner.writes([building::put("b", "red", 2)]).await;
    assert_eq!(building::page(&*store, building::counters()).await.len(), 2);
}

#[tokio::test]
async fn a_commit_that_the_server_refuses_leaves_nothing_behind() {
    let Database { store, database } = Database::new().await;
    let mut runner = building::Runner::start(&*store).await;
    execute(&database, "ALTER TABLE contract_counters ADD CONSTRAINT small CHECK (value < 10)").await;
    let changes = [building::put_reading("ann", 1, 1), building::put("a", "red", 10)];
    let refused = store.commit(building::commit_at(runner.at, changes)).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(store.live(building::MODEL).await.unwrap(), Some(runner.at));
    assert!(building::page(&*store, building::readings()).await.is_empty());
    runner.writes([building::put("a", "red", 9)]).await;
}

/// How PostgreSQL goes about a page, as the store's sessions are set.
async fn plan(client: &Client, page: &Page) -> String {
    let query = PageQuery::of(page).unwrap();
    let text = |value: &Value| match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) => format!("'{text}'"),
    };
    let generation = Value::Int(1);
    let limit = Value::Int(50);
    let values = [&generation].into_iter().chain(query.values.iter().copied()).chain([&limit]).map(text);
    let values = values.collect::<Vec<_>>().join(", ");
    client.batch_execute(&format!("PREPARE page AS {}", query.text)).await.unwrap();
    let lines = client.simple_query(&format!("EXPLAIN EXECUTE page({values})")).await.unwrap();
    client.batch_execute("DEALLOCATE page").await.unwrap();
    let line = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    lines.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

async fn demand_index(client: &Client, table: &'static Table, conditions: Vec<Condition>, order_by: &str, index: &str) {
    let order_by = table.column(order_by);
    let value = |column: usize| match table.columns[column].kind {
        ColumnType::Int => Value::Int(7),
        ColumnType::Text => Value::Text("x".into()),
    };
    for after in [None, Some((value(order_by), (0..table.key).map(value).collect()))] {
        for descending in [false, true] {
            let (conditions, after) = (conditions.clone(), after.clone());
            let page = Page { table, generation: 1, conditions, order_by, descending, after, limit: 50 };
            let plan = plan(client, &page).await;
            let is_search = plan.contains(&format!("using {index} on")) && plan.contains("Index Cond");
            assert!(is_search && !plan.contains("Sort") && !plan.contains("Filter"), "{page:?}\n{plan}");
        }
    }
}

#[tokio::test]
async fn every_list_with_one_filter_is_read_along_an_index() {
    use ordo::read_models::tables::{CURRENT_ORDER_PRODUCTS, CURRENT_ORDERS, CUSTOMER_ORDERS, CUSTOMERS, INVENTORY};
    let Database { database, store: _store } = Database::new().await;
    let client = session(&database).await;
    let set = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off; \
               SET enable_sort = off; SET enable_hashjoin = off; SET enable_mergejoin = off";
    client.batch_execute(set).await.unwrap();
    fill(&client).await;
    let is = |table: &Table, column: &str| vec![Condition::Is(table.column(column), Value::Text("x".into()))];
    let orders = &CURRENT_ORDERS;
    let created = orders.column("created_at");
    let range = [Condition::From(created, Value::Int(0)), Condition::Before(created, Value::Int(90))];
    for times in [&[][..], &range] {
        let with = |mut conditions: Vec<Condition>| {
            conditions.extend_from_slice(times);
            conditions
        };
        let (all, customer, state) = (with(vec![]), with(is(orders, "customer_id")), with(is(orders, "state")));
        demand_index(&client, orders, all, "created_at", "current_orders_by_created_at").await;
        demand_index(&client, orders, customer, "created_at", "current_orders_by_customer_id_created_at").await;
        demand_index(&client, orders, state, "created_at", "current_orders_by_state_created_at").await;
    }
    demand_index(&client, orders, vec![], "total_cents", "current_orders_by_total_cents").await;
    demand_index(&client, orders, vec![], "order_id", "current_orders_pkey").await;
    let products = &CURRENT_ORDER_PRODUCTS;
    demand_index(&client, products, is(products, "product_id"), "created_at", "current_order_products_pkey").await;
    let of_customer = is(&CUSTOMER_ORDERS, "customer_id");
    demand_index(&client, &CUSTOMER_ORDERS, of_customer, "created_at", "customer_orders_pkey").await;
    demand_index(&client, &CUSTOMERS, vec![], "total_spent_cents", "customers_by_total_spent_cents").await;
    demand_index(&client, &INVENTORY, vec![], "revenue_cents", "inventory_by_revenue_cents").await;
}

/// Enough rows that the planner has something to choose.
async fn fill(client: &Client) {
    let text = "INSERT INTO current_orders SELECT 1, 'order ' || n, 'customer ' || n % 300, 'state ' || n % 4, n, n % 997, '' \
                FROM generate_series(1, 5000) n; \
                INSERT INTO current_order_products SELECT 1, 'product ' || n % 50, n, 'order ' || n \
                FROM generate_series(1, 5000) n; \
                INSERT INTO customer_orders SELECT 1, 'customer ' || n % 300, n, 'order ' || n, 'x', '' \
                FROM generate_series(1, 5000) n; \
                INSERT INTO customers SELECT 1, 'customer ' || n, n, 0, 0, 0, n, n, n FROM generate_series(1, 5000) n; \
                INSERT INTO inventory SELECT 1, 'product ' || n, '', n, n, n, n, n, n FROM generate_series(1, 5000) n; \
                ANALYZE";
    client.batch_execute(text).await.unwrap();
}

#[tokio::test]
async fn a_discard_lets_every_other_generation_be_written() {
    let Database { store, database } = Database::new().await;
    let mut ann = building::Runner::start(&*store).await;
    let mut next = building::Runner::of(&*store, 2, building::BOB).await;
    next.writes([building::put("a", "red", 1)]).await;
    // Somebody holds a row of the old generation, so that its discard stops halfway.
    let mut holder = session(&database).await;
    let holding = holder.transaction().await.unwrap();
    holding.batch_execute("SELECT * FROM contract_counters WHERE generation = 2 FOR UPDATE").await.unwrap();
    let discarding = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.discard(building::MODEL, &[&tables::COUNTERS], 2, 10).await }
    });
    let watcher = session(&database).await;
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN \
                 (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
    while watcher.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
    let others = async {
        ann.writes([building::put("a", "blue", 2)]).await;
        store.claim(building::OTHER, 1, building::EPOCH, building::ANN).await.unwrap();
    };
    let written = tokio::time::timeout(std::time::Duration::from_secs(5), others).await;
    holding.rollback().await.unwrap();
    assert!(discarding.await.unwrap().unwrap());
    written.expect("a discard holds up nobody else");
    assert_eq!(building::found(&*store, 2, "a").await, None);
}
