//! Which rows a page holds.

use std::sync::Arc;

use super::building::{
    AT, COLOUR, COUNTER_ID, NOTE, NUMBER, READER, Runner, VALUE, by_value, counters, descending, ids, int, limited,
    only, page, put, put_reading, reading, readings, text,
};
use crate::projection::row_store::{
    Condition::{self, Before, From, Is},
    Page, RowStore,
};

/// Ids `00` to `39`; colours in turn; values from 0 to 9, four of each.
async fn forty(rows: &dyn RowStore) {
    let mut runner = Runner::start(rows).await;
    let colours = ["red", "blue", "green"];
    let number = |n: usize| put(&format!("{n:02}"), colours[n % 3], i64::try_from(n / 4).expect("a small number"));
    runner.writes((0..40).map(number)).await;
}

async fn count(rows: &dyn RowStore, conditions: impl IntoIterator<Item = Condition>) -> usize {
    page(rows, Page { conditions: conditions.into_iter().collect(), ..by_value() }).await.len()
}

pub async fn is_finds_what_is_equal(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    assert_eq!(ids(&*rows, only(Is(VALUE, int(3)), by_value())).await, ["12", "13", "14", "15"]);
    assert_eq!(count(&*rows, [Is(COLOUR, text("blue"))]).await, 13);
    assert_eq!(count(&*rows, [Is(COLOUR, text("Blue"))]).await, 0);
    assert_eq!(count(&*rows, [Is(COLOUR, text("blu"))]).await, 0);
}

pub async fn from_includes_its_value(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    assert_eq!(ids(&*rows, only(From(VALUE, int(9)), by_value())).await, ["36", "37", "38", "39"]);
    assert_eq!(count(&*rows, [From(VALUE, int(0))]).await, 40);
    assert_eq!(count(&*rows, [From(VALUE, int(10))]).await, 0);
    assert_eq!(count(&*rows, [From(VALUE, int(i64::MIN))]).await, 40);
}

pub async fn before_excludes_its_value(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    assert_eq!(ids(&*rows, only(Before(VALUE, int(1)), by_value())).await, ["00", "01", "02", "03"]);
    assert_eq!(count(&*rows, [Before(VALUE, int(0))]).await, 0);
    assert_eq!(count(&*rows, [Before(VALUE, int(i64::MAX))]).await, 40);
}

pub async fn a_range_has_two_ends(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    let range = [From(VALUE, int(2)), Before(VALUE, int(4))];
    assert_eq!(count(&*rows, range.clone()).await, 8);
    let page = Page { conditions: range.to_vec(), ..descending(by_value()) };
    assert_eq!(ids(&*rows, limited(3, page)).await, ["15", "14", "13"]);
    assert_eq!(count(&*rows, [From(VALUE, int(4)), Before(VALUE, int(4))]).await, 0);
    assert_eq!(count(&*rows, [From(VALUE, int(5)), Before(VALUE, int(2))]).await, 0);
}

pub async fn of_several_ranges_the_narrowest_holds(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    let ranges =
        [From(VALUE, int(1)), From(VALUE, int(3)), Before(VALUE, int(9)), Before(VALUE, int(5)), From(VALUE, int(2))];
    assert_eq!(count(&*rows, ranges).await, 8);
}

pub async fn a_range_of_keys_is_a_range(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    let range = vec![From(COUNTER_ID, text("09")), Before(COUNTER_ID, text("12"))];
    let page = Page { conditions: range, ..counters() };
    assert_eq!(ids(&*rows, page.clone()).await, ["09", "10", "11"]);
    assert_eq!(ids(&*rows, descending(page)).await, ["11", "10", "09"]);
}

pub async fn a_key_may_be_a_condition(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    for page in [counters(), by_value(), descending(by_value())] {
        assert_eq!(ids(&*rows, only(Is(COUNTER_ID, text("17")), page)).await, ["17"]);
    }
}

pub async fn a_condition_on_another_column_keeps_the_order(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    let blue = only(Is(COLOUR, text("blue")), by_value());
    assert_eq!(ids(&*rows, limited(4, blue.clone())).await, ["01", "04", "07", "10"]);
    assert_eq!(ids(&*rows, limited(4, descending(blue))).await, ["37", "34", "31", "28"]);
}

