//! The way out of a socket: bounded in messages and bytes that the client has not taken yet.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use actix_ws::{CloseCode, CloseReason, Closed, Item, Message, Session};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::Sink;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::{WAITING_BYTES, WAITING_MESSAGES};

/// Sends messages as fast as the client takes them.
pub struct SendQueue {
    session: Session,
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// The right to send one message; taken back by dropping it.
pub struct SendPermit {
    _message: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// A text that waits for the client. It is dropped when it has been copied into the connection's buffer, and its permit with it.
struct QueuedText {
    bytes: Bytes,
    _permit: SendPermit,
}

impl AsRef<[u8]> for QueuedText {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Which part of a text is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The first of several.
    First,
    /// Neither the first nor the last.
    Middle,
    /// The last of several.
    Last,
}

impl SendQueue {
    pub fn new(session: Session) -> Self {
        Self {
            session,
            messages: Arc::new(Semaphore::new(WAITING_MESSAGES)),
            bytes: Arc::new(Semaphore::new(WAITING_BYTES)),
        }
    }

    /// Waits until a message of this many bytes may be sent. Safe to cancel.
    pub async fn permit(&self, bytes: usize) -> SendPermit {
        let share = u32::try_from(bytes.min(WAITING_BYTES)).unwrap_or(u32::MAX);
        let (message, bytes) = (Arc::clone(&self.messages), Arc::clone(&self.bytes));
        let (Ok(message), Ok(bytes)) = (message.acquire_owned().await, bytes.acquire_many_owned(share).await) else {
            // Nobody closes the two.
            return std::future::pending().await;
        };
        SendPermit { _message: message, _bytes: bytes }
    }

    /// Sends a text, or a part of one, under its permit: does not wait.
    pub async fn send(&mut self, bytes: Bytes, part: Part, permit: SendPermit) -> Result<(), Closed> {
        let bytes = Bytes::from_owner(QueuedText { bytes, _permit: permit });
        let message = match part {
            Part::Whole => match ByteString::try_from(bytes) {
                Ok(text) => Message::Text(text),
                Err(_) => return Ok(()),
            },
            Part::First => Message::Continuation(Item::FirstText(bytes)),
            Part::Middle => Message::Continuation(Item::Continue(bytes)),
            Part::Last => Message::Continuation(Item::Last(bytes)),
        };
        self.pass(message).await
    }

    /// Asks the client for a sign of life. Left out when there is no room: then the client has enough to read.
    pub async fn ping(&mut self) -> Result<(), Closed> {
        let Some(permit) = self.try_permit() else { return Ok(()) };
        self.pass(Message::Ping(Bytes::from_owner(QueuedText { bytes: Bytes::new(), _permit: permit }))).await
    }

    /// Answers a client's ping; left out when there is no room.
    pub async fn pong(&mut self, sent: Bytes) -> Result<(), Closed> {
        let Some(permit) = self.try_permit() else { return Ok(()) };
        self.pass(Message::Pong(Bytes::from_owner(QueuedText { bytes: sent, _permit: permit }))).await
    }

    fn try_permit(&self) -> Option<SendPermit> {
        let message = Arc::clone(&self.messages).try_acquire_owned().ok()?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(0).ok()?;
        Some(SendPermit { _message: message, _bytes: bytes })
    }

    /// The connection's own queue is longer than ours, so this does not wait.
    async fn pass(&mut self, message: Message) -> Result<(), Closed> {
        poll_fn(|cx| Pin::new(&mut self.session).poll_ready(cx)).await?;
        Pin::new(&mut self.session).start_send(message)
    }

    /// Says goodbye. There is always room for that.
    pub async fn close(self, code: u16, reason: &'static str) {
        let reason = CloseReason { code: CloseCode::Other(code), description: Some(reason.to_owned()) };
        // The client may be gone.
        let _ = self.session.close(Some(reason)).await;
    }
}
