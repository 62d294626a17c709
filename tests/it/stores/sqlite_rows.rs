//! Rows in the SQLite store: the contract, and what is its own beside it.

use std::{path::PathBuf, sync::Arc};

use ordo::application::schema::in_sqlite;
use ordo_actors::stores::{
    row_sql::PageQuery,
    sqlite::{SqliteOptions, SqliteStore},
};
use ordo_actors::{
    log::store::StoreError,
    projection::row_store::{Condition, Page, RowChange, RowCommit, RowStore, RowVerdict, Table, Value},
    testing::row_contract::{RowFixture, building, tables},
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::stores::row_tables::{self, SQLITE};

struct File {
    store: Arc<SqliteStore>,
    directory: TempDir,
}

impl File {
    /// A new file that has the tables of the contract beside its own.
    #[expect(clippy::unused_async, reason = "the contract makes its stores asynchronously")]
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = Self { store: open(&directory), directory };
        for table in tables::ALL {
            file.shell().execute_batch(&row_tables::create(table, &SQLITE)).unwrap();
        }
        file
    }

    fn shell(&self) -> Connection {
        Connection::open(path(&self.directory)).unwrap()
    }
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("log.db")
}

fn open(directory: &TempDir) -> Arc<SqliteStore> {
    open_with(directory, in_sqlite(SqliteOptions::default()))
}

fn open_with(directory: &TempDir, options: SqliteOptions) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(&path(directory), options).unwrap())
}

impl RowFixture for File {
    fn rows(&self) -> Arc<dyn RowStore> {
        Arc::clone(&self.store) as Arc<dyn RowStore>
    }

    async fn reopen(self) -> Self {
        let Self { store, directory } = self;
        drop(store);
        Self { store: open(&directory), directory }
    }
}

mod kept {
    ordo_actors::row_store_contract!(super::File::new);
}

mod kept_over_a_restart {
    ordo_actors::durable_row_store_contract!(super::File::new);
}

/// How SQLite goes about a page, first on its first page, then on its next.
fn plans(shell: &Connection, page: &Page) -> Vec<String> {
    let after = |column: usize| match page.table.columns[column].kind {
        ordo_actors::projection::row_store::ColumnType::Int => Value::Int(1),
        ordo_actors::projection::row_store::ColumnType::Text => Value::Text("x".into()),
    };
    let after = Some((after(page.order_by), (0..page.table.key).map(after).collect()));
    [page.clone(), Page { after, ..page.clone() }].iter().map(|page| plan(shell, page)).collect()
}

fn plan(shell: &Connection, page: &Page) -> String {
    let query = PageQuery::indexed(page).unwrap();
    let mut explain = shell.prepare(&format!("EXPLAIN QUERY PLAN {}", query.text)).unwrap();
    let steps = explain.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<Result<Vec<_>, _>>().unwrap();
    steps.join("; ")
}

#[expect(clippy::needless_pass_by_value, reason = "the caller has no use for them")]
fn demand_index(shell: &Connection, table: &'static Table, conditions: Vec<Condition>, order_by: &str, index: &str) {
    for descending in [false, true] {
        let order_by = table.column(order_by);
        let page =
            Page { table, generation: 1, conditions: conditions.clone(), order_by, descending, after: None, limit: 50 };
        for plan in plans(shell, &page) {
            let is_search = plan.starts_with("SEARCH") && plan.contains(index) && !plan.contains("TEMP B-TREE");
            assert!(is_search, "{page:?}\n{plan}");
        }
    }
}

#[tokio::test]
async fn every_list_with_one_filter_is_read_along_an_index() {
    use ordo::read_models::tables::{
        CURRENT_ORDER_PRODUCTS, CURRENT_ORDERS, CUSTOMER_ORDERS, CUSTOMERS, INVENTORY, ORDER_HISTORY,
        ORDER_HISTORY_PRODUCTS,
    };
    let file = File::new().await;
    let shell = file.shell();
    let is = |table: &Table, column: &str| vec![Condition::Is(table.column(column), Value::Text("x".into()))];
    for orders in [&CURRENT_ORDERS, &ORDER_HISTORY] {
        let created = orders.column("created_at");
        let times = vec![Condition::From(created, Value::Int(0)), Condition::Before(created, Value::Int(9))];
        for times in [vec![], times] {
            let with = |mut conditions: Vec<_>| {
                conditions.extend(times.clone());
                conditions
            };
            demand_index(&shell, orders, with(vec![]), "created_at", "_by_created_at");
            demand_index(&shell, orders, with(is(orders, "customer_id")), "created_at", "_by_customer_id_created_at");
            demand_index(&shell, orders, with(is(orders, "state")), "created_at", "_by_state_created_at");
        }
        demand_index(&shell, orders, vec![], "total_cents", "_by_total_cents");
        demand_index(&shell, orders, vec![], "order_id", "autoindex");
    }
    for products in [&CURRENT_ORDER_PRODUCTS, &ORDER_HISTORY_PRODUCTS, &CUSTOMER_ORDERS] {
        let mut conditions = is(products, products.columns[0].name);
        let index = if products.name == CUSTOMER_ORDERS.name { "autoindex" } else { "PRIMARY KEY" };
        demand_index(&shell, products, conditions.clone(), "created_at", index);
        conditions.push(Condition::From(products.column("created_at"), Value::Int(3)));
        demand_index(&shell, products, conditions, "created_at", index);
    }
    demand_index(&shell, &CUSTOMERS, vec![], "total_spent_cents", "customers_by_total_spent_cents");
    demand_index(&shell, &CUSTOMERS, vec![], "total_orders", "customers_by_total_orders");
    demand_index(&shell, &CUSTOMERS, vec![], "customer_id", "PRIMARY KEY");
    demand_index(&shell, &INVENTORY, vec![], "quantity_ordered", "inventory_by_quantity_ordered");
    demand_index(&shell, &INVENTORY, vec![], "revenue_cents", "inventory_by_revenue_cents");
    demand_index(&shell, &INVENTORY, vec![], "product_id", "PRIMARY KEY");
}

