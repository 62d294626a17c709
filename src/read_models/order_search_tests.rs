//! Which index a search takes, and that its pages together are what was searched for.

use chrono::DateTime;
use ordo_actors::{
    log::event::{Epoch, Position},
    projection::row_store::{Checkpoint, Condition, Path, Row, RowChange, RowCommit, RowStore, Value},
    stores::memory::MemoryRows,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use uuid::Uuid;

use super::{
    changes::text,
    index_scan::{Cursor, IndexScan, MOST_LOOKED_AT, RowSource},
    order_search::{OrderFilter, OrderSearch, OrderSort, OrderTables, orders_of},
};
use crate::order::{CustomerId, OrderState, ProductId};

const TABLES: OrderTables = OrderTables::CURRENT;
const SORTS: [OrderSort; 2] = [OrderSort::CreatedAt, OrderSort::Total];

fn customer(name: &str) -> Option<CustomerId> {
    CustomerId::new(name).ok()
}

fn product(name: &str) -> Option<ProductId> {
    ProductId::new(name).ok()
}

fn second(second: i64) -> Option<DateTime<chrono::Utc>> {
    DateTime::from_timestamp(second, 0)
}

fn scan(filter: OrderFilter, sort: OrderSort) -> IndexScan {
    OrderSearch { filter, sort, descending: true }.scan(TABLES, 7)
}

/// The scan in short: table, order, what the index answers, what is looked at row by row.
fn plan(scan: &IndexScan) -> String {
    let table = scan.page.table;
    let columns = |conditions: &[Condition], names: &'static ordo_actors::projection::row_store::Table| {
        let name = |condition: &Condition| match condition {
            Condition::Is(column, value) => format!("{} = {value:?}", names.columns[*column].name),
            Condition::From(column, _) => format!("{} >=", names.columns[*column].name),
            Condition::Before(column, _) => format!("{} <", names.columns[*column].name),
        };
        conditions.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let shown = match &scan.source {
        RowSource::Index => String::new(),
        RowSource::Lookup(table) => format!(" of {}", table.name),
        RowSource::SemiJoin { by, owner, .. } => format!(" if {owner:?} in {}", by.name),
    };
    let looked_at = if let RowSource::Lookup(table) = scan.source { table } else { table };
    let (answered, looked_at) = (columns(&scan.page.conditions, table), columns(&scan.filter, looked_at));
    format!("{} by {} [{answered}] ({looked_at}){shown}", table.name, table.columns[scan.page.order_by].name)
}

#[test]
fn the_product_is_taken_before_the_customer_and_the_customer_before_the_state() {
    let state = OrderFilter { state: Some(OrderState::Draft), ..OrderFilter::default() };
    let customer = OrderFilter { customer_id: customer("ada"), ..state.clone() };
    let product = OrderFilter { product_id: product("widget"), ..customer.clone() };
    let plans =
        [OrderFilter::default(), state, customer, product].map(|filter| plan(&scan(filter, OrderSort::CreatedAt)));
    assert_eq!(
        plans,
        [
            "current_orders by created_at [] ()",
            "current_orders by created_at [state = Text(\"Draft\")] ()",
            "current_orders by created_at [customer_id = Text(\"ada\")] (state = Text(\"Draft\"))",
            "current_order_products by created_at [product_id = Text(\"widget\")] \
             (customer_id = Text(\"ada\"), state = Text(\"Draft\")) of current_orders",
        ]
    );
}

#[test]
fn times_are_answered_by_every_index_that_is_ordered_by_time() {
    let times = OrderFilter { created_from: second(1), created_before: second(2), ..OrderFilter::default() };
    let product = OrderFilter { product_id: product("widget"), ..times.clone() };
    assert_eq!(
        plan(&scan(times, OrderSort::CreatedAt)),
        "current_orders by created_at [created_at >=, created_at <] ()"
    );
    assert_eq!(
        plan(&scan(product, OrderSort::CreatedAt)),
        "current_order_products by created_at [product_id = Text(\"widget\"), created_at >=, created_at <] () \
         of current_orders"
    );
}

#[test]
fn by_total_everything_else_is_looked_at_row_by_row() {
    let filter = OrderFilter { product_id: product("widget"), created_from: second(1), ..OrderFilter::default() };
    assert_eq!(
        plan(&scan(filter, OrderSort::Total)),
        "current_orders by total_cents [] (created_at >=) if Text(\"widget\") in current_order_products"
    );
}

#[test]
fn every_condition_a_walk_leaves_to_the_store_and_its_order_are_those_of_one_index() {
    let states = [None, Some(OrderState::Draft)];
    for (state, customer_id, product_id, created_from) in choices(&states) {
        for sort in SORTS {
            let filter = OrderFilter {
                state,
                customer_id: customer_id.clone(),
                product_id: product_id.clone(),
                created_from,
                created_before: None,
            };
            let scan = scan(filter, sort);
            let fixed: Vec<_> = scan
                .page
                .conditions
                .iter()
                .filter_map(|condition| if let Condition::Is(column, _) = condition { Some(*column) } else { None })
                .chain([scan.page.order_by])
                .collect();
            let table = scan.page.table;
            let along = match scan.page.path() {
                Path::Key => table.with_key(&[]),
                Path::Index(number) => table.with_key(table.indexes[number]),
                Path::Everything => Vec::new(),
            };
            assert!(along.starts_with(&fixed), "{}", plan(&scan));
        }
    }
}

type Choice = (Option<OrderState>, Option<CustomerId>, Option<ProductId>, Option<DateTime<chrono::Utc>>);

fn choices(states: &[Option<OrderState>]) -> Vec<Choice> {
    let mut all = Vec::new();
    for state in states {
        for customer in [None, customer("ada")] {
            for product in [None, product("widget")] {
                for time in [None, second(1)] {
                    all.push((*state, customer.clone(), product.clone(), time));
                }
            }
        }
    }
    all
}

#[test]
fn the_orders_of_a_customer_are_walked_by_time() {
    let filter = OrderFilter { state: Some(OrderState::Draft), created_before: second(2), ..OrderFilter::default() };
    let scan = orders_of("ada", &filter, false, 7);
    assert_eq!(
        plan(&scan),
        "customer_orders by created_at [customer_id = Text(\"ada\"), created_at <] (state = Text(\"Draft\"))"
    );
    assert!(!scan.page.descending && scan.page.generation == 7);
}

/// An order as it stands in a list.
#[derive(Debug, Clone)]
struct Listed {
    customer: &'static str,
    state: OrderState,
    created_at: i64,
    total: i64,
    products: Vec<&'static str>,
}

fn order_id(number: usize) -> String {
    Uuid::from_u128(number as u128).to_string()
}

async fn store(orders: &[Listed]) -> MemoryRows {
    let rows = MemoryRows::new();
    let epoch = Epoch(Uuid::nil());
    let expected = rows.claim("current_orders", 7, epoch, Uuid::new_v4()).await.unwrap();
    let mut changes = Vec::new();
    for (number, order) in orders.iter().enumerate() {
        let id = text(order_id(number));
        let created_at = Value::Int(order.created_at * 1_000_000);
        let state = text(order.state.name());
        let total = Value::Int(order.total);
        let row = vec![id.clone(), text(order.customer), state, created_at.clone(), total, text("{}")];
        changes.push(RowChange::Put { table: TABLES.orders, row });
        changes.extend(order.products.iter().map(|product| RowChange::Put {
            table: TABLES.products,
            row: vec![text(*product), created_at.clone(), id.clone()],
        }));
    }
    let next = Checkpoint { position: Position(1), ..expected };
    let commit = RowCommit { model: "current_orders", expected, next, changes, free: Vec::new(), park: Vec::new() };
    rows.commit(commit).await.unwrap();
    rows
}

fn ids(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| if let Value::Text(id) = &row[0] { id.to_string() } else { String::new() }).collect()
}

