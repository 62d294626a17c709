//! Which orders, in which order: from filters and a sort to the index that answers best.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use ordo_actors::{
    log::store::StoreError,
    projection::row_store::{Condition, MAX_PAGE, Page, Row, RowStore, Table, Value},
};

use super::{
    changes::text,
    index_scan::{Cursor, IndexScan, ResultPage, RowSource},
    tables::{CURRENT_ORDER_PRODUCTS, CURRENT_ORDERS, CUSTOMER_ORDERS, ORDER_HISTORY, ORDER_HISTORY_PRODUCTS},
};
use crate::order::{CustomerId, OrderState, ProductId};

// The columns of a list of orders.
const ORDER_ID: usize = 0;
const CUSTOMER_ID: usize = 1;
const STATE: usize = 2;
const CREATED_AT: usize = 3;
const TOTAL: usize = 4;

/// The columns of the products of a list of orders, and of the orders of a customer.
const OWNER: usize = 0;
const OWNED_CREATED_AT: usize = 1;
const OWNED_STATE: usize = 3;

/// Most orders of one product, customer or state that are sorted by their totals here. Among more, the orders are scanned by
/// their totals, and those of the product, customer or state are picked out.
const MOST_SORTED: usize = MAX_PAGE - 1;

/// A list of orders and the products they hold.
#[derive(Debug, Clone, Copy)]
pub struct OrderTables {
    /// The orders.
    pub orders: &'static Table,
    /// Which of them hold a product.
    pub products: &'static Table,
}

impl OrderTables {
    /// Orders that have not come to their end.
    pub const CURRENT: Self = Self { orders: &CURRENT_ORDERS, products: &CURRENT_ORDER_PRODUCTS };
    /// Orders that have.
    pub const HISTORY: Self = Self { orders: &ORDER_HISTORY, products: &ORDER_HISTORY_PRODUCTS };
}

/// Which orders. All conditions hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// In this state.
    pub state: Option<OrderState>,
    /// Of this customer.
    pub customer_id: Option<CustomerId>,
    /// With this product.
    pub product_id: Option<ProductId>,
    /// Created at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Created before this time.
    pub created_before: Option<DateTime<Utc>>,
}

/// What orders are sorted by; equal ones by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderSort {
    /// When they were created.
    CreatedAt,
    /// What they cost.
    Total,
}

/// A search for orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSearch {
    /// Which.
    pub filter: OrderFilter,
    /// By what.
    pub sort: OrderSort,
    /// From large to small.
    pub descending: bool,
}

