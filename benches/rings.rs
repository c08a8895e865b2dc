//! What handing something over costs: our queue beside `rtrb` and `crossbeam-queue`, then one line
//! each for seqlock, broadcast ring and histogram.
//!
//! An own harness, because two threads that spin are measured in short bursts, candidates taking
//! turns, and set against the machine's own core-to-core ping-pong of the same moment: on a shared
//! or virtual machine nanoseconds move by the minute, ratios hardly. Medians over bursts; `cargo
//! bench --bench rings -- quick` for a short look.

#![allow(missing_docs)]

use crossbeam_queue::ArrayQueue;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use stoop::sync::{broadcast, histogram, rotating, seqlock, spsc};

/// A cache line: about what a short command or report takes up.
type Message = [u64; 8];

const CAPACITY: usize = 1024;

/// A queue of one producer and one consumer.
trait Queue {
    const NAME: &'static str;
    type Sender: Send + 'static;
    type Receiver: Send + 'static;
    fn make() -> (Self::Sender, Self::Receiver);
    fn push(sender: &mut Self::Sender, message: Message) -> bool;
    fn pop(receiver: &mut Self::Receiver) -> Option<Message>;
}

struct Ours;

impl Queue for Ours {
    const NAME: &'static str = "stoop spsc";
    type Sender = spsc::Producer<Message>;
    type Receiver = spsc::Consumer<Message>;