/// All pages of a search, one after the other; how many there were.
async fn pages(search: &OrderSearch, rows: &MemoryRows, limit: usize) -> (Vec<String>, usize) {
    let (mut found, mut after, mut pages): (Vec<String>, Option<Cursor>, usize) = (Vec::new(), None, 0);
    loop {
        let page = search.find(rows, TABLES, 7, after.as_ref(), limit).await.unwrap();
        assert!(page.rows.len() <= limit);
        found.extend(ids(&page.rows));
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => return (found, pages),
        }
    }
}

/// The same, by looking at every order.
fn brute_force(search: &OrderSearch, orders: &[Listed]) -> Vec<String> {
    let OrderFilter { state, customer_id, product_id, created_from, created_before } = &search.filter;
    let mut found: Vec<_> = (0..orders.len())
        .filter(|number| {
            let order = &orders[*number];
            state.is_none_or(|state| state == order.state)
                && customer_id.as_ref().is_none_or(|id| id.as_str() == order.customer)
                && product_id.as_ref().is_none_or(|id| order.products.contains(&id.as_str()))
                && created_from.is_none_or(|from| order.created_at >= from.timestamp())
                && created_before.is_none_or(|before| order.created_at < before.timestamp())
        })
        .collect();
    found.sort_by_key(|number| {
        let order = &orders[*number];
        (if search.sort == OrderSort::Total { order.total } else { order.created_at }, *number)
    });
    if search.descending {
        found.reverse();
    }
    found.into_iter().map(order_id).collect()
}

