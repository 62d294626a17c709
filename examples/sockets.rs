//! Many idle WebSockets, and one client that never reads: what they cost a server, and how soon one update reaches them all.
//!
//! `cargo run --release --example sockets -- 10000 [STORE]`
//!
//! The server is a process of its own; its clients are all in this one. Each of the two needs as many open files as there are
//! sockets, and takes all that the machine allows (`ulimit -Hn`).

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{
    error::Error,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt, future::try_join_all};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many updates are sent, one after the other.
const UPDATES: u64 = 20;
/// How many requests are sent to see how soon they are answered.
const REQUESTS: usize = 300;
/// How many connections are opened at a time.
const AT_ONCE: usize = 64;
const PATIENCE: Duration = Duration::from_mins(1);

type Failure = Box<dyn Error + Send + Sync>;
type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (first, store) = (words.next().unwrap_or_else(|| "10000".into()), words.next());
    if first == "serve" {
        return ordo::cli::main();
    }
    let measured = first.parse().map_err(Failure::from).and_then(|sockets| measure(sockets, store));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(sockets: u64, store: Option<String>) -> Result<(), Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let server = Server::start(&store.unwrap_or_else(|| "memory".into()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(rounds(&server, sockets))
}

async fn rounds(server: &Server, sockets: u64) -> Result<(), Failure> {
    let client = Client { http: reqwest::Client::new(), base: server.base.clone() };
    // What a server needs once it has work to do is not what sockets cost.
    client.requests().await?;
    client.fill().await?;
    let before = client.resident().await?;
    println!("resident memory without sockets: {} MiB", mib(before));
    client.report("without sockets").await?;

    let heard = Arc::new(Heard { events: AtomicU64::new(0), all: watch::Sender::new(0), sockets });
    let started = Instant::now();
    for first in (0..sockets).step_by(AT_ONCE) {
        let opening = (first..sockets.min(first + AT_ONCE as u64)).map(|_| subscribe(&server.address));
        for socket in try_join_all(opening).await? {
            tokio::spawn(listen(socket, Arc::clone(&heard)));
        }
    }
    let never_reads = never_read(&server.address).await?;
    let with_sockets = client.resident().await?;
    println!(
        "{sockets} sockets that listen to all orders, opened in {:.1} s; resident memory {} MiB: {} MiB more, {} KiB each",
        started.elapsed().as_secs_f64(),
        mib(with_sockets),
        mib(with_sockets.saturating_sub(before)),
        with_sockets.saturating_sub(before) / sockets / 1024,
    );

    let (mut took, mut answered) = (Vec::new(), Vec::new());
    for update in 1..=UPDATES {
        let mut all = heard.all.subscribe();
        let sent = Instant::now();
        // An order without items is one event.
        client.place(&json!({"customer_id": "ada"})).await?;
        answered.push(sent.elapsed());
        timeout(PATIENCE, all.wait_for(|reached| *reached == update))
            .await
            .map_err(|_| "an update has not reached all")??;
        took.push(sent.elapsed());
    }
    println!("one update, from before its POST until the last of {sockets} has it: {}", percentiles(&mut took));
    println!("its POST is answered after: {}", percentiles(&mut answered));
    client.report("with the sockets").await?;
    let after = client.resident().await?;
    println!(
        "resident memory after all of that: {} MiB, {} MiB more than without sockets",
        mib(after),
        mib(after.saturating_sub(before))
    );
    drop(never_reads);
    Ok(())
}

/// What the sockets have heard together.
struct Heard {
    events: AtomicU64,
    /// How many updates have reached all of them.
    all: watch::Sender<u64>,
    sockets: u64,
}

async fn open(address: &str) -> Result<Socket, Failure> {
    let stream = MaybeTlsStream::Plain(TcpStream::connect(address).await?);
    let small = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
    let (socket, _) = client_async_with_config(format!("ws://{address}/ws"), stream, Some(small)).await?;
    Ok(socket)
}

/// Subscribes to all orders from now on, and waits until that is so.
async fn subscribe(address: &str) -> Result<Socket, Failure> {
    let mut socket = open(address).await?;
    socket.send(Message::text(r#"{"type":"subscribe","id":"a","topic":"orders"}"#)).await?;
    loop {
        let message = timeout(PATIENCE, socket.next()).await?.ok_or("a socket was closed")??;
        if message.to_text()?.contains(r#""type":"caught_up""#) {
            return Ok(socket);
        }
    }
}

/// Asks for the whole log a hundred times, and never reads what comes.
async fn never_read(address: &str) -> Result<Socket, Failure> {
    let mut socket = open(address).await?;
    for id in 0..100 {
        let frame = json!({"type": "subscribe", "id": id.to_string(), "topic": "orders", "after": 0});
        socket.send(Message::text(frame.to_string())).await?;
    }
    Ok(socket)
}

async fn listen(mut socket: Socket, heard: Arc<Heard>) {
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        if text.starts_with(r#"{"type":"event""#) {
            let events = heard.events.fetch_add(1, Ordering::Relaxed) + 1;
            if events.is_multiple_of(heard.sockets) {
                heard.all.send_replace(events / heard.sockets);
            }
        }
    }
}

/// One who uses the server meanwhile.
struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    async fn place(&self, order: &Value) -> Result<String, Failure> {
        let placed = self.http.post(format!("{}/orders", self.base)).json(order).send().await?.error_for_status()?;
        let placed: Value = placed.json().await?;
        Ok(placed["order_id"].as_str().unwrap_or_default().to_owned())
    }

    /// Some megabytes of events for whoever asks for all of them.
    async fn fill(&self) -> Result<(), Failure> {
        let item = |number| json!({"product_id": format!("product-{number}"), "product_name": "A product", "quantity": 1, "unit_price_cents": 100});
        let order = json!({"customer_id": "ada", "items": (0..20).map(item).collect::<Vec<_>>()});
        for _ in 0..200 {
            self.place(&order).await?;
        }
        Ok(())
    }

    /// How long it takes to place an order, and to get one.
    async fn requests(&self) -> Result<[Vec<Duration>; 2], Failure> {
        let (mut posts, mut gets) = (Vec::new(), Vec::new());
        let order = self.place(&json!({"customer_id": "ada"})).await?;
        for _ in 0..REQUESTS {
            let sent = Instant::now();
            // Stores nothing: what is measured here is a server that has sockets, not its telling them.
            let tried =
                self.http.post(format!("{}/orders?dry_run=true", self.base)).json(&json!({"customer_id": "ada"}));
            tried.send().await?.error_for_status()?.bytes().await?;
            posts.push(sent.elapsed());
            let sent = Instant::now();
            let shown = self.http.get(format!("{}/orders/{order}", self.base)).send().await?.error_for_status()?;
            shown.bytes().await?;
            gets.push(sent.elapsed());
        }
        Ok([posts, gets])
    }

    async fn report(&self, when: &str) -> Result<(), Failure> {
        let [mut posts, mut gets] = self.requests().await?;
        println!("{when}: a POST that stores nothing {}; GET {}", percentiles(&mut posts), percentiles(&mut gets));
        Ok(())
    }

    /// The server's resident memory in bytes.
    async fn resident(&self) -> Result<u64, Failure> {
        let metrics = self.http.get(format!("{}/metrics", self.base)).send().await?.text().await?;
        let shown = metrics.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        Ok(shown.ok_or("the server does not know its memory")?.parse()?)
    }
}

/// A server of this same program. Ends with this value.
struct Server {
    process: Child,
    base: String,
    address: String,
}

impl Server {
    fn start(store: &str) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--store", store])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(process.stdout.take().ok_or("no output")?).lines().map_while(Result::ok);
        let base =
            said.find_map(|line| Some(line.trim().strip_prefix("orders")?.trim().strip_suffix("/orders")?.to_owned()));
        // What it says later must not meet a closed pipe.
        std::thread::spawn(move || said.for_each(drop));
        let base = base.unwrap_or_default();
        let server = Self { process, address: base.trim_start_matches("http://").to_owned(), base };
        if server.base.is_empty() { Err("the server did not start".into()) } else { Ok(server) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn percentiles(took: &mut [Duration]) -> String {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(50), at(99), at(100))
}
