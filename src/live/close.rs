//! Why the server ends a socket, and how it says so.

/// Why the server closes a socket. Below 4500 a client may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    Draining,
    TooSlow,
    NoPong,
    /// The client breaks RFC 6455, or sends what is not taken here: the RFC's own code, and what is wrong.
    Protocol(u16, &'static str),
    BadRequest(&'static str),
    TooManySubscriptions,
}

impl Close {
    pub const fn code(self) -> u16 {
        match self {
            Self::Draining => 4001,
            Self::TooSlow => 4008,
            Self::NoPong => 4012,
            Self::Protocol(code, _) => code,
            Self::BadRequest(_) => 4501,
            Self::TooManySubscriptions => 4505,
        }
    }

    pub const fn reason(self) -> &'static str {
        match self {
            Self::Draining => "the server is stopping",
            Self::TooSlow => "nothing was read for too long",
            Self::NoPong => "no sign of life",
            Self::Protocol(_, reason) | Self::BadRequest(reason) => reason,
            Self::TooManySubscriptions => "too many subscriptions",
        }
    }
}
