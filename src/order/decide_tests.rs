//! What exactly comes of each command: it produces, it rejects, it stays quiet. The table of all states is `rule_table_tests`.

use chrono::Duration;
use ordo_actors::{aggregate::Aggregate, testing::Given};

use super::{
    CreateOrder, Currency, CustomerId, InvalidValue, LineId, MAX_LINES, MAX_QUANTITY, Order, OrderCommand,
    OrderCreated, OrderEvent, OrderRejection, OrderState, RejectionKind, ReturnedItem, examples::*,
};

const MOST: i64 = MAX_QUANTITY as i64;

fn given(history: impl IntoIterator<Item = OrderEvent>) -> Given<Order> {
    ordo_actors::testing::given(history)
}

fn draft() -> Vec<OrderEvent> {
    history(Some(OrderState::Draft))
}

fn shipped() -> Vec<OrderEvent> {
    history(Some(OrderState::Completed))
}

fn with(mut history: Vec<OrderEvent>, more: impl IntoIterator<Item = OrderEvent>) -> Vec<OrderEvent> {
    history.extend(more);
    history
}

fn invalid(pointer: &str, problem: InvalidValue) -> OrderRejection {
    OrderRejection::Invalid { pointer: pointer.into(), problem }
}

fn too_many(actual: i64) -> InvalidValue {
    InvalidValue::OutOfRange { min: 1, max: MOST, actual }
}

// Create.

#[test]
fn an_order_is_created_with_all_its_items_at_once() {
    given([]).when(create(vec![item("widget", 2, 1_000), item("gadget", 1, 500)])).then([
        created(),
        added(1, "widget", 2, 1_000),
        added(2, "gadget", 1, 500),
    ]);
}

#[test]
fn an_order_may_be_created_without_items() {
    given([]).when(create(vec![])).then([created()]);
}

#[test]
fn a_created_order_keeps_its_currency_and_the_time_it_was_placed() {
    let (customer_id, currency) = (CustomerId::new("bob").unwrap(), Currency::new("EUR").unwrap());
    let placed_at = Some(at(5) + Duration::microseconds(7));
    given([])
        .when(OrderCommand::CreateOrder(CreateOrder {
            customer_id: customer_id.clone(),
            currency,
            placed_at,
            items: vec![],
            most_lines: MAX_LINES,
        }))
        .then([OrderEvent::from(OrderCreated { customer_id, currency, placed_at })]);
}

#[test]
fn created_items_of_one_product_and_price_become_one_line_under_the_first_name() {
    given([])
        .when(create(vec![
            named_item("widget", "Widget", 2, 1_000),
            item("gadget", 1, 500),
            named_item("widget", "Widget, blue", 3, 1_000),
        ]))
        .then([created(), named_added(1, "widget", "Widget", 5, 1_000), added(2, "gadget", 1, 500)]);
}

#[test]
fn a_created_product_at_two_prices_becomes_two_lines() {
    given([]).when(create(vec![item("widget", 2, 1_000), item("widget", 2, 999)])).then([
        created(),
        added(1, "widget", 2, 1_000),
        added(2, "widget", 2, 999),
    ]);
}

#[test]
fn an_order_that_exists_is_not_created_again() {
    given(draft()).when(create(vec![])).then_rejected(OrderRejection::AlreadyExists { state: OrderState::Draft });
}

#[test]
fn created_items_that_add_up_to_too_many_of_a_line_are_rejected_at_the_item_that_is_too_much() {
    given([])
        .when(create(vec![item("widget", MOST, 1), item("gadget", 1, 1), item("widget", 1, 1)]))
        .then_rejected(invalid("/items/2/quantity", too_many(MOST + 1)));
}

#[test]
fn a_created_order_whose_total_cannot_be_counted_is_rejected_at_the_item_that_is_too_much() {
    given([])
        .when(create(vec![item("widget", 1, i64::MAX), item("gadget", 1, 1)]))
        .then_rejected(invalid("/items/1/quantity", InvalidValue::TotalTooLarge));
}

