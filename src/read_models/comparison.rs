//! Stored rows held against what they must be.

use std::cmp::Ordering;

use ordo_actors::{
    log::store::StoreError,
    projection::{
        TableScan,
        row_store::{Row, RowStore, Table, Value},
    },
};

use super::oracle::ReferenceFold;

/// Deltas that are told in words; more are counted.
const MOST_FINDINGS: usize = 100;

/// What a comparison of one table found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Rows that must be there.
    pub rows: u64,
    /// How many rows are missing, too many or other than they must be.
    pub faults: u64,
    /// The first hundred of them, in words.
    pub findings: Vec<String>,
}

impl Comparison {
    /// Compares a table, a page at a time, with a fold that stands at the table's checkpoint. The rows must not change
    /// meanwhile.
    ///
    /// # Errors
    /// The store failed; a difference is a finding, not an error.
    pub async fn of(
        expected: &ReferenceFold,
        rows: &dyn RowStore,
        table: &'static Table,
        generation: u32,
    ) -> Result<Self, StoreError> {
        let mut comparison = Self::default();
        let mut stored = TableScan::new(table, generation);
        let mut expected = expected.rows(table).peekable();
        while let Some(found) = stored.peek(rows).await? {
            match expected.peek().map(|wanted| wanted[..table.key].cmp(&found[..table.key])) {
                Some(Ordering::Less) => comparison.hold(table, expected.next().as_ref(), None),
                Some(Ordering::Equal) => comparison.hold(table, expected.next().as_ref(), stored.pop().as_ref()),
                Some(Ordering::Greater) | None => comparison.hold(table, None, stored.pop().as_ref()),
            }
        }
        for missing in expected {
            comparison.hold(table, Some(&missing), None);
        }
        Ok(comparison)
    }

    fn hold(&mut self, table: &Table, wanted: Option<&Row>, found: Option<&Row>) {
        self.rows += u64::from(wanted.is_some());
        if wanted == found {
            return;
        }
        self.faults += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(difference(table, wanted, found));
        }
    }
}

fn difference(table: &Table, wanted: Option<&Row>, found: Option<&Row>) -> String {
    let key = wanted.or(found).map(|row| shown(&row[..table.key])).unwrap_or_default();
    match (wanted, found) {
        (Some(wanted), Some(found)) => {
            let column = wanted.iter().zip(found).position(|(wanted, found)| wanted != found).unwrap_or_default();
            let name = table.columns[column].name;
            let (is, must_be) = (shown(&found[column..=column]), shown(&wanted[column..=column]));
            format!("{} {key}: {name} is {is}, must be {must_be}", table.name)
        }
        (Some(_), None) => format!("{} {key}: is missing", table.name),
        (None, _) => format!("{} {key}: must not be there", table.name),
    }
}

fn shown(values: &[Value]) -> String {
    let one = |value: &Value| match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}
