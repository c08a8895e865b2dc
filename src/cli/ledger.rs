//! The engine's books against a simulated venue's own ledger, to the last digit.
//!
//! Only what both sides keep by themselves is compared; nothing here is ever corrected.

use crate::agents::FinalState;
use crate::sim::Ledger;
use crate::types::{Amount, InstrumentTable, VenueId};
use crate::venues::VENUES;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// See [`wallets`].
const SPOT_WALLET: &str = ":spot";

/// Where the engine's last state and the ledgers of its venues disagree on a balance, a fee, a
/// position, the number of fills or of open orders: one line each, none if they agree.
#[must_use]
pub fn differences(
    instruments: &InstrumentTable,
    last: &FinalState,
    ledgers: &[(VenueId, Ledger)],
) -> Vec<String> {
    let mut found = Vec::new();
    for (venue, ledger) in ledgers {
        compare(*venue, instruments, last, ledger, &mut found);
    }
    // The engine counts these over all venues.
    let open = last.counters.orders_open + last.counters.orders_external;
    let sum = |of: fn(&Ledger) -> u64| ledgers.iter().map(|(_, ledger)| of(ledger)).sum::<u64>();
    for (what, ours, theirs) in [
        ("fills", last.counters.fills, sum(|ledger| ledger.fills)),
        ("open orders", open, sum(|ledger| ledger.open_orders)),
    ] {
        if ours != theirs {
            found.push(format!("{what}: engine {ours}, venues {theirs}"));
        }
    }
    found
}

fn compare(
    venue: VenueId,
    instruments: &InstrumentTable,
    last: &FinalState,
    ledger: &Ledger,
    found: &mut Vec<String>,
) {
    let name = VENUES[usize::from(venue.0)].name;
    let mut check = |what: String, ours: String, theirs: String| {
        if ours != theirs {
            found.push(format!("{name}: {what}: engine {ours}, venue {theirs}"));
        }
    };
    for (asset, theirs) in wallets(venue, instruments, ledger) {
        let Some(id) = instruments.assets.find(asset) else { continue };
        let ours = last.balances.iter().find(|row| row.venue == venue && row.asset == id);
        let total = amount(theirs.total);
        let expected = ours.and_then(|row| row.expected);
        check(format!("{asset} by our fills"), shown(expected), total.clone());
        let stated = ours.and_then(|row| row.stated).map(|balance| balance.total());
        check(format!("{asset} as streamed"), shown(stated), total);
        let ours = ours.map_or(Amount::ZERO, |row| row.fees);
        check(format!("{asset} fees"), ours.to_string(), amount(theirs.fees));
    }
    for instrument in instruments.of_venue(venue) {
        let theirs = ledger.position(&instrument.symbol, instrument.is_perpetual());
        let ours = last.positions.iter().find(|row| row.instrument == instrument.id);
        let ours = ours.copied().unwrap_or_default();
        let symbol = &instrument.symbol;
        check(format!("{symbol} position"), ours.qty.to_string(), amount(theirs.qty));
        if instrument.is_perpetual() {
            // What the venue has paid, in its own rounding; the cost follows from it.
            let (realised, funding) = (amount(theirs.realised), amount(theirs.funding));
            check(format!("{symbol} realised"), ours.realised.to_string(), realised);
            check(format!("{symbol} funding"), ours.funding.to_string(), funding);
            continue;
        }
        check(format!("{symbol} cost"), ours.cost.0.to_string(), theirs.cost_e18.to_string());
        let realised = (ours.realised.0.to_string(), theirs.realised_e18.to_string());
        check(format!("{symbol} realised"), realised.0, realised.1);
    }
}

/// What the account holds and has paid of an asset.
#[derive(Default)]
struct Held {
    total: Decimal,
    fees: Decimal,
}

/// By asset, over the wallets of the account that are traded from: the engine knows one balance of an
/// asset at a venue. Where spot pairs have a wallet of their own it is named `ASSET:spot`, and the
/// other one is that of perpetuals.
fn wallets<'a>(
    venue: VenueId,
    instruments: &InstrumentTable,
    ledger: &'a Ledger,
) -> BTreeMap<&'a str, Held> {
    let trades = |perpetual| {
        instruments.of_venue(venue).any(|instrument| instrument.is_perpetual() == perpetual)
    };
    let used = |wallet: &'a str| match wallet.strip_suffix(SPOT_WALLET) {
        Some(asset) => trades(false).then_some(asset),
        None if ledger.balances.contains_key(&format!("{wallet}{SPOT_WALLET}")) => {
            trades(true).then_some(wallet)
        }
        None => Some(wallet),
    };
    let mut held = BTreeMap::<&str, Held>::new();
    for (wallet, (free, locked)) in &ledger.balances {
        if let Some(asset) = used(wallet) {
            held.entry(asset).or_default().total += *free + *locked;
        }
    }
    for (wallet, fees) in &ledger.fees {
        if let Some(asset) = used(wallet) {
            held.entry(asset).or_default().fees += *fees;
        }
    }
    held
}

fn shown(amount: Option<Amount>) -> String {
    amount.map_or_else(|| "unknown".to_owned(), |amount| amount.to_string())
}

fn amount(value: Decimal) -> String {
    Amount::from_decimal(value).map_or_else(|_| value.to_string(), |amount| amount.to_string())
}
