//! Which requests are taken at all, before any of them is routed. The order server and the partners ask the same guard.
//!
//! ```text
//! request -> rules: the name it asks for is ours (host), the page it comes from may (origin) -> routes -> body: media
//! response <- headers <- cors <------------------------------------------------------------------+
//! ```
//! Browsers let any page send requests anywhere. They tell where a page comes from, and by which name it asked: a page whose own
//! name was made to point here (DNS rebinding) asks by that name.
//!
//! **Invariant:** the guard reads nothing but the head of a request, and knows no status code.

pub mod cors;
pub mod headers;
pub mod host;
pub mod media;
pub mod origin;
pub mod rules;
