//! `ordo serve`

use std::{net::SocketAddr, path::PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::{CommandResult, Misuse};
use crate::{
    application::Application,
    config::{ServeArgs, Settings, StoreArgs, StoreUrl},
};

/// Runs the server until it is told to stop (SIGTERM or SIGINT).
pub fn run(store: &StoreArgs, serve: &ServeArgs, file: Option<&PathBuf>) -> CommandResult {
    let settings = Settings::resolve(store, serve, file).map_err(Misuse)?;
    raise_open_files();
    actix_web::rt::System::new().block_on(async {
        let store = settings.store.clone();
        let application = Application::build(settings).await?;
        welcome(&store, application.address());
        application.run(told_to_stop).await?;
        log::info!("stopped");
        Ok(())
    })
}

/// Takes all the open files the machine allows: every connection is one, and many machines begin with 1,024.
fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        log::warn!("the limit of open files stays as it is: {error}");
    }
}

/// Resolves with the next SIGTERM or SIGINT.
pub(super) async fn told_to_stop() {
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        log::warn!("signals cannot be heard; the server runs until it is killed");
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
}

#[expect(clippy::print_stdout, reason = "this is what the operator reads first")]
fn welcome(store: &StoreUrl, address: SocketAddr) {
    println!(
        "ordo {version} is ready\n\
         \n\
         \x20 orders    http://{address}/orders\n\
         \x20 try it    http://{address}/docs/\n\
         \x20 metrics   http://{address}/metrics\n\
         \x20 health    http://{address}/readyz\n\
         \x20 store     {store}\n\
         \n\
         Place an order:\n\
         \n\
         \x20 curl -s http://{address}/orders -H 'Content-Type: application/json' -d '{{\"customer_id\":\"ada\",\
         \"items\":[{{\"product_id\":\"widget\",\"product_name\":\"Widget\",\"quantity\":2,\"unit_price_cents\":1000}}]}}'\n",
        version = env!("CARGO_PKG_VERSION"),
    );
}