    fn make() -> (Self::Sender, Self::Receiver) {
        spsc::channel(CAPACITY)
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

struct Rtrb;

impl Queue for Rtrb {
    const NAME: &'static str = "rtrb";
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

struct Crossbeam;

impl Queue for Crossbeam {
    const NAME: &'static str = "crossbeam ArrayQueue";
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

/// Effort of a run.
#[derive(Clone, Copy)]
struct Effort {
    bursts: usize,
    hops: u64,
    messages: u64,
}

/// Reads the time stamp counter.
#[derive(Clone)]
struct Stamp(quanta::Clock);

impl Stamp {
    fn now(&self) -> u64 {
        self.0.raw()
    }

    fn ns(&self, start: u64, end: u64) -> u64 {
        self.0.delta_as_nanos(start, end)
    }
}

/// Until the other thread runs on its own core. It starts on ours, so ours must be given up.
fn wait_for(ready: &AtomicBool) {
    while !ready.load(Ordering::Acquire) {
        thread::yield_now();
    }
}

/// Two cores, if the machine lends them.
fn pin(which: usize) {
    static CORES: std::sync::OnceLock<Vec<core_affinity::CoreId>> = std::sync::OnceLock::new();
    let cores = CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default());
    if let (true, Some(core)) = (cores.len() >= 2, cores.get(which)) {
        core_affinity::set_for_current(*core);
    }
}

fn quantile(sorted: &[u64], q: f64) -> u64 {
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One way of a cache line bounced between two cores: half of the median round trip.
fn ping_pong(stamp: &Stamp, rounds: u64) -> f64 {
    #[repr(align(128))]
    struct Line(AtomicU64);
    let lines = Arc::new((Line(AtomicU64::new(0)), Line(AtomicU64::new(0))));
    let other = Arc::clone(&lines);
    let echo = thread::spawn(move || {
        pin(1);
        for round in 1..=rounds {
            while other.0.0.load(Ordering::Acquire) != round {
                spin_loop();
            }
            other.1.0.store(round, Ordering::Release);
        }
    });
    let mut trips = Vec::with_capacity(rounds as usize);
    for round in 1..=rounds {
        let start = stamp.now();
        lines.0.0.store(round, Ordering::Release);
        while lines.1.0.load(Ordering::Acquire) != round {
            spin_loop();
        }
        trips.push(stamp.ns(start, stamp.now()));
    }
    echo.join().expect("the echo counts to the end");
    trips.sort_unstable();
    quantile(&trips, 0.5) as f64 / 2.0
}

/// Nanoseconds from before the push until the consumer on the other core has the message, one
/// message every 1.5 us; sorted.
fn hop<Q: Queue>(stamp: &Stamp, hops: u64) -> Vec<u64> {
    let (mut sender, mut receiver) = Q::make();
    let ready = Arc::new(AtomicBool::new(false));
    let (clock, flag) = (stamp.clone(), Arc::clone(&ready));
    let consumer = thread::spawn(move || {
        pin(1);
        flag.store(true, Ordering::Release);
        let mut times = Vec::with_capacity(hops as usize);
        while times.len() < hops as usize {
            if let Some(message) = Q::pop(&mut receiver) {
                times.push(clock.ns(message[0], clock.now()));
            }
        }
        times
    });
    wait_for(&ready);
    for number in 0..hops {
        let start = stamp.now();
        let message = [start, number, 2, 3, 4, 5, 6, 7];
        while !Q::push(&mut sender, message) {
            spin_loop();
        }
        while stamp.ns(start, stamp.now()) < 1_500 {
            spin_loop();
        }
    }
    let mut times = consumer.join().expect("the consumer counts to the end");
    times.sort_unstable();
    times
}

/// Nanoseconds per message with both ends flat out on two cores.
fn flat_out<Q: Queue>(stamp: &Stamp, messages: u64) -> f64 {
    let (mut sender, mut receiver) = Q::make();
    let ready = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ready);
    let consumer = thread::spawn(move || {
        pin(1);
        flag.store(true, Ordering::Release);
        let mut expected = 0;
        while expected < messages {
            if let Some(message) = Q::pop(&mut receiver) {
                assert_eq!(message[1], expected, "in order");
                expected += 1;
            }
        }
    });
    wait_for(&ready);
    let start = stamp.now();
    for number in 0..messages {
        while !Q::push(&mut sender, [0, number, 2, 3, 4, 5, 6, 7]) {
            spin_loop();
        }
    }
    consumer.join().expect("the consumer counts to the end");
    stamp.ns(start, stamp.now()) as f64 / messages as f64
}

/// Nanoseconds of one operation on one thread: best of several rounds.
fn single(stamp: &Stamp, mut operation: impl FnMut(u64)) -> f64 {
    const OPERATIONS: u64 = 20_000;
    (0..25)
        .map(|_| {
            let start = stamp.now();
            (0..OPERATIONS).for_each(&mut operation);
            stamp.ns(start, stamp.now()) as f64 / OPERATIONS as f64
        })
        .fold(f64::INFINITY, f64::min)
}

/// A push and a pop of the same queue on one thread.
fn same_thread<Q: Queue>(stamp: &Stamp) -> f64 {
    let (mut sender, mut receiver) = Q::make();
    single(stamp, |number| {
        Q::push(&mut sender, black_box([number; 8]));
        black_box(Q::pop(&mut receiver));
    })
}

/// Figures of one queue, a value per burst.
#[derive(Default)]
struct Row {
    name: &'static str,
    same_thread: f64,
    p50: Vec<f64>,
    p99: Vec<f64>,
    ratio: Vec<f64>,
    flat_out: Vec<f64>,
}

impl Row {
    fn new<Q: Queue>(stamp: &Stamp) -> Self {
        Self { name: Q::NAME, same_thread: same_thread::<Q>(stamp), ..Self::default() }
    }

    fn burst<Q: Queue>(&mut self, stamp: &Stamp, effort: Effort) {
        let reference = ping_pong(stamp, effort.hops);
        let times = hop::<Q>(stamp, effort.hops);
        let p50 = quantile(&times, 0.5) as f64;
        self.p50.push(p50);
        self.p99.push(quantile(&times, 0.99) as f64);
        self.ratio.push(p50 / reference);
        self.flat_out.push(flat_out::<Q>(stamp, effort.messages));
    }

    fn print(self) {
        println!(
            "{:<22} {:>11.1} {:>9.0} {:>9.0} {:>12.2} {:>11.1}",
            self.name,
            self.same_thread,
            median(self.p50),
            median(self.p99),
            median(self.ratio),
            median(self.flat_out),
        );
    }
}

fn queues(stamp: &Stamp, effort: Effort) {
    let mut ours = Row::new::<Ours>(stamp);
    let mut rtrb = Row::new::<Rtrb>(stamp);
    let mut crossbeam = Row::new::<Crossbeam>(stamp);
    for _ in 0..effort.bursts {
        ours.burst::<Ours>(stamp, effort);
        rtrb.burst::<Rtrb>(stamp, effort);
        crossbeam.burst::<Crossbeam>(stamp, effort);
    }
    println!("queues of 64-byte messages, ns; medians of {} bursts", effort.bursts);
    println!(
        "{:<22} {:>11} {:>9} {:>9} {:>12} {:>11}",
        "", "same thread", "hop p50", "hop p99", "x ping-pong", "flat out"
    );
    [ours, rtrb, crossbeam].into_iter().for_each(Row::print);
}

fn others(stamp: &Stamp) {
    println!("\none thread, nothing contended, ns; best of 25 rounds");
    let line = |name: &str, ns: f64| println!("{name:<40} {ns:>6.1}");
    let (mut writer, reader) = seqlock::value(7);
    let write = single(stamp, |n| writer.write(|p| p.copy_from(0, &black_box([n; 7]))));
    line("seqlock write, 64 bytes", write);
    let mut copy = [0; 7];
    let read = |_| {
        let _ = black_box(reader.read(|p| p.copy_to(0, black_box(&mut copy))));
    };
    line("seqlock read, 64 bytes", single(stamp, read));
    let poll = |_| {
        black_box(reader.version());
    };
    line("seqlock version, for polling", single(stamp, poll));
    let (mut writer, reader) = rotating::value(85);
    let write = single(stamp, |n| writer.write(|p, _| p.copy_from(0, &black_box([n; 85]))));
    line("rotating write, 20 levels a side", write);
    let mut copy = [0; 85];
    let read = |_| {
        let _ = black_box(reader.read(|p| p.copy_to(0, black_box(&mut copy))));
    };
    line("rotating read, 20 levels a side", single(stamp, read));
    let (mut writer, mut reader) = broadcast::ring(CAPACITY, 7);
    let both = single(stamp, |n| {
        writer.push(|p| p.copy_from(0, &black_box([n; 7])));
        let _ = black_box(reader.next(|p| p.get(6)));
    });
    line("broadcast push and read, 64 bytes", both);
    let (mut writer, _) = histogram::histogram();
    let mut ns = 1u64;
    let mut next = move || {
        ns = ns.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ns >> 44
    };
    let mut again = next;
    line("histogram record", single(stamp, |_| writer.record(next())));
    let mut reference = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 2)
        .expect("two digits up to a minute");
    let record = |_| reference.record(1 + again()).expect("within bounds");
    line("hdrhistogram record, 2 digits", single(stamp, record));
}

fn main() {
    let quick = std::env::args().any(|arg| arg == "quick" || arg == "--test");
    let effort = if quick {
        Effort { bursts: 3, hops: 2_000, messages: 20_000 }
    } else {
        Effort { bursts: 15, hops: 20_000, messages: 200_000 }
    };
    let stamp = Stamp(quanta::Clock::new());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    pin(0);
    let reference = ping_pong(&stamp, effort.hops);
    println!("{cores} cores; ping-pong one way {reference:.0} ns\n");
    if cores < 2 {
        println!("(both threads share a core: hops mean little)");
    }
    queues(&stamp, effort);
    others(&stamp);
}
