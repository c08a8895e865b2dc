//! What strategies ask for: signals become orders, or are refused as a whole; cancels.

#![forbid(unsafe_code)]

use super::orders::{Order, Slot, Terms};
use super::record::{Record, Recorder};
use super::risk::{BookQuote, RiskReject, Subject};
use super::transition::Trigger;
use super::{Books, Exposure, Oms, Output};
use crate::types::{
    Amount, CancelOrder, ClientOrderId, Command, CommandKind, InstrumentId, InstrumentStatus,
    LEGS_MAX, Leg, LegMode, LegPricing, Nanos, NewOrder, OrderState, OrderType, Price, Priority,
    Qty, RejectReason, ReportKind, Request, Side, Signal, SignalId, StrategyId, StrategyReport,
    TimeInForce,
};

impl<R: Recorder, B: Books> Oms<R, B> {
    /// A strategy asks for something.
    pub fn on_request(
        &mut self,
        strategy: StrategyId,
        request: &Request,
        now: Nanos,
        out: &mut Output,
    ) {
        if self.refuse_unrecorded(strategy, request, out) {
            return;
        }
        self.recorder.request(now, strategy, request);
        self.carry_out(strategy, request, now, out);
    }

    /// What a request that is on record does.
    pub(super) fn carry_out(
        &mut self,
        strategy: StrategyId,
        request: &Request,
        now: Nanos,
        out: &mut Output,
    ) {
        match request {
            Request::Signal(signal) => self.on_signal(strategy, signal, now, out),
            Request::Cancel(id) => self.on_cancel(strategy, *id, now, out),
            Request::CancelAll => self.cancel_all_of(strategy, now, out),
            Request::Watch(_) => {}
            Request::Replace { id, price, qty } => {
                let terms = Terms { price: *price, qty: *qty };
                self.on_replace(strategy, *id, terms, now, out);
            }
        }
    }

    fn cancel_all_of(&mut self, strategy: StrategyId, now: Nanos, out: &mut Output) {
        self.cancel_where(|order| order.strategy == strategy && !order.external, now, out);
    }

    fn on_signal(&mut self, strategy: StrategyId, signal: &Signal, now: Nanos, out: &mut Output) {
        self.state.counters.signals += 1;
        let mut orders = [from_leg(ClientOrderId::NONE, &Leg::default()); LEGS_MAX];
        let legs = signal.legs();
        match self.check(strategy, signal, now, &mut orders) {
            Ok(()) => self.dispatch(signal, &orders[..legs.len()], Priority::New, now, out),
            Err((leg, code)) => self.refuse(strategy, signal, leg, code, now, out),
        }
    }

    /// Turns the legs into orders and checks all of them; the first failure refuses the signal.
    fn check(
        &mut self,
        strategy: StrategyId,
        signal: &Signal,
        now: Nanos,
        orders: &mut [NewOrder; LEGS_MAX],
    ) -> Result<(), (Option<u8>, RiskReject)> {
        let legs = signal.legs();
        let malformed = legs.is_empty()
            || usize::from(signal.legs_len) > LEGS_MAX
            || signal.strategy != strategy
            || signal.id == SignalId(0);
        if malformed {
            return Err((None, RiskReject::BadSignal));
        }
        self.check_contract(signal).map_err(|code| (None, code))?;
        let (open, open_own) = (self.state.orders.open_count(), self.open_own(strategy));
        if self.state.stopping {
            return Err((None, RiskReject::Halted));
        }
        // A hedge of each pair that is not done must find room when its time comes.
        let counts = (open + self.pairs_open(), open_own, self.state.pairs.waiting());
        let checked = self.state.risk.check_signal(strategy, legs.len(), counts, now);
        checked.map_err(|code| (None, code))?;
        if !self.state.orders.has_room(legs.len()) {
            return Err((None, RiskReject::TableFull));
        }
        for (index, leg) in legs.iter().enumerate() {
            let sequence = self.state.sequence.saturating_add(index as u32);
            let id = ClientOrderId::mint(self.state.instance_start, strategy, sequence)
                .ok_or((None, RiskReject::IdsExhausted))?;
            orders[index] = from_leg(id, leg);
            self.check_leg(&orders[..=index], strategy, now)
                .map_err(|code| (Some(index as u8), code))?;
        }
        self.check_rates(&orders[..legs.len()], Priority::New, now)
            .map_err(|(leg, code)| (Some(leg as u8), code))?;
        self.check_budgets(strategy, &orders[..legs.len()], now)
    }

