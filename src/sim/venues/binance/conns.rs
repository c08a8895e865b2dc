//! Keep-alive of every WebSocket: pings with a payload, the deadline for their pongs, the longest
//! life of a connection.

use crate::sim::{ConnId, WireOut, WsOut};
use std::collections::{BTreeMap, VecDeque};

/// How connections are kept alive and cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinanceKeepAlive {
    /// Time between two pings of the server.
    pub ping_every_ms: u64,
    /// How long the pong to a ping may take.
    pub pong_within_ms: u64,
    /// When a connection is cut whatever it does.
    pub lifetime_ms: u64,
}

impl Default for BinanceKeepAlive {
    /// As documented: a ping every 20 s, a pong within a minute, 24 hours.
    fn default() -> Self {
        Self { ping_every_ms: 20_000, pong_within_ms: 60_000, lifetime_ms: 24 * 3600 * 1000 }
    }
}

/// One connection.
#[derive(Debug)]
struct Life {
    opened_ms: u64,
    next_ping_ms: u64,
    /// Pings without a pong: payload and time.
    open_pings: VecDeque<(Vec<u8>, u64)>,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Conns {
    rules: BinanceKeepAlive,
    lives: BTreeMap<ConnId, Life>,
}

impl Conns {
    pub(super) fn new(rules: BinanceKeepAlive) -> Self {
        Self { rules, lives: BTreeMap::new() }
    }

    pub(super) fn open(&mut self, conn: ConnId, now_ms: u64) {
        let next_ping_ms = now_ms + self.rules.ping_every_ms;
        let life = Life { opened_ms: now_ms, next_ping_ms, open_pings: VecDeque::new() };
        self.lives.insert(conn, life);
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        self.lives.remove(&conn);
    }

    /// A pong counts only with the payload of a ping; it answers the pings before that one too.
    pub(super) fn on_pong(&mut self, conn: ConnId, payload: &[u8]) {
        let Some(life) = self.lives.get_mut(&conn) else { return };
        if let Some(index) = life.open_pings.iter().position(|(sent, _)| sent == payload) {
            life.open_pings.drain(..=index);
        }
    }

    /// Sends pings that are due; gives the connections to cut, with code and reason.
    pub(super) fn on_timer(
        &mut self,
        now_ms: u64,
        out: &mut WireOut,
    ) -> Vec<(ConnId, u16, &'static str)> {
        let mut cut = Vec::new();
        for (conn, life) in &mut self.lives {
            let unanswered = life.open_pings.front().map(|(_, sent_ms)| *sent_ms);
            if unanswered.is_some_and(|sent_ms| now_ms >= sent_ms + self.rules.pong_within_ms) {
                cut.push((*conn, 1008, "Pong timeout"));
            } else if now_ms >= life.opened_ms + self.rules.lifetime_ms {
                cut.push((*conn, 1001, "Connection lifetime is over"));
            } else if now_ms >= life.next_ping_ms {
                let payload = now_ms.to_string().into_bytes();
                life.open_pings.push_back((payload.clone(), now_ms));
                life.next_ping_ms = now_ms + self.rules.ping_every_ms;
                out.push((*conn, WsOut::Ping(payload)));
            }
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId(1);

    fn tick(conns: &mut Conns, now_ms: u64) -> (WireOut, Vec<(ConnId, u16, &'static str)>) {
        let mut out = Vec::new();
        let cut = conns.on_timer(now_ms, &mut out);
        (out, cut)
    }

    #[test]
    fn pings_every_twenty_seconds_and_cuts_without_a_matching_pong() {
        let mut conns = Conns::new(BinanceKeepAlive::default());
        conns.open(CONN, 1000);
        assert_eq!(tick(&mut conns, 20_999), (vec![], vec![]));
        let ping = |at: u64| vec![(CONN, WsOut::Ping(at.to_string().into_bytes()))];
        assert_eq!(tick(&mut conns, 21_000), (ping(21_000), vec![]));
        conns.on_pong(CONN, b"");
        conns.on_pong(CONN, b"99");
        assert_eq!(tick(&mut conns, 41_000), (ping(41_000), vec![]));
        assert_eq!(tick(&mut conns, 61_000), (ping(61_000), vec![]));
        assert_eq!(tick(&mut conns, 80_999), (vec![], vec![]));
        assert_eq!(tick(&mut conns, 81_000), (vec![], vec![(CONN, 1008, "Pong timeout")]));
    }

    #[test]
    fn a_pong_with_the_payload_keeps_the_connection() {
        let mut conns = Conns::new(BinanceKeepAlive::default());
        conns.open(CONN, 0);
        for at in [20_000, 40_000, 60_000] {
            tick(&mut conns, at);
        }
        conns.on_pong(CONN, b"40000");
        assert_eq!(tick(&mut conns, 80_000).1, vec![], "the ping of 60 s may take until 120 s");
        assert_eq!(tick(&mut conns, 120_000).1, vec![(CONN, 1008, "Pong timeout")]);
    }

    #[test]
    fn nobody_lives_longer_than_a_day() {
        let day = 24 * 3600 * 1000;
        let mut conns = Conns::new(BinanceKeepAlive::default());
        conns.open(CONN, 0);
        for at in (20_000..day).step_by(20_000) {
            let (_, cut) = tick(&mut conns, at);
            assert_eq!(cut, vec![]);
            conns.on_pong(CONN, at.to_string().as_bytes());
        }
        assert_eq!(tick(&mut conns, day).1, vec![(CONN, 1001, "Connection lifetime is over")]);
    }
}
