//! What a run is about to trade, said before it begins: with real money everything that is armed, so
//! that nobody finds out later what stood in the file. Names accounts, and never what opens them.

use super::log_file::LogFile;
use crate::agents::log::{Level, LogLine};
use crate::config::{Config, Mode, RunConfig, StrategyConfig, VenueConfig};
use crate::types::{Nanos, VenueId};
use crate::venues::VENUES;
use rust_decimal::Decimal;
use std::io::Write as _;

/// Says it on the terminal and in the log file, whatever shows the log later: nothing of it may be
/// held back or come too late. `own` are the strategies that the program brings.
pub(super) fn announce(config: &Config, own: &[&str], at: Nanos, mut file: Option<&mut LogFile>) {
    let level = if config.mode == Mode::Live { Level::Warn } else { Level::Info };
    for text in lines(config, own) {
        let _ = writeln!(std::io::stderr(), "{text}");
        let line = LogLine { at, level, source: "run".into(), text };
        if let Some(Err(error)) = file.as_mut().map(|file| file.write(&line)) {
            tracing::error!("{error}");
        }
    }
}

fn lines(config: &Config, own: &[&str]) -> Vec<String> {
    match config.mode {
        Mode::Sim | Mode::Testnet => Vec::new(),
        Mode::Paper => vec![paper(config)],
        Mode::Live => armed(config, own),
    }
}

fn paper(config: &Config) -> String {
    let paper = &config.paper;
    format!(
        "paper: the venues' own market; orders go to embedded venues that follow it and arrive {} to \
         {} us after they were sent",
        paper.latency_ns / 1_000,
        (paper.latency_ns + paper.jitter_ns) / 1_000
    )
}

fn armed(config: &Config, own: &[&str]) -> Vec<String> {
    let venues = config.venues.iter().map(|venue| format!("armed: {}", venue_line(venue)));
    let of = |streamed: bool| {
        let rows = config.instruments.iter().filter(|row| row.streamed == streamed);
        rows.map(|row| row.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let watched = match of(false) {
        none if none.is_empty() => none,
        watched => format!("; once a strategy watches them {watched}"),
    };
    let strategies = config.strategies.iter().map(strategy_line);
    let known = |name: &&&str| !config.strategies.iter().any(|row| row.name == **name);
    let own =
        own.iter().filter(known).map(|name| format!("armed: strategy {name} of this program"));
    let head = format!("LIVE: {} trades with real money as {}", config.file, config.name);
    let instruments = format!("armed: instruments {}{watched}", of(true));
    let mut all = vec![head];
    all.extend(venues);
    all.push(instruments);
    all.extend(strategies);
    all.extend(own);
    all.push(limits_line(config));
    all
}

fn name(venue: VenueId) -> &'static str {
    VENUES[usize::from(venue.0)].name
}

fn venue_line(venue: &VenueConfig) -> String {
    let name = name(venue.venue);
    let account = match &venue.account {
        Some(account) => format!("account {account}"),
        None => format!("the account of [venue.{name}]"),
    };
    let over = if venue.orders_over_rest { "REST" } else { "WebSocket" };
    let switch = match venue.dead_man_switch_s {
        Some(seconds) => format!("dead-man switch after {seconds} s"),
        None => "no dead-man switch".to_owned(),
    };
    format!("venue {name} with {account}, orders over {over}, {switch}")
}

fn strategy_line(strategy: &StrategyConfig) -> String {
    let place = match &strategy.run {
        RunConfig::Thread => "on a thread",
        RunConfig::Process(_) => "in a process",
    };
    let limits = &strategy.limits;
    let budget = match limits.budget.as_slice() {
        [] => "no budget".to_owned(),
        rows => {
            let row = |(venue, value): &(VenueId, Decimal)| format!("{} {value}", name(*venue));
            format!("budget {}", rows.iter().map(row).collect::<Vec<_>>().join(" "))
        }
    };
    let instruments = match strategy.instruments.as_slice() {
        [] => "whatever it chooses".to_owned(),
        names => names.join(", "),
    };
    format!("armed: strategy {} {place}, trades {instruments}, {budget}", strategy.name)
}

fn limits_line(config: &Config) -> String {
    let limits = &config.limits;
    let positions = limits.position_max.iter().map(|(base, most)| format!("{base} {most}"));
    let own = limits.instrument_position_max.iter().map(|(name, most)| format!("{name} {most}"));
    let positions: Vec<String> = positions.chain(own).collect();
    let or_none = |limit: Option<Decimal>| limit.map_or("none".to_owned(), |most| most.to_string());
    format!(
        "armed: limits: order {}, position {}, collar {} bps, {} orders open, {} a second, loss of a \
         day {}, drawdown {}",
        limits.order_notional_max,
        positions.join(" "),
        limits.price_collar_bps,
        limits.orders_open_max,
        limits.orders_per_second_max,
        or_none(limits.daily_loss_max),
        or_none(limits.drawdown_max)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_TOML;

    fn said(changes: &[(&str, &str)]) -> Vec<String> {
        let text = changes.iter().fold(DEFAULT_TOML.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        lines(&Config::parse("engine.toml", &text).unwrap(), &["spread", "mine"])
    }

    #[test]
    fn everything_that_is_armed_is_said() {
        assert_eq!(said(&[]), [""; 0]);
        let live = said(&[
            ("mode = \"sim\"", "mode = \"live\"\naccount = \"main\""),
            ("api_key = { env = \"BINANCE_API_KEY\" }\n", ""),
            ("api_secret = { env = \"BINANCE_API_SECRET\" } ", ""),
            ("api_key = { env = \"BYBIT_API_KEY\" }\n", "dead_man_switch_s = 60\n"),
            (
                "api_secret = { env = \"BYBIT_API_SECRET\" }\norders = \"websocket\"",
                "orders = \"rest\"",
            ),
            (
                "[limits]\n",
                "budget = { binance = \"8\", bybit = \"9\" }\n[credentials.main.binance]\napi_key = { env = \"KEY\" }\n\
                 [credentials.main.bybit]\napi_key = { env = \"KEY\" }\n[limits]\ndaily_loss_max = \"500\"\n",
            ),
        ]);
        assert_eq!(
            live,
            [
                "LIVE: engine.toml trades with real money as stoop",
                "armed: venue binance with account main, orders over WebSocket, no dead-man switch",
                "armed: venue bybit with account main, orders over REST, dead-man switch after 60 s",
                "armed: instruments BTC/USDT@binance, BTC/USDT@bybit; once a strategy watches them \
                 ETH/USDT@binance, ETH/USDT@bybit",
                "armed: strategy spread on a thread, trades BTC/USDT@binance, BTC/USDT@bybit, budget \
                 binance 8 bybit 9",
                "armed: strategy mine of this program",
                "armed: limits: order 5000, position BTC 2 ETH 20, collar 50 bps, 64 orders open, 400 \
                 a second, loss of a day 500, drawdown none",
            ]
        );
    }

    #[test]
    fn paper_says_where_orders_go() {
        let paper = said(&[("mode = \"sim\"", "mode = \"paper\"")]);
        assert_eq!(
            paper,
            [
                "paper: the venues' own market; orders go to embedded venues that follow it and arrive \
              2000 to 2500 us after they were sent"
            ]
        );
    }
}
