//! Whether the engine lives, and whether it trades: for whoever restarts it or sends traffic.

#![forbid(unsafe_code)]

use super::Names;
use crate::shm::MarketView;
use crate::types::{Nanos, Readiness, TradingState, VenueId};

/// An order manager that has been silent for longer does not live.
const SILENCE_MAX_NS: u64 = 5_000_000_000;

/// The process and its order manager live; else why not.
pub fn alive(view: &MarketView, now: Nanos) -> Result<(), String> {
    if view.has_ended() {
        return Err("the engine has ended".to_owned());
    }
    let silent = view.silence_ns(now);
    if silent > SILENCE_MAX_NS {
        let seconds = silent as f64 / 1e9;
        return Err(format!("the order manager has been silent for {seconds:.1} s"));
    }
    Ok(())
}

/// It trades everywhere; else everything that is against it.
pub fn ready(view: &MarketView, names: &Names, now: Nanos) -> Result<(), Vec<String>> {
    let mut reasons: Vec<String> = alive(view, now).err().into_iter().collect();
    for row in &names.venues {
        let (name, health) = (row.name, view.health(row.venue));
        match health.feed.state {
            Readiness::Ready => {}
            Readiness::Joining => reasons.push(format!("{name}: market data is being joined")),
            Readiness::Down => reasons.push(format!("{name}: no market data")),
        }
        let (live, books) = books(view, names, row.venue);
        if health.feed.state == Readiness::Ready && live < books {
            reasons.push(format!("{name}: {live} of {books} books are live"));
        }
        if !health.executor.ready {
            reasons.push(format!("{name}: takes no new orders"));
        }
        if health.executor.is_suspended(now) {
            let seconds = health.executor.suspended_until_ns.since(now) as f64 / 1e9;
            reasons.push(format!("{name}: refuses requests for {seconds:.1} s yet"));
        }
    }
    let counters = view.counters();
    if counters.trading_state != TradingState::Active {
        reasons.push(format!("trading is {}", counters.trading_state));
    }
    if let Some(switch) = counters.loss_switch {
        reasons.push(format!("the {switch} switch was thrown"));
    }
    if counters.venues_halted > 0 {
        reasons.push(format!("{} venues wait for a person's decision", counters.venues_halted));
    }
    for (name, end) in names.strategies.iter().zip(counters.ended) {
        if let Some(end) = end {
            reasons.push(format!("strategy {name} has ended ({end}) and is not started again"));
        }
    }
    if counters.journal_lost > 0 {
        let lost = counters.journal_lost;
        reasons.push(format!("the journal takes nothing any more: {lost} records are lost"));
    } else if counters.journal_short > 0 {
        reasons.push("the journal has room for cancels and reports only".to_owned());
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// Books of a venue that are live, of those that should be.
fn books(view: &MarketView, names: &Names, venue: VenueId) -> (usize, usize) {
    let (mut live, mut books) = (0, 0);
    for instrument in view.instruments().of_venue(venue) {
        let best = view.best(instrument.id);
        if names.wants(&instrument.name, best.state) {
            books += 1;
            live += usize::from(best.is_live());
        }
    }
    (live, books)
}
