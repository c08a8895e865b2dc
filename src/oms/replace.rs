//! Changing the terms of a working order.
//!
//! The new terms pass every limit of a new order:
//!
//! - the whole changed order: what may be traded, room in the journal, the venue's readiness, the
//!   instrument's status and rules, the book's state and age, `order_notional_max`,
//!   `price_collar_bps`, no trade with ourselves;
//! - one order more in the window: `orders_per_second_max`, the engine's and the strategy's;
//! - only what is added: reduce-only, `position_max`, `instrument_position_max`, the strategy's
//!   `budget` (by price too: a dearer buy of the same quantity binds more);
//! - nothing is added to `orders_open_max`, which the order counts for already.
//!
//! A change that keeps the price and adds no quantity passes by the rate, the venue's readiness and
//! the instrument's rules alone. While the replace is on its way the worse of old and new is
//! reserved, in quantity and in capital, and it stays so if its outcome is not known, until the
//! venue states terms: a replace is never sent twice.

#![forbid(unsafe_code)]

use super::orders::{Order, Slot, Terms};
use super::reconcile::LAG_NS;
use super::record::Recorder;
use super::risk::{RiskReject, Subject};
use super::transition::Trigger;
use super::{Books, Oms, Output};
use crate::types::{
    Amount, ClientOrderId, CommandKind, ExecutionReport, Nanos, NewOrder, OrderState, OrderType,
    Price, Qty, RejectReason, ReplaceOrder, ReportKind, ReportOrigin, StrategyId,
};

impl<R: Recorder, B: Books> Oms<R, B> {
    pub(super) fn on_replace(
        &mut self,
        strategy: StrategyId,
        id: ClientOrderId,
        terms: Terms,
        now: Nanos,
        out: &mut Output,
    ) {
        let slot = self.state.orders.by_client(id).filter(|slot| {
            let order = self.state.orders.get(*slot);
            order.strategy == strategy && !order.external
        });
        let outcome = match slot {
            Some(slot) => self.check_replace(slot, terms, now).map(|()| slot),
            None => Err(RiskReject::NoSuchOrder),
        };
        match outcome {
            Ok(slot) => self.send_replace(slot, terms, now, out),
            Err(code) => {
                let gone = code == RiskReject::NoSuchOrder;
                let reason = if gone { RejectReason::UnknownOrder } else { RejectReason::None };
                self.state.counters.refusals[code as usize] += 1;
                let kind = ReportKind::ReplaceRejected;
                self.tell_no_change(strategy, id, kind, (code, reason), out);
            }
        }
    }

    /// Only an order that is known to work, and of which no other change is on its way, can be
    /// changed; an Unknown one cannot.
    fn check_replace(&mut self, slot: Slot, terms: Terms, now: Nanos) -> Result<(), RiskReject> {
        let order = *self.state.orders.get(slot);
        if order.state.is_terminal() {
            return Err(RiskReject::NoSuchOrder);
        }
        let works = matches!(order.state, OrderState::Open | OrderState::PartiallyFilled);
        let changing = order.pending.is_some();
        if !works || changing || order.cancel_wanted || order.order_type != OrderType::Limit {
            return Err(RiskReject::NotReplaceable);
        }
        if terms.qty <= order.cumulative() || terms.price <= Price(0) {
            return Err(RiskReject::NotReplaceable);
        }
        if self.state.stopping {
            return Err(RiskReject::Halted);
        }
        let open = self.state.orders.open_count().saturating_sub(1);
        let open_own = self.open_own(order.strategy).saturating_sub(1);
        let counts = (open, open_own, self.state.pairs.waiting());
        self.state.risk.check_signal(order.strategy, 1, counts, now)?;
        self.check_terms(&order, terms, now)?;
        self.check_rate(order.venue, &CommandKind::Replace(target(&order, terms)), now)
    }

    fn check_terms(&mut self, order: &Order, terms: Terms, now: Nanos) -> Result<(), RiskReject> {
        let id = order.instrument;
        let quote = self.quote(id, now);
        let instrument = self.instruments.get(id).ok_or(RiskReject::UnknownInstrument)?;
        let wanted = NewOrder {
            client_id: order.client_id,
            instrument: id,
            side: order.side,
            order_type: OrderType::Limit,
            time_in_force: order.time_in_force,
            post_only: false,
            reduce_only: false,
            price: terms.price,
            qty: terms.qty,
        };
        if terms.price == order.price && terms.qty <= order.qty {
            // Nothing is added: the venue's own rules are all that can be broken.
            if !self.state.venues.is_ready(instrument.venue, now) {
                return Err(RiskReject::VenueNotReady);
            }
            return Ok(instrument.check(&wanted, terms.price)?);
        }
        // What the order has reserved already counts once.
        let reserved = -instrument.scale.base_amount(order.qty.min(terms.qty));
        let subject = Subject {
            earlier: reserved,
            earlier_instrument: reserved,
            own: self.own_exposure(order.strategy, id),
            ..self.subject(&wanted, &[], order.strategy, quote, now)?
        };
        debug_assert!(reserved <= Amount::ZERO);
        self.state.risk.check_leg(&subject, &self.state.exposures)?;
        let changed = Order { pending: Some(terms), ..*order };
        let then = changed.worst_value(instrument);
        let more = Amount(then.0.saturating_sub(order.reserved_value.0));
        self.check_more_margin(&wanted, -reserved)?;
        let added = instrument.scale.base_amount(terms.qty) + reserved;
        if self.only_takes_back(order.strategy, (instrument, order.side), added) {
            return Ok(());
        }
        self.check_budget(order.strategy, order.venue, more, now)
    }

