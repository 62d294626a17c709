//! Rows in order.

use std::sync::Arc;

use super::building::{
    COLOUR, NOTE, NUMBER, READER, Runner, VALUE, by_value, counter, counters, delete, descending, ids, int, limited,
    only, page, put, put_reading, reading, readings, text,
};
use crate::projection::row_store::{Condition, MAX_PAGE, Page, RowChange, RowStore, Value};

/// Counters written in no particular order.
async fn five(rows: &dyn RowStore) -> Runner<'_> {
    let mut runner = Runner::start(rows).await;
    let five = [("d", "red", 3), ("a", "blue", 5), ("c", "red", -1), ("e", "blue", 0), ("b", "green", 3)];
    runner.writes(five.map(|(id, colour, value)| put(id, colour, value))).await;
    runner
}

pub async fn an_empty_table_has_an_empty_page(rows: Arc<dyn RowStore>) {
    Runner::start(&*rows).await;
    for empty in [counters(), by_value(), descending(by_value()), only(Condition::Is(COLOUR, text("red")), counters())]
    {
        assert!(page(&*rows, empty).await.is_empty());
    }
}

pub async fn a_page_is_ordered_by_its_column(rows: Arc<dyn RowStore>) {
    five(&*rows).await;
    assert_eq!(ids(&*rows, by_value()).await, ["c", "e", "b", "d", "a"]);
}

pub async fn a_page_is_ordered_from_large_to_small(rows: Arc<dyn RowStore>) {
    five(&*rows).await;
    assert_eq!(ids(&*rows, descending(by_value())).await, ["a", "d", "b", "e", "c"]);
}

pub async fn a_page_is_ordered_by_the_key(rows: Arc<dyn RowStore>) {
    five(&*rows).await;
    assert_eq!(ids(&*rows, counters()).await, ["a", "b", "c", "d", "e"]);
    assert_eq!(ids(&*rows, descending(counters())).await, ["e", "d", "c", "b", "a"]);
}

pub async fn a_page_is_ordered_by_text(rows: Arc<dyn RowStore>) {
    five(&*rows).await;
    let by_colour = Page { order_by: COLOUR, ..counters() };
    assert_eq!(ids(&*rows, by_colour.clone()).await, ["a", "e", "b", "c", "d"]);
    assert_eq!(ids(&*rows, descending(by_colour)).await, ["d", "c", "b", "e", "a"]);
}

pub async fn a_page_may_be_ordered_by_a_column_without_an_index(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let note = |id: &str, note: &str| vec![text(id), text("red"), int(0), text(note)];
    let written = [note("a", "z"), note("b", "x"), note("c", "y"), note("d", "x")];
    runner.writes(written.map(|row| RowChange::Put { table: &super::tables::COUNTERS, row })).await;
    let by_note = Page { order_by: NOTE, ..counters() };
    assert_eq!(ids(&*rows, by_note.clone()).await, ["b", "d", "c", "a"]);
    assert_eq!(ids(&*rows, limited(2, by_note.clone())).await, ["b", "d"]);
    assert_eq!(ids(&*rows, limited(3, descending(by_note))).await, ["a", "c", "d"]);
}

pub async fn equal_values_are_ordered_by_key(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes(["m", "z", "a", "k"].map(|id| put(id, "red", 7))).await;
    assert_eq!(ids(&*rows, by_value()).await, ["a", "k", "m", "z"]);
    assert_eq!(ids(&*rows, descending(by_value())).await, ["z", "m", "k", "a"]);
}

pub async fn equal_values_are_ordered_by_the_whole_key(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let keys = [("bob", 2), ("ann", 10), ("bob", -1), ("ann", 9)];
    runner.writes(keys.map(|(reader, number)| put_reading(reader, number, 5))).await;
    let expected = [("ann", 9), ("ann", 10), ("bob", -1), ("bob", 2)];
    let mut expected = expected.map(|(reader, number)| reading(reader, number, 5));
    assert_eq!(page(&*rows, readings()).await, expected);
    expected.reverse();
    assert_eq!(page(&*rows, descending(readings())).await, expected);
}

pub async fn a_page_may_be_ordered_by_the_second_column_of_the_key(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let keys = [("bob", 2), ("ann", 10), ("bob", -1), ("ann", 2)];
    runner.writes(keys.map(|(reader, number)| put_reading(reader, number, 5))).await;
    let expected = [("bob", -1), ("ann", 2), ("bob", 2), ("ann", 10)];
    let by_number = Page { order_by: NUMBER, ..readings() };
    assert_eq!(page(&*rows, by_number).await, expected.map(|(reader, number)| reading(reader, number, 5)));
}

pub async fn a_page_may_be_ordered_by_the_first_column_of_the_key(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let keys = [("bob", 2), ("ann", 10), ("bob", -1)];
    runner.writes(keys.map(|(reader, number)| put_reading(reader, number, 5))).await;
    let expected = [("bob", 2), ("bob", -1), ("ann", 10)];
    let by_reader = descending(Page { order_by: READER, ..readings() });
    assert_eq!(page(&*rows, by_reader).await, expected.map(|(reader, number)| reading(reader, number, 5)));
}