    /// Orders of a strategy that have not ended, where they are limited.
    pub(super) fn open_own(&self, strategy: StrategyId) -> usize {
        let limits = self.state.risk.limits.of(strategy);
        if limits.is_none_or(|limits| limits.open_orders_max.is_none()) {
            return 0;
        }
        self.state.orders.iter_open().filter(|order| order.strategy == strategy).count()
    }

    /// Checks the last of `orders` with the others working before it.
    fn check_leg(
        &mut self,
        orders: &[NewOrder],
        strategy: StrategyId,
        now: Nanos,
    ) -> Result<(), RiskReject> {
        let Some((order, earlier)) = orders.split_last() else {
            return Err(RiskReject::BadSignal);
        };
        let id = order.instrument;
        let quote = self.quote(id, now);
        self.state.capital.note_ask(order, quote.ask.price);
        let subject = self.subject(order, earlier, strategy, quote, now)?;
        let instrument = subject.instrument;
        let (mut same_base, mut same_instrument) = (Amount::ZERO, Amount::ZERO);
        for other in earlier.iter().filter(|other| other.side == order.side) {
            let base = self.instruments.get(other.instrument).map(|instrument| instrument.base);
            let qty = instrument.scale.base_amount(other.qty);
            if base == Some(instrument.base) {
                same_base += qty;
            }
            if other.instrument == id {
                same_instrument += qty;
            }
        }
        let subject = Subject {
            earlier: same_base,
            earlier_instrument: same_instrument,
            own: self.own_exposure(strategy, id),
            ..subject
        };
        self.state.risk.check_leg(&subject, &self.state.exposures)?;
        self.check_margin(orders)
    }

