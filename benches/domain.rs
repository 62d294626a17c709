//! What the rules cost without an actor, a store or a server: decide, evolve, rehydrate, show.

use std::hint::black_box;

use chrono::DateTime;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ordo::order::{CreateOrder, Currency, CustomerId, MAX_LINES, NewItem, Order, OrderCommand, OrderEvent, OrderId};
use ordo_actors::{
    aggregate::{Aggregate, DomainEvent},
    log::event::Version,
};
use serde_json::value::RawValue;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Stored = Vec<(&'static str, Box<RawValue>)>;

fn item(number: i64) -> NewItem {
    NewItem::new(&format!("product-{number}"), "A product of some kind", 2, 1_000 + number).expect("a good item")
}

fn create(items: i64) -> OrderCommand {
    OrderCommand::CreateOrder(CreateOrder {
        customer_id: CustomerId::new("customer-17").expect("a good id"),
        currency: Currency::USD,
        placed_at: None,
        items: (1..=items).map(item).collect(),
        most_lines: MAX_LINES,
    })
}

/// Decides and evolves, as an actor does.
fn execute(order: &mut Order, command: &OrderCommand) {
    for event in order.decide(command).expect("an allowed command") {
        order.evolve(&event, DateTime::UNIX_EPOCH);
    }
}

/// The log of an order of so many events: created, then lines added.
fn log_of(events: i64) -> Stored {
    let decided = Order::default().decide(&create(events - 1)).expect("an allowed command");
    decided.iter().map(|event| (event.event_type(), event.encode().expect("JSON"))).collect()
}

fn rehydrate(log: &Stored) -> Order {
    let mut order = Order::default();
    for (event_type, payload) in log {
        let event = OrderEvent::decode(event_type, payload).expect("a readable event");
        order.evolve(&event, DateTime::UNIX_EPOCH);
    }
    order
}

fn commands(criterion: &mut Criterion) {
    for items in [0, 1, 3] {
        let create = create(items);
        criterion.bench_with_input(BenchmarkId::new("create an order with items", items), &create, |bench, create| {
            bench.iter(|| {
                let mut order = Order::default();
                execute(&mut order, black_box(create));
                order
            });
        });
    }
    let (create, add, submit) = (create(0), OrderCommand::add_item(item(1)), OrderCommand::SubmitOrder);
    criterion.bench_function("create, add an item, submit", |bench| {
        bench.iter(|| {
            let mut order = Order::default();
            for command in [&create, &add, &submit] {
                execute(&mut order, black_box(command));
            }
            order
        });
    });
}

fn rehydration(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rehydrate from stored events");
    for events in [50, 100, 1_000] {
        let log = log_of(events);
        group.throughput(Throughput::Elements(log.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(events), &log, |bench, log| {
            bench.iter(|| rehydrate(black_box(log)));
        });
    }
    group.finish();
}

fn writing(criterion: &mut Criterion) {
    let order = rehydrate(&log_of(4));
    let id = OrderId::generate();
    criterion.bench_function("show an order of three lines", |bench| {
        bench.iter_batched_ref(
            || Vec::with_capacity(1_024),
            |json| serde_json::to_writer(json, &order.view(id, Version(4))),
            BatchSize::SmallInput,
        );
    });
    let events = Order::default().decide(&create(3)).expect("an allowed command");
    criterion.bench_function("encode the events of an order of three lines", |bench| {
        bench.iter(|| events.iter().map(OrderEvent::encode).collect::<Result<Vec<_>, _>>());
    });
}

criterion_group!(benches, commands, rehydration, writing);
criterion_main!(benches);
