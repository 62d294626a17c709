//! Every command in every state, on one screen.

use ordo_actors::aggregate::Aggregate;

use super::{OrderCommand, OrderRejection, examples::*};

/// Each cell is what comes of the command: events, `-` for nothing, `!` and the rejection.
const RULES: &str = "
                  Absent                  Draft                 Submitted       Reserved         Processing      Completed          Cancelled
CreateOrder       OrderCreated+ItemAdded  !AlreadyExists        !AlreadyExists  !AlreadyExists   !AlreadyExists  !AlreadyExists     !AlreadyExists
AddItem           !NotFound               ItemAdded             !WrongState     !WrongState      !WrongState     !WrongState        !WrongState
RemoveItem        !NotFound               ItemRemoved           !WrongState     !WrongState      !WrongState     !WrongState        !WrongState
UpdateItem        !NotFound               ItemQuantityUpdated   !WrongState     !WrongState      !WrongState     !WrongState        !WrongState
SubmitOrder       !NotFound               OrderSubmitted        -               -                -               !WrongState        !WrongState
MarkReserved      !NotFound               !WrongState           OrderReserved   -                !WrongState     !WrongState        !WrongState
StartProcessing   !NotFound               !WrongState           !WrongState     OrderProcessing  -               !WrongState        !WrongState
CompleteOrder     !NotFound               !WrongState           !WrongState     !WrongState      OrderCompleted  -                  !WrongState
CancelOrder       !NotFound               OrderCancelled        OrderCancelled  OrderCancelled   OrderCancelled  !AlreadyCompleted  -
ReturnItems       !NotFound               !WrongState           !WrongState     !WrongState      !WrongState     ItemsReturned      !WrongState
RecordRefund      !NotFound               !WrongState           !WrongState     !WrongState      !WrongState     !ReturnNotFound    !WrongState
";

fn command(name: &str) -> OrderCommand {
    match name {
        "CreateOrder" => create(vec![item("widget", 2, 1_000)]),
        "AddItem" => add("gadget", 1, 500),
        "RemoveItem" => remove(1),
        "UpdateItem" => update(1, 3),
        "SubmitOrder" => submit(),
        "MarkReserved" => reserve(None),
        "StartProcessing" => process(None),
        "CompleteOrder" => complete(None),
        "CancelOrder" => cancel("changed my mind", None),
        "ReturnItems" => give_back("ret-1", &[(1, 1)]),
        "RecordRefund" => refund("ret-1", "ref-1", 1_000),
        other => panic!("no command is called {other}"),
    }
}

fn outcome(decision: Result<Vec<super::OrderEvent>, OrderRejection>) -> String {
    use ordo_actors::aggregate::DomainEvent;
    match decision {
        Ok(events) if events.is_empty() => "-".into(),
        Ok(events) => events.iter().map(DomainEvent::event_type).collect::<Vec<_>>().join("+"),
        Err(rejection) => {
            let variant = format!("{rejection:?}");
            format!("!{}", variant.split(' ').next().unwrap_or_default())
        }
    }
}

#[test]
fn every_command_has_its_rule_in_every_state() {
    let rows: Vec<&str> = RULES.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(rows.len(), 1 + 11, "a heading and eleven commands");
    let heading: Vec<String> =
        STATES.iter().map(|state| state.map_or("Absent".into(), |state| state.to_string())).collect();
    assert_eq!(rows[0].split_whitespace().collect::<Vec<_>>(), heading);
    for row in &rows[1..] {
        let mut cells = row.split_whitespace();
        let name = cells.next().unwrap();
        let expected: Vec<&str> = cells.collect();
        let actual: Vec<String> =
            STATES.iter().map(|state| outcome(fold(&history(*state)).decide(&command(name)))).collect();
        assert_eq!(actual, expected, "{name} in {STATES:?}");
    }
}

#[test]
fn a_rejection_for_the_state_names_the_state_it_met() {
    for state in STATES.into_iter().flatten() {
        let order = fold(&history(Some(state)));
        let commands = ["CreateOrder", "AddItem", "RemoveItem", "UpdateItem", "SubmitOrder", "MarkReserved"];
        let more = ["StartProcessing", "CompleteOrder", "CancelOrder", "ReturnItems"];
        for name in commands.into_iter().chain(more) {
            if let Err(rejection) = order.decide(&command(name)) {
                assert_eq!(rejection.state(), Some(state), "{name}: {rejection}");
            }
        }
    }
}
