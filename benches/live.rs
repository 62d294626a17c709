//! From a change to those who listen: a `POST` over HTTP until the last subscriber has the frame, over real WebSockets.
//!
//! `cargo bench --bench live`. Server and subscribers share the machine and the process.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_util::{SinkExt, StreamExt};
use ordo::{
    application::Application,
    config::{ServeArgs, Settings, StoreArgs},
};
use tokio::{net::TcpStream, runtime::Runtime, sync::oneshot};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

/// A server on a thread of its own. Stops with this value.
struct Server {
    address: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start(store: &str) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let words = ["live", "--listen", "127.0.0.1:0", "--store", store].map(str::to_owned);
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let arguments = Arguments::parse_from(words);
                let settings = Settings::resolve(&arguments.store, &arguments.serve, None).expect("settings");
                let application = Application::build(settings).await.expect("a server");
                tell.send(application.address().to_string()).expect("somebody who waits");
                let mut stopped = Some(stopped);
                let told = async move || match stopped.take() {
                    // Whoever has gone wants it to stop, too.
                    Some(stopped) => drop(stopped.await),
                    // Nobody says it twice.
                    None => std::future::pending().await,
                };
                application.run(told).await.expect("a good end");
            });
        });
        let address = told.recv().expect("an address");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a good end");
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn until(socket: &mut Socket, kind: &str) {
    loop {
        let message = socket.next().await.expect("an open socket").expect("a frame");
        if message.to_text().is_ok_and(|text| text.starts_with(kind)) {
            return;
        }
    }
}

async fn subscribe(address: &str) -> Socket {
    let (mut socket, _) = connect_async(format!("ws://{address}/ws")).await.expect("a socket");
    let frame = Message::text(r#"{"type":"subscribe","id":"a","topic":"orders"}"#);
    socket.send(frame).await.expect("a subscription");
    until(&mut socket, r#"{"type":"caught_up""#).await;
    socket
}

/// Places orders one after the other, each when the one before has reached everyone.
async fn place(address: &str, http: &reqwest::Client, sockets: &mut [Socket], times: u64) -> Duration {
    let url = format!("http://{address}/orders");
    let started = Instant::now();
    for _ in 0..times {
        let placing =
            http.post(&url).header("Content-Type", "application/json").body(r#"{"customer_id":"ada"}"#).send();
        let heard = async {
            for socket in sockets.iter_mut() {
                until(socket, r#"{"type":"event""#).await;
            }
        };
        let (placed, ()) = tokio::join!(placing, heard);
        let placed = placed.expect("an answer");
        assert_eq!(placed.status(), 201);
        placed.bytes().await.expect("an answer");
    }
    started.elapsed()
}

fn to_subscribers(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("sqlite:{}", folder.path().join("ordo.db").display());
    let mut group = criterion.benchmark_group("from a POST to the last subscriber");
    for (name, store) in [("memory", "memory"), ("sqlite", file.as_str())] {
        let server = Server::start(store);
        let http = reqwest::Client::new();
        for subscribers in [0, 1, 100] {
            let mut sockets: Vec<Socket> = runtime.block_on(async {
                let mut sockets = Vec::new();
                for _ in 0..subscribers {
                    sockets.push(subscribe(&server.address).await);
                }
                sockets
            });
            group.bench_function(BenchmarkId::new(name, subscribers), |bencher| {
                bencher.iter_custom(|times| runtime.block_on(place(&server.address, &http, &mut sockets, times)));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    targets = to_subscribers
}
criterion_main!(benches);
