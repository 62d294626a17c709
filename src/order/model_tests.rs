//! The rules against a second, slower telling of them: maps, wide numbers, and "try it, then look whether it may be".

use std::collections::BTreeMap;

use ordo_actors::{
    aggregate::{Aggregate, DomainEvent},
    log::event::Version,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::{NewItem, Order, OrderCommand, OrderEvent, examples::*};

#[derive(Debug, PartialEq)]
enum Outcome {
    Changed,
    Quiet,
    Rejected,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Model {
    state: &'static str,
    lines: BTreeMap<u32, ModelLine>,
    lines_ever: u32,
    reservation: Option<String>,
    payment: Option<String>,
    tracking: Option<String>,
    cancel_reason: Option<String>,
    returns: BTreeMap<String, ModelReturn>,
}

#[derive(Debug, Clone, PartialEq)]
struct ModelLine {
    product: String,
    name: String,
    quantity: i128,
    returned: i128,
    price: i128,
}

#[derive(Debug, Clone, PartialEq)]
struct ModelReturn {
    items: BTreeMap<u32, i128>,
    worth: i128,
    refund: Option<String>,
}

impl Model {
    /// Does what is asked on a copy; keeps the copy if it is allowed to exist.
    fn handle(&mut self, command: &OrderCommand) -> Outcome {
        let mut next = self.clone();
        if next.apply(command).is_none() || !next.is_possible() {
            return Outcome::Rejected;
        }
        let outcome = if next == *self { Outcome::Quiet } else { Outcome::Changed };
        *self = next;
        outcome
    }

    fn total(&self) -> i128 {
        self.lines.values().map(|line| line.quantity * line.price).sum()
    }

    fn refunded(&self) -> i128 {
        self.returns.values().filter(|known| known.refund.is_some()).map(|known| known.worth).sum()
    }

    fn is_possible(&self) -> bool {
        self.total() <= i128::from(i64::MAX)
            && self.lines.values().all(|line| (1..=1_000_000_000).contains(&line.quantity))
            && self.lines.values().all(|line| line.returned <= line.quantity)
    }

    fn apply(&mut self, command: &OrderCommand) -> Option<()> {
        match command {
            OrderCommand::CreateOrder(create) => {
                self.step("", "Draft")?;
                create.items.iter().for_each(|item| self.put(item));
            }
            OrderCommand::AddItem { item, .. } => {
                self.step("Draft", "Draft")?;
                self.put(item);
            }
            OrderCommand::RemoveItem { line_id } => {
                self.step("Draft", "Draft")?;
                self.lines.remove(&line_id.0)?;
            }
            OrderCommand::UpdateItemQuantity { line_id, quantity } => {
                self.step("Draft", "Draft")?;
                self.lines.get_mut(&line_id.0)?.quantity = i128::from(*quantity);
                if *quantity == 0 {
                    self.lines.remove(&line_id.0);
                }
            }
            OrderCommand::SubmitOrder => {
                if !["Submitted", "Reserved", "Processing"].contains(&self.state) {
                    self.step("Draft", "Submitted")?;
                    (!self.lines.is_empty()).then_some(())?;
                }
            }
            OrderCommand::MarkReserved { reservation_id } => {
                let asked = reservation_id.as_ref().map(ToString::to_string);
                if self.state == "Reserved" {
                    return (asked.is_none() || asked == self.reservation).then_some(());
                }
                self.step("Submitted", "Reserved")?;
                self.reservation = asked;
            }
            OrderCommand::StartProcessing { payment_id } => {
                let asked = payment_id.as_ref().map(ToString::to_string);
                if self.state == "Processing" {
                    return (asked.is_none() || asked == self.payment).then_some(());
                }
                self.step("Reserved", "Processing")?;
                self.payment = asked;
            }
            OrderCommand::CompleteOrder { tracking_number } => {
                let asked = tracking_number.as_ref().map(ToString::to_string);
                if self.state == "Completed" {
                    return (asked.is_none() || asked == self.tracking).then_some(());
                }
                self.step("Processing", "Completed")?;
                self.tracking = asked;
            }
            OrderCommand::CancelOrder { reason, .. } => {
                if self.state != "Cancelled" {
                    (self.state != "Completed" && !self.state.is_empty()).then_some(())?;
                    self.state = "Cancelled";
                    self.cancel_reason = Some(reason.to_string());
                }
            }
            OrderCommand::ReturnItems(command) => {
                self.step("Completed", "Completed")?;
                (!command.items.is_empty()).then_some(())?;
                let mut items = BTreeMap::new();
                for item in &command.items {
                    (1..=1_000_000_000).contains(&item.quantity).then_some(())?;
                    self.lines.get(&item.line_id.0)?;
                    *items.entry(item.line_id.0).or_default() += i128::from(item.quantity);
                }
                self.take_back(command.return_id.to_string(), items)?;
            }
            OrderCommand::RecordRefund(command) => {
                self.step("Completed", "Completed")?;
                let known = self.returns.get_mut(command.return_id.as_str())?;
                (known.worth == i128::from(command.refund_cents)).then_some(())?;
                let refund = known.refund.get_or_insert(command.refund_id.to_string());
                (refund == command.refund_id.as_str()).then_some(())?;
            }
        }
        Some(())
    }

    fn step(&mut self, from: &str, to: &'static str) -> Option<()> {
        (self.state == from).then(|| self.state = to)
    }

    fn put(&mut self, item: &NewItem) {
        let (product, price) = (item.product_id.to_string(), i128::from(item.unit_price_cents));
        let quantity = i128::from(item.quantity);
        if let Some(line) = self.lines.values_mut().find(|line| line.product == product && line.price == price) {
            line.quantity += quantity;
            return;
        }
        self.lines_ever += 1;
        let name = item.product_name.to_string();
        self.lines.insert(self.lines_ever, ModelLine { product, name, quantity, returned: 0, price });
    }

    fn take_back(&mut self, return_id: String, items: BTreeMap<u32, i128>) -> Option<()> {
        if let Some(known) = self.returns.get(&return_id) {
            return (known.items == items).then_some(());
        }
        let mut worth = 0;
        for (line, quantity) in &items {
            let line = self.lines.get_mut(line)?;
            line.returned += quantity;
            worth += quantity * line.price;
        }
        self.returns.insert(return_id, ModelReturn { items, worth, refund: None });
        Some(())
    }

    fn seen(&self) -> Value {
        let items: Vec<Value> = self
            .lines
            .iter()
            .map(|(id, line)| {
                json!({
                    "line_id": id, "product_id": line.product, "product_name": line.name,
                    "quantity": narrow(line.quantity), "returned": narrow(line.returned),
                    "unit_price_cents": narrow(line.price),
                })
            })
            .collect();
        json!({
            "state": self.state, "items": items, "total_cents": narrow(self.total()),
            "refunded_cents": narrow(self.refunded()), "reservation_id": self.reservation, "payment_id": self.payment,
            "tracking_number": self.tracking, "cancel_reason": self.cancel_reason,
        })
    }
}

fn narrow(number: i128) -> i64 {
    i64::try_from(number).unwrap()
}

/// What the order shows, without what the model does not know: ids and times.
fn shown(order: &Order) -> Value {
    let mut value = serde_json::to_value(order.view(order_id(), Version(1)).unwrap()).unwrap();
    let fields = value.as_object_mut().unwrap();
    for unknown in ["id", "customer_id", "currency", "version", "created_at", "updated_at"] {
        fields.remove(unknown).unwrap();
    }
    value
}

fn quantities() -> impl Strategy<Value = i64> {
    select(vec![i64::MIN, -1, 0, 1, 1, 2, 2, 3, 5, 999_999_999, 1_000_000_000, 1_000_000_001, i64::MAX])
}

fn new_items() -> impl Strategy<Value = NewItem> {
    let names = select(vec!["Thing", "Other thing", ""]);
    let quantities = select(vec![1, 1, 2, 3, 999_999_999, 1_000_000_000]);
    let prices = select(vec![1, 1, 7, 9_223_372_036, 9_223_372_037, i64::MAX / 2, i64::MAX]);
    (select(vec!["a", "b", "c"]), names, quantities, prices)
        .prop_map(|(product, name, quantity, price)| named_item(product, name, quantity, price))
}

fn references() -> impl Strategy<Value = Option<&'static str>> {
    option::of(select(vec!["x", "x", "y"]))
}

fn edits() -> impl Strategy<Value = OrderCommand> {
    prop_oneof![
        2 => new_items().prop_map(OrderCommand::add_item),
        1 => (1..6_u32).prop_map(remove),
        2 => (1..6_u32, quantities()).prop_map(|(line, quantity)| update(line, quantity)),
    ]
}

fn steps() -> impl Strategy<Value = OrderCommand> {
    prop_oneof![
        2 => Just(submit()),
        2 => references().prop_map(reserve),
        2 => references().prop_map(process),
        2 => references().prop_map(complete),
        1 => select(vec!["why", "why not"]).prop_map(|reason| cancel(reason, None)),
    ]
}

fn returns() -> impl Strategy<Value = OrderCommand> {
    let return_ids = || select(vec!["r1", "r2", "r3"]);
    let entries = vec((1..4_u32, prop_oneof![4 => 1..3_i64, 1 => quantities()]), 0..4);
    let refund_ids = select(vec!["f1", "f2"]);
    prop_oneof![
        (return_ids(), entries).prop_map(|(id, items)| give_back(id, &items)),
        (return_ids(), refund_ids, select(vec![WORTH, WORTH, 1, i64::MAX]))
            .prop_map(|(id, refund_id, cents)| refund(id, refund_id, cents)),
    ]
}

fn commands() -> impl Strategy<Value = OrderCommand> {
    prop_oneof![1 => vec(new_items(), 0..5).prop_map(create), 4 => edits(), 4 => steps(), 4 => returns()]
}

/// Stands for what the return is worth, which is known only when the refund is asked for.
const WORTH: i64 = -1;

fn with_worth(command: OrderCommand, model: &Model) -> OrderCommand {
    match command {
        OrderCommand::RecordRefund(mut refund) if refund.refund_cents == WORTH => {
            let known = model.returns.get(refund.return_id.as_str());
            refund.refund_cents = known.map_or(WORTH, |known| narrow(known.worth));
            OrderCommand::RecordRefund(refund)
        }
        other => other,
    }
}

/// A history that gets somewhere: some drafting, then the first steps or all of them, then returns, then anything.
fn histories() -> impl Strategy<Value = Vec<OrderCommand>> {
    let opening = vec(new_items(), 0..4).prop_map(create);
    let steps = (references(), 0..8_usize).prop_map(|(reference, taken)| {
        let steps = [submit(), reserve(reference), process(reference), complete(reference)];
        steps.into_iter().take(taken).collect::<Vec<_>>()
    });
    (option::weighted(0.9, opening), vec(edits(), 0..8), steps, vec(returns(), 0..8), vec(commands(), 0..12)).prop_map(
        |(opening, edits, steps, returns, rest)| {
            opening.into_iter().chain(edits).chain(steps).chain(returns).chain(rest).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_order_does_what_the_model_does(history in histories()) {
        let (mut order, mut model) = (Order::default(), Model::default());
        let mut log = Vec::new();
        for command in history {
            let command = with_worth(command, &model);
            let decision = order.decide(&command);
            let outcome = match &decision {
                Ok(events) if events.is_empty() => Outcome::Quiet,
                Ok(_) => Outcome::Changed,
                Err(_) => Outcome::Rejected,
            };
            prop_assert_eq!(outcome, model.handle(&command), "{:?} gave {:?}", command, decision);
            for event in decision.unwrap_or_default() {
                order.evolve(&event, at(1));
                log.push(event);
            }
            if order != Order::Absent {
                prop_assert_eq!(shown(&order), model.seen());
            }
        }
        prop_assert_eq!(&replayed(&log), &order);
        let snapshot = serde_json::to_string(&order).unwrap();
        prop_assert_eq!(serde_json::from_str::<Order>(&snapshot).unwrap(), order);
    }

    #[test]
    fn no_sequence_of_events_is_too_strange_to_fold(
        state in select(STATES.to_vec()), strange in vec(any_event(), 0..20), command in commands()
    ) {
        let order = fold(&[history(state), strange].concat());
        let view = order.view(order_id(), Version(1)).map(|view| serde_json::to_string(&view).unwrap());
        prop_assert_eq!(view.is_some(), order.state().is_some());
        let _ = order.decide(&command);
    }
}

/// The order as it comes back from the log.
fn replayed(log: &[OrderEvent]) -> Order {
    let mut order = Order::default();
    for event in log {
        let payload = event.encode().unwrap();
        order.evolve(&OrderEvent::decode(event.event_type(), &payload).unwrap(), at(1));
    }
    order
}

fn any_event() -> impl Strategy<Value = OrderEvent> {
    let line = || select(vec![0, 1, 2, 3, u32::MAX]);
    let quantity = || select(vec![0, 1, 2, u32::MAX]);
    let cents = || select(vec![i64::MIN, -1, 0, 1, i64::MAX]);
    prop_oneof![
        Just(created()),
        (line(), quantity(), cents()).prop_map(|(line, quantity, cents)| added(line, "a", quantity, cents)),
        line().prop_map(removed),
        (line(), quantity(), quantity()).prop_map(|(line, old, new)| updated(line, old, new)),
        cents().prop_map(|total| submitted(total, 1)),
        Just(reserved(None)),
        Just(processing(None)),
        Just(completed(None)),
        Just(cancelled("why", None)),
        (line(), quantity(), cents()).prop_map(|(line, quantity, worth)| given_back("r1", &[(line, quantity)], worth)),
        cents().prop_map(|worth| refunded("r1", "f1", worth)),
    ]
}
