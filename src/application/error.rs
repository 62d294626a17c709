//! Why the application did not start or go on.

use std::net::SocketAddr;

use ordo_actors::log::{store::StoreError, upcast::UnreadableLog};

/// Why the application did not start or go on; a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// The store cannot be opened.
    #[error("cannot open {store}: {reason}")]
    Store {
        /// Which one.
        store: String,
        /// Why.
        reason: String,
    },
    /// There is nothing to look at.
    #[error("there is no log at {}", .0.display())]
    NoLog(std::path::PathBuf),
    /// The store failed while starting.
    #[error(transparent)]
    Read(#[from] StoreError),
    /// The log holds events that this version cannot read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableLog),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The machine gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// Two metrics share a name.
    #[error("cannot set up the metrics")]
    Metrics(#[from] prometheus::Error),
    /// Partners over HTTP cannot be asked.
    #[error("cannot set up the calls to partners")]
    Partners(#[source] reqwest::Error),
    /// The web server failed.
    #[error("the web server failed")]
    Serve(#[source] std::io::Error),
    /// The store broke: what is durable can only be found out by a new start.
    #[error("the store broke: {0}; start again to find out what is durable")]
    Broken(String),
}
