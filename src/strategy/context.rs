//! What a strategy sees of the engine and what it can do.

use super::klines::KlineDesk;
use super::{EmitError, SignalBuilder};
use crate::clock::Clock;
use crate::shm::{
    Best, ChangeReader, Depth, MarketView, Status, StrategyEnd, TradeReader, VenueHealth,
};
use crate::types::{
    Amount, BookStamps, ClientOrderId, Detail, Instrument, InstrumentId, InstrumentRules,
    InstrumentTable, Nanos, Params, Perpetual, Price, Qty, Request, Rounding, Scale, Signal,
    SignalId, StrategyId, StrategyReport, Trade, VenueId,
};
use rust_decimal::Decimal;
use std::sync::Arc;

/// An instrument as strategies handle it: its number and what is needed to price an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentRef {
    /// Its number.
    pub id: InstrumentId,
    /// Decimals of its prices and quantities.
    pub scale: Scale,
    /// Smallest price step; see [`InstrumentRef::tick_at`].
    pub tick_size: Price,
    /// Most significant figures of a price that is not whole; 0: any.
    pub figures_max: u8,
    /// Smallest quantity step.
    pub lot_size: Qty,
    /// Smallest quantity.
    pub qty_min: Qty,
    /// Smallest value in quote units.
    pub notional_min: Amount,
}

impl InstrumentRef {
    fn of(instrument: &Instrument) -> Self {
        Self {
            id: instrument.id,
            scale: instrument.scale,
            tick_size: instrument.rules.tick_size,
            figures_max: instrument.rules.figures_max,
            lot_size: instrument.rules.lot_size,
            qty_min: instrument.rules.qty_min,
            notional_min: instrument.rules.notional_min,
        }
    }

    /// A decimal as a quantity of this instrument; `None` if it is not exact.
    #[must_use]
    pub fn qty(&self, value: Decimal) -> Option<Qty> {
        self.scale.qty(value).ok()
    }

    /// A decimal as a price of this instrument; `None` if it is not exact.
    #[must_use]
    pub fn price(&self, value: Decimal) -> Option<Price> {
        self.scale.price(value).ok()
    }

    /// The price step at a price: coarser than the tick size where the venue limits the figures.
    #[must_use]
    pub fn tick_at(&self, price: Price) -> Price {
        let Self { tick_size, figures_max, .. } = *self;
        let rules = InstrumentRules { tick_size, figures_max, ..InstrumentRules::default() };
        rules.tick_at(price, self.scale)
    }

    /// The quantity cut down to whole lots.
    #[must_use]
    pub fn round_down(&self, qty: Qty) -> Qty {
        qty.round_to(self.lot_size, Rounding::Down)
    }

    /// The whole lots in what is held: zero if that is less than one, or short.
    #[must_use]
    pub fn whole_lots(&self, held: Amount) -> Qty {
        let unit = self.scale.base_amount(Qty(1)).0.max(1);
        self.round_down(Qty(i64::try_from(held.0.max(0) / unit).unwrap_or(i64::MAX)))
    }

    /// Whether an order of this size and price reaches the venue's minimums.
    #[must_use]
    pub fn is_tradable(&self, price: Price, qty: Qty) -> bool {
        let notional = self.scale.notional(price, qty);
        qty >= self.qty_min && qty > Qty::ZERO && notional.is_some_and(|n| n >= self.notional_min)
    }
}

/// So many instruments are looked at in every round. If there are more, only those that the logs of
/// their venues name: a round then costs as much as has changed.
const LOOKED_AT_MAX: usize = 8;

struct Watched {
    id: InstrumentId,
    version: u64,
    trades: Option<TradeReader>,
}

/// Where on the watch list something may be new.
#[derive(Default)]
struct News {
    /// Logs of the venues whose instruments are watched.
    logs: Vec<ChangeReader>,
    venues: Vec<VenueId>,
    /// Places by instrument, plus one; 0: not watched.
    places: Vec<u16>,
    /// All places from here on are to be looked at.
    unseen: usize,
    /// Changes that this round still takes: what comes in the meantime waits for the next.
    left: usize,
}

