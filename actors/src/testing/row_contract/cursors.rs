//! Page after page.

use std::sync::Arc;

use super::building::{
    AT, COLOUR, COUNTER_ID, NOTE, NUMBER, READER, Runner, VALUE, all, behind, by_value, counter, counters, delete,
    descending, ids, int, limited, only, page, put, put_reading, reading, readings, text,
};
use crate::projection::row_store::{
    Condition::{Before, From, Is},
    Page, RowStore,
};

/// Ids `00` to `59` with few values and colours, so that pages end within ties.
async fn sixty(rows: &dyn RowStore) -> Runner<'_> {
    let mut runner = Runner::start(rows).await;
    let colours = ["red", "blue", "green"];
    let numbers = (0..60_usize).map(|n| (n * 37) % 60);
    let number = |n: usize| put(&format!("{n:02}"), colours[n % 3], i64::try_from(n % 5).expect("a small number"));
    runner.writes(numbers.map(number)).await;
    runner
}

pub async fn pages_follow_one_another_without_gap_or_double(rows: Arc<dyn RowStore>) {
    sixty(&*rows).await;
    let condition_sets = [
        vec![],
        vec![Is(COLOUR, text("red"))],
        vec![From(VALUE, int(1)), Before(VALUE, int(4))],
        vec![Is(COLOUR, text("blue")), From(VALUE, int(2))],
        vec![Is(VALUE, int(3))],
        vec![Is(VALUE, int(3)), Is(COLOUR, text("red"))],
        vec![From(COUNTER_ID, text("20"))],
    ];
    for conditions in condition_sets {
        for order_by in [COUNTER_ID, COLOUR, VALUE, NOTE] {
            for descending in [false, true] {
                let whole = Page { conditions: conditions.clone(), order_by, descending, ..counters() };
                let expected = page(&*rows, whole.clone()).await;
                assert!(!expected.is_empty());
                for limit in [1, 7, 59] {
                    assert_eq!(all(&*rows, limit, whole.clone()).await, expected, "{whole:?}, {limit} at a time");
                }
            }
        }
    }
}

pub async fn pages_over_a_key_of_two_columns_follow_one_another(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let readers = ["ann", "bob", "cid"];
    runner
        .writes(
            (0..48_i64)
                .map(|n| put_reading(readers[usize::from(n % 3 == 1) + 2 * usize::from(n % 3 == 2)], n / 3, n % 4)),
        )
        .await;
    for conditions in [vec![], vec![Is(READER, text("bob"))], vec![Is(NUMBER, int(5))], vec![Is(AT, int(2))]] {
        for order_by in [READER, NUMBER, AT] {
            for descending in [false, true] {
                let whole = Page { conditions: conditions.clone(), order_by, descending, ..readings() };
                let expected = page(&*rows, whole.clone()).await;
                for limit in [1, 5] {
                    assert_eq!(all(&*rows, limit, whole.clone()).await, expected, "{whole:?}, {limit} at a time");
                }
            }
        }
    }
}

pub async fn a_page_goes_on_within_a_tie(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes(["a", "b", "c", "d"].map(|id| put(id, "red", 7))).await;
    let last = counter("b", "red", 7);
    assert_eq!(ids(&*rows, behind(&last, by_value())).await, ["c", "d"]);
    assert_eq!(ids(&*rows, behind(&last, descending(by_value()))).await, ["a"]);
}

pub async fn nothing_comes_behind_the_last_row(rows: Arc<dyn RowStore>) {
    sixty(&*rows).await;
    for whole in [counters(), by_value(), descending(by_value()), only(Is(COLOUR, text("red")), by_value())] {
        let last = page(&*rows, whole.clone()).await.pop().expect("rows");
        assert!(page(&*rows, behind(&last, whole)).await.is_empty());
    }
}

pub async fn a_page_goes_on_behind_a_row_that_is_gone(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([("a", 1), ("b", 2), ("c", 3)].map(|(id, value)| put(id, "red", value))).await;
    runner.writes([delete("b")]).await;
    let gone = counter("b", "red", 2);
    assert_eq!(ids(&*rows, behind(&gone, by_value())).await, ["c"]);
    assert_eq!(ids(&*rows, behind(&gone, descending(by_value()))).await, ["a"]);
}

pub async fn a_page_goes_on_behind_a_row_that_never_was(rows: Arc<dyn RowStore>) {
    sixty(&*rows).await;
    let between = counter("30x", "red", 2);
    let after: Vec<_> = ids(&*rows, behind(&between, by_value())).await;
    let expected = page(&*rows, by_value()).await;
    let expected = expected.iter().filter(|row| (&row[VALUE], &row[0]) > (&int(2), &text("30x"))).count();
    assert_eq!(after.len(), expected);
}