pub async fn numbers_are_ordered_as_numbers(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let values = [10, 9, -10, i64::MIN, 0, 255, 256, i64::MAX, -1, 1 << 40];
    runner.writes(values.map(|value| put(&value.to_string(), "red", value))).await;
    let mut sorted = values;
    sorted.sort_unstable();
    assert_eq!(ids(&*rows, by_value()).await, sorted.map(|value| value.to_string()));
}

/// In the order of their bytes, which is not that of any language.
const TEXTS: [&str; 16] =
    ["", "\u{1}", " ", "-", "-a", "A", "AA", "Z", "_", "a", "a\u{1}", "aa", "z", "\u{e4}", "\u{ffff}", "\u{1f680}"];

pub async fn text_is_ordered_by_its_bytes(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes(TEXTS.iter().rev().map(|id| put(id, id, 0))).await;
    assert_eq!(ids(&*rows, counters()).await, TEXTS);
    assert_eq!(ids(&*rows, Page { order_by: COLOUR, ..counters() }).await, TEXTS);
    assert_eq!(ids(&*rows, by_value()).await, TEXTS, "as the end of another order");
}

pub async fn text_is_compared_by_its_bytes(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes(TEXTS.iter().map(|id| put(id, id, 0))).await;
    for (number, id) in TEXTS.iter().enumerate() {
        assert_eq!(ids(&*rows, only(Condition::From(COLOUR, text(id)), counters())).await, TEXTS[number..]);
        assert_eq!(ids(&*rows, only(Condition::Before(COLOUR, text(id)), counters())).await, TEXTS[..number]);
        assert_eq!(ids(&*rows, only(Condition::Is(COLOUR, text(id)), counters())).await, [*id]);
    }
}

pub async fn a_page_holds_at_most_its_limit(rows: Arc<dyn RowStore>) {
    five(&*rows).await;
    assert_eq!(ids(&*rows, limited(2, by_value())).await, ["c", "e"]);
    assert_eq!(ids(&*rows, limited(3, descending(by_value()))).await, ["a", "d", "b"]);
    assert_eq!(ids(&*rows, limited(5, by_value())).await.len(), 5);
}

pub async fn a_page_of_no_rows_is_empty(rows: Arc<dyn RowStore>) {
    five(&*rows).await;
    assert!(ids(&*rows, limited(0, by_value())).await.is_empty());
    assert!(ids(&*rows, limited(0, Page { order_by: NOTE, ..counters() })).await.is_empty());
}

pub async fn no_page_holds_more_than_the_cap(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes((0..1200).map(|number| put_reading("ann", number, number))).await;
    assert_eq!(page(&*rows, limited(usize::MAX, readings())).await.len(), MAX_PAGE);
    let by_number = Page { order_by: NUMBER, ..readings() };
    assert_eq!(page(&*rows, limited(MAX_PAGE + 1, by_number)).await.len(), MAX_PAGE);
}

pub async fn a_changed_row_stands_in_its_new_place_alone(rows: Arc<dyn RowStore>) {
    let mut runner = five(&*rows).await;
    runner.writes([put("c", "green", 4)]).await;
    assert_eq!(ids(&*rows, by_value()).await, ["e", "b", "d", "c", "a"]);
    let red = Condition::Is(COLOUR, text("red"));
    let green = Condition::Is(COLOUR, text("green"));
    assert_eq!(ids(&*rows, only(red, by_value())).await, ["d"]);
    assert_eq!(ids(&*rows, only(green, by_value())).await, ["b", "c"]);
}

pub async fn a_deleted_row_is_gone_from_every_order(rows: Arc<dyn RowStore>) {
    let mut runner = five(&*rows).await;
    runner.writes([delete("d")]).await;
    assert_eq!(ids(&*rows, counters()).await, ["a", "b", "c", "e"]);
    assert_eq!(ids(&*rows, by_value()).await, ["c", "e", "b", "a"]);
    assert_eq!(ids(&*rows, only(Condition::Is(COLOUR, text("red")), by_value())).await, ["c"]);
    assert_eq!(ids(&*rows, Page { order_by: COLOUR, ..counters() }).await, ["a", "e", "b", "c"]);
}

pub async fn a_row_changed_back_and_forth_stays_one(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    for turn in 0..6 {
        let colour = if turn % 2 == 0 { "red" } else { "blue" };
        runner.writes([put("a", colour, turn), put("a", colour, turn % 2)]).await;
    }
    for order_by in [COLOUR, VALUE, NOTE, 0] {
        assert_eq!(page(&*rows, Page { order_by, ..counters() }).await, [counter("a", "blue", 1)]);
    }
}

pub async fn a_row_comes_with_all_its_columns(rows: Arc<dyn RowStore>) {
    five(&*rows).await;
    let first = page(&*rows, limited(1, by_value())).await;
    assert_eq!(first, [vec![text("c"), text("red"), Value::Int(-1), text("")]]);
}