impl News {
    /// An instrument gets a place. It is looked at once, whether or not it changes.
    fn watch(&mut self, instrument: InstrumentId, place: usize, view: &MarketView) {
        let table = view.instruments();
        self.places.resize(table.len(), 0);
        if let Some(slot) = self.places.get_mut(instrument.index()) {
            *slot = place as u16 + 1;
        }
        let venue = table.get(instrument).map(|instrument| instrument.venue);
        if let Some(venue) = venue.filter(|venue| !self.venues.contains(venue)) {
            self.venues.push(venue);
            self.logs.extend(view.changes(venue));
        }
    }

    /// The place of the next change of something that is watched.
    fn next(&mut self) -> Option<usize> {
        for log in &mut self.logs {
            while self.left > 0 {
                match log.next() {
                    Ok(Some(instrument)) => {
                        self.left -= 1;
                        match self.places.get(usize::from(instrument)) {
                            Some(0) | None => {}
                            Some(place) => return Some(usize::from(*place) - 1),
                        }
                    }
                    Ok(None) => break,
                    Err(_) => {
                        // Any may have changed; the log goes on with the next round.
                        (self.unseen, self.left) = (1, 0);
                        return Some(0);
                    }
                }
            }
        }
        None
    }
}

/// Stamps of the newest book that was read since the last signal.
#[derive(Clone, Copy, Default)]
struct Tick {
    recv_ns: Nanos,
    book: BookStamps,
    seen_ns: Nanos,
}

/// What a context is made of.
pub struct ContextParts {
    /// The region.
    pub view: MarketView,
    /// The strategy's own file.
    pub end: StrategyEnd,
    /// All instruments.
    pub instruments: Arc<InstrumentTable>,
    /// Time.
    pub clock: Clock,
    /// Who this is.
    pub strategy: StrategyId,
}

/// See the module.
pub struct Context {
    pub(super) parts: ContextParts,
    watched: Vec<Watched>,
    news: News,
    depth: Depth,
    status: Status,
    tick: Tick,
    signals: u64,
    /// Every step is stamped.
    stamped: bool,
    trades_missed: u64,
    timer_ns: u64,
    timer_at: Nanos,
    pub(super) params: Params,
    /// What only strategies with klines have.
    pub(super) klines: Option<Box<KlineDesk>>,
    pub(super) klines_at: Nanos,
    /// When [`Context::is_due`] is next.
    wake_at: Nanos,
}

