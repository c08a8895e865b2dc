//! The sockets of the engine against servers on loopback that nobody here wrote the protocol of.

#![forbid(unsafe_code)]

mod http;
mod judge;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod websocket;
