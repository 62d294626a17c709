//! How the web server stops: whatever a client sends while it may think that somebody listens is answered.
//!
//! ```text
//! told to stop -> drain: not ready; every answer says that it is the connection's last      --drain-seconds
//!              -> settle: the kernel takes no connection any more, the last ones are answered
//!              -> close: the listener and the idle connections go, requests under way finish   --shutdown-seconds
//! ```

use std::{net::TcpListener, time::Duration};

use socket2::{SockFilter, SockRef};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How long a connection that the kernel has taken may be on its way to the thread that serves it.
const PICKED_UP: Duration = Duration::from_millis(200);
/// How long the last connections may take to send their last request.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// The way in: the listening socket, and how many are inside.
pub(super) struct Door {
    listener: TcpListener,
    open: watch::Sender<usize>,
}

impl Door {
    /// The door of this listener, which another handle of serves.
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, open: watch::Sender::new(0) }
    }

    /// The number of open connections.
    pub(super) fn open(&self) -> watch::Sender<usize> {
        self.open.clone()
    }

    /// Lets nobody in any more, and waits until those have gone who had come in: the idle ones, who have been told nothing, for
    /// a moment only. Without this, whoever the kernel had let in when the listener closed would be cut off without an answer.
    pub(super) async fn shut(&self, deadline: Instant) {
        if let Err(error) = SockRef::from(&self.listener).attach_filter(&NO_NEW_CONNECTION) {
            log::debug!("new connections cannot be kept away while the listener closes: {error}");
        }
        let now = Instant::now();
        pass(now + PICKED_UP, deadline).await;
        let empty = async { self.open.subscribe().wait_for(|open| *open == 0).await.is_ok() };
        // Who is left is idle, or has a request under way.
        let _ = timeout_at((now + LAST_REQUESTS).min(deadline), empty).await;
    }
}

/// Lets time pass, but not beyond a deadline.
pub(super) async fn pass(until: Instant, deadline: Instant) {
    // Nothing comes before the time has.
    let _ = timeout_at(until.min(deadline), std::future::pending::<()>()).await;
}

/// A program for the kernel (classic BPF) that sees each segment of a socket from its TCP header on: drops those that begin a
/// connection (SYN), and lets all others pass. Who asks for a connection asks again after a second, and is refused then.
const NO_NEW_CONNECTION: [SockFilter; 5] = [
    SockFilter::new(LOAD_BYTE, 0, 0, TCP_FLAGS),
    SockFilter::new(AND, 0, 0, SYN),
    SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
    SockFilter::new(RETURN, 0, 0, 0),
    SockFilter::new(RETURN, 0, 0, u32::MAX),
];

// linux/bpf_common.h
const LOAD_BYTE: u16 = 0x30;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
/// Where the flags are in a TCP header (RFC 9293, 3.1), and which of them begins a connection.
const TCP_FLAGS: u32 = 13;
const SYN: u32 = 0x02;