impl Context {
    /// A context that watches nothing yet.
    #[must_use]
    pub fn new(mut parts: ContextParts) -> Self {
        let params = parts.end.params.changed().unwrap_or_default();
        // Numbers of signals go on behind those of the processes before.
        let signals = u64::from(parts.end.run()) << 32;
        let stamped = parts.view.measuring().detail == Detail::All;
        Self {
            parts,
            stamped,
            watched: Vec::with_capacity(64),
            news: News::default(),
            depth: Depth::default(),
            status: Status::new(),
            tick: Tick::default(),
            signals,
            trades_missed: 0,
            timer_ns: 100_000_000,
            timer_at: Nanos(0),
            params,
            klines: None,
            klines_at: Nanos(u64::MAX),
            wake_at: Nanos(0),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.parts.clock.now()
    }

    /// Who this is.
    #[must_use]
    pub fn strategy(&self) -> StrategyId {
        self.parts.strategy
    }

    /// An instrument by our name of it, `BTC/USDT@venue`. `None` if it is not configured.
    #[must_use]
    pub fn instrument(&self, name: &str) -> Option<InstrumentRef> {
        self.parts.instruments.by_name(name).map(InstrumentRef::of)
    }

    /// Everything known of an instrument.
    #[must_use]
    pub fn details(&self, id: InstrumentId) -> Option<&Instrument> {
        self.parts.instruments.get(id)
    }

    /// Watches an instrument from now on: [`super::Strategy::on_book`] and `on_trade` follow. If
    /// its book is not streamed yet, its feed is asked to; the first book comes as the venue sends
    /// it, normally well under a second.
    pub fn watch(&mut self, instrument: &InstrumentRef) -> Result<(), EmitError> {
        if self.watched.iter().any(|watched| watched.id == instrument.id) {
            return Ok(());
        }
        self.push(&Request::Watch(instrument.id))?;
        let trades = self.parts.view.trades(instrument.id);
        self.news.watch(instrument.id, self.watched.len(), &self.parts.view);
        self.watched.push(Watched { id: instrument.id, version: 0, trades });
        Ok(())
    }

    /// Best bid and ask, with state and age: ask [`Best::is_live`] before using the prices.
    #[inline]
    pub fn best(&mut self, instrument: &InstrumentRef) -> Best {
        let best = self.parts.view.best(instrument.id);
        self.saw(best.recv_ns, best.stamps);
        best
    }

    /// Mark price, index and funding of a perpetual. Each has an age of its own: ask
    /// [`Perpetual::mark_age`] and its like before using one.
    #[must_use]
    pub fn perpetual(&self, instrument: &InstrumentRef) -> Perpetual {
        self.parts.view.perpetual(instrument.id)
    }

    /// The best levels of both sides, with state and age.
    pub fn book(&mut self, instrument: &InstrumentRef) -> &Depth {
        self.parts.view.depth(instrument.id, &mut self.depth);
        let Depth { recv_ns, published_ns, .. } = self.depth;
        if recv_ns > self.tick.recv_ns {
            let book = BookStamps::new(Nanos(0), recv_ns, published_ns, published_ns);
            self.saw(recv_ns, book);
        }
        &self.depth
    }

    #[inline]
    fn saw(&mut self, recv_ns: Nanos, book: BookStamps) {
        if recv_ns > self.tick.recv_ns {
            let seen_ns = self.stamp();
            self.tick = Tick { recv_ns, book, seen_ns };
        }
    }

    /// The time, if every step is stamped.
    #[inline]
    fn stamp(&self) -> Nanos {
        if self.stamped { self.parts.clock.now() } else { Nanos(0) }
    }

    /// Position of the engine in an instrument, base units with fees taken in base counted; as of
    /// some tens of milliseconds ago.
    #[must_use]
    pub fn position(&self, instrument: &InstrumentRef) -> Amount {
        self.parts.view.position(instrument.id).map_or(Amount::ZERO, |row| row.qty)
    }

    /// State of an instrument's venue, as of some tens of milliseconds ago: connections, whether it
    /// gets new orders and why not ([`VenueHealth::why_not_ready`]), how far each of its rate limits is used
    /// ([`crate::shm::ExecutorHealth::limits`], [`crate::shm::ExecutorHealth::fullest_limit`]) and
    /// until when it suspends us ([`crate::shm::ExecutorHealth::is_suspended`]). A signal that the
    /// venues have no room for is refused as a whole, and its reports say when it is worth trying
    /// again ([`StrategyReport::retry_ns`]).
    #[must_use]
    pub fn health(&self, instrument: &InstrumentRef) -> VenueHealth {
        let known = self.parts.instruments.get(instrument.id);
        known.map(|known| self.parts.view.health(known.venue)).unwrap_or_default()
    }

    /// Forgets which book was read: what follows was not caused by it.
    pub fn forget_tick(&mut self) {
        self.tick = Tick::default();
    }

    /// Starts a signal.
    pub fn signal(&mut self) -> SignalBuilder<'_> {
        SignalBuilder::new(self)
    }

    /// Asks for one order to be cancelled.
    pub fn cancel(&mut self, order: ClientOrderId) -> Result<(), EmitError> {
        self.push(&Request::Cancel(order))
    }

    /// Asks for one order to be changed, keeping its id: a new limit price, a new total quantity
    /// (what is filled included), or both. It may still fill at its old terms until a report of
    /// kind [`crate::types::ReportKind::Replaced`] tells of the new ones; one of kind
    /// `ReplaceRejected` says that the old ones stand. Some venues can only make it smaller.
    pub fn replace(
        &mut self,
        order: ClientOrderId,
        price: Price,
        qty: Qty,
    ) -> Result<(), EmitError> {
        self.push(&Request::Replace { id: order, price, qty })
    }