#[test]
fn a_created_order_may_cost_the_most_that_can_be_counted() {
    given([]).when(create(vec![item("widget", 1, i64::MAX - 1), item("gadget", 1, 1)])).then([
        created(),
        added(1, "widget", 1, i64::MAX - 1),
        added(2, "gadget", 1, 1),
    ]);
}

#[test]
fn a_created_order_has_at_most_ten_thousand_lines_however_many_items_make_them() {
    let prices = || (1..).take(MAX_LINES).map(|price| item("widget", 1, price));
    let twice: Vec<_> = prices().chain(prices()).collect();
    let order = fold(&events_of(&create(twice)));
    assert_eq!(order.lines().len(), MAX_LINES);
    assert!(order.lines().iter().all(|line| line.quantity == 2));

    let one_more = prices().chain([item("gadget", 1, 1)]).collect();
    given([]).when(create(one_more)).then_rejected(invalid("/items", InvalidValue::TooMany { limit: MAX_LINES }));
}

fn events_of(command: &OrderCommand) -> Vec<OrderEvent> {
    Order::default().decide(command).unwrap()
}

// Add.

#[test]
fn an_item_of_another_product_opens_a_line() {
    given(draft()).when(add("gadget", 1, 500)).then([added(2, "gadget", 1, 500)]);
}

#[test]
fn an_item_of_the_same_product_at_another_price_opens_a_line() {
    given(draft()).when(add("widget", 1, 999)).then([added(2, "widget", 1, 999)]);
}

#[test]
fn an_item_of_the_same_product_and_price_adds_up_whatever_it_is_called() {
    given(draft())
        .when(OrderCommand::add_item(named_item("widget", "Widget, blue", 3, 1_000)))
        .then([updated(1, 2, 5)]);
}

#[test]
fn the_number_of_a_removed_line_is_not_used_again() {
    given(with(draft(), [added(2, "gadget", 1, 500), removed(2)]))
        .when(add("gadget", 1, 500))
        .then([added(3, "gadget", 1, 500)]);
}

#[test]
fn an_item_that_makes_a_line_too_long_is_rejected() {
    given(draft()).when(add("widget", MOST - 1, 1_000)).then_rejected(invalid("/quantity", too_many(MOST + 1)));
}

#[test]
fn an_item_that_makes_the_total_too_large_is_rejected() {
    let largest = (i64::MAX - 2_000) / 7;
    given(draft()).when(add("gadget", 7, largest)).then([added(2, "gadget", 7, largest)]);
    given(draft()).when(add("gadget", 7, largest + 1)).then_rejected(invalid("/quantity", InvalidValue::TotalTooLarge));
    given(draft()).when(add("gadget", MOST, i64::MAX)).then_rejected(invalid("/quantity", InvalidValue::TotalTooLarge));
}

#[test]
fn more_of_a_line_that_makes_the_total_too_large_is_rejected() {
    given([created(), added(1, "widget", 1, i64::MAX / 2)])
        .when(add("widget", 2, i64::MAX / 2))
        .then_rejected(invalid("/quantity", InvalidValue::TotalTooLarge));
}

#[test]
fn a_full_draft_takes_no_other_line_but_more_of_those_it_has() {
    let prices = (1..).take(MAX_LINES).map(|price| item("widget", 1, price)).collect();
    let full = events_of(&create(prices));
    given(full.clone()).when(add("gadget", 1, 1)).then_rejected(OrderRejection::TooManyLines { limit: MAX_LINES });
    given(full.clone()).when(add("widget", 1, 1)).then([updated(1, 1, 2)]);
}

#[test]
fn a_draft_that_has_used_up_all_line_numbers_takes_no_other_line() {
    given([created(), added(u32::MAX - 1, "widget", 1, 1)])
        .when(add("gadget", 1, 1))
        .then_rejected(OrderRejection::TooManyLines { limit: MAX_LINES });
}

#[test]
fn a_submitted_order_takes_no_items() {
    given(history(Some(OrderState::Submitted)))
        .when(add("gadget", 1, 500))
        .then_rejected(OrderRejection::WrongState { needed: OrderState::Draft, state: OrderState::Submitted });
}

// Remove and update.

