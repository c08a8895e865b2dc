//! The last raw messages of a trading session, kept so that one which turns out to make no sense
//! can still be shown to a person.
//!
//! The connector refuses a message while it is at hand; the order manager finds a contradiction a
//! moment later, in another thread, and names the message by the time at which it was read. Memory
//! is fixed, a message longer than a slot is cut, and at most [`SHOWN_MAX`] are shown in a run.

use super::log::Log;
use crate::types::Nanos;

/// Messages kept.
const KEPT: usize = 64;
/// Bytes kept of each.
const BYTES: usize = 1536;
/// Messages shown in one run.
const SHOWN_MAX: u32 = 100;

#[derive(Clone)]
struct Frame {
    recv_ns: Nanos,
    len: usize,
    bytes: Box<[u8]>,
}

/// See the module.
pub struct Frames {
    ring: Vec<Frame>,
    next: usize,
    shown: u32,
}

impl Default for Frames {
    fn default() -> Self {
        let bytes = vec![0; BYTES].into_boxed_slice();
        Self { ring: vec![Frame { recv_ns: Nanos(0), len: 0, bytes }; KEPT], next: 0, shown: 0 }
    }
}

impl Frames {
    /// Keeps a message before it is parsed, which happens in place.
    #[inline]
    pub fn keep(&mut self, recv_ns: Nanos, message: &[u8]) {
        let frame = &mut self.ring[self.next];
        let kept = message.len().min(BYTES);
        frame.bytes[..kept].copy_from_slice(&message[..kept]);
        (frame.recv_ns, frame.len) = (recv_ns, message.len());
        self.next = (self.next + 1) % KEPT;
    }

    /// Writes the message that was read at this time into the log, if it is still here.
    #[cold]
    pub fn show(&mut self, recv_ns: Nanos, why: &str, log: &mut Log) {
        let Some(frame) = self.ring.iter_mut().find(|frame| frame.recv_ns == recv_ns) else {
            return;
        };
        // Once is enough.
        frame.recv_ns = Nanos(0);
        if self.shown == SHOWN_MAX || recv_ns == Nanos(0) {
            return;
        }
        self.shown += 1;
        let kept = frame.len.min(BYTES);
        let text = String::from_utf8_lossy(&frame.bytes[..kept]);
        let cut = frame.len - kept;
        let cut = if cut > 0 { format!(" and {cut} bytes more") } else { String::new() };
        log.warn(recv_ns, format_args!("{why}, raw message: {}{cut}", text.escape_debug()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::log;
    use super::*;

    #[test]
    fn a_message_is_shown_once_by_its_time_and_cut_to_size() {
        let (mut log, lines) = log::channel(64);
        let mut frames = Frames::default();
        frames.keep(Nanos(5), b"{\"a\":1}");
        frames.keep(Nanos(6), &[b'x'; 2000]);
        frames.show(Nanos(7), "odd", &mut log);
        frames.show(Nanos(5), "odd", &mut log);
        frames.show(Nanos(5), "odd", &mut log);
        frames.show(Nanos(6), "long", &mut log);
        let said: Vec<String> = lines.take().into_iter().map(|line| line.text).collect();
        assert_eq!(said.len(), 2);
        assert_eq!(said[0], "odd, raw message: {\\\"a\\\":1}");
        assert!(said[1].ends_with("x and 464 bytes more"), "{}", said[1]);
    }

    #[test]
    fn the_oldest_goes_and_a_flood_ends() {
        let (mut log, lines) = log::channel(1_000);
        let mut frames = Frames::default();
        for at in 1..=65 {
            frames.keep(Nanos(at), b"x");
        }
        frames.show(Nanos(1), "gone", &mut log);
        assert_eq!(lines.take().len(), 0);
        for at in 100..400 {
            frames.keep(Nanos(at << 30), b"x");
            frames.show(Nanos(at << 30), "odd", &mut log);
        }
        assert_eq!(lines.take().len(), SHOWN_MAX as usize);
    }
}