    /// What the checks look at of an order that is not sent yet, by itself; `earlier` are those that
    /// will be sent before it.
    pub(super) fn subject<'a>(
        &'a self,
        order: &'a NewOrder,
        earlier: &[NewOrder],
        strategy: StrategyId,
        quote: BookQuote,
        now: Nanos,
    ) -> Result<Subject<'a>, RiskReject> {
        let id = order.instrument;
        let instrument = self.instruments.get(id).ok_or(RiskReject::UnknownInstrument)?;
        let status = self.state.statuses.get(id.index()).copied();
        Ok(Subject {
            order,
            instrument,
            status: status.unwrap_or(InstrumentStatus::Halted),
            quote,
            earlier: Amount::ZERO,
            earlier_instrument: Amount::ZERO,
            strategy,
            own: Exposure::default(),
            closing: false,
            crosses_own: self.crosses_own(order, earlier),
            venue_ready: self.state.venues.is_ready(instrument.venue, now),
            now,
        })
    }

    /// Turns one leg into an order and checks it as if it were a signal by itself. What went before
    /// it has filled: it has the place of a hedge in the venue's limits.
    pub(super) fn check_alone(
        &mut self,
        strategy: StrategyId,
        leg: &Leg,
        now: Nanos,
    ) -> Result<NewOrder, RiskReject> {
        if self.state.stopping {
            return Err(RiskReject::Halted);
        }
        let (open, open_own) = (self.state.orders.open_count(), self.open_own(strategy));
        self.state.risk.check_signal(strategy, 1, (open, open_own, 0), now)?;
        if !self.state.orders.has_room(1) {
            return Err(RiskReject::TableFull);
        }
        let id = ClientOrderId::mint(self.state.instance_start, strategy, self.state.sequence)
            .ok_or(RiskReject::IdsExhausted)?;
        let order = from_leg(id, leg);
        self.check_leg(&[order], strategy, now)?;
        self.check_rates(&[order], Priority::Hedge, now).map_err(|(_, code)| code)?;
        self.check_budgets(strategy, &[order], now).map_err(|(_, code)| code)?;
        Ok(order)
    }

    /// The checks of an order that takes a position back: all but what may be traded.
    pub(super) fn check_closing(
        &mut self,
        order: &NewOrder,
        strategy: StrategyId,
        quote: BookQuote,
        now: Nanos,
    ) -> Result<(), RiskReject> {
        let open = self.state.orders.open_count();
        self.state.risk.check_room(1, open, now)?;
        if !self.state.orders.has_room(1) {
            return Err(RiskReject::TableFull);
        }
        let subject = self.subject(order, &[], strategy, quote, now)?;
        let subject = Subject { closing: true, ..subject };
        self.state.risk.check_leg(&subject, &self.state.exposures)?;
        self.check_rates(&[*order], Priority::Hedge, now).map_err(|(_, code)| code)
    }

    /// The same, looked for only while a strategy may only reduce: for all others nobody asks.
    pub(super) fn own_exposure(&self, strategy: StrategyId, instrument: InstrumentId) -> Exposure {
        match self.state.risk.is_reducing(strategy) {
            true => self.exposure_of(strategy, instrument),
            false => Exposure::default(),
        }
    }

    /// What a strategy's own fills and working orders make of an instrument. Every order of the
    /// table is looked at.
    pub(super) fn exposure_of(&self, strategy: StrategyId, instrument: InstrumentId) -> Exposure {
        let position = self.state.shares.get(instrument, strategy);
        let mut own = Exposure { position, ..Exposure::default() };
        let scale = self.instruments.get(instrument).map(|row| row.scale).unwrap_or_default();
        for order in self.state.orders.iter() {
            if order.strategy == strategy && order.instrument == instrument {
                let working = scale.base_amount(order.worst_case());
                match order.side {
                    Side::Buy => own.buying += working,
                    Side::Sell => own.selling += working,
                }
            }
        }
        own
    }

    /// All legs have passed: hand over every one of them, or the first where the others follow it.
    pub(super) fn dispatch(
        &mut self,
        signal: &Signal,
        orders: &[NewOrder],
        priority: Priority,
        now: Nanos,
        out: &mut Output,
    ) {
        let pair = self.open_pair(signal, orders, now);
        let first_alone = pair > 0 && signal.contract.mode == LegMode::Sequential;
        let orders = if first_alone { &orders[..orders.len().min(1)] } else { orders };
        for (leg, order) in orders.iter().enumerate() {
            let place = Place {
                signal: signal.id,
                leg: leg as u8,
                pair,
                tick_ns: signal.tick_ns,
                priority,
            };
            self.place(order, &place, now, out);
        }
        self.state.risk.on_sent(signal.strategy, orders.len(), now);
    }

    /// Records, reserves and hands over an order that was checked. False if there is no room.
    pub(super) fn place(
        &mut self,
        order: &NewOrder,
        place: &Place,
        now: Nanos,
        out: &mut Output,
    ) -> bool {
        let Some(instrument) = self.instruments.get(order.instrument) else { return false };
        let venue = instrument.venue;
        let Place { signal, leg, pair, tick_ns, priority } = *place;
        let worth = self.state.capital.price_of(order);
        let entry = Order { pair, worth, ..Order::new(order, venue, signal, leg, now) };
        let Some(slot) = self.state.orders.insert(entry) else { return false };
        self.state.sequence += 1;
        self.state.counters.orders_sent += 1;
        if let Some(at) = self.state.counters.orders_at.get_mut(usize::from(venue.0)) {
            at.sent += 1;
        }
        self.recorder.record(now, &Record::Intent { order: *order, signal, leg });
        self.reserve(slot);
        self.state.orders.get_mut(slot).timers.reply = now.plus(self.options.reply_timeout_ns);
        self.watch(slot);
        let kind = CommandKind::New(*order);
        let leave_by_ns = self.state.risk.limits.leave_by(now);
        let command = Command { priority, signal, tick_ns, leave_by_ns, ..Command::new(kind, now) };
        self.hand_over(venue, &command, now, out);
        true
    }

    fn refuse(
        &mut self,
        strategy: StrategyId,
        signal: &Signal,
        failed: Option<u8>,
        code: RiskReject,
        now: Nanos,
        out: &mut Output,
    ) {
        self.state.counters.signals_refused += 1;
        self.state.counters.refusals[code as usize] += 1;
        let refusal = Record::Refusal { strategy, signal: signal.id, leg: failed, code };
        self.recorder.record(now, &refusal);
        self.tell_refusal(strategy, signal, (failed, code), now, out);
    }

    /// Tells a strategy of every leg why none was sent.
    pub(super) fn tell_refusal(
        &self,
        strategy: StrategyId,
        signal: &Signal,
        (failed, code): (Option<u8>, RiskReject),
        now: Nanos,
        out: &mut Output,
    ) {
        let blamed = signal.legs().get(usize::from(failed.unwrap_or(0)));
        let venue = blamed.and_then(|leg| self.instruments.get(leg.instrument));
        let retry_ns = self.retry_ns(code, venue.map(|row| row.venue), now);
        for leg in 0..signal.legs().len().max(1) as u8 {
            let blamed = failed.is_none_or(|failed| failed == leg);
            let code = if blamed { code } else { RiskReject::OtherLeg };
            let report = refusal_report(ReportKind::Rejected, code);
            let asked = signal.legs.get(usize::from(leg)).copied().unwrap_or_default();
            let (instrument, side) = (asked.instrument, asked.side);
            let signal = signal.id;
            let report = StrategyReport { signal, leg, instrument, side, retry_ns, ..report };
            out.reports.push((strategy, report));
        }
    }

    fn on_cancel(&mut self, strategy: StrategyId, id: ClientOrderId, now: Nanos, out: &mut Output) {
        if let Some(slot) = self.live_order_of(strategy, id) {
            self.cancel(slot, now, out);
            return;
        }
        self.state.counters.refusals[RiskReject::NoSuchOrder as usize] += 1;
        self.tell_no_cancel(strategy, id, out);
    }

    /// A strategy's order that has not ended.
    pub(super) fn live_order_of(&self, strategy: StrategyId, id: ClientOrderId) -> Option<Slot> {
        self.state.orders.by_client(id).filter(|slot| {
            let order = self.state.orders.get(*slot);
            order.strategy == strategy && !order.state.is_terminal()
        })
    }

    /// Tells a strategy that there is nothing to cancel.
    pub(super) fn tell_no_cancel(&self, strategy: StrategyId, id: ClientOrderId, out: &mut Output) {
        let why = (RiskReject::NoSuchOrder, RejectReason::UnknownOrder);
        self.tell_no_change(strategy, id, ReportKind::CancelRejected, why, out);
    }

    /// Tells a strategy that a cancel or replace was not sent.
    pub(super) fn tell_no_change(
        &self,
        strategy: StrategyId,
        id: ClientOrderId,
        kind: ReportKind,
        (code, reason): (RiskReject, RejectReason),
        out: &mut Output,
    ) {
        let mut report = refusal_report(kind, code);
        report.client_id = id;
        report.reason = reason;
        if code == RiskReject::VenueBusy {
            report.retry_ns = self.retry_ns(code, None, Nanos(0));
        }
        if let Some(order) = self.order(id).filter(|order| order.strategy == strategy) {
            report.state = order.state;
            report.signal = order.signal;
            report.leg = order.leg;
            report.instrument = order.instrument;
            report.side = order.side;
            report.cumulative_qty = order.cumulative();
        }
        out.reports.push((strategy, report));
    }

    pub(super) fn cancel_where(
        &mut self,
        wanted: impl Fn(&Order) -> bool,
        now: Nanos,
        out: &mut Output,
    ) {
        for slot in self.state.orders.slots() {
            let order = self.state.orders.get(slot);
            if !order.state.is_terminal() && wanted(order) {
                self.cancel(slot, now, out);
            }
        }
    }

    /// Sends a cancel for an order that is not terminal and sees to it that it ends. An order in
    /// state Unknown is cancelled too, and stays Unknown until something is proved.
    pub(super) fn cancel(&mut self, slot: Slot, now: Nanos, out: &mut Output) {
        let order = self.state.orders.get_mut(slot);
        let in_flight = order.state == OrderState::PendingCancel;
        order.cancel_wanted = true;
        if in_flight {
            return;
        }
        order.timers.cancels += 1;
        order.touched_ns = now;
        let target = CancelOrder {
            client_id: order.client_id,
            venue_order_id: order.venue_order_id,
            instrument: order.instrument,
        };
        let (venue, signal) = (order.venue, order.signal);
        self.state.counters.cancels_sent += 1;
        self.send(venue, CommandKind::Cancel(target), signal, Nanos(0), now, out);
        self.advance(slot, Trigger::CancelSent, now);
        self.watch(slot);
    }
}

