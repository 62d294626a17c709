//! The adapter against a partner that is broken, hostile, or not there: what it cannot be sure of, it says.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use ordo::{
    fulfilment::{
        call::{Call, CallKind, PartnerRole, Terms},
        http_partner::HttpPartner,
        partner::{CallKey, Partner},
        settings::PartnerLimits,
    },
    order::{Currency, OrderId},
};
use ordo_actors::saga::{CallStatus, StepOutcome};
use serde_json::{Value, json};

/// Answers every request in its own way.
struct Hostile {
    address: String,
    asked: Arc<AtomicUsize>,
}

impl Hostile {
    fn new(answer: impl Fn(&mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        // Ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                read_request(&mut stream);
                counter.fetch_add(1, Ordering::SeqCst);
                answer(&mut stream);
                let _ = stream.shutdown(Shutdown::Write);
            }
        });
        Self { address, asked }
    }

    fn says(head: &str, body: &str) -> Self {
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        // The other side may have had enough.
        Self::new(move |stream| drop(stream.write_all(answer.as_bytes())))
    }

    fn partner(&self) -> HttpPartner {
        partner(&self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn partner(address: &str) -> HttpPartner {
    let limits = PartnerLimits {
        total: Duration::from_millis(400),
        breaker_opens_after: 3,
        breaker_pause: Duration::from_mins(1),
        ..PartnerLimits::default()
    };
    HttpPartner::new(format!("http://{address}/pay").parse().unwrap(), limits).unwrap()
}

fn read_request(stream: &mut TcpStream) {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        read.push(byte[0]);
    }
    let head = String::from_utf8(read).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let _ = stream.read_exact(&mut vec![0; length.parse().unwrap()]);
}

fn key() -> CallKey {
    CallKey("k:1".into())
}

const ORDER: &str = "018f0000-0000-7000-8000-000000000001";

fn charge() -> Call {
    let order_id = ordo_actors::log::event::StreamId(ORDER.parse().unwrap());
    Call::new(key(), CallKind::Charge, order_id, Terms::Money { amount_cents: 100, currency: Currency::USD })
}

fn done_but(member: &str, value: Value) -> String {
    let mut body = json!({"key": "k:1", "order_id": ORDER, "status": "done", "reference": "pay-1",
                          "amount_cents": 100, "currency": "USD"});
    body[member] = value;
    body.to_string()
}

async fn reply_to(hostile: &Hostile) -> StepOutcome {
    hostile.partner().call(&charge()).await
}

#[track_caller]
fn is_unknown(reply: &StepOutcome) {
    assert!(matches!(reply, StepOutcome::Unknown(_)), "{reply:?}");
}

#[tokio::test]
async fn a_plain_answer_is_understood() {
    let hostile = Hostile::says("200 OK", &done_but("more", json!(1)));
    assert!(matches!(reply_to(&hostile).await, StepOutcome::Done(_)));
}

#[tokio::test]
async fn answers_that_are_wrong_leave_the_outcome_open() {
    for body in [
        String::new(),
        "{\"key\":".into(),
        "<html>all fine</html>".into(),
        done_but("order_id", json!(OrderId::generate())),
        done_but("amount_cents", json!(1)),
        done_but("reference", json!("../../etc\r\npasswd")),
        "[".repeat(60_000),
    ] {
        is_unknown(&reply_to(&Hostile::says("200 OK", &body)).await);
    }
    is_unknown(&reply_to(&Hostile::says("500 Oops", "{}")).await);
    is_unknown(&reply_to(&Hostile::says("409 Conflict", "<html>")).await);
    is_unknown(&reply_to(&Hostile::new(|stream| drop(stream.write_all(b"\0\x01\x02 what?\r\n\r\n")))).await);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_off_at_its_limit() {
    let endless = Hostile::new(|stream| {
        let mut chunk = String::new();
        let _ = write!(chunk, "{:x}\r\n{}\r\n", 8_192, " ".repeat(8_192));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    });
    let reply = reply_to(&endless).await;
    assert!(matches!(&reply, StepOutcome::Unknown(reason) if reason.contains("larger than 65536")), "{reply:?}");
    let padded = format!("{}{}", done_but("more", json!(1)), " ".repeat(70_000));
    is_unknown(&reply_to(&Hostile::says("200 OK", &padded)).await);
}

#[tokio::test]
async fn a_broken_or_silent_connection_leaves_the_outcome_open() {
    is_unknown(&reply_to(&Hostile::new(|_| {})).await);
    is_unknown(
        &reply_to(&Hostile::new(|stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"))))
            .await,
    );
    let silent = Hostile::new(|stream| drop(stream.read(&mut [0])));
    let reply = reply_to(&silent).await;
    assert!(matches!(&reply, StepOutcome::Unknown(reason) if reason.contains("in time")), "{reply:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Hostile::says("200 OK", &done_but("more", json!(1)));
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let head = format!("{status}\r\nLocation: http://{}/pay/charges", target.address);
        is_unknown(&reply_to(&Hostile::says(&head, "")).await);
    }
    assert_eq!(target.asked(), 0);
}

#[tokio::test]
async fn a_partner_that_is_not_there_has_done_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let reply = partner(&free).call(&charge()).await;
    assert!(matches!(reply, StepOutcome::NotDone { .. }), "{reply:?}");
    assert!(matches!(partner(&free).status(PartnerRole::Payments, &key()).await, CallStatus::Unknown(_)));
}

#[tokio::test]
async fn a_partner_that_keeps_failing_is_left_alone() {
    let hostile = Hostile::says("500 Oops", "{}");
    let partner = hostile.partner();
    for _ in 0..3 {
        is_unknown(&partner.call(&charge()).await);
    }
    let reply = partner.call(&charge()).await;
    assert!(matches!(reply, StepOutcome::NotDone { retry_after: Some(_), .. }), "{reply:?}");
    assert!(matches!(partner.status(PartnerRole::Payments, &key()).await, CallStatus::Unknown(_)));
    assert_eq!(hostile.asked(), 3);
}

#[tokio::test]
async fn refusals_do_not_count_as_failures() {
    let head = "409 Conflict\r\nContent-Type: application/problem+json";
    let hostile = Hostile::says(head, "{\"detail\":\"no\"}");
    let partner = hostile.partner();
    for _ in 0..8 {
        assert_eq!(partner.call(&charge()).await, StepOutcome::Refused("no".into()));
    }
}

#[tokio::test]
async fn a_busy_partner_is_asked_later_and_not_later_than_is_sensible() {
    let hostile = Hostile::says("503 Busy\r\nRetry-After: 86400", "");
    let StepOutcome::NotDone { retry_after, .. } = reply_to(&hostile).await else { panic!() };
    assert_eq!(retry_after, Some(PartnerLimits::default().longest_pause));
}

#[tokio::test]
async fn a_status_query_believes_only_what_speaks_of_its_key() {
    let status = |head: &str, body: &str| {
        let hostile = Hostile::says(head, body);
        async move { hostile.partner().status(PartnerRole::Payments, &key()).await }
    };
    let undone = status("200 OK", "{\"key\":\"k:1\",\"status\":\"undone\"}").await;
    assert_eq!(undone, CallStatus::Undone);
    let other = status("200 OK", "{\"key\":\"k:2\",\"status\":\"undone\"}").await;
    assert!(matches!(other, CallStatus::Unknown(_)), "{other:?}");
    let proxy = status("404 Not Found\r\nContent-Type: text/html", "<html>").await;
    assert!(matches!(proxy, CallStatus::Unknown(_)), "{proxy:?}");
}
