//! Follows the frame headers of a WebSocket before anything is buffered: what may not be said ends the stream at its header.

use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{error::PayloadError, web::Bytes};
use futures_util::Stream;

use super::limits::{FRAME_BYTES, MESSAGE_FRAMES};

/// RFC 6455, section 5.5.
const MOST_CONTROL_BYTES: u64 = 125;

/// A frame that is refused by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFault {
    /// It, or the message it goes on with, says it is larger than is allowed.
    TooLarge,
    /// No frame of this protocol looks like that.
    Malformed,
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the frame is too large",
            Self::Malformed => "the frame breaks the WebSocket protocol",
        })
    }
}

impl Error for FrameFault {}

impl FrameFault {
    /// The fault in an error that came out of a gate, however it was wrapped on its way.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = error.downcast_ref::<Self>() {
                return Some(*fault);
            }
            // An I/O error names as its source what lies below the error it was made of, not that error.
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(inner) => Some(inner as &(dyn Error + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

/// Where in a frame the next byte belongs.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The first byte: the end of a message or not, and the kind of frame.
    Start,
    /// The second: masked, and the length or how long the length is.
    Length { head: u8 },
    /// So many more bytes of a longer length.
    Longer { head: u8, left: u8, length: u64 },
    /// So many more bytes of mask and payload.
    Rest { left: u64 },
}

/// A message in several frames, so far.
#[derive(Debug, Clone, Copy, Default)]
struct Message {
    bytes: u64,
    frames: u32,
}

/// What has been followed so far: a few words, whatever comes.
#[derive(Debug)]
struct Headers {
    place: Place,
    /// The message in several frames that has begun.
    message: Option<Message>,
}

/// The payload of an upgraded request, up to the first header that breaks a rule. Then comes a [`FrameFault`], and nothing
/// more: not a byte of the refused frame's payload is passed on.
pub struct FrameGate<S> {
    stream: S,
    headers: Headers,
    end: End,
}

/// How far a gate is from its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Open,
    /// A fault was found behind the bytes given last.
    Found(FrameFault),
    /// Whoever reads has been made to look at those bytes.
    Due(FrameFault),
    Over,
}

impl<S> FrameGate<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, headers: Headers { place: Place::Start, message: None }, end: End::Open }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for FrameGate<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.end {
            End::Open => {}
            End::Found(fault) => {
                // Whoever reads takes all there is before looking at any of it, and forgets it over an error. A pause makes
                // the frames before this one count.
                self.end = End::Due(fault);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            End::Due(fault) => {
                self.end = End::Over;
                return Poll::Ready(Some(Err(PayloadError::Io(io::Error::other(fault)))));
            }
            End::Over => return Poll::Ready(None),
        }
        let Poll::Ready(next) = Pin::new(&mut self.stream).poll_next(cx) else { return Poll::Pending };
        let Some(Ok(mut bytes)) = next else { return Poll::Ready(next) };
        if let Err((good, fault)) = self.headers.follow(&bytes) {
            self.end = End::Found(fault);
            bytes.truncate(good);
        }
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl Headers {
    /// Follows bytes; gives how many came before the header that is at fault.
    fn follow(&mut self, bytes: &[u8]) -> Result<(), (usize, FrameFault)> {
        let (mut at, mut start) = (0, 0);
        while let Some(byte) = bytes.get(at) {
            self.place = match self.place {
                Place::Rest { left } => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    at += here;
                    match left - here as u64 {
                        0 => Place::Start,
                        left => Place::Rest { left },
                    }
                }
                header => {
                    if matches!(header, Place::Start) {
                        start = at;
                    }
                    at += 1;
                    self.header(header, *byte).map_err(|fault| (start, fault))?
                }
            };
        }
        Ok(())
    }

    fn header(&mut self, place: Place, byte: u8) -> Result<Place, FrameFault> {
        match place {
            Place::Start => self.kind(byte).map(|()| Place::Length { head: byte }),
            // A client masks (RFC 6455, section 5.1).
            Place::Length { .. } if byte & 0x80 == 0 => Err(FrameFault::Malformed),
            Place::Length { head } => match byte & 0x7f {
                126 => Ok(Place::Longer { head, left: 2, length: 0 }),
                127 => Ok(Place::Longer { head, left: 8, length: 0 }),
                length => self.measure(head, length.into()),
            },
            Place::Longer { head, left, length } => {
                let length = length << 8 | u64::from(byte);
                if left == 1 { self.measure(head, length) } else { Ok(Place::Longer { head, left: left - 1, length }) }
            }
            Place::Rest { left } => Ok(Place::Rest { left }),
        }
    }

    /// No extension is agreed on, so the reserved bits are zero; of the kinds, six are defined.
    fn kind(&self, head: u8) -> Result<(), FrameFault> {
        let fits = match head & 0x0f {
            0 => self.message.is_some(),
            1 | 2 => self.message.is_none(),
            8..=10 => head & 0x80 != 0,
            _ => false,
        };
        if fits && head & 0x70 == 0 { Ok(()) } else { Err(FrameFault::Malformed) }
    }

    fn measure(&mut self, head: u8, length: u64) -> Result<Place, FrameFault> {
        const MASK_BYTES: u64 = 4;
        let last = head & 0x80 != 0;
        if head & 0x08 != 0 {
            if length > MOST_CONTROL_BYTES {
                return Err(FrameFault::Malformed);
            }
        } else {
            let before = self.message.unwrap_or_default();
            let message = Message { bytes: before.bytes.saturating_add(length), frames: before.frames + 1 };
            // An empty frame costs memory too.
            if message.bytes > FRAME_BYTES as u64 || message.frames > MESSAGE_FRAMES {
                return Err(FrameFault::TooLarge);
            }
            self.message = (!last).then_some(message);
        }
        Ok(Place::Rest { left: MASK_BYTES + length })
    }
}

#[cfg(test)]
#[path = "frame_gate_tests.rs"]
mod tests;
