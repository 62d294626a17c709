//! `ordo serve`

use std::{net::SocketAddr, path::PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::{CommandResult, Misuse, output::say};
use crate::{
    application::Application,
    config::{ServeArgs, Settings, StoreArgs, StoreUrl},
};

/// Runs the server until it is told to stop (SIGTERM, SIGINT or SIGQUIT).
pub fn run(store: &StoreArgs, serve: &ServeArgs, file: Option<&PathBuf>) -> CommandResult {
    let settings = Settings::resolve(store, serve, file).map_err(Misuse)?;
    raise_open_files();
    actix_web::rt::System::new().block_on(async {
        outlive_hangups();
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

/// Resolves with the next SIGTERM, SIGINT or SIGQUIT: an orderly stop.
pub(super) async fn told_to_stop() {
    let heard = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::quit()));
    let (Ok(mut term), Ok(mut interrupt), Ok(mut quit)) = heard else {
        log::warn!("signals cannot be heard; the server runs until it is killed");
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {}, _ = quit.recv() => {} }
}

/// Goes on when a terminal hangs up, and when somebody takes the server for one that reads its settings or opens its log anew
/// on a signal: there is nothing to read anew. Their default would end the process at once.
pub(super) fn outlive_hangups() {
    for (kind, name) in [
        (SignalKind::hangup(), "SIGHUP"),
        (SignalKind::user_defined1(), "SIGUSR1"),
        (SignalKind::user_defined2(), "SIGUSR2"),
    ] {
        match signal(kind) {
            Ok(mut heard) => drop(tokio::task::spawn_local(async move {
                while heard.recv().await.is_some() {
                    log::info!("{name} changes nothing: settings are read at the start");
                }
            })),
            Err(error) => log::warn!("{name} would end the server: {error}"),
        }
    }
}

fn welcome(store: &StoreUrl, address: SocketAddr) {
    // Nobody need read it.
    let _ = say(&format!(
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
    ));
}
