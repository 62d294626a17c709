//! `/orders` and `/orders/history`: orders as lists.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Data};
use chrono::{DateTime, Utc};
use ordo_actors::projection::row_store::{Row, Table, Value};
use serde::Deserialize;
use utoipa::{IntoParams, openapi::ObjectBuilder};

use super::{
    cursor::ListId,
    error::{Fault, Problem},
    openapi::{ListOf, problems::ReadProblems},
    pagination::{
        MOST_ROWS, Paging, Sort, array, fault, limit_schema, next_link, read_live, sort, sort_schema, wait_until,
    },
    query_params::{Params, QueryNumber},
    state::AppState,
    wire,
};
use crate::{
    order::{CustomerId, OrderState, OrderView, ProductId, schema},
    read_models::{
        OrderFilter, OrderSearch, OrderSort, OrderTables, ReadModelKind, ReadModelProgress, ReadModels, ResultPage,
    },
};

const SORTS: &[Sort<OrderSort>] = &[
    Sort { name: "created_at", by: OrderSort::CreatedAt, descending: true, is_amount: false },
    Sort { name: "total_cents", by: OrderSort::Total, descending: false, is_amount: false },
];

/// The query of `GET /orders` and `GET /orders/history`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrderListParams {
    /// Only orders in this state.
    #[param(value_type = Option<OrderState>)]
    state: Option<String>,
    /// Only orders of this customer.
    #[param(value_type = Option<CustomerId>)]
    customer_id: Option<String>,
    /// Only orders with a line of this product.
    #[param(value_type = Option<ProductId>)]
    product_id: Option<String>,
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
    sort_schema(SORTS)
}

/// A page of orders.
pub type OrderPage = ListOf<OrderView<'static>, MOST_ROWS>;

/// The current orders
///
/// Orders that have not ended, from the read model. Follow `Link` for more.
#[utoipa::path(
    get, path = "/orders", operation_id = "listOrders", tag = "orders", params(OrderListParams),
    responses(
        (status = 200, description = "Orders.", body = inline(OrderPage), headers(("X-Position"), ("Link"))),
        ReadProblems,
    )
)]
pub async fn current(
    state: Data<AppState>,
    models: Data<ReadModels>,
    params: Params<OrderListParams>,
) -> Result<HttpResponse, Problem> {
    let list = OrderList::check("/orders", params.0)?;
    list.show(&state, &models, models.progress(ReadModelKind::CurrentOrders), OrderTables::CURRENT).await
}

/// Completed and cancelled orders
///
/// From the read model. Follow `Link` for more.
#[utoipa::path(
    get, path = "/orders/history", operation_id = "listHistory", tag = "orders", params(OrderListParams),
    responses(
        (status = 200, description = "Orders.", body = inline(OrderPage), headers(("X-Position"), ("Link"))),
        ReadProblems,
    )
)]
pub async fn history(
    state: Data<AppState>,
    models: Data<ReadModels>,
    params: Params<OrderListParams>,
) -> Result<HttpResponse, Problem> {
    let list = OrderList::check("/orders/history", params.0)?;
    list.show(&state, &models, models.progress(ReadModelKind::OrderHistory), OrderTables::HISTORY).await
}

/// A list of orders that was asked for.
#[derive(Debug)]
struct OrderList {
    path: &'static str,
    search: OrderSearch,
    paging: Paging,
    /// What the client sent, for the next page.
    sent: OrderListParams,
}

impl OrderList {
    /// Checks all parameters and names every fault.
    fn check(path: &'static str, mut params: OrderListParams) -> Result<Self, Problem> {
        let mut faults = Vec::new();
        let filter = OrderFilter {
            customer_id: text("customer_id", params.customer_id.as_deref(), CustomerId::stored, &mut faults),
            product_id: text("product_id", params.product_id.as_deref(), ProductId::stored, &mut faults),
            ..state_and_times(
                params.state.as_deref(),
                params.created_after.as_deref(),
                params.created_before.as_deref(),
                &mut faults,
            )
        };
        let (by, descending) = sort(params.sort.as_deref(), SORTS, &mut faults);
        let paging = Paging::read(params.limit, params.cursor.take(), params.min_position, &mut faults);
        if !faults.is_empty() {
            return Err(Problem::validation(&faults));
        }
        Ok(Self { path, search: OrderSearch { filter, sort: by, descending }, paging, sent: params })
    }

