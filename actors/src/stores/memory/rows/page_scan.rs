//! A page read in turns, along the index that fits it best.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    ops::Bound::{self, Excluded, Included, Unbounded},
};

use super::{
    sort_key::{SortBytes, SortKey},
    table_rows::{Index, SharedRow, TableRows, key_of},
};
use crate::projection::row_store::{Condition, PAGE_BYTES, Page, Path, Resume, Row, Value, size};

/// How far a page has been read.
#[derive(Debug)]
pub struct PageScan<'a> {
    page: &'a Page,
    index: usize,
    from: Bound<SortKey>,
    to: Bound<SortKey>,
    found: Found,
}

#[derive(Debug)]
enum Found {
    /// The index has the order of the page.
    InOrder(Vec<SharedRow>),
    /// It has not: the best so far.
    Best { rows: BTreeMap<SortKey, SharedRow>, order: Vec<usize> },
}

impl<'a> PageScan<'a> {
    /// Starts on the page's path.
    pub fn start(page: &'a Page, rows: &TableRows) -> Self {
        let index = match page.path() {
            Path::Key => 0,
            Path::Index(number) => number + 1,
            Path::Everything => {
                let found = Found::Best { rows: BTreeMap::new(), order: page.order() };
                return Self { page, index: 0, from: Unbounded, to: Unbounded, found };
            }
        };
        let (from, to) = bounds(page, &rows.indexes()[index]);
        Self { page, index, from, to, found: Found::InOrder(Vec::new()) }
    }

    /// Looks at so many rows more; true when the page is complete.
    pub fn turn(&mut self, rows: &TableRows, most: usize) -> bool {
        if self.page.limit() == 0 || is_empty(&self.from, &self.to) {
            return true;
        }
        let entries = &rows.indexes()[self.index].entries;
        let range = entries.range((self.from.clone(), self.to.clone()));
        let last = if self.page.descending {
            self.found.look_at(range.rev().take(most), self.page)
        } else {
            self.found.look_at(range.take(most), self.page)
        };
        let Seen::All(Some(last), looked_at) = last else { return true };
        if self.page.descending {
            self.to = Excluded(last);
        } else {
            self.from = Excluded(last);
        }
        looked_at < most
    }

    /// The rows.
    pub fn finish(self) -> Vec<Row> {
        match self.found {
            Found::InOrder(rows) => within_bytes(rows.iter()),
            Found::Best { rows, .. } if self.page.descending => within_bytes(rows.values().rev()),
            Found::Best { rows, .. } => within_bytes(rows.values()),
        }
    }
}

/// The first rows, until they hold as many bytes as a page may.
fn within_bytes<'r>(rows: impl Iterator<Item = &'r SharedRow>) -> Vec<Row> {
    let mut bytes = 0;
    let fits = |row: &&SharedRow| {
        let fits = bytes < PAGE_BYTES;
        bytes += size(row);
        fits
    };
    rows.take_while(fits).map(|row| row.to_vec()).collect()
}

/// What became of a turn.
enum Seen {
    /// The page is full.
    Enough,
    /// It went through all it was given, so many, up to this one.
    All(Option<SortKey>, usize),
}

impl Found {
    fn look_at<'r>(&mut self, entries: impl Iterator<Item = (&'r SortKey, &'r SharedRow)>, page: &Page) -> Seen {
        let mut bytes = SortBytes::default();
        let (mut last, mut looked_at) = (None, 0);
        for (key, row) in entries {
            (last, looked_at) = (Some(key), looked_at + 1);
            if !page.conditions.iter().all(|condition| holds(condition, row)) {
                continue;
            }
            match self {
                Self::InOrder(rows) => {
                    rows.push(SharedRow::clone(row));
                    if rows.len() == page.limit() {
                        return Seen::Enough;
                    }
                }
                Self::Best { rows, order } => {
                    if page.resume().is_none_or(|resume| comes_after(row, &resume, page.descending)) {
                        rows.insert(key_of(row, order, &mut bytes), SharedRow::clone(row));
                    }
                    if rows.len() > page.limit() {
                        let _ = if page.descending { rows.pop_first() } else { rows.pop_last() };
                    }
                }
            }
        }
        Seen::All(last.cloned(), looked_at)
    }
}

