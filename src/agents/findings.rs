//! What the order manager found out, in words: differences of a reconciliation, statements that
//! contradict themselves, venues that do not answer, what strategies have left, and what a person has
//! to decide.

use super::log::Log;
use super::threads::Lifecycle;
use crate::oms::{Difference, Finding, Kept, Orphaned, Quarantined};
use crate::types::{Amount, AssetId, InstrumentId, InstrumentTable, Nanos, VenueId};
use crate::venues::VENUES;

/// Says one finding.
#[cold]
pub(super) fn say(
    venue: VenueId,
    finding: &Finding,
    table: &InstrumentTable,
    lifecycle: &Lifecycle,
    log: &mut Log,
    now: Nanos,
) {
    let name = VENUES.get(usize::from(venue.0)).map_or("?", |row| row.name);
    match finding {
        Finding::Difference(difference) => {
            let text = describe(difference, table);
            log.warn(now, format_args!("{name}: {text}"));
        }
        Finding::Quarantined(quarantined) => {
            lifecycle.want_frame(quarantined.recv_ns);
            let Quarantined { flaw, order, venue_order_id, known, stated, .. } = quarantined;
            let id = venue_order_id.as_str();
            log.warn(
                now,
                format_args!(
                    "{name}: order {order} ({id}): {flaw}: known {known}, stated {stated}"
                ),
            );
        }
        Finding::NotAnswering { order, queries } => {
            let about = match order.is_some() {
                true => format!("about order {order}, which stays reserved"),
                false => "to the reconciliation, and gets no new orders before".to_owned(),
            };
            log.error(now, format_args!("{name} has not answered {queries} queries {about}"));
        }
        Finding::External { instrument, side, price, qty } => {
            let row = table.get(*instrument);
            let what = row.map_or("?", |row| row.name.as_str());
            let qty = row.map(|row| row.scale.qty_decimal(*qty)).unwrap_or_default();
            let price = row.map(|row| row.scale.price_decimal(*price)).unwrap_or_default();
            log.warn(
                now,
                format_args!(
                    "{name}: {what} {side} {qty} at {price} was of no order of ours: placed by hand, \
                     or the venue has liquidated"
                ),
            );
        }
        Finding::Halted(true) => log.error(
            now,
            format_args!(
                "{name} is halted: its balances differ and no fill explains it. A deposit, a \
                 withdrawal or trading in other instruments looks like this. Look at the account; \
                 if the venue is right: stoop reconcile --accept --venue {name}"
            ),
        ),
        Finding::Halted(false) => log.warn(now, format_args!("{name} is no longer halted")),
        Finding::Reconciled => log.info(now, format_args!("{name} is reconciled")),
    }
}

fn describe(difference: &Difference, table: &InstrumentTable) -> String {
    let named = |id: InstrumentId| table.get(id).map_or("?", |row| row.name.as_str());
    let qty = |id, qty| table.get(id).map(|row| row.scale.qty_decimal(qty)).unwrap_or_default();
    let price = |id, to| table.get(id).map(|row| row.scale.price_decimal(to)).unwrap_or_default();
    let off = |asset: &AssetId, amount: &Amount| {
        format!("{} {}", amount.to_decimal(), table.assets.name(*asset))
    };
    match difference {
        Difference::MissedFill { instrument: id, side, price: at, qty: of, external } => format!(
            "a fill that was not told of is booked: {} {side} {} at {}{}",
            named(*id),
            qty(*id, *of),
            price(*id, *at),
            if *external { ", of no order of ours" } else { "" }
        ),
        Difference::MissedEnd { order, state } => {
            format!("order {order} had ended unheard: {state:?}")
        }
        Difference::OrderGone { order, venue_order_id } => {
            format!("order {order} ({}) is not open any more", venue_order_id.as_str())
        }
        Difference::OrderAlive { order, venue_order_id } => {
            format!("order {order} ({}) had ended but is listed as open", venue_order_id.as_str())
        }
        Difference::UnknownOrder { instrument: id, venue_order_id, side, price: at, qty: of } => {
            let what = format!("{side} {} at {}", qty(*id, *of), price(*id, *at));
            let venue_id = venue_order_id.as_str();
            format!("an order that is not ours is adopted: {} {what} ({venue_id})", named(*id))
        }
        Difference::BalanceOff { asset, amount } => {
            format!("the balance is off by {}, unexplained", off(asset, amount))
        }
        Difference::BalanceDust { asset, amount } => {
            format!("rounding of {} is taken over", off(asset, amount))
        }
        Difference::BalanceAccepted { asset, amount } => {
            format!("a difference of {} was accepted", off(asset, amount))
        }
        Difference::FillsMissing { order, instrument: id, qty: of } => format!(
            "order {order}: {} {} are filled as the venue says, and its lists do not tell of them; \
             now the balances have to explain it",
            qty(*id, *of),
            named(*id)
        ),
        Difference::PositionOff { instrument: id, amount } => {
            format!("the position in {} is off by {}, unexplained", named(*id), amount.to_decimal())
        }
        Difference::PositionAccepted { instrument: id, amount } => format!(
            "{} {} that the venue holds for us are taken over",
            amount.to_decimal(),
            named(*id)
        ),
        Difference::ProfitMoved { instrument: id, amount } => format!(
            "the venue booked fills in {} in another order than we learnt of them: {} more is realised, \
             and in the cost of the position",
            named(*id),
            amount.to_decimal()
        ),
    }
}

/// Says what strategies have left that are not configured any more.
pub(super) fn tell_orphaned(kept: &Kept, names: &[String], now: Nanos, log: &mut Log) {
    for Orphaned { name, orders, held } in kept.orphaned(names) {
        let held: Vec<String> =
            held.iter().map(|(name, qty)| format!("{} {name}", qty.to_decimal())).collect();
        let held = if held.is_empty() { "nothing".to_owned() } else { held.join(", ") };
        let text = format_args!(
            "strategy {name} of the run before is not there any more: {orders} orders of it are \
             cancelled, and what it held is nobody's now: {held}"
        );
        log.warn(now, text);
    }
}
