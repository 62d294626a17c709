//! `/inventory`: how much of each product is wanted.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use ordo_actors::projection::row_store::Row;
use serde::Serialize;

use super::{
    error::Problem,
    listed_table::{ListedTable, RowParams, TableParams, int, text},
    pagination::Sort,
    query_params::Params,
    state::AppState,
};
use crate::{
    order::ProductId,
    read_models::{ReadModels, tables::INVENTORY},
};

const PRODUCT_ID: usize = 0;
const QUANTITY: usize = 2;
const REVENUE: usize = 6;

/// `/inventory`
const PRODUCT_LIST: ListedTable = ListedTable {
    path: "/inventory",
    progress: |models| &*models.inventory_demand,
    table: &INVENTORY,
    sorts: &[
        Sort { name: "quantity", by: QUANTITY, descending: true, is_amount: true },
        Sort { name: "revenue", by: REVENUE, descending: true, is_amount: true },
        Sort { name: "product_id", by: PRODUCT_ID, descending: false, is_amount: false },
    ],
    json: |row| serde_json::to_string(&Product::of(row)),
};

/// A product, as clients see it.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names clients see")]
struct Product<'a> {
    product_id: &'a str,
    product_name: &'a str,
    quantity_ordered: i64,
    quantity_active: i64,
    quantity_reserved: i64,
    quantity_completed: i64,
    revenue_cents: i64,
    order_count: i64,
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

/// `GET /inventory`
pub async fn list(
    state: Data<AppState>,
    models: Data<ReadModels>,
    params: Params<TableParams>,
) -> Result<HttpResponse, Problem> {
    PRODUCT_LIST.list(&state, &models, params.0).await
}

/// `GET /inventory/{product_id}`
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
