//! A network in memory: byte streams between clients and listening ports of one process, with
//! delays, losses and refusals, for the simulation of the whole engine.
//!
//! It stands below WebSocket and HTTP: both ends run their real protocol code over it. It has no
//! clock and no thread; whoever drives the simulation says what time it is ([`Network::set_now`])
//! and when something arrives next ([`Network::next_arrival`]). Everything that is left to chance
//! comes from the seed, and a digest of all bytes and times ([`Network::digest`]) tells whether two
//! runs were the same. Not for threads that run at once: the lock is only there to make ends `Send`.

#![forbid(unsafe_code)]

use crate::types::Nanos;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes on their way in one direction; more are not taken, as a kernel's buffers would not.
const LANE_MAX: usize = 1 << 20;

/// The network; clones are the same one.
#[derive(Clone, Debug)]
pub struct Network(Arc<Mutex<Inner>>);

/// How long bytes take, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Shortest one-way time of a connection; each draws its own between this...
    pub min_ns: u64,
    /// ...and this.
    pub max_ns: u64,
    /// Added to each write at random, up to this. Bytes never overtake bytes of one direction.
    pub jitter_ns: u64,
    /// So many of a hundred connections are slower than the others...
    pub slow_percent: u64,
    /// ...by this.
    pub slow_ns: u64,
}

#[derive(Debug)]
struct Inner {
    now: Nanos,
    random: u64,
    ports: BTreeMap<u16, Port>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    arrivals: BinaryHeap<Reverse<u64>>,
    digest: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Port {
    refuses: bool,
    latency: Latency,
    /// Connections that the listener has not accepted, and when they reach it.
    backlog: VecDeque<(Nanos, u64)>,
}

#[derive(Debug)]
struct Connection {
    port: u16,
    latency_ns: u64,
    /// When the client learns that it is connected, or refused.
    open_at: Nanos,
    refused: bool,
    /// Towards the server, and towards the client.
    lanes: [Lane; 2],
    /// Ends that were dropped; the connection goes with the second.
    dropped: [bool; 2],
}

#[derive(Debug, Default)]
struct Lane {
    bytes: VecDeque<u8>,
    /// When so many of `bytes` arrive.
    due: VecDeque<(Nanos, usize)>,
    last_due: Nanos,
    /// When the reader learns that nothing follows, and whether as an error.
    end: Option<(Nanos, bool)>,
    /// The next write is cut inside and is the last.
    cut_next: bool,
    /// Something is on its way here, or the end: whoever reads need not lock the network to learn
    /// that there is nothing. Changed under the lock.
    news: Arc<AtomicBool>,
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client = 0,
    Server = 1,
}

/// How connections are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// What is on its way is lost; both ends see an error at once.
    Reset,
    /// A part of what is on its way still arrives, then the stream ends: most likely in a frame.
    Inside,
    /// The next bytes that the server sends are cut somewhere inside, and nothing follows.
    NextFrame,
}

/// One end of a connection. Dropping it closes the connection.
#[derive(Debug)]
pub struct End {
    network: Network,
    id: u64,
    role: Role,
    /// Of the lane that it reads.
    news: Arc<AtomicBool>,
}

impl Network {
    /// A network without ports. All chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64, now: Nanos) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now,
            random: seed,
            ports: BTreeMap::new(),
            connections: BTreeMap::new(),
            next: 1,
            arrivals: BinaryHeap::new(),
            digest: 0xcbf2_9ce4_8422_2325,
            bytes: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves time on.
    pub fn set_now(&self, now: Nanos) {
        self.lock().now = now;
    }

    /// Opens a port, or changes how far away it is for connections made from now on.
    pub fn listen(&self, port: u16, latency: Latency) {
        self.lock().ports.entry(port).or_default().latency = latency;
    }

    /// Refuses new connections to a port, or takes them again.
    pub fn refuse(&self, port: u16, on: bool) {
        self.lock().ports.entry(port).or_default().refuses = on;
    }

    /// Cuts one connection to a port: the one at this place, oldest first, counted round.
    pub fn cut_one(&self, port: u16, place: usize, how: Cut) {
        let mut inner = self.lock();
        let ids = inner.open_to(port);
        if let Some(id) = ids.get(place % ids.len().max(1)) {
            inner.cut_connection(*id, how);
        }
    }

    /// Cuts all connections to a port.
    pub fn cut(&self, port: u16, how: Cut) {
        self.lock().cut(port, how);
    }

