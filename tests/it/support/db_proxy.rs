//! A proxy between a store and its database that can be cut at a chosen moment.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::watch,
};

/// When the proxy is cut. After a cut it is whole again, unless it stays away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It is not.
    Never,
    /// The next thing the store says does not reach the database.
    BeforeTheDatabase,
    /// The next thing the database says does not reach the store.
    BeforeTheAnswer,
    /// The same, and nobody gets through any more.
    BeforeTheAnswerForGood,
    /// Nobody gets through.
    Away,
}

/// Leads to a database until it is dropped.
pub struct DbProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    database: String,
    next: Mutex<Cut>,
    /// Counts up when all connections are cut.
    cuts: watch::Sender<u64>,
}

impl DbProxy {
    /// Leads to the server of a `postgres://` URL.
    pub fn to(url: &str) -> Self {
        let shared = Arc::new(Shared {
            database: authority(url).rsplit('@').next().expect("a host").to_owned(),
            next: Mutex::new(Cut::Never),
            cuts: watch::Sender::new(0),
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(listen(listener, Arc::clone(&shared)));
        Self { address, shared, runtime: Some(runtime) }
    }

    /// The URL, by way of this proxy.
    pub fn url(&self, url: &str) -> String {
        let host = authority(url).rsplit('@').next().expect("a host");
        url.replacen(host, &self.address.to_string(), 1)
    }

    /// Says when it is cut next.
    pub fn cut(&self, cut: Cut) {
        *self.shared.next.lock().expect("a lock") = cut;
    }

    /// Cuts every connection now.
    pub fn cut_now(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for DbProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            let _ = thread::spawn(move || runtime.shutdown_background()).join();
        }
    }
}

impl Shared {
    /// Whether it is the moment for one of these cuts.
    fn is_cut(&self, moments: &[Cut]) -> bool {
        let mut next = self.next.lock().expect("a lock");
        let cut = moments.contains(&next);
        if cut {
            *next = if *next == Cut::BeforeTheAnswerForGood { Cut::Away } else { Cut::Never };
        }
        cut
    }

    fn is_away(&self) -> bool {
        *self.next.lock().expect("a lock") == Cut::Away
    }
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").expect("a URL").1;
    rest.split('/').next().expect("an authority")
}

async fn listen(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((store, _)) = listener.accept().await {
        if !shared.is_away() {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let mut cuts = shared.cuts.subscribe();
                cuts.mark_unchanged();
                tokio::select! {
                    _ = carry(store, &shared) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    }
}

/// Carries both ways until one side ends or the proxy is cut; both sides then lose their connection.
async fn carry(store: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let database = TcpStream::connect(&shared.database).await?;
    store.set_nodelay(true)?;
    database.set_nodelay(true)?;
    let (mut from_store, mut to_store) = store.into_split();
    let (mut from_database, mut to_database) = database.into_split();
    let there = async {
        let mut chunk = vec![0; 65536];
        loop {
            let bytes = from_store.read(&mut chunk).await?;
            if bytes == 0 || shared.is_cut(&[Cut::BeforeTheDatabase]) {
                return std::io::Result::Ok(());
            }
            to_database.write_all(&chunk[..bytes]).await?;
        }
    };
    let back = async {
        let mut chunk = vec![0; 65536];
        loop {
            let bytes = from_database.read(&mut chunk).await?;
            if bytes == 0 || shared.is_cut(&[Cut::BeforeTheAnswer, Cut::BeforeTheAnswerForGood]) {
                return std::io::Result::Ok(());
            }
            to_store.write_all(&chunk[..bytes]).await?;
        }
    };
    tokio::select! {
        ended = there => ended,
        ended = back => ended,
    }
}
