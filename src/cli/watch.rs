//! `ordo watch`

use std::{io::Write, time::Duration};

use futures_util::{SinkExt, StreamExt};
use ordo_actors::retry::Backoff;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{
    CommandResult,
    arguments::WatchCommand,
    output::{Output, has_reader},
};
use crate::live::routes::SUBPROTOCOL;

/// A server sends a heartbeat far more often than this, unless it was told otherwise.
const SILENCE: Duration = Duration::from_mins(2);

/// Prints events as lines of JSON until it is stopped, or has printed enough. When the connection is lost it comes back and goes on
/// where it was. Fails when the server does not want it, and when nobody reads what it prints.
pub fn run(args: &WatchCommand) -> CommandResult {
    actix_web::rt::System::new().block_on(async {
        let mut watch = Watch { args, position: args.after, epoch: None, left: args.count.unwrap_or(u64::MAX) };
        let mut backoff = backoff();
        while watch.left > 0 {
            match watch.connection(&mut backoff).await {
                Ok(()) => {}
                Err(Lost::ForGood(reason)) => return Err(reason.into()),
                Err(Lost::ForNow(reason)) => {
                    log::warn!("{reason}; trying again");
                    backoff.pause().await;
                }
            }
        }
        Ok(())
    })
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(200), Duration::from_secs(5), u32::MAX)
}

/// Why a connection ended.
enum Lost {
    ForNow(String),
    ForGood(String),
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        match &error {
            Error::Http(response) if response.status().is_client_error() => {
                let body = response.body().as_deref().unwrap_or_default();
                Self::ForGood(format!("{}: {}", response.status(), String::from_utf8_lossy(body)))
            }
            Error::Url(_) => Self::ForGood(error.to_string()),
            _ => Self::ForNow(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Lost {
    fn from(error: std::io::Error) -> Self {
        Self::ForGood(format!("cannot write: {error}"))
    }
}

struct Watch<'a> {
    args: &'a WatchCommand,
    /// Everything up to here has been printed.
    position: Option<u64>,
    /// The log it belongs to.
    epoch: Option<String>,
    left: u64,
}

impl Watch<'_> {
    async fn connection(&mut self, retries: &mut Backoff) -> Result<(), Lost> {
        let mut request = self.args.url.as_str().into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let (mut socket, _) = connect_async(request).await?;
        let subscribe = json!({"type": "subscribe", "id": "watch", "topic": self.args.topic.to_string(), "after": self.position, "epoch": self.epoch});
        socket.send(Message::text(subscribe.to_string())).await?;
        while self.left > 0 {
            let message =
                timeout(SILENCE, socket.next()).await.map_err(|_| Lost::ForNow("the server is silent".into()))?;
            match message.ok_or_else(|| Lost::ForNow("the connection was lost".into()))?? {
                Message::Text(text) => self.take(&text, retries)?,
                Message::Close(Some(close)) if (4500..5000).contains(&u16::from(close.code)) => {
                    return Err(Lost::ForGood(format!("the server refused: {}", close.reason)));
                }
                Message::Close(_) => return Err(Lost::ForNow("the server closed the connection".into())),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        // It ends here either way.
        let _ = socket.close(None).await;
        Ok(())
    }

    fn take(&mut self, text: &str, retries: &mut Backoff) -> Result<(), Lost> {
        // A heartbeat is soon enough to hear of it.
        if !has_reader() {
            return Err(Lost::ForGood("nobody reads the events".into()));
        }
        let frame: Value =
            serde_json::from_str(text).map_err(|error| Lost::ForGood(format!("the server sent no JSON: {error}")))?;
        match frame["type"].as_str().unwrap_or_default() {
            "event" => {
                writeln!(Output, "{text}")?;
                self.left -= 1;
            }
            "subscribed" => self.epoch = frame["epoch"].as_str().map(str::to_owned),
            "caught_up" => *retries = backoff(),
            "fell_behind" => log::info!("fell behind; reading from the store"),
            "reset" => log::warn!("the log is another one ({}); going on from now", frame["reason"]),
            "error" => {
                let detail = frame["problem"]["detail"].to_string();
                let away = frame["problem"]["status"].as_u64().is_some_and(|status| status >= 500);
                return Err(if away { Lost::ForNow(detail) } else { Lost::ForGood(detail) });
            }
            _ => {}
        }
        if let Some(position) = frame["position"].as_u64() {
            self.position = Some(position);
        }
        Ok(())
    }
}