pub async fn rows_inserted_before_the_cursor_do_not_show(rows: Arc<dyn RowStore>) {
    let mut runner = sixty(&*rows).await;
    let first = page(&*rows, limited(20, by_value())).await;
    let rest = page(&*rows, behind(&first[19], by_value())).await;
    runner.writes((0..30).map(|number| put(&format!("early {number}"), "red", -1))).await;
    assert_eq!(page(&*rows, behind(&first[19], by_value())).await, rest);
}

pub async fn rows_inserted_behind_the_cursor_show_in_their_place(rows: Arc<dyn RowStore>) {
    let mut runner = sixty(&*rows).await;
    let first = page(&*rows, limited(20, by_value())).await;
    let rest = page(&*rows, behind(&first[19], by_value())).await;
    runner.writes((0..30).map(|number| put(&format!("late {number:02}"), "red", 99))).await;
    let seen = page(&*rows, behind(&first[19], by_value())).await;
    assert_eq!(seen[..rest.len()], rest);
    assert_eq!(seen.len(), rest.len() + 30);
}

pub async fn rows_that_stay_are_each_seen_once_while_others_come_and_go(rows: Arc<dyn RowStore>) {
    let mut runner = sixty(&*rows).await;
    let whole = page(&*rows, by_value()).await;
    let mut seen = Vec::new();
    let mut next = limited(7, by_value());
    for turn in 0.. {
        let some = page(&*rows, next.clone()).await;
        let Some(last) = some.last() else { break };
        next = behind(last, next);
        seen.extend(some);
        let others = (0..5).map(|value| put(&format!("x{turn}-{value}"), "red", value));
        runner.writes(others.chain((0..5).map(|value| delete(&format!("x{}-{value}", turn - 1))))).await;
        assert!(turn < 100, "it comes to an end");
    }
    seen.retain(|row| whole.contains(row));
    assert_eq!(seen, whole);
}

pub async fn a_cursor_outside_the_conditions_is_a_place_all_the_same(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([("a", 1), ("b", 2), ("c", 3)].map(|(id, value)| put(id, "red", value))).await;
    let twos = |page: Page| only(Is(VALUE, int(2)), page);
    let (small, large) = (counter("z", "red", 1), counter("a", "red", 3));
    assert_eq!(ids(&*rows, behind(&small, twos(by_value()))).await, ["b"]);
    assert!(ids(&*rows, behind(&large, twos(by_value()))).await.is_empty());
    assert!(ids(&*rows, behind(&small, twos(descending(by_value())))).await.is_empty());
    assert_eq!(ids(&*rows, behind(&large, twos(descending(by_value())))).await, ["b"]);
}

pub async fn a_cursor_of_another_key_is_a_place_all_the_same(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put_reading("bob", 1, 5), put_reading("bob", 2, 5), put_reading("bob", 3, 6)]).await;
    let bob = |page: Page| only(Is(READER, text("bob")), page);
    let numbers = [reading("bob", 1, 5), reading("bob", 2, 5), reading("bob", 3, 6)];
    let (ann, cid) = (reading("ann", 9, 5), reading("cid", 0, 5));
    assert_eq!(page(&*rows, behind(&ann, bob(readings()))).await, numbers);
    assert_eq!(page(&*rows, behind(&cid, bob(readings()))).await, numbers[2..]);
    assert!(page(&*rows, behind(&ann, bob(descending(readings())))).await.is_empty());
    let reversed = [reading("bob", 2, 5), reading("bob", 1, 5)];
    assert_eq!(page(&*rows, behind(&cid, bob(descending(readings())))).await, reversed);
}

pub async fn a_long_search_goes_on_where_it_was(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    for part in 0..5_i64 {
        let numbers = (0..2000).map(|number| number + 2000 * part);
        runner.writes(numbers.map(|n| put(&format!("{n:05}"), if n % 2500 == 17 { "rare" } else { "red" }, -n))).await;
    }
    let rare = only(Is(COLOUR, text("rare")), Page { order_by: COUNTER_ID, ..counters() });
    assert_eq!(ids(&*rows, rare.clone()).await, ["00017", "02517", "05017", "07517"]);
    assert_eq!(ids(&*rows, limited(3, descending(rare))).await, ["07517", "05017", "02517"]);
    let by_note = Page { order_by: NOTE, ..counters() };
    let found = all(&*rows, 1000, by_note).await;
    assert_eq!(found.len(), 10_000);
}