    fn send_replace(&mut self, slot: Slot, terms: Terms, now: Nanos, out: &mut Output) {
        let order = self.state.orders.get_mut(slot);
        order.pending = Some(terms);
        order.touched_ns = now;
        let target = target(order, terms);
        let (venue, signal, strategy) = (order.venue, order.signal, order.strategy);
        self.state.counters.replaces_sent += 1;
        self.advance(slot, Trigger::ReplaceSent, now);
        self.reserve(slot);
        self.watch(slot);
        self.state.risk.on_sent(strategy, 1, now);
        self.send(venue, CommandKind::Replace(target), signal, Nanos(0), now, out);
    }

    /// What a report says of an order's terms. Whether the venue works more than was asked for.
    pub(super) fn learn_terms(&mut self, slot: Slot, report: &ExecutionReport, now: Nanos) -> bool {
        let order = self.state.orders.get_mut(slot);
        let refused = report.kind == ReportKind::ReplaceRejected;
        if refused && report.reason != RejectReason::UnknownOrder {
            // One that waited here too long says whose terms it had: others may be asked for by now.
            let others = report.origin == ReportOrigin::Local && report.qty > Qty::ZERO;
            let terms = Terms { price: report.price, qty: report.qty };
            order.pending = order.pending.filter(|pending| others && *pending != terms);
        }
        let stated = report.qty > Qty::ZERO && report.origin != ReportOrigin::Local;
        let filled = order.state == OrderState::Filled && !order.external;
        if !stated || (order.state.is_terminal() && !filled) {
            return false;
        }
        let terms = Terms { price: report.price, qty: report.qty };
        let row = matches!(report.kind, ReportKind::Accepted | ReportKind::Progress)
            && report.origin == ReportOrigin::Stream;
        match report.kind {
            // It was made larger before it was filled, or without us.
            _ if filled => {
                let works = report.kind == ReportKind::Status && !report.state.is_terminal();
                let larger = order.qty < terms.qty;
                let believed = larger && (works || row || report.kind == ReportKind::Replaced);
                order.qty = if believed { terms.qty } else { order.qty };
                believed
            }
            // Whoever placed it may change it.
            _ if order.external => {
                order.take(terms);
                false
            }
            ReportKind::Replaced => {
                order.take(terms);
                if order.pending.is_some_and(|pending| terms.is_at(pending)) {
                    order.pending = None;
                }
                false
            }
            ReportKind::Status if order.pending.is_some() => {
                // An answer that is older than the replace may still show the old terms.
                let at_pending = order.pending.is_some_and(|pending| terms.is_at(pending));
                if at_pending || order.touched_ns.plus(LAG_NS) <= now {
                    order.take(terms);
                    order.pending = None;
                }
                false
            }
            ReportKind::Status if order.qty < report.qty => {
                order.qty = report.qty;
                true
            }
            _ if row => self.learn_row(slot, terms),
            _ => false,
        }
    }

    /// What a row of the stream says of an order's terms while it works.
    fn learn_row(&mut self, slot: Slot, terms: Terms) -> bool {
        let order = self.state.orders.get_mut(slot);
        let known = Terms { price: order.price, qty: order.qty };
        match order.pending {
            Some(pending) if terms.is_at(pending) && !terms.is_at(known) => {
                order.take(terms);
                order.pending = None;
                false
            }
            None if order.qty < terms.qty => {
                order.qty = terms.qty;
                true
            }
            _ => false,
        }
    }
}

fn target(order: &Order, terms: Terms) -> ReplaceOrder {
    ReplaceOrder {
        client_id: order.client_id,
        venue_order_id: order.venue_order_id,
        instrument: order.instrument,
        price: terms.price,
        qty: terms.qty,
    }
}

/// What a sign of life means for an order whose terms it leaves open: `None` if it leaves none open.
pub(super) fn in_doubt(order: &Order, report: &ExecutionReport) -> Option<Trigger> {
    let alive = match report.kind {
        ReportKind::Accepted | ReportKind::Progress | ReportKind::Replaced => true,
        ReportKind::Status => !report.state.is_terminal() && report.state != OrderState::Unknown,
        _ => false,
    };
    if !alive || report.origin == ReportOrigin::Local {
        return None;
    }
    let larger = report.qty > order.cumulative() && report.qty == order.qty;
    if order.state == OrderState::Filled && larger {
        // There is more of it than was filled.
        return Some(Trigger::Listed);
    }
    // It may be older than the replace that is not answered for: a proof of what was.
    let unanswered = order.pending.is_some() && report.kind != ReportKind::Replaced;
    let stated = report.qty > Qty::ZERO || order.cumulative() >= order.qty;
    (unanswered && stated && !order.is_full()).then_some(Trigger::PastFill)
}
