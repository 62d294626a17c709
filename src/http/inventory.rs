//! `/inventory`: how much of each product is wanted.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use ordo_actors::projection::row_store::Row;
use serde::Serialize;
use utoipa::{
    IntoParams, ToSchema,
    openapi::path::{Parameter, ParameterIn},
};

use super::{
    error::Problem,
    listed_table::{ListedTable, RowParams, TableParams, int, text},
    openapi::{
        ListOf,
        problems::{NotFound, ReadProblems},
    },
    pagination::{MOST_ROWS, Sort},
    query_params::Params,
    state::AppState,
};
use crate::{
    order::{ProductId, ProductName, schema},
    read_models::{ReadModelKind, ReadModels, tables::INVENTORY},
};

const PRODUCT_ID: usize = 0;
const QUANTITY: usize = 2;
const REVENUE: usize = 6;

/// `/inventory`
const PRODUCT_LIST: ListedTable = ListedTable {
    path: "/inventory",
    model: ReadModelKind::InventoryDemand,
    table: &INVENTORY,
    sorts: &[
        Sort { name: "quantity", by: QUANTITY, descending: true, is_amount: true },
        Sort { name: "revenue", by: REVENUE, descending: true, is_amount: true },
        Sort { name: "product_id", by: PRODUCT_ID, descending: false, is_amount: false },
    ],
    json: |row| serde_json::to_string(&Product::of(row)),
};

/// A product and the demand for it.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names clients see")]
pub struct Product<'a> {
    #[schema(value_type = ProductId)]
    product_id: &'a str,
    #[schema(value_type = ProductName)]
    product_name: &'a str,
    /// How many are in orders, whatever their state.
    #[schema(value_type = schema::Count)]
    quantity_ordered: i64,
    /// How many are in orders that have not ended.
    #[schema(value_type = schema::Count)]
    quantity_active: i64,
    /// How many are held or paid.
    #[schema(value_type = schema::Count)]
    quantity_reserved: i64,
    /// How many were shipped.
    #[schema(value_type = schema::Count)]
    quantity_completed: i64,
    /// What those shipped brought in; minor units of whatever currencies.
    #[schema(value_type = schema::Cents)]
    revenue_cents: i64,
    /// In how many orders it is.
    #[schema(value_type = schema::Count)]
    order_count: i64,
}

/// A page of products.
pub type ProductPage = ListOf<Product<'static>, MOST_ROWS>;

/// The query of `GET /inventory`.
pub struct ProductListParams;

impl IntoParams for ProductListParams {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        PRODUCT_LIST.parameters(parameter_in)
    }
}

impl<'a> Product<'a> {
    fn of(row: &'a Row) -> Self {
        Self {
            product_id: text(row, PRODUCT_ID),
            product_name: text(row, 1),
            quantity_ordered: int(row, QUANTITY),
            quantity_active: int(row, 3),
            quantity_reserved: int(row, 4),
            quantity_completed: int(row, 5),
            revenue_cents: int(row, REVENUE),
            order_count: int(row, 7),
        }
    }
}

/// Products and the demand for them
///
/// Follow `Link` for more.
#[utoipa::path(
    get, path = "/inventory", operation_id = "listProducts", tag = "read models", params(ProductListParams),
    responses(
        (status = 200, description = "Products.", body = inline(ProductPage), headers(("X-Position"), ("Link"))),
        ReadProblems,
    )
)]
pub async fn list(
    state: Data<AppState>,
    models: Data<ReadModels>,
    params: Params<TableParams>,
) -> Result<HttpResponse, Problem> {
    PRODUCT_LIST.list(&state, &models, params.0).await
}

/// A product and the demand for it
#[utoipa::path(
    get, path = "/inventory/{product_id}", operation_id = "getProduct", tag = "read models",
    params(("product_id" = String, Path, description = "The product.", min_length = 1, example = "widget"), RowParams),
    responses(
        (status = 200, description = "As of `X-Position`.", body = Product<'static>, headers(("X-Position"))),
        NotFound, ReadProblems,
    )
)]
pub async fn get(
    state: Data<AppState>,
    models: Data<ReadModels>,
    id: Path<String>,
    params: Params<RowParams>,
) -> Result<HttpResponse, Problem> {
    // An id that no product can have is that of nothing.
    let id = ProductId::stored(&id).map_err(|_| no_such_product())?;
    PRODUCT_LIST.one(&state, &models, id.as_str(), params.0).await?.ok_or_else(no_such_product)
}

fn no_such_product() -> Problem {
    Problem::not_found("there is no product with this id")
}