    /// When something arrives next after now; `None` if nothing is on its way.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Nanos> {
        let mut inner = self.lock();
        while let Some(Reverse(due)) = inner.arrivals.peek() {
            if *due > inner.now.0 {
                return Some(Nanos(*due));
            }
            inner.arrivals.pop();
        }
        None
    }

    /// A hash over every write: when, on which connection, which bytes.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.lock().digest
    }

    /// Bytes written by all ends so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Begins a connection to a port; [`End::is_open`] tells when it stands.
    #[must_use]
    pub fn connect(&self, port: u16) -> End {
        let mut inner = self.lock();
        let id = inner.connect(port);
        self.end(&inner, id, Role::Client)
    }

    /// A connection that has reached a port.
    #[must_use]
    pub fn accept(&self, port: u16) -> Option<End> {
        let mut inner = self.lock();
        let now = inner.now;
        let (_, id) = inner.ports.get_mut(&port)?.backlog.pop_front_if(|(at, _)| *at <= now)?;
        Some(self.end(&inner, id, Role::Server))
    }

    fn end(&self, inner: &Inner, id: u64, role: Role) -> End {
        let connection = inner.connections.get(&id);
        let news = connection.map(|connection| connection.lanes[1 - role as usize].news.clone());
        // A connection that is gone is read once more to learn of it.
        let news = news.unwrap_or_else(|| Arc::new(AtomicBool::new(true)));
        End { network: self.clone(), id, role, news }
    }
}

impl Inner {
    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    fn connect(&mut self, number: u16) -> u64 {
        let port = self.ports.get(&number);
        let (refused, latency) =
            port.map_or((true, Latency::default()), |port| (port.refuses, port.latency));
        let range = latency.max_ns.saturating_sub(latency.min_ns);
        let slow = self.draw(100) < latency.slow_percent;
        let more_ns = if slow { latency.slow_ns } else { 0 };
        let latency_ns = latency.min_ns + self.draw(range + 1) + more_ns;
        let id = self.next;
        self.next += 1;
        let (there, back) = (self.now.plus(latency_ns), self.now.plus(2 * latency_ns));
        if !refused && let Some(port) = self.ports.get_mut(&number) {
            port.backlog.push_back((there, id));
            self.arrivals.push(Reverse(there.0));
        }
        self.arrivals.push(Reverse(back.0));
        let connection = Connection {
            port: number,
            latency_ns,
            open_at: back,
            refused,
            lanes: Default::default(),
            dropped: [false, refused],
        };
        self.connections.insert(id, connection);
        id
    }

    fn open_to(&self, port: u16) -> Vec<u64> {
        let of_port = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.port == port && !connection.refused);
        of_port.map(|(id, _)| *id).collect()
    }

    fn cut(&mut self, port: u16, how: Cut) {
        for id in self.open_to(port) {
            self.cut_connection(id, how);
        }
    }

    fn cut_connection(&mut self, id: u64, how: Cut) {
        let part = self.draw(1_000) as usize;
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        for (at, lane) in connection.lanes.iter_mut().enumerate() {
            match how {
                Cut::NextFrame => lane.cut_next |= at == Role::Server as usize,
                Cut::Reset => lane.cut(now, 0),
                Cut::Inside => {
                    let waiting = lane.bytes.len() - lane.readable(now);
                    lane.cut(now, waiting * part / 1_000);
                }
            }
            if let Some((at, _)) = lane.end {
                self.arrivals.push(Reverse(at.0));
            }
        }
    }

    fn write(&mut self, id: u64, role: Role, bytes: &[u8]) -> io::Result<usize> {
        let now = self.now;
        let jitter_max = self
            .connections
            .get(&id)
            .and_then(|connection| self.ports.get(&connection.port))
            .map_or(0, |port| port.latency.jitter_ns);
        let jitter = self.draw(jitter_max + 1);
        let part = self.draw(1 << 20) as usize;
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let connection = self.connections.get_mut(&id).ok_or_else(gone)?;
        let latency_ns = connection.latency_ns;
        let told = connection.lanes[1 - role as usize].end.is_some_and(|(at, _)| at <= now);
        let lane = &mut connection.lanes[role as usize];
        match lane.end {
            // Who writes into a connection that was cut learns of it only by reading.
            Some((_, true)) if !told => return Ok(bytes.len()),
            Some(_) => return Err(gone()),
            None => {}
        }
        let mut taken = bytes.len().min(LANE_MAX - lane.bytes.len().min(LANE_MAX));
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let cut = std::mem::take(&mut lane.cut_next);
        if cut {
            taken = part % taken.max(1);
        }
        let due = now.plus(latency_ns + jitter).max(lane.last_due);
        lane.last_due = due;
        lane.bytes.extend(&bytes[..taken]);
        if taken > 0 {
            lane.due.push_back((due, taken));
            lane.news.store(true, Ordering::Release);
        }
        if cut {
            connection.lanes.iter_mut().for_each(|lane| lane.end(due, true));
        }
        self.arrivals.push(Reverse(due.0));
        self.bytes += taken as u64;
        self.note(id << 1 | role as u64, &bytes[..taken]);
        // A cut is noticed later, as on a real network.
        Ok(if cut { bytes.len() } else { taken })
    }

    fn note(&mut self, who: u64, bytes: &[u8]) {
        let mut digest = self.digest;
        let mut mix = |word: u64| {
            digest = (digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
        };
        mix(self.now.0);
        mix(who);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            mix(rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
        self.digest = digest;
    }

    fn close(&mut self, id: u64, role: Role) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.dropped[role as usize] = true;
        if connection.dropped == [true, true] {
            self.connections.remove(&id);
            return;
        }
        let lane = &mut connection.lanes[role as usize];
        if lane.end.is_none() {
            let at = now.plus(connection.latency_ns).max(lane.last_due);
            lane.end(at, false);
            self.arrivals.push(Reverse(at.0));
        }
    }
}