#[tokio::test]
async fn an_index_is_entered_where_the_page_goes_on() {
    let file = File::new().await;
    let table = &ordo::read_models::tables::CURRENT_ORDERS;
    let customer = Condition::Is(table.column("customer_id"), Value::Text("x".into()));
    let page = Page {
        table,
        generation: 1,
        conditions: vec![customer],
        order_by: table.column("created_at"),
        descending: false,
        after: Some((Value::Int(1), vec![Value::Text("x".into())])),
        limit: 50,
    };
    let plan = plan(&file.shell(), &page);
    assert!(plan.contains("(generation=? AND customer_id=? AND (created_at,order_id)>(?,?))"), "{plan}");
}

#[tokio::test]
async fn a_full_disk_takes_no_row_and_service_resumes_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { max_pages: Some(150), ..in_sqlite(SqliteOptions::default()) };
    let file = File { store: open_with(&directory, options), directory };
    for table in tables::ALL {
        file.shell().execute_batch(&row_tables::create(table, &SQLITE)).unwrap();
    }
    let rows = file.rows();
    let mut runner = building::Runner::start(&*rows).await;
    let large = |number: i64| {
        let mut row = building::counter(&format!("{number}"), "red", number);
        row[building::NOTE] = building::text(&"x".repeat(30_000));
        RowChange::Put { table: &tables::COUNTERS, row }
    };
    let mut written = 0;
    let refused = loop {
        match rows.commit(building::commit_at(runner.at, [large(written)])).await {
            Ok(verdict) => {
                assert_eq!(verdict, RowVerdict::Committed);
                runner.at = building::on(runner.at);
                written += 1;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(written > 3);
    assert_eq!(rows.live(building::MODEL).await.unwrap(), Some(runner.at));
    assert_eq!(building::page(&*rows, building::counters()).await.len(), usize::try_from(written).unwrap());
    runner.writes([building::delete("0")]).await;
    runner.writes([large(0)]).await;
}

#[tokio::test]
async fn a_change_of_one_column_leaves_the_others_as_they_were() {
    let file = File::new().await;
    let rows = file.rows();
    let mut runner = building::Runner::start(&*rows).await;
    runner.writes([building::put("a", "red", 1)]).await;
    // A row that is written as it was is not written at all: the trigger would refuse it.
    file.shell()
        .execute_batch(
            "CREATE TRIGGER untouched BEFORE UPDATE OF value ON contract_counters \
             BEGIN SELECT RAISE(ABORT, 'rewritten'); END",
        )
        .unwrap();
    runner.writes([building::put("a", "blue", 1)]).await;
    assert_eq!(building::found(&*rows, 1, "a").await, Some(building::counter("a", "blue", 1)));
    let refused = rows.commit(building::commit_at(runner.at, [building::put("a", "blue", 2)])).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(rows.live(building::MODEL).await.unwrap(), Some(runner.at));
}

#[tokio::test]
async fn a_value_of_another_kind_fails_its_commit_whole() {
    let file = File::new().await;
    let rows = file.rows();
    let runner = building::Runner::start(&*rows).await;
    let page = building::commit_at(runner.at, []);
    let model = ordo::read_models::tables::CURRENT_ORDERS.columns.len();
    let row = vec![Value::Text("x".into()); model];
    let wrong = RowChange::Put { table: &ordo::read_models::tables::CURRENT_ORDERS, row };
    let commit = RowCommit { changes: vec![building::put("a", "red", 1), wrong], ..page };
    assert!(rows.commit(commit).await.is_err());
    assert_eq!(rows.live(building::MODEL).await.unwrap(), Some(runner.at));
    assert!(building::page(&*rows, building::counters()).await.is_empty());
}
