//! Whether the engine lives, and whether it trades: for whoever restarts it or sends traffic.

#![forbid(unsafe_code)]

use super::Names;
use crate::shm::{MarketView, SILENCE_MAX_NS, StrategyLook};
use crate::types::{Nanos, NotReady, Readiness, TradingState, VenueId};

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

/// It trades everywhere; else everything that is against it. `strategies` is what their files say, as
/// far as those can be read.
pub fn ready(
    view: &MarketView,
    names: &Names,
    strategies: &[Option<StrategyLook>],
    now: Nanos,
) -> Result<(), Vec<String>> {
    let alive = alive(view, now);
    let lives = alive.is_ok();
    let mut reasons: Vec<String> = alive.err().into_iter().collect();
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
        // That it is silent was said above.
        let known = |why: &NotReady| lives || *why != NotReady::Unmanaged;
        let why = health.why_not_ready(now).filter(known);
        reasons.extend(why.and_then(|why| closed(name, why, now)));
    }
    let counters = view.counters();
    if counters.trading_state != TradingState::Active {
        reasons.push(format!("trading is {}", counters.trading_state));
    }
    if let Some(switch) = counters.loss_switch {
        reasons.push(format!("the {switch} switch was thrown"));
    }
    for (at, (name, end)) in names.strategies.iter().zip(counters.ended).enumerate() {
        let look = strategies.get(at).and_then(Option::as_ref);
        match end {
            Some(end) => {
                reasons.push(format!("strategy {name} has ended ({end}) and is not started again"));
            }
            None => reasons.extend(look.and_then(|look| silent(name, look, names, now))),
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

/// Why a venue takes no new orders, in words; nothing where a person wants it so, and what holds
/// everywhere is said for all.
fn closed(name: &str, why: NotReady, now: Nanos) -> Option<String> {
    match why {
        why if why.is_wanted() => None,
        NotReady::Suspended(until) => {
            let seconds = until.since(now) as f64 / 1e9;
            Some(format!("{name}: refuses requests for {seconds:.1} s yet"))
        }
        why => Some(format!("{name}: takes no new orders: {why}")),
    }
}

/// That a strategy hangs, or has not begun. A thread that hangs in it says nothing for itself.
fn silent(name: &str, look: &StrategyLook, names: &Names, now: Nanos) -> Option<String> {
    if look.heartbeat == Nanos(0) {
        return Some(format!("strategy {name} has not begun"));
    }
    let silent = now.since(look.heartbeat);
    let seconds = silent as f64 / 1e9;
    let text = || format!("strategy {name} has been silent for {seconds:.1} s");
    (silent > names.strategy_silence_max_ns).then(text)
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