impl Lane {
    /// Bytes that have arrived.
    fn readable(&self, now: Nanos) -> usize {
        self.due.iter().take_while(|(due, _)| *due <= now).map(|(_, count)| count).sum()
    }

    /// Keeps what has arrived and so many bytes of the rest, and ends.
    fn cut(&mut self, now: Nanos, kept: usize) {
        let kept = self.readable(now) + kept;
        self.bytes.truncate(kept);
        let mut left = kept;
        let mut last = now;
        self.due.retain_mut(|(due, count)| {
            *count = left.min(*count);
            left -= *count;
            if *count > 0 {
                last = last.max(*due);
            }
            *count > 0
        });
        self.end(last, true);
    }

    /// Nothing follows, as its reader learns then.
    fn end(&mut self, at: Nanos, error: bool) {
        self.end = Some((at, error));
        self.news.store(true, Ordering::Release);
    }

    fn read(&mut self, now: Nanos, into: &mut [u8]) -> io::Result<usize> {
        let count = self.readable(now).min(into.len());
        if count == 0 {
            return match self.end {
                Some((at, error)) if at <= now && self.due.is_empty() => {
                    if error {
                        Err(io::ErrorKind::ConnectionReset.into())
                    } else {
                        Ok(0)
                    }
                }
                _ => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let (front, back) = self.bytes.as_slices();
        let first = front.len().min(count);
        into[..first].copy_from_slice(&front[..first]);
        into[first..count].copy_from_slice(&back[..count - first]);
        self.bytes.drain(..count);
        let mut left = count;
        while let Some((_, part)) = self.due.front_mut() {
            let taken = left.min(*part);
            *part -= taken;
            left -= taken;
            if *part > 0 {
                break;
            }
            self.due.pop_front();
            if left == 0 {
                break;
            }
        }
        if self.due.is_empty() && self.end.is_none() {
            self.news.store(false, Ordering::Release);
        }
        Ok(count)
    }
}

impl End {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.network.lock())
    }

    /// Whether the connection stands; an error if it was refused.
    pub fn is_open(&self) -> io::Result<bool> {
        self.with(|inner| {
            let now = inner.now;
            match inner.connections.get(&self.id) {
                None => Err(io::ErrorKind::NotConnected.into()),
                Some(connection) if now < connection.open_at => Ok(false),
                Some(connection) if connection.refused => {
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
                Some(_) => Ok(true),
            }
        })
    }

    /// Whether a read, or a look at [`End::is_open`] while it was not, would bring something.
    #[must_use]
    pub fn has_news(&self, opening: bool) -> bool {
        if !opening && !self.news.load(Ordering::Acquire) {
            return false;
        }
        self.with(|inner| {
            let now = inner.now;
            let Some(connection) = inner.connections.get(&self.id) else { return true };
            if opening {
                return now >= connection.open_at;
            }
            let lane = &connection.lanes[1 - self.role as usize];
            let arrived = lane.due.front().is_some_and(|(due, _)| *due <= now);
            arrived || lane.due.is_empty() && lane.end.is_some_and(|(at, _)| at <= now)
        })
    }
}

impl io::Read for End {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.news.load(Ordering::Acquire) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.with(|inner| {
            let now = inner.now;
            let gone = || io::Error::from(io::ErrorKind::ConnectionReset);
            let connection = inner.connections.get_mut(&self.id).ok_or_else(gone)?;
            connection.lanes[1 - self.role as usize].read(now, into)
        })
    }
}