fn listed() -> impl Strategy<Value = Listed> {
    let states = select(vec![OrderState::Draft, OrderState::Submitted, OrderState::Reserved]);
    let products = proptest::sample::subsequence(vec!["p", "q", "r"], 0..3);
    (select(vec!["ada", "bob"]), states, 0..8_i64, 0..5_i64, products).prop_map(
        |(customer, state, created_at, total, products)| Listed { customer, state, created_at, total, products },
    )
}

fn searches() -> impl Strategy<Value = OrderSearch> {
    let states = option::of(select(vec![OrderState::Draft, OrderState::Reserved]));
    let times = || option::of(0..9_i64);
    let filter = (states, option::of(Just("ada")), option::of(select(vec!["p", "q"])), times(), times()).prop_map(
        |(state, customer_id, product_id, from, before)| OrderFilter {
            state,
            customer_id: customer_id.and_then(customer),
            product_id: product_id.and_then(product),
            created_from: from.and_then(second),
            created_before: before.and_then(second),
        },
    );
    (filter, select(SORTS.to_vec()), any::<bool>()).prop_map(|(filter, sort, descending)| OrderSearch {
        filter,
        sort,
        descending,
    })
}

proptest! {
    #[test]
    fn the_pages_of_a_search_are_what_looking_at_every_order_finds(
        orders in vec(listed(), 0..40), searches in vec((searches(), 1..6_usize), 10)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let rows = store(&orders).await;
            for (search, limit) in searches {
                assert_eq!(pages(&search, &rows, limit).await.0, brute_force(&search, &orders), "{search:?}");
                // The way through the totals, too, which only long lists take.
                let walked = search.scan(TABLES, 7).find(&rows, None, 100).await.unwrap();
                assert_eq!((ids(&walked.rows), walked.next), (brute_force(&search, &orders), None));
            }
        });
    }
}

/// Orders of one customer, product and state, but for the last, whose total is the lowest.
fn many(number: usize) -> Vec<Listed> {
    let order = |total: usize| Listed {
        customer: "ada",
        state: OrderState::Draft,
        created_at: 5,
        total: i64::try_from(total).unwrap(),
        products: vec!["p"],
    };
    let mut orders: Vec<_> = (1..number).map(order).collect();
    orders.push(Listed { customer: "bob", state: OrderState::Reserved, products: vec!["p", "q"], ..order(0) });
    orders
}

