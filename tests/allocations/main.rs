//! What the engine allocates once it is warm: nothing of its own, from the venue's frame to the
//! signed order and back. A binary of its own, because the allocator of a process is one.

mod bybit;
mod counting;
mod exchanges;
mod feed;
mod hyperliquid;
mod journal;
mod net;
mod parts;
mod path;
#[path = "../support/mod.rs"]
mod support;