#[test]
fn a_line_is_removed_by_its_number() {
    given(draft()).when(remove(1)).then([removed(1)]);
}

#[test]
fn a_line_that_is_not_there_cannot_be_removed() {
    given(draft()).when(remove(2)).then_rejected(OrderRejection::LineNotFound { line_id: LineId(2) });
    given(with(draft(), [removed(1)]))
        .when(remove(1))
        .then_rejected(OrderRejection::LineNotFound { line_id: LineId(1) });
}

#[test]
fn a_line_gets_another_quantity() {
    given(draft()).when(update(1, MOST)).then([updated(1, 2, MAX_QUANTITY)]);
}

#[test]
fn the_quantity_zero_removes_the_line() {
    given(draft()).when(update(1, 0)).then([removed(1)]);
}

#[test]
fn the_quantity_a_line_has_changes_nothing() {
    given(draft()).when(update(1, 2)).then_nothing();
}

#[test]
fn a_quantity_out_of_range_is_rejected() {
    for quantity in [i64::MIN, -1, MOST + 1, i64::MAX] {
        given(draft())
            .when(update(1, quantity))
            .then_rejected(invalid("/quantity", InvalidValue::OutOfRange { min: 0, max: MOST, actual: quantity }));
    }
}

#[test]
fn a_quantity_that_makes_the_total_too_large_is_rejected() {
    given([created(), added(1, "widget", 1, i64::MAX / 2), added(2, "gadget", 1, 1)])
        .when(update(1, 3))
        .then_rejected(invalid("/quantity", InvalidValue::TotalTooLarge));
    given([created(), added(1, "widget", 1, i64::MAX / 2), added(2, "gadget", 1, 1)])
        .when(update(1, 2))
        .then([updated(1, 1, 2)]);
}

#[test]
fn a_line_that_is_not_there_gets_no_quantity() {
    given(draft()).when(update(2, 0)).then_rejected(OrderRejection::LineNotFound { line_id: LineId(2) });
}

// Submit and the steps after it.

#[test]
fn a_draft_is_submitted_with_its_total_and_the_number_of_its_lines() {
    given(with(draft(), [added(2, "gadget", 3, 500)])).when(submit()).then([submitted(3_500, 2)]);
}

#[test]
fn a_draft_without_items_cannot_be_submitted() {
    given([created()]).when(submit()).then_rejected(OrderRejection::Empty);
    given(with(draft(), [removed(1)])).when(submit()).then_rejected(OrderRejection::Empty);
}

#[test]
fn submitting_again_changes_nothing_until_the_order_has_ended() {
    for state in [OrderState::Submitted, OrderState::Reserved, OrderState::Processing] {
        given(history(Some(state))).when(submit()).then_nothing();
    }
    for state in [OrderState::Completed, OrderState::Cancelled] {
        given(history(Some(state)))
            .when(submit())
            .then_rejected(OrderRejection::WrongState { needed: OrderState::Draft, state });
    }
}

#[test]
fn each_step_records_the_reference_of_its_partner() {
    let after = |state| given(history(Some(state)));
    after(OrderState::Submitted).when(reserve(Some("res-9"))).then([reserved(Some("res-9"))]);
    after(OrderState::Reserved).when(process(Some("pay-9"))).then([processing(Some("pay-9"))]);
    after(OrderState::Processing).when(complete(Some("track-9"))).then([completed(Some("track-9"))]);
}

#[test]
fn each_step_may_be_taken_without_a_reference() {
    let after = |state| given(history(Some(state)));
    after(OrderState::Submitted).when(reserve(None)).then([reserved(None)]);
    after(OrderState::Reserved).when(process(None)).then([processing(None)]);
    after(OrderState::Processing).when(complete(None)).then([completed(None)]);
}

#[test]
fn a_step_taken_again_with_the_same_reference_or_none_changes_nothing() {
    let after = |state| given(history(Some(state)));
    for reservation_id in [Some("res-1"), None] {
        after(OrderState::Reserved).when(reserve(reservation_id)).then_nothing();
    }
    for payment_id in [Some("pay-1"), None] {
        after(OrderState::Processing).when(process(payment_id)).then_nothing();
    }
    for tracking_number in [Some("track-1"), None] {
        after(OrderState::Completed).when(complete(tracking_number)).then_nothing();
    }
}

