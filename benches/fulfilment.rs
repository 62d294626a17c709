//! Fulfilments per second, beside the same four steps by hand: in one process, without HTTP, with partners simulated in it.
//!
//! `cargo bench --bench fulfilment`, with `BENCH_DATABASE_URL` also on PostgreSQL. Ends with the ratios.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Arbiter, System, SystemRunner};
use criterion::{Criterion, Throughput};
use ordo::{
    application::{Core, Stores},
    config::FulfilmentSettings,
    fulfilment::{Fulfilment, SagaSupervisorHandle, fulfilment_of, saga_of, settings::Partners},
    order::{CreateOrder, Currency, CustomerId, MAX_LINES, NewItem, Order, OrderCommand},
    partner_sim::in_process::SimulatedPartners,
};
use ordo_actors::{
    aggregate::{
        engine::{Engine, Lifespan},
        request::{CommandOutcome, Request, always},
    },
    log::event::{StreamId, Version},
    saga::{SagaState, effects::start_write},
};
use tokio::runtime::Runtime;

#[expect(dead_code, reason = "only its stores are needed here")]
mod shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Who works at the same time.
const AT_ONCE: usize = 64;

type Orders = Arc<Engine<Order>>;

/// What was measured: orders, and how long they took.
#[derive(Default)]
struct Measured {
    orders: u64,
    time: Duration,
}

impl Measured {
    fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.orders).expect("not so many")) / self.time.as_secs_f64()
    }
}

struct Bench {
    system: SystemRunner,
    orders: Orders,
    sagas: SagaSupervisorHandle,
    /// Keeps the appender at work.
    _core: Core,
}

impl Bench {
    fn start(subject: &shop::Subject) -> Self {
        let system = System::new();
        let stores = Stores { log: subject.log.clone(), rows: subject.rows.clone() };
        let lifespan = Lifespan { most_actors: 10_000, ..Lifespan::default() };
        let (core, sagas) = system.block_on(async {
            let core = Core::start(stores, lifespan, vec![Arbiter::current()]).await.expect("an engine");
            let partners = Partners::all(&Arc::new(SimulatedPartners::default()));
            let sagas = core.start_sagas(partners, &FulfilmentSettings::default()).expect("a supervisor");
            (core, sagas)
        });
        Self { system, orders: core.orders.clone(), sagas, _core: core }
    }

    /// How long so many drafts take, some at once; making them is not counted.
    fn time(&self, times: u64, by_saga: bool) -> Duration {
        self.system.block_on(async {
            let ids: Vec<StreamId> = (0..times).map(|_| StreamId::generate()).collect();
            let ids = Arc::new(ids);
            let create = |orders: Orders, _: SagaSupervisorHandle, id| async move { ask(&orders, id, draft()).await };
            self.all(&ids, create).await;
            let started = Instant::now();
            if by_saga {
                self.all(&ids, fulfil).await;
            } else {
                let by_hand = |orders: Orders, _: SagaSupervisorHandle, id| async move {
                    for step in steps() {
                        ask(&orders, id, step).await;
                    }
                };
                self.all(&ids, by_hand).await;
            }
            started.elapsed()
        })
    }

    async fn all<F>(
        &self,
        ids: &Arc<Vec<StreamId>>,
        act: impl Fn(Orders, SagaSupervisorHandle, StreamId) -> F + Copy + 'static,
    ) where
        F: Future<Output = ()> + 'static,
    {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|worker| {
                let (ids, orders, sagas) = (Arc::clone(ids), self.orders.clone(), self.sagas.clone());
                actix::spawn(async move {
                    for id in ids.iter().skip(worker).step_by(AT_ONCE) {
                        act(orders.clone(), sagas.clone(), *id).await;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("a worker");
        }
    }
}

fn draft() -> OrderCommand {
    OrderCommand::CreateOrder(CreateOrder {
        customer_id: CustomerId::new("ada").expect("a good id"),
        currency: Currency::USD,
        placed_at: None,
        items: vec![NewItem::new("tea", "Tea", 2, 1_000).expect("a good item")],
        most_lines: MAX_LINES,
    })
}

fn steps() -> [OrderCommand; 4] {
    [
        OrderCommand::SubmitOrder,
        OrderCommand::MarkReserved { reservation_id: None },
        OrderCommand::StartProcessing { payment_id: None },
        OrderCommand::CompleteOrder { tracking_number: None },
    ]
}

async fn ask(orders: &Orders, id: StreamId, command: OrderCommand) {
    let accepted = |outcome: &CommandOutcome<'_, Order>| matches!(outcome, CommandOutcome::Accepted { .. });
    assert!(orders.ask(id, Request::execute(command, accepted)).await.expect("an answer").answer);
}

/// As the server does it: looks at the order, starts the saga in one commit with it, and waits for the end.
async fn fulfil(orders: Orders, sagas: SagaSupervisorHandle, id: StreamId) {
    let plan = move |outcome: &CommandOutcome<'_, Order>| -> Option<Fulfilment> {
        match outcome {
            CommandOutcome::Accepted { state, .. } => fulfilment_of(id, state),
            CommandOutcome::Rejected { .. } | CommandOutcome::VersionMismatch { .. } => None,
        }
    };
    let plan = orders.ask(id, Request::read(plan)).await.expect("an answer").answer.expect("a plan");
    let accepted = |outcome: &CommandOutcome<'_, Order>| matches!(outcome, CommandOutcome::Accepted { .. });
    let request = Request {
        extra_writes: Some(always(vec![start_write(saga_of(id), plan).expect("JSON")])),
        ..Request::execute(OrderCommand::SubmitOrder, accepted)
    };
    assert!(orders.ask(id, request).await.expect("an answer").answer);
    let attended = sagas.ensure_running(saga_of(id), Some(Version(2))).await.expect("room");
    assert_eq!(attended.settled().await, Some(SagaState::Completed));
}

#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut table = Vec::new();
    for subject in shop::Subject::all(&runtime) {
        let bench = Bench::start(&subject);
        let mut measured = [Measured::default(), Measured::default()];
        let mut group = criterion.benchmark_group(format!("fulfilment/{}", subject.name));
        group.throughput(Throughput::Elements(1));
        for (measured, (name, by_saga)) in measured.iter_mut().zip([("by hand", false), ("by saga", true)]) {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|times| {
                    let time = bench.time(times, by_saga);
                    measured.orders += times;
                    measured.time += time;
                    time
                });
            });
        }
        group.finish();
        let [by_hand, by_saga] = measured.map(|measured| measured.per_second());
        table.push(format!("{:<9} {by_hand:>10.0} {by_saga:>10.0} {:>8.2}", subject.name, by_saga / by_hand));
        bench.system.block_on(bench.sagas.stop());
        bench.orders.close();
    }
    criterion.final_summary();
    println!("\norders/s    by hand    by saga    ratio");
    table.iter().for_each(|line| println!("{line}"));
}
