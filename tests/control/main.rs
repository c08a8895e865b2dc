//! The control socket over a folder of its own: lines in, lines out, and everything that a client
//! can do wrong. A thread stands in for the order manager.

mod crash;
mod socket;
mod thread;
