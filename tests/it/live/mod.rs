//! Orders as they change: WebSocket, Server-Sent Events, `ordo watch`.

mod browser;
mod budget;
mod limits;
mod many;
mod origin;
mod resume;
mod slow;
mod socket;
mod store_away;
mod stream;
mod watch;
