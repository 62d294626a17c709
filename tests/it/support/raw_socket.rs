//! Clients that do not keep to the protocol: what they send, byte by byte.

use std::{io::Write, net::TcpStream, time::Duration};

use super::{live_client::PATIENCE, test_app::TestApp};

/// Sends a request whose body says it is this long, and only a part of it.
pub fn half_a_body(app: &TestApp, declared: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {declared}\r\n\r\n",
        app.address()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // It may have been refused by now.
    let _ = stream.write_all(&vec![b' '; sent]);
    stream
}

/// The header of a text frame that declares this length, with a mask of zeros.
pub fn header(length: u64) -> Vec<u8> {
    [[0x81, 0xff].as_slice(), &length.to_be_bytes(), &[0; 4]].concat()
}

/// Writes until the server has had enough, or this many bytes are out.
pub fn pour(stream: &mut TcpStream, bytes: usize) {
    let chunk = vec![b'x'; 1 << 20];
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    for _ in 0..bytes >> 20 {
        if stream.write_all(&chunk).is_err() {
            return;
        }
    }
}