#[test]
fn a_step_taken_again_with_another_reference_is_rejected() {
    let rejection = |state, field, recorded| OrderRejection::AlreadyRecorded { state, field, recorded };
    given(history(Some(OrderState::Reserved))).when(reserve(Some("res-2"))).then_rejected(rejection(
        OrderState::Reserved,
        "reservation_id",
        Some(reference("res-1")),
    ));
    given(history(Some(OrderState::Processing))).when(process(Some("pay-2"))).then_rejected(rejection(
        OrderState::Processing,
        "payment_id",
        Some(reference("pay-1")),
    ));
    given(history(Some(OrderState::Completed))).when(complete(Some("track-2"))).then_rejected(rejection(
        OrderState::Completed,
        "tracking_number",
        Some(reference("track-1")),
    ));
    given(with(history(Some(OrderState::Submitted)), [reserved(None)]))
        .when(reserve(Some("res-2")))
        .then_rejected(rejection(OrderState::Reserved, "reservation_id", None));
}

#[test]
fn a_step_cannot_be_left_out() {
    given(history(Some(OrderState::Submitted)))
        .when(process(None))
        .then_rejected(OrderRejection::WrongState { needed: OrderState::Reserved, state: OrderState::Submitted });
}

// Cancel.

#[test]
fn an_order_is_cancelled_with_the_reason_and_who_wanted_it() {
    for state in [OrderState::Draft, OrderState::Submitted, OrderState::Reserved, OrderState::Processing] {
        given(history(Some(state)))
            .when(cancel("changed my mind", Some("alice")))
            .then([cancelled("changed my mind", Some("alice"))]);
    }
}

#[test]
fn cancelling_again_changes_nothing() {
    given(history(Some(OrderState::Cancelled))).when(cancel("once more", None)).then_nothing();
}

#[test]
fn a_completed_order_cannot_be_cancelled() {
    given(shipped()).when(cancel("changed my mind", None)).then_rejected(OrderRejection::AlreadyCompleted);
}

// Return and refund.

#[test]
fn items_come_back_for_what_they_had_cost() {
    given([
        created(),
        added(1, "widget", 2, 1_000),
        added(2, "gadget", 3, 7),
        submitted(2_021, 2),
        reserved(None),
        processing(None),
        completed(None),
    ])
    .when(give_back("ret-1", &[(2, 3), (1, 1)]))
    .then([given_back("ret-1", &[(1, 1), (2, 3)], 1_021)]);
}

#[test]
fn entries_about_the_same_line_add_up() {
    given(shipped()).when(give_back("ret-1", &[(1, 1), (1, 1)])).then([given_back("ret-1", &[(1, 2)], 2_000)]);
}

#[test]
fn no_more_comes_back_than_was_shipped_and_has_not_come_back() {
    let more = |asked, left, entry| OrderRejection::MoreThanLeft { line_id: LineId(1), asked, left, entry };
    given(shipped()).when(give_back("ret-1", &[(1, 3)])).then_rejected(more(3, 2, 0));
    given(shipped()).when(give_back("ret-1", &[(1, 1), (1, 2)])).then_rejected(more(3, 2, 1));
    given(with(shipped(), [given_back("ret-1", &[(1, 1)], 1_000)]))
        .when(give_back("ret-2", &[(1, 2)]))
        .then_rejected(more(2, 1, 0));
    given(shipped()).when(give_back("ret-1", &[(1, MOST); 5])).then_rejected(more(5_000_000_000, 2, 4));
}

#[test]
fn the_same_return_asked_for_again_changes_nothing() {
    given(with(shipped(), [given_back("ret-1", &[(1, 2)], 2_000)]))
        .when(give_back("ret-1", &[(1, 1), (1, 1)]))
        .then_nothing();
}