fn holds(condition: &Condition, row: &[Value]) -> bool {
    match condition {
        Condition::Is(column, value) => row[*column] == *value,
        Condition::From(column, value) => row[*column] >= *value,
        Condition::Before(column, value) => row[*column] < *value,
    }
}

fn comes_after(row: &[Value], resume: &Resume<'_>, descending: bool) -> bool {
    let differing = resume.columns.iter().map(|(column, after)| row[*column].cmp(after)).find(|order| order.is_ne());
    match differing {
        None => resume.inclusive,
        Some(order) => order == if descending { Ordering::Less } else { Ordering::Greater },
    }
}

/// The part of an index that the conditions and the end of the last page leave.
fn bounds(page: &Page, index: &Index) -> (Bound<SortKey>, Bound<SortKey>) {
    let fixed = index.columns.iter().take_while(|column| page.fixed(**column).is_some()).count();
    let (fixed, free) = index.columns.split_at(fixed);
    let mut start = SortBytes::default();
    start.extend(fixed.iter().filter_map(|column| page.fixed(*column)));
    let mut part = Part { from: Some(start.key()), to: start.behind() };
    for condition in &page.conditions {
        let mut bytes = start.clone();
        match condition {
            Condition::From(column, value) if free.first() == Some(column) => {
                bytes.push(value);
                part.not_before(Some(bytes.key()));
            }
            Condition::Before(column, value) if free.first() == Some(column) => {
                bytes.push(value);
                part.before(Some(bytes.key()));
            }
            Condition::Is(..) | Condition::From(..) | Condition::Before(..) => {}
        }
    }
    if let Some(resume) = page.resume() {
        let entry = entry(page, free, &resume, start);
        match (page.descending, resume.inclusive) {
            (false, true) => part.not_before(Some(entry.key())),
            (false, false) => part.not_before(entry.behind()),
            (true, true) => part.before(entry.behind()),
            (true, false) => part.before(Some(entry.key())),
        }
    }
    part.into_bounds()
}

/// Where the index is entered to go on.
fn entry(page: &Page, free: &[usize], resume: &Resume<'_>, start: SortBytes) -> SortBytes {
    let mut bytes = start;
    let mut after = resume.columns.iter();
    for column in free {
        match page.fixed(*column) {
            Some(_) if after.as_slice().is_empty() => break,
            Some(value) => bytes.push(value),
            None => match after.next() {
                Some((_, value)) => bytes.push(value),
                None => break,
            },
        }
    }
    bytes
}

/// A part of an index.
struct Part {
    /// Its first key; nothing when it lies behind every key.
    from: Option<SortKey>,
    /// The first key behind it; nothing when it reaches to the end.
    to: Option<SortKey>,
}

impl Part {
    fn not_before(&mut self, key: Option<SortKey>) {
        self.from = self.from.take().zip(key).map(|(from, key)| from.max(key));
    }

    fn before(&mut self, key: Option<SortKey>) {
        self.to = match (self.to.take(), key) {
            (Some(to), Some(key)) => Some(to.min(key)),
            (to, key) => to.or(key),
        };
    }

    fn into_bounds(self) -> (Bound<SortKey>, Bound<SortKey>) {
        let to = self.to.map_or(Unbounded, Excluded);
        match self.from {
            Some(from) => (Included(from), to),
            None => (Excluded(SortBytes::default().key()), Excluded(SortBytes::default().key())),
        }
    }
}

fn is_empty(from: &Bound<SortKey>, to: &Bound<SortKey>) -> bool {
    match (from, to) {
        (Included(from) | Excluded(from), Excluded(to)) => from >= to,
        (Unbounded | Included(_) | Excluded(_), Unbounded | Included(_) | Excluded(_)) => false,
    }
}
