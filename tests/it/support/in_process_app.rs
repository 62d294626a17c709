//! A whole server inside the test's process, so that the test holds its partners in its hand.

use std::{ops::Deref, sync::Arc, thread::JoinHandle, time::Duration};

use async_trait::async_trait;
use ordo::{
    application::{Application, open_stores},
    config::{ServeArgs, Settings, StoreArgs},
    fulfilment::{
        call::{Call, CallKind, PartnerRole},
        partner::{CallKey, Partner},
        settings::Partners,
    },
    partner_sim::{
        fault_injection::{Fault, Target},
        in_process::SimulatedPartners,
    },
};
use ordo_actors::{
    saga::{CallStatus, StepOutcome},
    stores::memory::MemoryStore,
    testing::FaultyStore,
};
use tokio::sync::{oneshot, watch};

use super::{api::Api, test_app::Store};

const PATIENCE: Duration = Duration::from_mins(1);

/// Partners on one ledger; a payment provider that can be made to hang.
#[derive(Default)]
pub struct TestPartners {
    pub ledger: SimulatedPartners,
    hangs: watch::Sender<bool>,
    /// Charges that hang now, or have.
    hanging: watch::Sender<usize>,
}

impl TestPartners {
    /// Sets what happens to the next such calls for any order.
    pub fn script(&self, call: CallKind, faults: &[Fault]) {
        self.ledger.script(None, Target::Call(call), faults.to_vec()).unwrap();
    }

    /// Holds charges that have been taken before they are answered, until told otherwise.
    pub fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }

    /// Waits until so many charges hang.
    pub fn wait_for_hanging(&self, charges: usize) {
        let mut hanging = self.hanging.subscribe();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let waiting = async { tokio::time::timeout(PATIENCE, hanging.wait_for(|now| *now >= charges)).await };
        drop(runtime.block_on(waiting).expect("charges that hang").unwrap());
    }
}

#[async_trait]
impl Partner for TestPartners {
    async fn call(&self, call: &Call) -> StepOutcome {
        let outcome = self.ledger.call(call).await;
        if call.kind == CallKind::Charge && *self.hangs.borrow() {
            self.hanging.send_modify(|hanging| *hanging += 1);
            self.hangs.subscribe().wait_for(|hangs| !hangs).await.unwrap();
        }
        outcome
    }

    async fn status(&self, role: PartnerRole, key: &CallKey) -> CallStatus {
        self.ledger.status(role, key).await
    }
}

/// A server, its store and its partners.
pub struct InProcessApp {
    store: Store,
    pub partners: Arc<TestPartners>,
    on_submit: bool,
    /// The log, where the test can hold appends.
    log: Option<Arc<FaultyStore<MemoryStore>>>,
    api: Api,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl InProcessApp {
    pub fn open() -> Self {
        Self::open_on(Store::Memory, false)
    }

    pub fn open_on(store: Store, on_submit: bool) -> Self {
        Self::begin(store, on_submit, None)
    }

    /// A server whose appends hang while the gate before them is closed; nothing below the server limits that time.
    pub fn on_log(log: &Arc<FaultyStore<MemoryStore>>) -> Self {
        Self::begin(Store::Memory, false, Some(Arc::clone(log)))
    }

    fn begin(store: Store, on_submit: bool, log: Option<Arc<FaultyStore<MemoryStore>>>) -> Self {
        let mut app =
            Self { store, partners: Arc::default(), on_submit, log, api: Api::at(String::new()), running: None };
        app.start();
        app
    }

    /// Starts a server on the same store, with the same partners.
    pub fn start(&mut self) {
        let store = StoreArgs {
            store: Some(self.store.argument().parse().unwrap()),
            allow_unsafe_durability: true,
            ..StoreArgs::default()
        };
        let serve = ServeArgs {
            listen: Some(([127, 0, 0, 1], 0).into()),
            workers: std::num::NonZeroUsize::new(1),
            fulfil_on_submit: Some(self.on_submit),
            shutdown_seconds: Some(1),
            ..ServeArgs::default()
        };
        let settings = Settings::resolve(&store, &serve, None).unwrap();
        let partners = Partners::all(&self.partners);
        let log = self.log.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                // A database server that all tests share may be too busy to answer in time.
                let mut stores = open_stores(&settings.store, true).await;
                for _ in 0..4 {
                    if stores.is_err() {
                        stores = open_stores(&settings.store, true).await;
                    }
                }
                let mut stores = stores.unwrap();
                if let Some(log) = log {
                    stores.log = log;
                }
                let application = Application::build_with(settings, stores, partners).await.unwrap();
                tell.send(application.address()).unwrap();
                let mut stopped = Some(stopped);
                let told = async move || match stopped.take() {
                    Some(stopped) => drop(stopped.await),
                    // Nobody says it twice.
                    None => std::future::pending().await,
                };
                application.run(told).await.unwrap();
            });
        });
        let address = told.recv_timeout(PATIENCE).expect("a server");
        self.api = Api::at(format!("http://{address}"));
        self.running = Some(Running { stop, thread });
    }

    /// Stops the server in an orderly way.
    pub fn stop(&mut self) {
        if let Some(Running { stop, thread, .. }) = self.running.take() {
            let _ = stop.send(());
            thread.join().unwrap();
        }
    }

    pub fn store(&self) -> String {
        self.store.argument()
    }
}

impl Deref for InProcessApp {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Drop for InProcessApp {
    fn drop(&mut self) {
        self.partners.hang(false);
        if std::thread::panicking() {
            return;
        }
        self.stop();
    }
}
