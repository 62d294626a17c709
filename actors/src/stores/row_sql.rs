//! Statements about rows, made from their table. Both databases read them alike: SQLite takes `$1` for a name, and numbers
//! names as they come.

use std::fmt::Write;

use crate::projection::row_store::{Condition, Page, Path, Resume, Table, Value};

/// A page as a statement: generation first, limit last.
#[derive(Debug)]
pub struct PageQuery<'a> {
    /// The statement. It answers with all columns of the table in their order.
    pub text: String,
    /// Between generation and limit: the values of the parameters from the second on.
    pub values: Vec<&'a Value>,
}

impl<'a> PageQuery<'a> {
    /// Puts a page into words; nothing when it is empty whatever the table holds.
    #[must_use]
    pub fn of(page: &'a Page) -> Option<Self> {
        Self::with_hint(page, "")
    }

    /// The same with the index to use, as SQLite takes it: without statistics it often chooses another.
    #[must_use]
    pub fn indexed(page: &'a Page) -> Option<Self> {
        match page.path() {
            Path::Index(number) => Self::with_hint(page, &format!(" INDEXED BY {}", index_name(page.table, number))),
            Path::Key | Path::Everything => Self::with_hint(page, ""),
        }
    }

    fn with_hint(page: &'a Page, hint: &str) -> Option<Self> {
        let resume = page.resume();
        if page.limit() == 0 || resume.as_ref().is_some_and(|resume| resume.columns.is_empty() && !resume.inclusive) {
            return None;
        }
        let mut query = Self { text: format!("{}{hint}", select(page.table)), values: Vec::new() };
        query.text.push_str(" WHERE generation = $1");
        for condition in &page.conditions {
            if !is_implied(condition, page, resume.as_ref()) {
                query.push_condition(page.table, condition);
            }
        }
        if let Some(resume) = resume.filter(|resume| !resume.columns.is_empty()) {
            query.push_resume(page, &resume);
        }
        query.push_order(page);
        Some(query)
    }

    fn push_condition(&mut self, table: &Table, condition: &'a Condition) {
        let (column, operator, value) = match condition {
            Condition::Is(column, value) => (column, "=", value),
            Condition::From(column, value) => (column, ">=", value),
            Condition::Before(column, value) => (column, "<", value),
        };
        let parameter = self.parameter(value);
        self.push(format_args!(" AND {} {operator} ${parameter}", table.columns[*column].name));
    }

    fn push_resume(&mut self, page: &Page, resume: &Resume<'a>) {
        let columns = list(resume.columns.iter().map(|(column, _)| page.table.columns[*column].name.to_owned()));
        let values = list(resume.columns.iter().map(|(_, value)| format!("${}", self.parameter(value))));
        let operator = match (page.descending, resume.inclusive) {
            (false, false) => ">",
            (false, true) => ">=",
            (true, false) => "<",
            (true, true) => "<=",
        };
        self.push(format_args!(" AND ({columns}) {operator} ({values})"));
    }

    fn push_order(&mut self, page: &Page) {
        let direction = if page.descending { " DESC" } else { "" };
        let order = list(page.order().iter().map(|column| format!("{}{direction}", page.table.columns[*column].name)));
        if !order.is_empty() {
            self.push(format_args!(" ORDER BY {order}"));
        }
        let limit = self.values.len() + 2;
        self.push(format_args!(" LIMIT ${limit}"));
    }

    /// Adds a value and tells its number.
    fn parameter(&mut self, value: &'a Value) -> usize {
        self.values.push(value);
        self.values.len() + 1
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a string takes everything");
    }
}

/// Whether the place where a page goes on says more than a condition. Left in, it may be what the index is entered by.
fn is_implied(condition: &Condition, page: &Page, resume: Option<&Resume<'_>>) -> bool {
    let Some((first, after)) = resume.and_then(|resume| resume.columns.first()) else { return false };
    match condition {
        Condition::Is(..) => false,
        Condition::From(column, value) => !page.descending && column == first && value <= *after,
        Condition::Before(column, value) => page.descending && column == first && value > *after,
    }
}