    /// Tells this list from others.
    fn id(&self) -> ListId {
        let OrderFilter { state, customer_id, product_id, created_from, created_before } = &self.search.filter;
        ListId::of(&[
            self.path,
            state.map_or("", OrderState::name),
            customer_id.as_ref().map_or("", CustomerId::as_str),
            product_id.as_ref().map_or("", ProductId::as_str),
            &created_from.map(|time| time.to_rfc3339()).unwrap_or_default(),
            &created_before.map(|time| time.to_rfc3339()).unwrap_or_default(),
            if self.search.sort == OrderSort::Total { "total_cents" } else { "created_at" },
            if self.search.descending { "-" } else { "" },
        ])
    }

    async fn show(
        &self,
        state: &AppState,
        models: &ReadModels,
        progress: &dyn ReadModelProgress,
        tables: OrderTables,
    ) -> Result<HttpResponse, Problem> {
        let after = self.paging.after(self.id())?;
        wait_until(state, progress, self.paging.at_least).await?;
        let _turn = state.answers.turn().await?;
        let (found, position) = read_live(progress, async |generation| {
            self.search.find(&*models.rows, tables, generation, after.as_ref(), self.paging.limit).await
        })
        .await?;
        Ok(array(documents(tables.orders, &found), position, self.next(&found)))
    }

    fn next(&self, found: &ResultPage) -> Option<String> {
        let limit = self.paging.limit.to_string();
        let parameters = [
            ("state", self.sent.state.as_deref()),
            ("customer_id", self.sent.customer_id.as_deref()),
            ("product_id", self.sent.product_id.as_deref()),
            ("created_after", self.sent.created_after.as_deref()),
            ("created_before", self.sent.created_before.as_deref()),
            ("sort", self.sent.sort.as_deref()),
            ("limit", Some(limit.as_str())),
        ];
        next_link(self.path, &parameters, self.id(), found.next.as_ref())
    }
}

/// Checks what the lists of orders have in common.
pub fn state_and_times(
    state: Option<&str>,
    created_after: Option<&str>,
    created_before: Option<&str>,
    faults: &mut Vec<Fault>,
) -> OrderFilter {
    let known = state.map(|name| OrderState::ALL.into_iter().find(|state| state.name() == name));
    if known == Some(None) {
        let names = OrderState::ALL.map(OrderState::name).join(", ");
        faults.push(fault("state", format!("must be one of {names}")));
    }
    OrderFilter {
        state: known.flatten(),
        created_from: time("created_after", created_after, faults),
        created_before: time("created_before", created_before, faults),
        ..OrderFilter::default()
    }
}

fn time(name: &str, sent: Option<&str>, faults: &mut Vec<Fault>) -> Option<DateTime<Utc>> {
    let read = wire::time(sent?);
    if read.is_none() {
        faults.push(fault(name, "must be a time as RFC 3339, such as 2011-12-09T12:50:00Z"));
    }
    read
}

fn text<T, E: ToString>(
    name: &str,
    sent: Option<&str>,
    check: fn(&str) -> Result<T, E>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    check(sent?).inspect_err(|invalid| faults.push(fault(name, invalid.to_string()))).ok()
}

/// The orders as they were stored: JSON.
pub fn documents<'a>(table: &Table, found: &'a ResultPage) -> impl Iterator<Item = &'a str> + use<'a> {
    let column = table.column("doc");
    found.rows.iter().filter_map(move |row: &Row| match row.get(column) {
        Some(Value::Text(doc)) => Some(Arc::as_ref(doc)),
        Some(Value::Int(_)) | None => None,
    })
}
