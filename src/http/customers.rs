//! `/customers`: who orders, what it comes to, and the orders of each.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use chrono::{DateTime, SecondsFormat};
use ordo_actors::projection::row_store::{Row, Value};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        ObjectBuilder,
        path::{Parameter, ParameterIn},
    },
};

use super::{
    cursor::ListId,
    error::Problem,
    list_orders::{OrderPage, documents, state_and_times},
    listed_table::{ListedTable, RowParams, TableParams, int, text},
    openapi::{
        ListOf,
        problems::{NotFound, ReadProblems},
    },
    pagination::{MOST_ROWS, Paging, Sort, array, limit_schema, next_link, read_live, sort, sort_schema, wait_until},
    query_params::{Params, QueryNumber},
    state::AppState,
};
use crate::{
    order::{CustomerId, OrderState, schema},
    read_models::{
        OrderFilter, ReadModelKind, ReadModels, orders_of,
        tables::{CUSTOMER_ORDERS, CUSTOMERS},
    },
};

const CUSTOMER_ID: usize = 0;
const TOTAL_ORDERS: usize = 1;
const TOTAL_SPENT: usize = 5;

/// `/customers`
pub(super) const CUSTOMER_LIST: ListedTable = ListedTable {
    path: "/customers",
    model: ReadModelKind::CustomerOrders,
    table: &CUSTOMERS,
    sorts: &[
        Sort { name: "total_spent", by: TOTAL_SPENT, descending: true, is_amount: true },
        Sort { name: "total_orders", by: TOTAL_ORDERS, descending: true, is_amount: true },
        Sort { name: "customer_id", by: CUSTOMER_ID, descending: false, is_amount: false },
    ],
    json: |row| serde_json::to_string(&Customer::of(row)),
};

const ORDER_SORTS: &[Sort<()>] = &[Sort { name: "created_at", by: (), descending: true, is_amount: false }];

/// A customer and what their orders come to.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names clients see")]
pub struct Customer<'a> {
    #[schema(value_type = CustomerId)]
    customer_id: &'a str,
    /// All their orders.
    #[schema(value_type = schema::Count)]
    total_orders: i64,
    /// Those that have not ended.
    #[schema(value_type = schema::Count)]
    active_orders: i64,
    /// Those that were shipped.
    #[schema(value_type = schema::Count)]
    completed_orders: i64,
    /// Those that were cancelled.
    #[schema(value_type = schema::Count)]
    cancelled_orders: i64,
    /// What their completed orders cost, less refunds; minor units of whatever currencies.
    #[schema(value_type = schema::Cents)]
    total_spent_cents: i64,
    /// When their first order was placed.
    #[schema(value_type = schema::Time)]
    first_order_at: String,
    /// When their last order was placed.
    #[schema(value_type = schema::Time)]
    last_order_at: String,
}

/// A page of customers.
pub type CustomerPage = ListOf<Customer<'static>, MOST_ROWS>;

/// The query of `GET /customers`.
pub struct CustomerListParams;

impl IntoParams for CustomerListParams {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        CUSTOMER_LIST.parameters(parameter_in)
    }
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

/// Customers and what their orders come to
///
/// Follow `Link` for more.
#[utoipa::path(
    get, path = "/customers", operation_id = "listCustomers", tag = "read models", params(CustomerListParams),
    responses(
        (status = 200, description = "Customers.", body = inline(CustomerPage), headers(("X-Position"), ("Link"))),
        ReadProblems,
    )
)]
pub async fn list(
    state: Data<AppState>,
    models: Data<ReadModels>,
    params: Params<TableParams>,
) -> Result<HttpResponse, Problem> {
    CUSTOMER_LIST.list(&state, &models, params.0).await
}

/// A customer and what their orders come to
#[utoipa::path(
    get, path = "/customers/{id}", operation_id = "getCustomer", tag = "read models",
    params(("id" = String, Path, description = "The customer.", min_length = 1, example = "ada"), RowParams),
    responses(
        (status = 200, description = "As of `X-Position`.", body = Customer<'static>, headers(("X-Position"))),
        NotFound, ReadProblems,
    )
)]
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
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CustomerOrdersParams {
    /// Only orders in this state.
    #[param(value_type = Option<OrderState>)]
    state: Option<String>,
    /// Only orders placed at this time or later.
    #[param(value_type = Option<schema::Time>)]
    created_after: Option<String>,
    /// Only orders placed before this time.
    #[param(value_type = Option<schema::Time>)]
    created_before: Option<String>,
    /// What to sort by; `-` before it: from large to small.
    #[param(schema_with = sort_names)]
    sort: Option<String>,
    /// At most so many.
    #[param(schema_with = limit_schema)]
    limit: Option<QueryNumber>,
    /// Where the page before ended: taken from its `Link`. Belongs to one path with one set of filters and one sort.
    #[param(value_type = Option<String>, nullable = false)]
    cursor: Option<String>,
    /// Wait until the log, or the read model, has come this far, at most a few seconds. Take it from `X-Position`.
    #[param(value_type = Option<schema::Position>, example = 0)]
    min_position: Option<QueryNumber>,
}

fn sort_names() -> ObjectBuilder {
    sort_schema(ORDER_SORTS)
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

/// The orders of a customer, in whatever state
///
/// Follow `Link` for more.
#[utoipa::path(
    get, path = "/customers/{id}/orders", operation_id = "listOrdersOfCustomer", tag = "read models",
    params(("id" = String, Path, description = "The customer.", min_length = 1, example = "ada"), CustomerOrdersParams),
    responses(
        (status = 200, description = "Orders.", body = inline(OrderPage), headers(("X-Position"), ("Link"))),
        NotFound, ReadProblems,
    )
)]
pub async fn orders(
    state: Data<AppState>,
    models: Data<ReadModels>,
    request: HttpRequest,
    id: Path<String>,
    params: Params<CustomerOrdersParams>,
) -> Result<HttpResponse, Problem> {
    let asked = OrdersOfCustomer::check(known_id(&id)?, params.0)?;
    let after = asked.paging.after(asked.id())?;
    let progress = models.progress(ReadModelKind::CustomerOrders);
    wait_until(&state, progress, asked.paging.at_least).await?;
    let _turn = state.answers.turn().await?;
    let (found, position) = read_live(progress, async |generation| {
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
            self.filter.state.map_or("", OrderState::name),
            &self.filter.created_from.map(|time| time.to_rfc3339()).unwrap_or_default(),
            &self.filter.created_before.map(|time| time.to_rfc3339()).unwrap_or_default(),
            if self.descending { "-" } else { "" },
        ])
    }
}