/// All columns of a table, without saying which rows.
#[must_use]
pub fn select(table: &Table) -> String {
    format!("SELECT {} FROM {}", columns(table), table.name)
}

/// Deletes some rows of a generation: its number and how many.
#[must_use]
pub fn delete_some(table: &Table) -> String {
    let (name, key) = (table.name, key(table));
    format!(
        "DELETE FROM {name} WHERE (generation, {key}) IN \
         (SELECT generation, {key} FROM {name} WHERE generation = $1 LIMIT $2)"
    )
}

/// The columns, in their order.
#[must_use]
pub fn columns(table: &Table) -> String {
    list(table.columns.iter().map(|column| column.name.to_owned()))
}

/// The columns of the key.
#[must_use]
pub fn key(table: &Table) -> String {
    list(table.columns[..table.key].iter().map(|column| column.name.to_owned()))
}

/// What the migrations call an index: the table, and the columns without what every index has.
#[must_use]
pub fn index_name(table: &Table, number: usize) -> String {
    let columns = table.indexes[number].iter().map(|column| table.columns[*column].name);
    format!("{}_by_{}", table.name, columns.collect::<Vec<_>>().join("_"))
}

/// Names a row: the first parameter is its generation, the next are its key.
#[must_use]
pub fn is_key(table: &Table) -> String {
    let columns = table.columns[..table.key].iter().zip(2..);
    let key = columns.map(|(column, parameter)| format!(" AND {} = ${parameter}", column.name));
    std::iter::once("generation = $1".to_owned()).chain(key).collect()
}

/// With commas between.
#[must_use]
pub fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::projection::row_store::{Column, ColumnType};

    use super::*;

    static NOTES: Table = Table {
        name: "notes",
        columns: &[
            Column { name: "author", kind: ColumnType::Text },
            Column { name: "number", kind: ColumnType::Int },
            Column { name: "at", kind: ColumnType::Int },
        ],
        key: 2,
        indexes: &[&[0, 2]],
    };

    fn page(conditions: Vec<Condition>, order_by: usize, descending: bool) -> Page {
        let after = Some((Value::Int(7), vec![Value::Text("ann".into()), Value::Int(3)]));
        Page { table: &NOTES, generation: 1, conditions, order_by, descending, after, limit: 10 }
    }

    fn text(page: &Page) -> String {
        PageQuery::of(page).expect("a statement").text
    }

    #[test]
    fn a_page_goes_on_behind_a_tuple_of_its_order() {
        assert_eq!(
            text(&page(vec![], 2, false)),
            "SELECT author, number, at FROM notes WHERE generation = $1 AND (at, author, number) > ($2, $3, $4) \
             ORDER BY at, author, number LIMIT $5"
        );
    }

    #[test]
    fn a_column_that_is_fixed_takes_no_part_in_the_order() {
        assert_eq!(
            text(&page(vec![Condition::Is(0, Value::Text("ann".into()))], 2, true)),
            "SELECT author, number, at FROM notes WHERE generation = $1 AND author = $2 AND (at, number) < ($3, $4) \
             ORDER BY at DESC, number DESC LIMIT $5"
        );
    }

    #[test]
    fn a_range_that_the_cursor_has_passed_is_left_out() {
        let passed = page(vec![Condition::From(2, Value::Int(5)), Condition::Before(2, Value::Int(9))], 2, false);
        assert!(text(&passed).contains("WHERE generation = $1 AND at < $2 AND (at,"), "{}", text(&passed));
        let ahead = page(vec![Condition::From(2, Value::Int(8))], 2, false);
        assert!(text(&ahead).contains("at >= $2 AND (at,"), "{}", text(&ahead));
    }
}
