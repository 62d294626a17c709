//! What the processes on one database tell each other, by NOTIFY on a channel of the database. Only hints: a process that misses one
//! finds out by looking.
//!
//! One connection of its own listens and sends. It is made again when it breaks; what was missed meanwhile is looked for then. Nothing
//! is sent inside a transaction that appends, because a NOTIFY takes a lock of the whole database at its commit; and at most
//! one statement is under way, so that whatever is to be told while it runs is told once. A process that is alone sends nothing.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering},
    },
    time::Duration,
};

use crate::{projection::row_store::PeerSignal, retry::Backoff};
use tokio::{
    runtime::Handle,
    sync::{Notify, broadcast, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::{AsyncMessage, Client, Connection, Notification, Socket, tls::NoTlsStream};

use super::server::{ConnectError, Server};

const CHANNEL: &str = "ordo_log";

/// Settings of the session. A hint need not be on the disk.
const SESSION: &str = "SET synchronous_commit = off; SET statement_timeout = '2s'; SET lock_timeout = '2s'";

/// How long a statement may take before the connection counts as broken.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How long the start of a store waits for the first connection; the store works without.
const START_WITHIN: Duration = Duration::from_secs(2);

/// The first pause before a connection is made again, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Calls kept for a projection that is at work; beyond that it is told that it missed some.
const SIGNALS_KEPT: usize = 16;

/// What is said: the bit it has while it waits to be sent, and its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saying {
    Appended = 1,
    Hurry = 2,
    Claimed = 4,
    /// Asks the other processes to answer.
    Hello = 8,
    /// Answers that.
    Here = 16,
}

impl Saying {
    const ALL: [Self; 5] = [Self::Appended, Self::Hurry, Self::Claimed, Self::Hello, Self::Here];

    const fn payload(self) -> &'static str {
        match self {
            Self::Appended => "appended",
            Self::Hurry => "hurry",
            Self::Claimed => "claimed",
            Self::Hello => "hello",
            Self::Here => "here",
        }
    }
}

/// One end of the channel; one per store.
pub(super) struct Notifications {
    /// Whether any other process has been heard.
    has_others: AtomicBool,
    /// What waits to be sent.
    unsaid: AtomicU8,
    to_say: Notify,
    /// Another process may have appended.
    appended: Notify,
    signals: broadcast::Sender<PeerSignal>,
    /// This session's server process, to know its own words by.
    own: AtomicI32,
    listening: watch::Sender<bool>,
}

impl Notifications {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            has_others: AtomicBool::new(false),
            unsaid: AtomicU8::new(0),
            to_say: Notify::new(),
            appended: Notify::new(),
            signals: broadcast::channel(SIGNALS_KEPT).0,
            own: AtomicI32::new(0),
            listening: watch::Sender::new(false),
        })
    }

    /// Listens from now on, on the store's runtime; returns when it does, or when that takes too long.
    pub(super) async fn start(self: &Arc<Self>, server: Server, runtime: &Handle) {
        runtime.spawn(Arc::clone(self).run(server));
        let mut listening = self.listening.subscribe();
        // Without: others are heard of by looking.
        let _ = timeout(START_WITHIN, listening.wait_for(|listening| *listening)).await;
    }

    /// This process has appended.
    pub(super) fn say_appended(&self) {
        if self.has_others.load(Ordering::Relaxed) {
            self.say(Saying::Appended);
        }
    }

    /// Waits until another process may have appended.
    pub(super) async fn appended(&self) {
        self.appended.notified().await;
    }

    /// Signals the other processes.
    pub(super) fn signal_peers(&self, signal: PeerSignal) {
        match signal {
            PeerSignal::FlushNow if self.has_others.load(Ordering::Relaxed) => self.say(Saying::Hurry),
            PeerSignal::FlushNow => {}
            // Also by a process that has just begun, and has heard nobody yet.
            PeerSignal::Claimed => self.say(Saying::Claimed),
        }
    }

    /// The signals of other processes.
    pub(super) fn peer_signals(&self) -> broadcast::Receiver<PeerSignal> {
        self.signals.subscribe()
    }

    fn say(&self, saying: Saying) {
        self.unsaid.fetch_or(saying as u8, Ordering::AcqRel);
        self.to_say.notify_one();
    }

    /// Until the runtime ends.
    async fn run(self: Arc<Self>, server: Server) {
        let first = || Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, u32::MAX);
        let mut backoff = first();
        loop {
            let Err(error) = self.listen(&server).await;
            if self.listening.send_replace(false) {
                backoff = first();
                log::warn!("other processes on the log are not heard for the moment: {error}");
            }
            backoff.pause().await;
        }
    }

    /// Listens and sends until the connection breaks.
    async fn listen(self: &Arc<Self>, server: &Server) -> Result<Infallible, ConnectError> {
        let (client, connection) = server.in_time(server.config().connect(Server::tls())).await?;
        let hearing = Hearing(tokio::spawn(Arc::clone(self).hear(connection)));
        let pid = server.in_time(client.query_one("SELECT pg_backend_pid()", &[])).await?.get(0);
        self.own.store(pid, Ordering::Release);
        send(&client, &format!("{SESSION}; LISTEN {CHANNEL}")).await?;
        self.listening.send_replace(true);
        self.say(Saying::Hello);
        // Whatever was said while nobody listened.
        self.appended.notify_one();
        let _ = self.signals.send(PeerSignal::Claimed);
        loop {
            self.to_say.notified().await;
            if hearing.0.is_finished() {
                return Err(ConnectError::TooLate);
            }
            let unsaid = self.unsaid.swap(0, Ordering::AcqRel);
            let said = Saying::ALL.iter().filter(|saying| unsaid & **saying as u8 != 0);
            let statements: Vec<_> = said.map(|saying| format!("NOTIFY {CHANNEL}, '{}'", saying.payload())).collect();
            if !statements.is_empty() {
                send(&client, &statements.join("; ")).await?;
            }
        }
    }

    /// Takes in what the server says of its own accord, until the connection ends.
    async fn hear(self: Arc<Self>, mut connection: Connection<Socket, NoTlsStream>) {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message {
                self.take_in(&notification);
            }
        }
        self.to_say.notify_one();
    }

    fn take_in(&self, notification: &Notification) {
        if notification.process_id() == self.own.load(Ordering::Acquire) {
            return;
        }
        self.has_others.store(true, Ordering::Relaxed);
        // An error of the channel says that no projection listens.
        match Saying::ALL.into_iter().find(|saying| saying.payload() == notification.payload()) {
            Some(Saying::Appended) => self.appended.notify_one(),
            Some(Saying::Hurry) => drop(self.signals.send(PeerSignal::FlushNow)),
            Some(Saying::Claimed) => drop(self.signals.send(PeerSignal::Claimed)),
            Some(Saying::Hello) => self.say(Saying::Here),
            Some(Saying::Here) | None => {}
        }
    }
}

/// Ends the task with the session.
struct Hearing(JoinHandle<()>);

impl Drop for Hearing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn send(client: &Client, statements: &str) -> Result<(), ConnectError> {
    match timeout(ANSWER_WITHIN, client.batch_execute(statements)).await {
        Ok(sent) => sent.map_err(ConnectError::Driver),
        Err(_) => Err(ConnectError::TooLate),
    }
}
