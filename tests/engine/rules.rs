//! A venue changes the rules of an instrument while the engine trades it: what does not keep them is
//! refused here from then on, and a person is told.

use super::{PATIENCE, config, start_logged, stop};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use stoop::agents::log;
use stoop::oms::RiskReject;
use stoop::sim::{self, EmbeddedOptions, SymbolRules, embedded};
use stoop::strategy::prelude::*;

/// Buys half a dollar through the book whenever it is told to, at an odd number of cents.
struct Odd {
    market: Option<InstrumentRef>,
    go: Receiver<()>,
    told: Sender<u8>,
}

impl Strategy for Odd {
    fn on_start(&mut self, ctx: &mut Context) {
        self.market = ctx.instrument("BTC/USDT@binance");
        if let Some(market) = &self.market {
            ctx.watch(market).unwrap();
        }
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let Some(market) = self.market.filter(|market| ctx.best(market).is_live()) else { return };
        if self.go.try_recv().is_err() {
            return;
        }
        let unit = 10i64.pow(u32::from(market.scale.price_decimals));
        let price = Price(ctx.best(&market).ask.price.0 / unit * unit + unit / 100);
        let qty = market.qty(Decimal::new(1, 3)).unwrap();
        ctx.signal().buy(&market, qty).limit_at(price).ioc().emit().unwrap();
    }

    fn on_report(&mut self, _: &mut Context, report: &StrategyReport) {
        if report.state.is_terminal() {
            self.told.send(report.risk).unwrap();
        }
    }
}

#[test]
fn a_coarser_tick_holds_from_when_the_venue_says_so() {
    let ((go, wait), (told, hear)) = (channel(), channel());
    let mut config = config("", &["odd"]);
    config.rules_refresh_s = 1;
    let odd = Odd { market: None, go: wait, told };
    let started = start_logged(&config, vec![("odd".to_owned(), Box::new(odd))]).unwrap();
    let (mut engine, sim, lines) = (started.engine, started.sim, started.lines);
    let stated = engine.stated().unwrap();
    assert!(engine.stated().is_none());
    wait_for(&lines, "binance is reconciled");
    go.send(()).unwrap();
    assert_eq!(hear.recv_timeout(PATIENCE), Ok(0), "taken under the old rules");
    assert!(sim.set_rules("binance", SymbolRules { tick_size: Decimal::ONE, ..rules() }));
    let said = wait_for(&lines, "has changed its rules");
    assert!(
        said.contains("BTC/USDT@binance: binance has changed its rules: tick 1, lot"),
        "{said}"
    );
    let row = stated.recv_timeout(PATIENCE).unwrap();
    assert_eq!(row.name, "BTC/USDT@binance");
    assert_eq!(row.scale.price_decimal(row.rules.tick_size), Decimal::ONE);
    go.send(()).unwrap();
    assert_eq!(hear.recv_timeout(PATIENCE), Ok(RiskReject::PriceOffTick as u8));
    // Finer than the one that this engine began with, which holds for it again.
    assert!(sim.set_rules("binance", SymbolRules { lot_size: Decimal::new(1, 6), ..rules() }));
    let said = wait_for(&lines, "has changed its rules");
    assert!(said.contains("tick 0.01, lot 0.00001, "), "{said}");
    let row = stated.recv_timeout(PATIENCE).unwrap();
    assert_eq!(row.scale.qty_decimal(row.rules.lot_size), Decimal::new(1, 6));
    stop(engine, sim);
}

/// What the embedded venue begins with.
fn rules() -> SymbolRules {
    let wire = sim::venues::wire("binance").unwrap();
    let made = embedded(&EmbeddedOptions::default(), vec![wire]).unwrap();
    made.options.venues[0].exchange.rules("BTCUSDT").unwrap().clone()
}

fn wait_for(lines: &log::LogReader, text: &str) -> String {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(line) = lines.take().into_iter().find(|line| line.text.contains(text)) {
            return line.text;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nobody said {text:?}");
}