#[actix_web::test]
async fn what_is_rare_is_found_among_many_without_walking_through_them() {
    let orders = many(3 * MOST_LOOKED_AT);
    let rows = store(&orders).await;
    let rare = [
        OrderFilter { customer_id: customer("bob"), ..OrderFilter::default() },
        OrderFilter { state: Some(OrderState::Reserved), ..OrderFilter::default() },
        OrderFilter { product_id: product("q"), ..OrderFilter::default() },
    ];
    for filter in rare {
        for sort in SORTS {
            let search = OrderSearch { filter: filter.clone(), sort, descending: true };
            assert_eq!(pages(&search, &rows, 50).await, (vec![order_id(orders.len() - 1)], 1), "{search:?}");
        }
    }
}

#[actix_web::test]
async fn a_search_that_would_look_at_too_much_ends_its_page_early_and_goes_on() {
    let orders = many(MOST_LOOKED_AT + 100);
    let rows = store(&orders).await;
    let filter = OrderFilter { product_id: product("p"), state: Some(OrderState::Reserved), ..OrderFilter::default() };
    for sort in SORTS {
        let search = OrderSearch { filter: filter.clone(), sort, descending: sort == OrderSort::Total };
        assert_eq!(pages(&search, &rows, 50).await, (vec![order_id(orders.len() - 1)], 2), "{search:?}");
    }
}

#[actix_web::test]
async fn a_page_ends_early_when_it_holds_much_text() {
    let mut orders = many(30);
    orders.truncate(29);
    let rows = store(&orders).await;
    let expected = rows.live("current_orders").await.unwrap().unwrap();
    let doc = "x".repeat(1 << 20);
    let all = rows.page(&scan(OrderFilter::default(), OrderSort::CreatedAt).page_of(100)).await.unwrap();
    let changes = all
        .into_iter()
        .map(|mut row| {
            row[5] = text(doc.as_str());
            RowChange::Put { table: TABLES.orders, row }
        })
        .collect();
    let next = Checkpoint { position: Position(2), ..expected };
    let commit = RowCommit { model: "current_orders", expected, next, changes, free: Vec::new(), park: Vec::new() };
    rows.commit(commit).await.unwrap();
    let search = OrderSearch { filter: OrderFilter::default(), sort: OrderSort::CreatedAt, descending: false };
    let (found, pages) = pages(&search, &rows, 500).await;
    assert_eq!((found, pages), (brute_force(&search, &orders), 4));
}

impl IndexScan {
    fn page_of(&self, limit: usize) -> ordo_actors::projection::row_store::Page {
        ordo_actors::projection::row_store::Page { limit, ..self.page.clone() }
    }
}

#[actix_web::test]
async fn paging_stays_stable_while_orders_arrive() {
    let orders = many(20);
    let rows = store(&orders).await;
    let search = OrderSearch { filter: OrderFilter::default(), sort: OrderSort::CreatedAt, descending: true };
    let first = search.find(&rows, TABLES, 7, None, 10).await.unwrap();
    let expected = rows.live("current_orders").await.unwrap().unwrap();
    let next = Checkpoint { position: Position(2), ..expected };
    let row = vec![text(order_id(99)), text("ada"), text("Draft"), Value::Int(9_000_000), Value::Int(1), text("{}")];
    let changes = vec![RowChange::Put { table: TABLES.orders, row }];
    let commit = RowCommit { model: "current_orders", expected, next, changes, free: Vec::new(), park: Vec::new() };
    rows.commit(commit).await.unwrap();
    let second = search.find(&rows, TABLES, 7, first.next.as_ref(), 10).await.unwrap();
    assert_eq!([ids(&first.rows), ids(&second.rows)].concat(), brute_force(&search, &orders));
    assert_eq!(second.next, None);
}
