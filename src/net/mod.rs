//! The only sockets of the engine: TCP, TLS, WebSocket and HTTP/1.1 clients behind one polled
//! [`Net`] per agent.
//!
//! Nothing here knows a venue, and nothing blocks: [`Net::poll`] moves every connection as far as
//! the kernel allows and returns; [`Net::next_event`] then lends out what arrived, in place, out of
//! the receive buffers. Names are resolved on a thread of their own. A connection that is lost is
//! opened anew for ever, at once the first time, then ever more slowly. For simulation a network in
//! memory stands in for the kernel, below WebSocket and HTTP.
//!
//! It assumes that the caller drains `next_event` after each `poll`: a connection whose events have
//! not been fetched is not read any further, so nothing is ever queued without bound.

#![deny(unsafe_code)]

mod backoff;
pub mod blocking;
pub mod buffer;
mod http;
mod http_side;
mod link;
mod options;
mod poll;
mod random;
mod reason;
mod records;
mod resolve;
mod sockopt;
mod stream;
pub mod tls;
pub mod trial;
mod upgrade;
mod url;
pub mod websocket;
mod ws_side;

pub use options::{Counters, HttpRequest, LinkOptions, NetOptions};
pub use poll::{LinkId, Net, NetEvent, Transport};
pub use reason::{CloseReason, SendError, Stage, TlsProblem};
pub use records::Records;
pub use url::UrlError;
