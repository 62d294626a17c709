//! The server: starts, tells where it listens, and runs until it is told to stop.

use std::{future::Future, net::SocketAddr, path::PathBuf, time::Duration};

use actix_web::{
    App, Error, HttpServer,
    body::{EitherBody, MessageBody},
    dev::{Server, ServiceRequest, ServiceResponse},
    middleware::{Next, from_fn},
    web::{self, Data, PayloadConfig},
};
use parking_lot::Mutex;

use super::{
    fault_injection::FaultPlan,
    handlers,
    ledger::PartnerRules,
    ledger_file::{LedgerError, LedgerFile},
    page,
    problem::Problem,
    reconciliation_handler,
};
use crate::guard::{headers, host::AllowedHost, origin::Origins, rules::Guard};

/// The largest body of a call.
const LARGEST_BODY: usize = 1 << 20;

/// What the stand-in is started with.
#[derive(Debug)]
pub struct PartnerServerSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Names by which it may be asked besides those of the machine.
    pub hosts: Vec<AllowedHost>,
    /// The file of the ledger.
    pub ledger: PathBuf,
    /// How many of each product there are; unlimited when absent.
    pub stock: Option<u64>,
    /// What happens to calls.
    pub faults: FaultPlan,
    /// How late a slow answer is.
    pub slow: Duration,
    /// How long a caller is kept waiting for an answer that never comes.
    pub hang_for: Duration,
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum PartnerServerError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server broke.
    #[error("the server failed: {0}")]
    Serve(std::io::Error),
}

/// What every request sees.
pub(super) struct State {
    guard: Guard,
    pub(super) ledger: LedgerFile,
    pub(super) faults: Mutex<FaultPlan>,
    pub(super) slow: Duration,
    pub(super) hang_for: Duration,
}

/// What every request meets first, and every answer last.
async fn wrap<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let verdict = request.app_data::<Data<State>>().map_or(Ok(()), |state| state.guard.check(request.head()));
    let mut response = match verdict {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(refusal) => request.error_response(Problem::Foreign(refusal)).map_into_right_body(),
    };
    let method = response.request().method().clone();
    headers::complete(&method, response.headers_mut());
    Ok(response)
}

/// A stand-in that listens.
pub struct PartnerServer {
    server: Server,
    ledger: LedgerFile,
    address: SocketAddr,
}

impl PartnerServer {
    /// Opens the ledger and listens.
    pub fn start(settings: PartnerServerSettings) -> Result<Self, PartnerServerError> {
        let rules = PartnerRules { stock: settings.stock, trusts_refunds: false };
        let ledger = LedgerFile::open(&settings.ledger, rules)?;
        let state = Data::new(State {
            guard: Guard::new(settings.listen.ip(), settings.hosts, Origins::default()),
            ledger: ledger.clone(),
            faults: Mutex::new(settings.faults),
            slow: settings.slow,
            hang_for: settings.hang_for,
        });
        let address = settings.listen;
        let failed = |source| PartnerServerError::Listen { address, source };
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .app_data(PayloadConfig::new(LARGEST_BODY))
                .wrap(from_fn(wrap))
                .route("/", web::get().to(page::page))
                .route("/audit", web::get().to(reconciliation_handler::all))
                .route("/audit/{order_id}", web::get().to(reconciliation_handler::one))
                .route("/script", web::post().to(handlers::script))
                .route("/{partner}/calls/{key}", web::get().to(handlers::status))
                .route("/{partner}/{calls}", web::post().to(handlers::perform))
        })
        .disable_signals()
        .shutdown_timeout(2)
        .bind(address)
        .map_err(failed)?;
        let address = server.addrs().first().copied().unwrap_or(address);
        Ok(Self { server: server.run(), ledger, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until it is told to stop, and calls under way are finished; or until the file of the ledger is taken away.
    pub async fn run(self, told_to_stop: impl Future<Output = ()>) -> Result<(), PartnerServerError> {
        let handle = self.server.handle();
        let stop = async {
            told_to_stop.await;
            handle.stop(true).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = self.server => ended.map_err(PartnerServerError::Serve),
            () = stop => Ok(()),
            lost = self.ledger.lost() => Err(lost.into()),
        }
    }
}
