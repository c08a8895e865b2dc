//! A market that is elsewhere: whoever watches it hands on what changes there, and the books here
//! follow. Orders of clients meet what stands there, wait behind it, and are filled by what trades there.
//!
//! A book that is no longer known to be right is taken away, and so are all of them, and the marks, once
//! nobody hands anything on: nothing is filled on old prices. Sees only as many levels as it is told of;
//! what comes into sight was there before and stands ahead of the orders of clients.

#![forbid(unsafe_code)]

use super::flow::Stage;
use super::hosted::Venue;
use super::{Exchange, Fate, MarketState, News, SimLevel, StatedRules};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError};

/// Something that changed in one instrument of the market that is followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirrored {
    /// Index of the venue among those of the simulator.
    pub venue: usize,
    /// Its symbol at the exchange.
    pub symbol: Arc<str>,
    /// What.
    pub change: MirrorChange,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum MirrorChange {
    /// Quantities of these prices, zero for none.
    Levels {
        /// What changed.
        moved: Vec<(Side, SimLevel)>,
        /// What came into sight.
        revealed: Vec<(Side, SimLevel)>,
    },
    /// Somebody took this from a level.
    Trade {
        /// Who took.
        taker: Side,
        /// Price and quantity.
        level: SimLevel,
    },
    /// The book is not to be relied on.
    Lost,
    /// Mark, index and funding of a perpetual.
    Market(MarketState),
    /// The venue has changed its rules.
    Rules(Box<StatedRules>),
}

/// The simulator's end of a market that is followed.
#[derive(Debug)]
pub struct MirrorPort {
    /// What changes there.
    pub changes: Receiver<Mirrored>,
    /// What has become of it here.
    pub news: SyncSender<News>,
}

impl Exchange {
    pub(super) fn tell(&mut self, symbol: String, fate: Fate) {
        // Of which venue, its host knows.
        self.news.push_back(News { venue: 0, symbol, fate });
    }

    /// Takes what is to be told, the oldest first.
    pub(super) fn next_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Gives back what nobody could be told of.
    pub(super) fn keep_news(&mut self, news: News) {
        self.news.push_front(news);
    }
}

/// Tells what a venue has to tell, or counts the payments that it has left out where nobody wants to know;
/// whoever is behind hears of it later.
pub(super) fn tell_news(index: usize, venue: &mut Venue, to: Option<&SyncSender<News>>) {
    while let Some(news) = venue.exchange.next_news() {
        let Some(to) = to else {
            venue.counters.unpaid += u64::from(matches!(news.fate, Fate::Unpaid { .. }));
            continue;
        };
        match to.try_send(News { venue: index, ..news }) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(news)) => return venue.exchange.keep_news(news),
        }
    }
}

/// By side and price what stands there.
type Shown = BTreeMap<(bool, Decimal), Decimal>;

/// The books as they follow.
pub(super) struct Mirror {
    changes: Receiver<Mirrored>,
    /// Read and not yet played.
    ahead: Option<Mirrored>,
    books: BTreeMap<(usize, Arc<str>), Shown>,
    /// What was stated last of perpetuals.
    markets: BTreeMap<(usize, Arc<str>), MarketState>,
    /// Nobody hands anything on any more.
    ended: bool,
}

impl Mirror {
    pub(super) fn new(changes: Receiver<Mirrored>) -> Self {
        let (books, markets) = (BTreeMap::new(), BTreeMap::new());
        Self { changes, ahead: None, books, markets, ended: false }
    }

    /// Whether something waits that was read already.
    pub(super) fn is_due(&self) -> bool {
        let is_left = !self.books.is_empty() || !self.markets.is_empty();
        self.ahead.is_some() || (self.ended && is_left)
    }

    /// Plays the next change; `false` if there is none.
    pub(super) fn play(&mut self, now: u64, stage: &mut Stage<'_, '_>) -> bool {
        self.look();
        if let Some(Mirrored { venue, symbol, change }) = self.ahead.take() {
            self.follow((venue, symbol), change, now, stage);
            return true;
        }
        let Some((lost, change)) = self.ended.then(|| self.next_lost()).flatten() else {
            return false;
        };
        self.follow(lost, change, now, stage);
        true
    }

    /// What is no longer known once nobody hands anything on.
    fn next_lost(&mut self) -> Option<((usize, Arc<str>), MirrorChange)> {
        if let Some((of, last)) = self.markets.pop_first() {
            let state = MarketState { mark: None, index: None, ..last };
            return Some((of, MirrorChange::Market(state)));
        }
        self.books.keys().next().map(|of| (of.clone(), MirrorChange::Lost))
    }

    /// Reads one ahead, so that it is known whether there is more.
    pub(super) fn look(&mut self) {
        if self.ahead.is_some() || self.ended {
            return;
        }
        match self.changes.try_recv() {
            Ok(change) => self.ahead = Some(change),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.ended = true,
        }
    }

    fn follow(
        &mut self,
        (venue, symbol): (usize, Arc<str>),
        change: MirrorChange,
        now: u64,
        stage: &mut Stage<'_, '_>,
    ) {
        match change {
            MirrorChange::Levels { moved, revealed } => {
                let shown = self.books.entry((venue, symbol.clone())).or_default();
                let was = |side, price| {
                    shown.get(&(side == Side::Buy, price)).copied().unwrap_or_default()
                };
                stage.follow_levels((venue, &symbol), &moved, was, now);
                stage.reveal_levels(venue, &symbol, &revealed, now);
                for &(side, (price, qty)) in moved.iter().chain(&revealed) {
                    let key = (side == Side::Buy, price);
                    if qty.is_zero() {
                        shown.remove(&key);
                    } else {
                        shown.insert(key, qty);
                    }
                }
            }
            MirrorChange::Trade { taker, level } => {
                // Without its book nothing is known of who stood before an order.
                let Some(shown) = self.books.get(&(venue, symbol.clone())) else { return };
                let resting = (taker == Side::Sell, level.0);
                let standing = shown.get(&resting).copied().unwrap_or_default();
                stage.print(
                    Exchange::followed_trade,
                    (venue, &symbol),
                    taker,
                    (level, standing),
                    now,
                );
            }
            MirrorChange::Lost => {
                let shown = self.books.remove(&(venue, symbol.clone())).unwrap_or_default();
                let side = |is_bid| if is_bid { Side::Buy } else { Side::Sell };
                let gone = shown.into_keys();
                let gone = gone.map(|(is_bid, price)| (side(is_bid), (price, Decimal::ZERO)));
                stage.set_levels(venue, &symbol, &gone.collect::<Vec<_>>(), now);
            }
            MirrorChange::Rules(stated) => stage.restate(venue, &symbol, &stated, now),
            MirrorChange::Market(state) => {
                stage.set_market(venue, &symbol, state, now);
                if !self.ended {
                    self.markets.insert((venue, symbol), state);
                }
            }
        }
    }
}
