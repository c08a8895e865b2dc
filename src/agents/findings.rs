//! What the order manager found out, in words: differences of a reconciliation, statements that
//! contradict themselves, venues that do not answer, what strategies have left, and what a person has
//! to decide.

use super::log::Log;
use super::threads::Lifecycle;
use crate::oms::{Finding, Kept, Orphaned, Quarantined};
use crate::show::{Naming, words};
use crate::types::{InstrumentTable, Nanos, VenueId};
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
            let text = words::difference(difference, &Naming { table, strategies: &[] });
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