impl io::Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|inner| inner.write(self.id, self.role, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.with(|inner| inner.close(self.id, self.role));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    const LATENCY: Latency =
        Latency { min_ns: 100, max_ns: 100, jitter_ns: 0, slow_percent: 0, slow_ns: 0 };

    fn pair() -> (Network, End, End) {
        let network = Network::new(7, Nanos(1_000));
        network.listen(80, LATENCY);
        let client = network.connect(80);
        assert!(network.accept(80).is_none());
        network.set_now(Nanos(1_100));
        let server = network.accept(80).unwrap();
        assert!(!client.is_open().unwrap());
        network.set_now(Nanos(1_200));
        assert!(client.is_open().unwrap());
        (network, client, server)
    }

    fn read(end: &mut End) -> Result<Vec<u8>, io::ErrorKind> {
        let mut into = [0; 64];
        let count = end.read(&mut into).map_err(|error| error.kind())?;
        Ok(into[..count].to_vec())
    }

    #[test]
    fn bytes_arrive_in_order_and_not_before_their_time() {
        let (network, mut client, mut server) = pair();
        client.write_all(b"one").unwrap();
        network.set_now(Nanos(1_250));
        client.write_all(b"two").unwrap();
        assert_eq!(read(&mut server), Err(io::ErrorKind::WouldBlock));
        assert_eq!(network.next_arrival(), Some(Nanos(1_300)));
        network.set_now(Nanos(1_300));
        assert_eq!(read(&mut server).unwrap(), b"one");
        assert_eq!(network.next_arrival(), Some(Nanos(1_350)));
        drop(client);
        network.set_now(Nanos(1_350));
        assert_eq!(read(&mut server).unwrap(), b"two");
        assert_eq!(read(&mut server), Err(io::ErrorKind::WouldBlock), "the end travels too");
        network.set_now(Nanos(1_400));
        assert_eq!(read(&mut server).unwrap(), b"", "an orderly end");
        assert!(server.write_all(b"x").is_ok());
    }

    #[test]
    fn cuts_lose_what_was_on_its_way() {
        let (network, mut client, mut server) = pair();
        server.write_all(&[7; 40]).unwrap();
        network.cut(80, Cut::Inside);
        network.set_now(Nanos(1_300));
        let part = read(&mut client).unwrap();
        assert!(!part.is_empty() && part.len() < 40, "{}", part.len());
        assert_eq!(read(&mut client), Err(io::ErrorKind::ConnectionReset));
        let (network, mut client, mut server) = pair();
        server.write_all(b"gone").unwrap();
        network.cut(80, Cut::Reset);
        assert_eq!(read(&mut client), Err(io::ErrorKind::ConnectionReset));
        assert_eq!(read(&mut server), Err(io::ErrorKind::ConnectionReset));
        let (network, mut client, mut server) = pair();
        network.cut(80, Cut::NextFrame);
        assert_eq!(server.write(&[1; 30]).unwrap(), 30);
        network.set_now(Nanos(1_300));
        let mut into = [0; 64];
        let count = client.read(&mut into).unwrap_or(0);
        assert!(count < 30);
        assert_eq!(read(&mut client), Err(io::ErrorKind::ConnectionReset));
    }

    #[test]
    fn a_port_that_refuses_says_so_after_a_round_trip() {
        let network = Network::new(1, Nanos(0));
        network.listen(80, LATENCY);
        network.refuse(80, true);
        let client = network.connect(80);
        assert!(!client.has_news(true));
        network.set_now(Nanos(200));
        assert!(client.has_news(true));
        assert_eq!(client.is_open().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(network.accept(80).is_none());
    }

    #[test]
    fn the_digest_tells_runs_apart() {
        let run = |text: &[u8]| {
            let (network, mut client, _server) = pair();
            client.write_all(text).unwrap();
            network.digest()
        };
        assert_eq!(run(b"same bytes"), run(b"same bytes"));
        assert_ne!(run(b"same bytes"), run(b"other byte"));
    }
}