/// What an order is placed for.
pub(super) struct Place {
    pub signal: SignalId,
    /// Leg of the signal, with the marks of hedges.
    pub leg: u8,
    /// Serial of the pair, 0 if none.
    pub pair: u64,
    pub tick_ns: Nanos,
    pub priority: Priority,
}

/// The order that a leg asks for.
pub(super) fn from_leg(client_id: ClientOrderId, leg: &Leg) -> NewOrder {
    let market = leg.pricing == LegPricing::Market;
    NewOrder {
        client_id,
        instrument: leg.instrument,
        side: leg.side,
        order_type: if market { OrderType::Market } else { OrderType::Limit },
        // Venues ignore it on market orders, whose rest expires anyway.
        time_in_force: if market { TimeInForce::Ioc } else { leg.time_in_force },
        post_only: leg.pricing == LegPricing::PostOnly,
        reduce_only: false,
        price: leg.price,
        qty: leg.qty,
    }
}

pub(super) fn refusal_report(kind: ReportKind, code: RiskReject) -> StrategyReport {
    StrategyReport {
        client_id: ClientOrderId::NONE,
        signal: SignalId(0),
        leg: 0,
        instrument: InstrumentId(0),
        side: Side::Buy,
        state: OrderState::Rejected,
        kind,
        reason: RejectReason::None,
        risk: code as u8,
        last_price: Price(0),
        last_qty: Qty::ZERO,
        cumulative_qty: Qty::ZERO,
        event_ns: Nanos(0),
        retry_ns: Nanos(0),
    }
}
