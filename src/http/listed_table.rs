//! A table of a read model as a list: every row an object, sorted by one of its columns.

use actix_web::HttpResponse;
use ordo_actors::projection::row_store::{Page, Row, Table, Value};
use serde::Deserialize;
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use super::{
    cursor::ListId,
    error::{Fault, Problem, ProblemKind},
    pagination::{
        Paging, Sort, array, at_least, limit_schema, next_link, read_live, respond, sort, sort_schema, wait_until,
    },
    query_params::QueryNumber,
    state::AppState,
};
use crate::{
    order::schema,
    read_models::{IndexScan, ReadModelKind, ReadModels, RowSource},
};

/// A table that clients can list.
pub struct ListedTable {
    /// The path of the list.
    pub path: &'static str,
    /// How far the read model is that the table belongs to.
    pub model: ReadModelKind,
    /// The table; its key is one text.
    pub table: &'static Table,
    /// The columns it can be sorted by.
    pub sorts: &'static [Sort<usize>],
    /// A row as JSON.
    pub json: fn(&Row) -> serde_json::Result<String>,
}

/// The query of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TableParams {
    /// What to sort by; `-` before it: from large to small. Amounts and counts always go from large to small.
    #[param(value_type = Option<String>, nullable = false)]
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

/// The query of one row.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RowParams {
    /// Wait until the log, or the read model, has come this far, at most a few seconds. Take it from `X-Position`.
    #[param(value_type = Option<schema::Position>, example = 0)]
    min_position: Option<QueryNumber>,
}

/// A page that was asked for.
#[derive(Debug)]
struct Asked {
    column: usize,
    descending: bool,
    paging: Paging,
    /// What the client sent, for the next page.
    sort: Option<String>,
}

impl ListedTable {
    /// What OpenAPI says of the query of a list.
    #[must_use]
    pub fn parameters(&self, parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = TableParams::into_params(parameter_in);
        if let Some(sort) = parameters.iter_mut().find(|parameter| parameter.name == "sort") {
            sort.schema = Some(sort_schema(self.sorts).into());
        }
        parameters
    }

    /// Answers with a page.
    pub async fn list(
        &self,
        state: &AppState,
        models: &ReadModels,
        params: TableParams,
    ) -> Result<HttpResponse, Problem> {
        let asked = self.check(params)?;
        let list = self.id(&asked);
        let after = asked.paging.after(list)?;
        let progress = models.progress(self.model);
        wait_until(state, progress, asked.paging.at_least).await?;
        let (found, position) = read_live(progress, async |generation| {
            self.scan(&asked, generation).find(&*models.rows, after.as_ref(), asked.paging.limit).await
        })
        .await?;
        let limit = asked.paging.limit.to_string();
        let parameters = [("sort", asked.sort.as_deref()), ("limit", Some(limit.as_str()))];
        let next = next_link(self.path, &parameters, list, found.next.as_ref());
        let rows =
            found.rows.iter().map(self.json).collect::<Result<Vec<_>, _>>().map_err(|error| unspeakable(&error))?;
        Ok(array(rows.iter().map(String::as_str), position, next))
    }

    /// Answers with the row of this key, a text that may stand in the table; nothing when there is none.
    pub async fn one(
        &self,
        state: &AppState,
        models: &ReadModels,
        id: &str,
        params: RowParams,
    ) -> Result<Option<HttpResponse>, Problem> {
        let mut faults = Vec::new();
        let at_least = at_least(params.min_position, &mut faults);
        if !faults.is_empty() {
            return Err(Problem::validation(&faults));
        }
        let progress = models.progress(self.model);
        wait_until(state, progress, at_least).await?;
        let key = [vec![Value::Text(id.into())]];
        let (rows, position) =
            read_live(progress, async |generation| models.rows.fetch(self.table, generation, &key).await).await?;
        let Some(row) = rows.into_iter().next().flatten() else { return Ok(None) };
        Ok(Some(respond((self.json)(&row).map_err(|error| unspeakable(&error))?, position, None)))
    }

    fn check(&self, params: TableParams) -> Result<Asked, Problem> {
        let mut faults: Vec<Fault> = Vec::new();
        let (column, descending) = sort(params.sort.as_deref(), self.sorts, &mut faults);
        let paging = Paging::read(params.limit, params.cursor, params.min_position, &mut faults);
        if !faults.is_empty() {
            return Err(Problem::validation(&faults));
        }
        Ok(Asked { column, descending, paging, sort: params.sort })
    }

    /// Tells this list from others.
    fn id(&self, asked: &Asked) -> ListId {
        ListId::of(&[self.path, self.table.columns[asked.column].name, if asked.descending { "-" } else { "" }])
    }

    /// All rows in the order that was asked for.
    fn scan(&self, asked: &Asked, generation: u32) -> IndexScan {
        let (order_by, descending) = (asked.column, asked.descending);
        let page =
            Page { table: self.table, generation, conditions: Vec::new(), order_by, descending, after: None, limit: 0 };
        IndexScan { page, source: RowSource::Index, filter: Vec::new() }
    }
}

fn unspeakable(error: &serde_json::Error) -> Problem {
    log::error!("a row could not be source: {error}");
    Problem::new(ProblemKind::Internal, "the list could not be shown")
}

/// The text in a column.
#[must_use]
pub fn text(row: &Row, column: usize) -> &str {
    match row.get(column) {
        Some(Value::Text(text)) => text,
        Some(Value::Int(_)) | None => "",
    }
}

/// The number in a column.
#[must_use]
pub fn int(row: &Row, column: usize) -> i64 {
    match row.get(column) {
        Some(Value::Int(number)) => *number,
        Some(Value::Text(_)) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::customers::CUSTOMER_LIST, *};

    fn asked(query: &str) -> Result<Asked, Problem> {
        CUSTOMER_LIST.check(serde_json::from_value(serde_json::json!({ "sort": query })).expect("a sort"))
    }

    #[test]
    fn amounts_come_from_large_to_small_with_or_without_a_minus() {
        for sort in ["total_spent", "-total_spent", "total_orders", "-total_orders"] {
            assert!(asked(sort).expect(sort).descending, "{sort}");
        }
    }

    #[test]
    fn ids_come_from_small_to_large_unless_there_is_a_minus() {
        assert!(!asked("customer_id").expect("ids").descending);
        assert!(asked("-customer_id").expect("ids").descending);
    }

    #[test]
    fn without_a_sort_those_who_spent_most_come_first() {
        let asked = CUSTOMER_LIST.check(TableParams::default()).expect("a list");
        let scan = CUSTOMER_LIST.scan(&asked, 3);
        assert_eq!(CUSTOMER_LIST.table.columns[scan.page.order_by].name, "total_spent_cents");
        assert!(scan.page.descending && scan.page.conditions.is_empty() && scan.page.generation == 3);
        assert_eq!(asked.paging.limit, 50);
    }

    #[test]
    fn an_unknown_sort_is_refused_by_name() {
        let problem = asked("name").expect_err("no such sort");
        assert_eq!(problem.status(), 422);
        assert!(
            problem.detail.starts_with("?sort: must be one of total_spent, total_orders, customer_id"),
            "{problem}"
        );
    }

    #[test]
    fn every_sort_is_a_list_of_its_own() {
        let id = |sort| CUSTOMER_LIST.id(&asked(sort).expect(sort));
        assert_ne!(id("total_spent"), id("total_orders"));
        assert_ne!(id("customer_id"), id("-customer_id"));
        assert_eq!(id("total_spent"), id("-total_spent"));
    }
}
