use futures_util::{StreamExt, stream};

use super::*;

/// A frame's header as a client sends it, with a mask of zeros.
fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..126 => header.push(0x80 | u8::try_from(length).unwrap()),
        126..=0xffff => {
            header.push(0x80 | 0x7e);
            header.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            header.push(0x80 | 0x7f);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend([0; 4]);
    header
}

fn frame(first: u8, length: usize) -> Vec<u8> {
    [header(first, length as u64), vec![b' '; length]].concat()
}

/// Sends chunks through a gate; gives the bytes that passed and the fault at the end.
fn pass(chunks: impl IntoIterator<Item = Vec<u8>>) -> (Vec<u8>, Option<FrameFault>) {
    let chunks: Vec<_> = chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))).collect();
    let mut gate = FrameGate::new(stream::iter(chunks));
    let (mut passed, mut fault) = (Vec::new(), None);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        while let Some(next) = gate.next().await {
            match next {
                Ok(bytes) => passed.extend_from_slice(&bytes),
                Err(error) => fault = FrameFault::find(&io::Error::other(error)),
            }
        }
    });
    (passed, fault)
}

const PING: u8 = 0x89;
const TEXT: u8 = 0x81;
const TEXT_GOES_ON: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const LAST: u8 = 0x80;

#[test]
fn a_frame_that_declares_too_much_ends_the_stream_at_its_header() {
    for length in [1 << 40, (1 << 63) - 1, u64::MAX, FRAME_BYTES as u64 + 1] {
        let huge = [header(TEXT, length), vec![b'x'; 1 << 20]].concat();
        assert_eq!(pass([huge]), (Vec::new(), Some(FrameFault::TooLarge)), "{length}");
    }
}

#[test]
fn a_header_that_drips_in_is_followed_byte_by_byte() {
    let dripping = |bytes: Vec<u8>| pass(bytes.into_iter().map(|byte| vec![byte]));
    let (passed, fault) = dripping([frame(TEXT, 300), header(TEXT, 1 << 40)].concat());
    assert_eq!(fault, Some(FrameFault::TooLarge));
    // The header's own bytes before the last of the length.
    assert_eq!(passed.len(), frame(TEXT, 300).len() + 9);
    assert_eq!(dripping(frame(TEXT, FRAME_BYTES)), (frame(TEXT, FRAME_BYTES), None));
}

#[test]
fn the_frames_before_a_refused_one_pass() {
    let good = [frame(TEXT, 10), frame(PING, 125), frame(TEXT, FRAME_BYTES)].concat();
    for refused in [header(TEXT, 1 << 20), vec![0xc1], vec![0x83]] {
        let (passed, fault) = pass([[good.clone(), refused].concat()]);
        assert!(passed == good && fault.is_some());
    }
}

#[test]
fn a_message_in_frames_is_bounded_as_a_whole() {
    let half = FRAME_BYTES / 2;
    let whole = [frame(TEXT_GOES_ON, half), frame(PING, 0), frame(GOES_ON, half), frame(LAST, 0)].concat();
    assert_eq!(pass([whole.clone(), whole.clone()]), ([whole.clone(), whole].concat(), None));
    let first = [frame(TEXT_GOES_ON, half), frame(GOES_ON, half)].concat();
    assert_eq!(pass([[first.clone(), header(GOES_ON, 1)].concat()]), (first, Some(FrameFault::TooLarge)));
    let empty = |frames| std::iter::once(frame(TEXT_GOES_ON, 0)).chain(std::iter::repeat_n(frame(GOES_ON, 0), frames));
    assert_eq!(pass(empty(MESSAGE_FRAMES as usize - 1)).1, None);
    assert_eq!(pass(empty(MESSAGE_FRAMES as usize)).1, Some(FrameFault::TooLarge));
}

#[test]
fn what_is_no_frame_of_a_client_is_malformed() {
    for (what, bytes) in [
        ("a reserved bit", vec![TEXT | 0x40]),
        ("a reserved kind of message", vec![0x83]),
        ("a reserved kind of control frame", vec![0x8b]),
        ("no mask", vec![TEXT, 5]),
        ("a long ping", header(PING, 126)),
        ("a ping in parts", vec![0x09]),
        ("a continuation of nothing", vec![LAST]),
        ("a message within a message", [frame(TEXT_GOES_ON, 1), vec![TEXT]].concat()),
    ] {
        assert_eq!(pass([bytes]).1, Some(FrameFault::Malformed), "{what}");
    }
}
