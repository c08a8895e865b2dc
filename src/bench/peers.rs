//! Other crates' queues, for comparison. Outside the default build.

use super::rings::{Message, Queue};
use crossbeam_channel::{Receiver, Sender};
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;

const CAPACITY: usize = 1024;

/// `rtrb`.
pub(super) struct Rtrb;

impl Queue for Rtrb {
    const NAME: &'static str = "rtrb";
    const WHAT: &'static str = "rtrb's ring, 64 bytes";
    type Sender = rtrb::Producer<Message>;
    type Receiver = rtrb::Consumer<Message>;

    fn make() -> (Self::Sender, Self::Receiver) {
        rtrb::RingBuffer::new(CAPACITY)
    }

    #[inline(always)]
    fn push(sender: &mut Self::Sender, message: Message) -> bool {
        sender.push(message).is_ok()
    }

    #[inline(always)]
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        receiver.pop().ok()
    }
}

/// `crossbeam_queue::ArrayQueue`.
pub(super) struct Array;

impl Queue for Array {
    const NAME: &'static str = "array_queue";
    const WHAT: &'static str = "crossbeam's ArrayQueue, 64 bytes";
    type Sender = Arc<ArrayQueue<Message>>;
    type Receiver = Arc<ArrayQueue<Message>>;

    fn make() -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(ArrayQueue::new(CAPACITY));
        (Arc::clone(&queue), queue)
    }

    #[inline(always)]
    fn push(sender: &mut Self::Sender, message: Message) -> bool {
        sender.push(message).is_ok()
    }

    #[inline(always)]
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        receiver.pop()
    }
}

/// `crossbeam_channel`, bounded.
pub(super) struct Channel;

impl Queue for Channel {
    const NAME: &'static str = "channel";
    const WHAT: &'static str = "crossbeam's bounded channel, 64 bytes";
    type Sender = Sender<Message>;
    type Receiver = Receiver<Message>;

    fn make() -> (Self::Sender, Self::Receiver) {
        crossbeam_channel::bounded(CAPACITY)
    }

    #[inline(always)]
    fn push(sender: &mut Self::Sender, message: Message) -> bool {
        sender.try_send(message).is_ok()
    }

    #[inline(always)]
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        receiver.try_recv().ok()
    }
}
