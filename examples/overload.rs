//! More than the server can take: what it still does, and how soon it refuses the rest.
//!
//! `cargo run --release --example overload -- [CONNECTIONS] [SECONDS] [STORE]`
//!
//! The server is a process of its own; its clients are all in this one, on connections they keep, each with one request at a
//! time. First as many of them as the server likes best ask as fast as they are answered: that is its capacity. Then all ask at a
//! pace of their own, together 1, 2, 5 and 10 times the capacity, whatever becomes of their requests; who is late sends at once.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{
    error::Error,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::{join_all, try_join_all};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant as Moment, sleep_until},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections that find out the capacity.
const CALM: usize = 256;
/// How many connections are opened at a time.
const AT_ONCE: usize = 256;
const FACTORS: [u32; 4] = [1, 2, 5, 10];

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let first = words.next().unwrap_or_else(|| "12000".into());
    if first == "serve" {
        return ordo::cli::main();
    }
    let seconds = words.next().unwrap_or_else(|| "10".into());
    let measured = first.parse().map_err(Failure::from).and_then(|connections| {
        let duration = Duration::from_secs(seconds.parse()?);
        measure(connections, duration, words.next().as_deref())
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(connections: usize, duration: Duration, store: Option<&str>) -> Result<(), Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let server = Server::start(store.unwrap_or("memory"))?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let calm = round(&server, &mut connect(&server.address, CALM).await?, duration, None).await;
        let capacity = calm.rate(duration);
        println!("{CALM} connections, each as fast as it is answered: {}", calm.line(duration, None));
        let mut clients = connect(&server.address, connections).await?;
        for factor in FACTORS {
            let offered = capacity * f64::from(factor);
            let tally = round(&server, &mut clients, duration, Some(offered)).await;
            println!("{connections} connections, {factor}x: {}", tally.line(duration, Some(capacity)));
        }
        Ok(())
    })
}

struct Server {
    process: Child,
    address: String,
    _stdout: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(store: &str) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--store", store])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            if let Some(rest) = line.trim().strip_prefix("orders") {
                let address = rest.trim().trim_start_matches("http://").trim_end_matches("/orders").to_owned();
                return Ok(Self { process, address, _stdout: stdout });
            }
            line.clear();
        }
        process.kill()?;
        Err("the server did not start".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

async fn connect(address: &str, connections: usize) -> Result<Vec<Client>, Failure> {
    let mut clients = Vec::with_capacity(connections);
    while clients.len() < connections {
        let open = (0..AT_ONCE.min(connections - clients.len())).map(|_| TcpStream::connect(address));
        for stream in try_join_all(open).await? {
            stream.set_nodelay(true)?;
            clients.push(Client { stream, read: Vec::with_capacity(4096) });
        }
    }
    Ok(clients)
}

/// What came of the requests of a round.
#[derive(Default)]
struct Tally {
    served: Vec<Duration>,
    refused: Vec<Duration>,
    other: usize,
    broken: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.served.extend(other.served);
        self.refused.extend(other.refused);
        self.other += other.other;
        self.broken += other.broken;
    }

    fn rate(&self, duration: Duration) -> f64 {
        per_second(self.served.len(), duration)
    }

    fn line(&self, duration: Duration, capacity: Option<f64>) -> String {
        let share =
            capacity.map_or(String::new(), |capacity| format!(" ({:.0} %)", 100.0 * self.rate(duration) / capacity));
        format!(
            "{:.0} orders/s{share}, p50 {:?}, p99 {:?}; {:.0} refused/s, p50 {:?}, p99 {:?}; {} other, {} broken",
            self.rate(duration),
            percentile(&self.served, 50),
            percentile(&self.served, 99),
            per_second(self.refused.len(), duration),
            percentile(&self.refused, 50),
            percentile(&self.refused, 99),
            self.other,
            self.broken
        )
    }
}

fn per_second(count: usize, duration: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / duration.as_secs_f64()
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let time = times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// All clients at once, for so long; `offered` is what they send in a second together, or as much as is answered.
async fn round(server: &Server, clients: &mut Vec<Client>, duration: Duration, offered: Option<f64>) -> Tally {
    let request = request(&server.address);
    let pause = offered
        .map(|offered| Duration::from_secs_f64(f64::from(u32::try_from(clients.len()).unwrap_or(u32::MAX)) / offered));
    let over = Arc::new(AtomicBool::new(false));
    let (begin, count) = (Moment::now(), u32::try_from(clients.len()).unwrap_or(u32::MAX));
    let work = clients.drain(..).enumerate().map(|(number, client)| {
        let (request, over) = (request.clone(), Arc::clone(&over));
        // They begin one after the other.
        let first = begin + pause.unwrap_or_default() * u32::try_from(number).unwrap_or(0) / count;
        tokio::spawn(client.work(request, first, pause, over))
    });
    let work: Vec<_> = work.collect();
    sleep_until(begin + duration).await;
    over.store(true, Ordering::Relaxed);
    let mut all = Tally::default();
    for (client, tally) in join_all(work).await.into_iter().flatten() {
        all.add(tally);
        clients.extend(client);
    }
    all
}

fn request(address: &str) -> Arc<str> {
    let body = r#"{"customer_id":"ada","items":[{"product_id":"widget","product_name":"Widget","quantity":2,"unit_price_cents":1000}]}"#;
    format!("POST /orders HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
}

impl Client {
    async fn work(
        mut self,
        request: Arc<str>,
        first: Moment,
        pause: Option<Duration>,
        over: Arc<AtomicBool>,
    ) -> (Option<Self>, Tally) {
        let mut tally = Tally::default();
        let mut next = first;
        while !over.load(Ordering::Relaxed) {
            if let Some(pause) = pause {
                sleep_until(next).await;
                next += pause;
            }
            if over.load(Ordering::Relaxed) {
                break;
            }
            let started = Instant::now();
            match self.ask(&request).await {
                // What is answered after the end belongs to no second of it.
                _ if over.load(Ordering::Relaxed) => break,
                Ok(201) => tally.served.push(started.elapsed()),
                Ok(503) => tally.refused.push(started.elapsed()),
                Ok(_) => tally.other += 1,
                Err(_) => {
                    tally.broken += 1;
                    return (None, tally);
                }
            }
        }
        (Some(self), tally)
    }

    /// The status of the answer.
    async fn ask(&mut self, request: &str) -> Result<u16, Failure> {
        self.stream.write_all(request.as_bytes()).await?;
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("closed".into());
            }
            let Some(head) = self.read.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.read[..head])?.to_ascii_lowercase();
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or("0");
            if self.read.len() >= head + 4 + length.parse::<usize>()? {
                return Ok(text[9..12].parse()?);
            }
        }
    }
}