pub async fn a_condition_and_a_range_hold_together(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    let page =
        Page { conditions: vec![Is(COLOUR, text("red")), From(VALUE, int(4)), Before(VALUE, int(6))], ..by_value() };
    assert_eq!(ids(&*rows, page.clone()).await, ["18", "21"]);
    assert_eq!(ids(&*rows, descending(page)).await, ["21", "18"]);
}

pub async fn two_columns_may_be_fixed(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    let page = Page { conditions: vec![Is(VALUE, int(3)), Is(COLOUR, text("red"))], ..counters() };
    assert_eq!(ids(&*rows, page).await, ["12", "15"]);
}

pub async fn a_condition_on_a_column_without_an_index_holds(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    assert_eq!(count(&*rows, [Is(NOTE, text(""))]).await, 40);
    assert_eq!(count(&*rows, [From(NOTE, text("a"))]).await, 0);
    assert_eq!(count(&*rows, [Before(NOTE, text("a")), Is(VALUE, int(1))]).await, 4);
}

pub async fn the_column_of_the_order_may_be_fixed(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    let threes = only(Is(VALUE, int(3)), by_value());
    assert_eq!(ids(&*rows, descending(threes)).await, ["15", "14", "13", "12"]);
}

pub async fn conditions_that_exclude_each_other_find_nothing(rows: Arc<dyn RowStore>) {
    forty(&*rows).await;
    assert_eq!(count(&*rows, [Is(COLOUR, text("red")), Is(COLOUR, text("blue"))]).await, 0);
    assert_eq!(count(&*rows, [Is(VALUE, int(3)), Before(VALUE, int(3))]).await, 0);
    assert_eq!(count(&*rows, [Is(VALUE, int(3)), From(VALUE, int(4))]).await, 0);
}

pub async fn a_limit_counts_the_rows_that_satisfy_the_conditions(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes((0..500).map(|number| put(&format!("{number:03}"), "red", number))).await;
    runner.writes([put("250", "blue", 250), put("499", "blue", 499)]).await;
    let blue = only(Is(COLOUR, text("blue")), Page { order_by: COUNTER_ID, ..counters() });
    assert_eq!(ids(&*rows, limited(2, blue)).await, ["250", "499"]);
}

pub async fn a_part_of_the_key_may_be_a_condition(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let written = [("ann", 1, 30), ("ann", 2, 10), ("ann", 3, 20), ("bob", 1, 15), ("a", 1, 5), ("anna", 1, 12)];
    runner.writes(written.map(|(reader, number, at)| put_reading(reader, number, at))).await;
    let ann = only(Is(READER, text("ann")), readings());
    assert_eq!(page(&*rows, ann.clone()).await, [("ann", 2, 10), ("ann", 3, 20), ("ann", 1, 30)].map(row));
    assert_eq!(page(&*rows, limited(2, descending(ann.clone()))).await, [("ann", 1, 30), ("ann", 3, 20)].map(row));
    let recent = only(From(AT, int(20)), ann.clone());
    assert_eq!(page(&*rows, recent).await, [("ann", 3, 20), ("ann", 1, 30)].map(row));
    let by_number = Page { order_by: NUMBER, ..ann };
    assert_eq!(page(&*rows, only(Before(NUMBER, int(3)), by_number)).await, [("ann", 1, 30), ("ann", 2, 10)].map(row));
}

fn row((reader, number, at): (&str, i64, i64)) -> crate::projection::row_store::Row {
    reading(reader, number, at)
}

pub async fn the_second_column_of_the_key_may_be_a_condition(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let written = [("ann", 1, 30), ("ann", 2, 10), ("bob", 1, 15), ("cid", 1, 5)];
    runner.writes(written.map(|(reader, number, at)| put_reading(reader, number, at))).await;
    let ones = only(Is(NUMBER, int(1)), readings());
    assert_eq!(page(&*rows, ones).await, [("cid", 1, 5), ("bob", 1, 15), ("ann", 1, 30)].map(row));
}

pub async fn a_condition_takes_text_for_text_and_nothing_else(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let colours = ["%", "_", "'", "\"", "' OR 1=1 --", "\\", "red"];
    runner.writes(colours.iter().map(|colour| put(colour, colour, 1))).await;
    for colour in colours {
        assert_eq!(ids(&*rows, only(Is(COLOUR, text(colour)), counters())).await, [colour]);
    }
}
