//! `/customers`: who orders, what it comes to, and the orders of each.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use chrono::{DateTime, SecondsFormat};
use ordo_actors::projection::row_store::{Row, Value};
use serde::{Deserialize, Serialize};

use super::{
    cursor::ListId,
    error::Problem,
    list_orders::{documents, state_and_times},
    listed_table::{ListedTable, RowParams, TableParams, int, text},
    pagination::{Paging, Sort, array, next_link, read_live, sort, wait_until},
    query_params::{Params, QueryNumber},
    state::AppState,
};
use crate::{
    order::CustomerId,
    read_models::{
        OrderFilter, ReadModels, orders_of,
        tables::{CUSTOMER_ORDERS, CUSTOMERS},
    },
};

const CUSTOMER_ID: usize = 0;
const TOTAL_ORDERS: usize = 1;
const TOTAL_SPENT: usize = 5;

/// `/customers`
pub(super) const CUSTOMER_LIST: ListedTable = ListedTable {
    path: "/customers",
    progress: |models| &*models.customer_orders,
    table: &CUSTOMERS,
    sorts: &[
        Sort { name: "total_spent", by: TOTAL_SPENT, descending: true, is_amount: true },
        Sort { name: "total_orders", by: TOTAL_ORDERS, descending: true, is_amount: true },
        Sort { name: "customer_id", by: CUSTOMER_ID, descending: false, is_amount: false },
    ],
    json: |row| serde_json::to_string(&Customer::of(row)),
};

const ORDER_SORTS: &[Sort<()>] = &[Sort { name: "created_at", by: (), descending: true, is_amount: false }];

/// A customer, as clients see it.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names clients see")]
struct Customer<'a> {
    customer_id: &'a str,
    total_orders: i64,
    active_orders: i64,
    completed_orders: i64,
    cancelled_orders: i64,
    total_spent_cents: i64,
    first_order_at: String,
    last_order_at: String,
}

impl<'a> Customer<'a> {
    fn of(row: &'a Row) -> Self {
        Self {
            customer_id: text(row, CUSTOMER_ID),
            total_orders: int(row, TOTAL_ORDERS),
            active_orders: int(row, 2),
            completed_orders: int(row, 3),
            cancelled_orders: int(row, 4),
            total_spent_cents: int(row, TOTAL_SPENT),
            first_order_at: time(int(row, 6)),
            last_order_at: time(int(row, 7)),
        }
    }
}

fn time(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn no_such_customer() -> Problem {
    Problem::not_found("there is no customer with this id")
}

/// An id that no customer can have is that of nobody.
fn known_id(id: &str) -> Result<CustomerId, Problem> {
    CustomerId::stored(id).map_err(|_| no_such_customer())
}

/// `GET /customers`
pub async fn list(
    state: Data<AppState>,
    models: Data<ReadModels>,
    params: Params<TableParams>,
) -> Result<HttpResponse, Problem> {
    CUSTOMER_LIST.list(&state, &models, params.0).await
}

/// `GET /customers/{id}`
pub async fn get(
    state: Data<AppState>,
    models: Data<ReadModels>,
    id: Path<String>,
    params: Params<RowParams>,
) -> Result<HttpResponse, Problem> {
    let id = known_id(&id)?;
    CUSTOMER_LIST.one(&state, &models, id.as_str(), params.0).await?.ok_or_else(no_such_customer)
}

/// The query of `GET /customers/{id}/orders`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerOrdersParams {
    state: Option<String>,
    created_after: Option<String>,
    created_before: Option<String>,
    sort: Option<String>,
    limit: Option<QueryNumber>,
    cursor: Option<String>,
    min_position: Option<QueryNumber>,
}

/// The orders of a customer that were asked for.
#[derive(Debug)]
struct OrdersOfCustomer {
    customer: CustomerId,
    filter: OrderFilter,
    descending: bool,
    paging: Paging,
    /// What the client sent, for the next page.
    sent: CustomerOrdersParams,
}

/// `GET /customers/{id}/orders`
pub async fn orders(
    state: Data<AppState>,
    models: Data<ReadModels>,
    request: HttpRequest,
    id: Path<String>,
    params: Params<CustomerOrdersParams>,
) -> Result<HttpResponse, Problem> {
    let asked = OrdersOfCustomer::check(known_id(&id)?, params.0)?;
    let after = asked.paging.after(asked.id())?;
    wait_until(&state, &*models.customer_orders, asked.paging.at_least).await?;
    let _turn = state.answers.turn().await?;
    let (found, position) = read_live(&*models.customer_orders, async |generation| {
        let scan = orders_of(asked.customer.as_str(), &asked.filter, asked.descending, generation);
        let found = scan.find(&*models.rows, after.as_ref(), asked.paging.limit).await?;
        let key = [vec![Value::Text(asked.customer.as_str().into())]];
        let is_known = !found.rows.is_empty()
            || models.rows.fetch(&CUSTOMERS, generation, &key).await?.iter().any(Option::is_some);
        Ok(is_known.then_some(found))
    })
    .await?;
    let found = found.ok_or_else(no_such_customer)?;
    let limit = asked.paging.limit.to_string();
    let parameters = [
        ("state", asked.sent.state.as_deref()),
        ("created_after", asked.sent.created_after.as_deref()),
        ("created_before", asked.sent.created_before.as_deref()),
        ("sort", asked.sent.sort.as_deref()),
        ("limit", Some(limit.as_str())),
    ];
    let next = next_link(request.path(), &parameters, asked.id(), found.next.as_ref());
    Ok(array(documents(&CUSTOMER_ORDERS, &found), position, next))
}

impl OrdersOfCustomer {
    fn check(customer: CustomerId, mut params: CustomerOrdersParams) -> Result<Self, Problem> {
        let mut faults = Vec::new();
        let filter = state_and_times(
            params.state.as_deref(),
            params.created_after.as_deref(),
            params.created_before.as_deref(),
            &mut faults,
        );
        let ((), descending) = sort(params.sort.as_deref(), ORDER_SORTS, &mut faults);
        let paging = Paging::read(params.limit, params.cursor.take(), params.min_position, &mut faults);
        if !faults.is_empty() {
            return Err(Problem::validation(&faults));
        }
        Ok(Self { customer, filter, descending, paging, sent: params })
    }

    /// Tells this list from others.
    fn id(&self) -> ListId {
        ListId::of(&[
            "/customers/{id}/orders",
            self.customer.as_str(),
            self.filter.state.map_or("", crate::order::OrderState::name),
            &self.filter.created_from.map(|time| time.to_rfc3339()).unwrap_or_default(),
            &self.filter.created_before.map(|time| time.to_rfc3339()).unwrap_or_default(),
            if self.descending { "-" } else { "" },
        ])
    }
}
