//! `ordo health`

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::{CommandResult, arguments::HealthCommand};

const PATIENCE: Duration = Duration::from_secs(3);

/// Asks `/readyz` by hand: one request does not need an HTTP client in the binary.
pub fn run(args: &HealthCommand) -> CommandResult {
    let address = reachable(args.listen);
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .map_err(|error| format!("no server answers at {address}: {error}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // A server knows the names of its machine, whatever others it has.
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default();
    if status.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(format!("the server answered {status:?}").into()) }
}

/// A server that listens everywhere is asked on the loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(address) if address.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        SocketAddr::V6(address) if address.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        address => address,
    }
}
