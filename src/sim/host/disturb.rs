//! Puts the faults that are asked for into force.

use super::super::faults::Fault;
use super::super::{AccountId, ConnId, WireOut, WsOut};
use super::{Host, Outgoing};

impl Host {
    pub(in super::super) fn apply_fault(&mut self, index: usize, fault: Fault) {
        let venue = &mut self.venues[index];
        let sockets: Vec<u64> = self
            .connections
            .values()
            .filter(|connection| connection.venue == index)
            .map(|connection| connection.id.0)
            .collect();
        match fault {
            Fault::CutOne { path_contains, index: place } => {
                if let Some(id) = self.one_of(&sockets, &path_contains, place) {
                    self.drop_connection(id);
                }
            }
            Fault::DelayOne { path_contains, index: place, delay_ms } => {
                let one = self.one_of(&sockets, &path_contains, place);
                let slow = one.filter(|_| delay_ms > 0).map(|id| (ConnId(id), delay_ms));
                self.venues[index].faults.slow = slow;
            }
            Fault::CutConnections => self.drop_all(index, sockets),
            Fault::CutMessages => {
                venue.faults.cut(sockets.into_iter().map(ConnId).collect());
            }
            Fault::Restart { keep_orders } => {
                self.drop_all(index, sockets);
                if !keep_orders {
                    self.cancel_all(index);
                }
            }
            Fault::RefuseConnections(on) => venue.refuses = on,
            Fault::SkipBookEvent { symbol } => {
                let open = sockets.into_iter().map(ConnId).collect();
                venue.faults.skip(&symbol, open);
            }
            Fault::SkipOne { symbol, path_contains, index: place } => {
                let one = self.one_of(&sockets, &path_contains, place).map(ConnId);
                self.venues[index].faults.skip(&symbol, one.into_iter().collect());
            }
            Fault::AnnounceShutdown => {
                let mut out = WireOut::new();
                let now_ms = venue.now_ms(self.time);
                venue.wire.on_announce_shutdown(now_ms, &mut out);
                self.deliver_all(index, out);
            }
            Fault::SkewClock(skew_ms) => venue.faults.skew_ms = skew_ms,
            Fault::LoseReplies(on) => venue.faults.lose_replies = on,
            Fault::FailReplies(on) => venue.faults.fail_replies = on,
            Fault::RepeatEvents(per_mille) => venue.faults.repeat_per_mille = per_mille,
            Fault::StaleSnapshots(count) => venue.wire.on_stale_snapshots(count),
            Fault::ResetBooks => venue.wire.on_reset_books(),
            Fault::BanMs(ban_ms) => venue.wire.on_ban(venue.now_ms(self.time) + ban_ms),
            Fault::SetMark { symbol, price } => venue.exchange.set_mark(&symbol, price),
            Fault::SetFundingRate { symbol, rate } => {
                venue.exchange.set_funding_rate(&symbol, rate);
            }
            Fault::DelayMs(delay_ms) => venue.faults.delay_ms = delay_ms,
            Fault::InjectText { path_contains, text } => {
                for id in sockets {
                    let wanted = self.connections.get(&id).is_some_and(|connection| {
                        connection.is_websocket() && connection.path.contains(&path_contains)
                    });
                    if wanted {
                        self.deliver(index, ConnId(id), Outgoing::Ws(WsOut::Text(text.clone())));
                    }
                }
            }
            Fault::InjectRaw(bytes) => self.inject_raw(index, &sockets, &bytes),
        }
    }

    /// The WebSocket at this place among those whose path contains `part`.
    fn one_of(&self, sockets: &[u64], part: &str, place: usize) -> Option<u64> {
        let wanted = |id: &&u64| {
            let connection = self.connections.get(id);
            connection.is_some_and(|known| known.is_websocket() && known.path.contains(part))
        };
        sockets.iter().filter(wanted).nth(place).copied()
    }

    fn drop_all(&mut self, index: usize, sockets: Vec<u64>) {
        for id in sockets {
            self.drop_connection(id);
        }
        self.venues[index].delayed.clear();
        self.venues[index].slowed.clear();
    }

    fn cancel_all(&mut self, index: usize) {
        let venue = &mut self.venues[index];
        let now_ms = venue.now_ms(self.time);
        for account in 0..venue.exchange.accounts() {
            venue.exchange.cancel_all(AccountId(account), None, now_ms);
        }
        self.publish(index);
    }

    fn inject_raw(&mut self, index: usize, sockets: &[u64], bytes: &[u8]) {
        for &id in sockets {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let public =
                connection.is_websocket() && self.venues[index].is_public(&connection.path);
            if public && !connection.send_raw(bytes) {
                self.drop_connection(id);
            }
        }
    }
}
