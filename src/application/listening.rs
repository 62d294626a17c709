//! The web server: what it listens on, what it is made of, which connections are open.

use std::{
    any::Any,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{App, HttpServer, dev::Server, middleware::from_fn, rt::net::TcpStream, web::Data};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::sync::watch;

use super::{ApplicationError, stopping::Door};
use crate::{
    config::Settings,
    guard::cors::cors,
    http::{docs::Description, request_context, routes::routes, state::AppState},
    live::routes::{LiveState, routes as live_routes},
    read_models::Projections,
};

/// Connections that the kernel has taken and nobody has picked up yet.
const BACKLOG: i32 = 2048;

/// How much later than it is told to go a listener that takes nothing is cut off: its socket's end must come first.
const CUT_LATER: Duration = Duration::from_secs(5);

/// A server that runs once it is polled, its door, and where it is.
pub(super) fn listen(
    settings: &Settings,
    state: &Data<AppState>,
    projections: &Projections,
    live: &Data<LiveState>,
) -> Result<(Server, Door, SocketAddr), ApplicationError> {
    let address = settings.listen;
    let failed = |source| ApplicationError::Listen { address, source };
    let listener = bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let door = Door::new(listener.try_clone().map_err(failed)?);
    let (state, models, projections) =
        (state.clone(), Data::new(projections.models.clone()), Data::new(projections.clone()));
    let description = Data::new(Description(super::openapi().into()));
    let (live, cut_after) = (live.clone(), 2 * settings.live.stall + CUT_LATER);
    let (origins, open) = (settings.origins.clone(), door.open());
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(models.clone())
            .app_data(projections.clone())
            .app_data(live.clone())
            .app_data(description.clone())
            .wrap(cors(&origins))
            .wrap(from_fn(request_context::wrap))
            .configure(routes)
            .configure(live_routes)
    })
    .on_connect(move |connection, kept| {
        cut_when_stalled(connection, cut_after);
        kept.insert(OpenConnection::new(&open));
    })
    .disable_signals()
    .keep_alive(Duration::from_secs(75))
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(settings.shutdown.as_secs());
    if let Some(workers) = settings.workers {
        server = server.workers(workers.get());
    }
    Ok((server.listen(listener).map_err(failed)?.run(), door, bound))
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets the kernel end a connection whose client has taken nothing of what waits for it for so long: the web server would
/// wait for ever.
fn cut_when_stalled(connection: &dyn Any, after: Duration) {
    if let Some(stream) = connection.downcast_ref::<TcpStream>()
        && let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(after))
    {
        log::debug!("a connection has no limit on how long it may stall: {error}");
    }
}

/// Counts as long as the connection is there that keeps it.
struct OpenConnection(watch::Sender<usize>);

impl OpenConnection {
    fn new(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}