impl OrderSearch {
    /// Finds at most `limit` orders of a list behind a place. May find fewer and tell where to go on.
    pub async fn find(
        &self,
        rows: &dyn RowStore,
        tables: OrderTables,
        generation: u32,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ResultPage, StoreError> {
        if self.sort == OrderSort::Total && self.filter.is_narrow() {
            let few = self.by_time(tables, generation).find(rows, None, MOST_SORTED).await?;
            if few.next.is_none() {
                return Ok(self.sorted(few.rows, after, limit));
            }
        }
        self.scan(tables, generation).find(rows, after, limit).await
    }

    /// The way along the index that has the rows in the right order and leaves out most.
    #[must_use]
    pub fn scan(&self, tables: OrderTables, generation: u32) -> IndexScan {
        match self.sort {
            OrderSort::CreatedAt => self.by_time(tables, generation),
            OrderSort::Total => self.by_total(tables, generation),
        }
    }

    /// The orders of the product, else of the customer, else in the state, else all; by time.
    fn by_time(&self, tables: OrderTables, generation: u32) -> IndexScan {
        let mut filter = self.filter.conditions();
        let Some(product) = &self.filter.product_id else {
            let driving = [CUSTOMER_ID, STATE].into_iter().find_map(|column| take_is(&mut filter, column));
            let conditions = driving.into_iter().chain(self.filter.times(CREATED_AT)).collect();
            return IndexScan {
                page: self.page(tables.orders, generation, conditions, CREATED_AT),
                source: RowSource::Index,
                filter,
            };
        };
        let product = Condition::Is(OWNER, text(product.as_str()));
        let conditions = [product].into_iter().chain(self.filter.times(OWNED_CREATED_AT)).collect();
        let page = self.page(tables.products, generation, conditions, OWNED_CREATED_AT);
        IndexScan { page, source: RowSource::Lookup(tables.orders), filter }
    }

    /// All orders by their totals.
    fn by_total(&self, tables: OrderTables, generation: u32) -> IndexScan {
        let mut filter = self.filter.conditions();
        filter.extend(self.filter.times(CREATED_AT));
        let held = |product: &ProductId| RowSource::SemiJoin {
            by: tables.products,
            owner: text(product.as_str()),
            at: CREATED_AT,
        };
        let source = self.filter.product_id.as_ref().map_or(RowSource::Index, held);
        IndexScan { page: self.page(tables.orders, generation, Vec::new(), TOTAL), source, filter }
    }

    fn page(&self, table: &'static Table, generation: u32, conditions: Vec<Condition>, order_by: usize) -> Page {
        Page { table, generation, conditions, order_by, descending: self.descending, after: None, limit: 0 }
    }

    /// A page of orders that have all been found.
    fn sorted(&self, mut rows: Vec<Row>, after: Option<&Cursor>, limit: usize) -> ResultPage {
        let place = |row: &Row| (row[TOTAL].clone(), row[ORDER_ID].clone());
        let directed = |order: Ordering| if self.descending { order.reverse() } else { order };
        rows.sort_by(|a, b| directed(place(a).cmp(&place(b))));
        if let Some(after) = after {
            let after = (after.value.clone(), Value::Text(after.id.clone()));
            rows.retain(|row| directed(place(row).cmp(&after)) == Ordering::Greater);
        }
        let is_last = rows.len() <= limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| !is_last).map(place).and_then(|(value, id)| match id {
            Value::Text(id) => Some(Cursor { value, id }),
            Value::Int(_) => None,
        });
        ResultPage { rows, next }
    }
}

impl OrderFilter {
    fn is_narrow(&self) -> bool {
        self.product_id.is_some() || self.customer_id.is_some() || self.state.is_some()
    }

    /// Customer and state, as conditions on a row of a list.
    fn conditions(&self) -> Vec<Condition> {
        let customer = self.customer_id.as_ref().map(|id| Condition::Is(CUSTOMER_ID, text(id.as_str())));
        let state = self.state.map(|state| Condition::Is(STATE, text(state.name())));
        customer.into_iter().chain(state).collect()
    }

    fn times(&self, column: usize) -> impl Iterator<Item = Condition> + use<> {
        let micros = |time: DateTime<Utc>| Value::Int(time.timestamp_micros());
        let from = self.created_from.map(|time| Condition::From(column, micros(time)));
        let before = self.created_before.map(|time| Condition::Before(column, micros(time)));
        from.into_iter().chain(before)
    }
}

/// Takes the condition that fixes a column out of those left.
fn take_is(filter: &mut Vec<Condition>, column: usize) -> Option<Condition> {
    let place = filter.iter().position(|condition| matches!(condition, Condition::Is(of, _) if *of == column))?;
    Some(filter.remove(place))
}

/// The orders of one customer by time, whatever their state.
#[must_use]
pub fn orders_of(customer: &str, filter: &OrderFilter, descending: bool, generation: u32) -> IndexScan {
    let customer = Condition::Is(OWNER, text(customer));
    let conditions = [customer].into_iter().chain(filter.times(OWNED_CREATED_AT)).collect();
    let table = &CUSTOMER_ORDERS;
    let page = Page { table, generation, conditions, order_by: OWNED_CREATED_AT, descending, after: None, limit: 0 };
    let state = filter.state.map(|state| Condition::Is(OWNED_STATE, text(state.name())));
    IndexScan { page, source: RowSource::Index, filter: state.into_iter().collect() }
}
