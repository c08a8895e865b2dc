//! What several test binaries share. Each uses a part of it.

#![allow(dead_code, missing_docs)]

pub mod client;
pub mod server;
