//! Whether a session keeps its server process. Behind a pooler that hands out a process per transaction it does not: locks and
//! prepared statements of the session then belong to the next client.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::server::{ConnectError, Server};

/// How often two sessions take turns at the start of a store: a pooler that is busy with others may give one the same process by
/// chance.
pub(super) const AT_START: usize = 4;

/// The same for a session that follows one that was looked at.
pub(super) const AGAIN: usize = 1;

/// Refuses a session that changes its server process. Beside it another one is opened; while one is in a transaction the pooler
/// has to serve the other by another process, and afterwards each by whichever is free.
pub(super) async fn require_own_backend(server: &Server, session: &Client, turns: usize) -> Result<(), ConnectError> {
    let beside = server.connect("").await?;
    let sessions = [session, &beside];
    let own = [backend(session, "").await?, backend(&beside, "").await?];
    if own[0] == own[1] {
        return Err(ConnectError::Pooled);
    }
    for turn in 0..turns {
        let (holder, other) = (turn % 2, (turn + 1) % 2);
        let held = backend(sessions[holder], "BEGIN; ").await?;
        let asked = backend(sessions[other], "").await?;
        sessions[holder].batch_execute("COMMIT").await.map_err(ConnectError::Driver)?;
        if held != own[holder] || asked != own[other] {
            return Err(ConnectError::Pooled);
        }
    }
    Ok(())
}

/// The server process that answers, asked without a prepared statement.
async fn backend(session: &Client, before: &str) -> Result<Option<String>, ConnectError> {
    let answer =
        session.simple_query(&format!("{before}SELECT pg_backend_pid()")).await.map_err(ConnectError::Driver)?;
    Ok(answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
