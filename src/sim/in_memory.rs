//! The venues over a network in memory: no thread, no socket, no clock of their own. Every step is
//! taken by the caller, in the caller's time, so that one seed decides everything.

use super::connection::Line;
use super::handle::{SimError, SimOptions, SimUrls};
use super::host::Host;
use super::{Exchange, Fault, HttpReply, HttpRequest, SimCounters, WireOut};
use crate::pipe::Network;
use crate::types::Nanos;

/// Simulated venues that are polled.
pub struct InMemory {
    host: Host,
    network: Network,
    ports: Vec<u16>,
    urls: Vec<SimUrls>,
    start: Nanos,
}

impl InMemory {
    /// Fills the books. The venues listen at the ports of the options, which the caller has opened
    /// in `network`; `start` is the time now.
    pub fn start(options: SimOptions, network: Network, start: Nanos) -> Result<Self, SimError> {
        let venues = &options.venues;
        let ports = venues.iter().map(|venue| venue.port).collect();
        let urls = venues.iter().map(|venue| SimUrls::of(venue.wire.as_ref(), venue.port));
        let urls = urls.collect();
        let host = Host::new(options, start.0 / 1_000_000)?;
        Ok(Self { host, network, ports, urls, start })
    }

    /// Does everything that is due at `now`.
    pub fn turn(&mut self, now: Nanos) {
        for (venue, port) in self.ports.iter().enumerate() {
            while let Some(end) = self.network.accept(*port) {
                if self.host.has_room() {
                    let id = self.host.next_id();
                    self.host.add(id, venue, Line::Memory(end));
                }
            }
        }
        self.host.time.passed_ns = now.since(self.start);
        let mut congested = Vec::new();
        for (id, connection) in &mut self.host.connections {
            if connection.has_news() {
                self.host.more.insert(*id);
            }
            if connection.is_congested() {
                congested.push(*id);
            }
        }
        for id in congested {
            self.host.writable(id);
        }
        self.host.turn(now.since(self.start));
    }

    /// Sets how often the wires look for what is due by time: pings, batched books.
    pub fn set_timer(&mut self, every_ns: u64) {
        self.host.timer_every_ns = every_ns.max(1);
    }

    /// When a turn is due even if no client speaks.
    #[must_use]
    pub fn due(&self, now: Nanos) -> Nanos {
        now.plus(self.host.idle_ns(now.since(self.start)))
    }

    /// Holds the books still, or lets them move on.
    pub fn pause_flow(&mut self, on: bool) {
        self.host.flow_paused = on;
    }

    /// Where a client finds the venue of this index in the options.
    #[must_use]
    pub fn urls(&self, venue: usize) -> &SimUrls {
        &self.urls[venue]
    }

    /// The exchange of a venue: the truth.
    #[must_use]
    pub fn exchange(&self, venue: usize) -> &Exchange {
        &self.host.venues[venue].exchange
    }

    /// Asks a venue for something that changes nothing there, past the network.
    pub fn ask(&mut self, venue: usize, request: &HttpRequest, now: Nanos) -> HttpReply {
        let now_ms = now.0 / 1_000_000;
        let venue = &mut self.host.venues[venue];
        venue.wire.on_http(request, &mut venue.exchange, now_ms, &mut WireOut::new())
    }

    /// What the connections of a venue have seen.
    #[must_use]
    pub fn counters(&self, venue: usize) -> SimCounters {
        self.host.venues[venue].counters
    }

    /// Causes or switches a fault.
    pub fn fault(&mut self, venue: usize, fault: Fault) {
        self.host.apply_fault(venue, fault);
        self.network.refuse(self.ports[venue], self.host.venues[venue].refuses);
    }
}