    /// Asks for all orders of this strategy to be cancelled.
    pub fn cancel_all(&mut self) -> Result<(), EmitError> {
        self.push(&Request::CancelAll)
    }

    /// The strategy's status: typed fields for the board and for whoever reads the region. Nobody
    /// sees them before [`Context::publish_status`].
    pub fn status(&mut self) -> &mut Status {
        &mut self.status
    }

    /// Publishes the status.
    pub fn publish_status(&mut self) {
        let now = self.now();
        self.parts.end.status.publish(&self.status, now);
    }

    /// Interval of [`super::Strategy::on_timer`].
    pub fn set_timer(&mut self, interval_ns: u64) {
        self.timer_ns = interval_ns.max(1);
    }

    /// The next report, for strategies that own their loop.
    pub fn next_report(&mut self) -> Option<StrategyReport> {
        self.parts.end.reports.pop()
    }

    /// How many instruments are watched.
    #[must_use]
    pub fn watched_len(&self) -> usize {
        self.watched.len()
    }

    /// Begins a round of [`Context::next_place`].
    #[inline]
    pub fn begin_round(&mut self) {
        if self.watched.len() <= LOOKED_AT_MAX {
            self.news.unseen = 0;
        } else {
            self.news.left = self.watched.len();
            // No venue is always the last one.
            self.news.logs.rotate_left(1);
        }
    }

    /// The next place of the watch list where something may be new: ask [`Context::take_change`] and
    /// [`Context::next_trade`] for it. `None` ends the round.
    #[inline]
    pub fn next_place(&mut self) -> Option<usize> {
        let watched = self.watched.len();
        if self.news.unseen < watched {
            self.news.unseen += 1;
            return Some(self.news.unseen - 1);
        }
        if watched <= LOOKED_AT_MAX { None } else { self.news.next() }
    }

    /// The instrument at this place of the watch list, if its book changed since the last call.
    #[inline]
    pub fn take_change(&mut self, at: usize) -> Option<InstrumentId> {
        let watched = self.watched.get_mut(at)?;
        let version = self.parts.view.version(watched.id);
        if version == watched.version {
            return None;
        }
        watched.version = version;
        Some(watched.id)
    }

    /// The next public print of the instrument at this place of the watch list. Prints that were
    /// overwritten before they were read are skipped.
    pub fn next_trade(&mut self, at: usize) -> Option<Trade> {
        let reader = self.watched.get_mut(at)?.trades.as_mut()?;
        loop {
            match reader.next() {
                Ok(print) => return print.map(|print| print.trade),
                Err(lapped) => self.trades_missed += lapped.0,
            }
        }
    }

    /// How many prints were overwritten before this strategy read them.
    #[must_use]
    pub fn trades_missed(&self) -> u64 {
        self.trades_missed
    }

    /// Says that the strategy lives; the loop does so.
    pub fn beat(&mut self) {
        self.parts.end.beat(self.parts.clock.now());
    }

    /// Whether something is due that hangs on the time: the timer, or klines.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.now() >= self.wake_at
    }

    /// What was due is done.
    pub(super) fn sleep(&mut self) {
        self.wake_at = self.timer_at.min(self.klines_at);
    }

    /// Whether the timer is due; starts it anew if so.
    pub fn timer_due(&mut self) -> bool {
        let now = self.now();
        if now < self.timer_at {
            return false;
        }
        self.timer_at = now.plus(self.timer_ns);
        true
    }

    pub(super) fn push_signal(&mut self, mut signal: Signal) -> Result<SignalId, EmitError> {
        signal.id = SignalId(self.signals + 1);
        signal.strategy = self.parts.strategy;
        signal.tick_ns = self.tick.recv_ns;
        signal.book = self.tick.book;
        signal.seen_ns = self.tick.seen_ns;
        signal.emitted_ns = self.stamp();
        signal.published_ns = signal.book.published_ns(signal.tick_ns);
        self.push(&Request::Signal(signal))?;
        self.signals += 1;
        Ok(signal.id)
    }

    fn push(&mut self, request: &Request) -> Result<(), EmitError> {
        self.parts.end.requests.push(request).map_err(|_| EmitError::Full)
    }
}