#[test]
fn a_return_cannot_be_about_other_items_than_before() {
    given(with(shipped(), [given_back("ret-1", &[(1, 1)], 1_000)]))
        .when(give_back("ret-1", &[(1, 2)]))
        .then_rejected(OrderRejection::ReturnIdTaken { return_id: reference("ret-1") });
}

#[test]
fn a_return_names_lines_of_the_order_and_how_many_of_each() {
    given(shipped()).when(give_back("ret-1", &[])).then_rejected(invalid("/items", InvalidValue::Empty));
    given(shipped())
        .when(give_back("ret-1", &[(1, 1), (2, 1)]))
        .then_rejected(invalid("/items/1/line_id", InvalidValue::UnknownLine));
    for quantity in [i64::MIN, -1, 0, MOST + 1, i64::MAX] {
        given(shipped())
            .when(give_back("ret-1", &[(1, 1), (1, quantity)]))
            .then_rejected(invalid("/items/1/quantity", too_many(quantity)));
    }
}

#[test]
fn a_return_is_refunded_once() {
    let returned = with(shipped(), [given_back("ret-1", &[(1, 1)], 1_000)]);
    given(returned.clone()).when(refund("ret-1", "ref-1", 1_000)).then([refunded("ret-1", "ref-1", 1_000)]);

    let paid_back = with(returned, [refunded("ret-1", "ref-1", 1_000)]);
    given(paid_back.clone()).when(refund("ret-1", "ref-1", 1_000)).then_nothing();
    given(paid_back.clone()).when(refund("ret-1", "ref-2", 1_000)).then_rejected(OrderRejection::AlreadyRefunded {
        return_id: reference("ret-1"),
        refund_id: reference("ref-1"),
    });
}

#[test]
fn a_refund_is_exactly_what_the_return_is_worth() {
    given(with(shipped(), [given_back("ret-1", &[(1, 1)], 1_000)]))
        .when(refund("ret-1", "ref-1", 999))
        .then_rejected(OrderRejection::RefundDiffers { due: 1_000, given: 999 });
}

#[test]
fn what_did_not_come_back_is_not_refunded() {
    given(shipped())
        .when(refund("ret-1", "ref-1", 1_000))
        .then_rejected(OrderRejection::ReturnNotFound { return_id: reference("ret-1") });
}

// How a rejection reads.

#[test]
fn a_rejection_says_what_is_wrong_and_with_which_field() {
    let quantity = invalid("/items/3/quantity", too_many(0));
    assert_eq!(quantity.to_string(), "/items/3/quantity must be between 1 and 1000000000, not 0");
    assert_eq!((quantity.kind(), quantity.pointer().as_deref()), (RejectionKind::Invalid, Some("/items/3/quantity")));

    let frozen = OrderRejection::WrongState { needed: OrderState::Draft, state: OrderState::Submitted };
    assert_eq!(frozen.to_string(), "this needs an order in state Draft, not Submitted");
    assert_eq!((frozen.kind(), frozen.pointer()), (RejectionKind::StateConflict, None));

    let left = OrderRejection::MoreThanLeft { line_id: LineId(1), asked: 3, left: 2, entry: 4 };
    assert_eq!(left.to_string(), "of line 1 only 2 can still be returned, not 3");
    assert_eq!((left.kind(), left.pointer().as_deref()), (RejectionKind::StateConflict, Some("/items/4/quantity")));

    let recorded = OrderRejection::AlreadyRecorded {
        state: OrderState::Processing,
        field: "payment_id",
        recorded: Some(reference("pay-1")),
    };
    assert_eq!(recorded.to_string(), "the order is Processing already, with payment_id pay-1");
    assert_eq!(recorded.pointer().as_deref(), Some("/payment_id"));
}

#[test]
fn what_came_back_counts_to_the_weight_of_an_order() {
    let mut events = history(Some(OrderState::Completed));
    let before = fold(&events).weight();
    events.push(given_back("r-1", &[(1, 1)], 100));
    let one = fold(&events).weight() - before;
    events.push(given_back("r-2", &[(1, 1)], 100));
    assert!(one >= size_of::<ReturnedItem>());
    assert_eq!(fold(&events).weight() - before, 2 * one);
}
