//! What a futures account holds, as lists state it.

use super::futures::{ADA, BNB, BTC, ETH, SOL, USDT, futures_setup, stamp, unsigned};
use super::{PEM, Rig, fixture};
use crate::types::{
    Amount, AssetBalance, CommandKind, Event, MarginMode, MarginReport, Nanos, PositionReport,
    VenueId, VenueNotice,
};
use crate::venues::{DecodeError, Value};

const ONE: i128 = 1_000_000_000_000_000_000;

fn dec(text: &str) -> Amount {
    crate::venues::decimal::amount(text).unwrap()
}

fn none(instrument: crate::types::InstrumentId, leverage: i128, mode: MarginMode) -> Event {
    let leverage = Amount(leverage * ONE);
    Event::Position(PositionReport { instrument, leverage, mode, ..PositionReport::default() })
}

/// Positions first, of which the others have none; then what is left of each asset.
#[test]
fn the_account_takes_two_lists() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let sent = rig.asked(CommandKind::Balances);
    rig.response(sent.id, 200, "", fixture!("usdm_rest_position_risk_v3")).unwrap();
    let ada = PositionReport {
        instrument: ADA,
        qty: dec("30"),
        entry: dec("0.385"),
        liquidation: Amount::ZERO,
        margin: dec("0.61571385"),
        unrealised: dec("0.764277"),
        leverage: Amount::ZERO,
        mode: MarginMode::Cross,
        event_ns: Nanos::from_millis(1_720_736_417_660),
    };
    let expected = [
        Event::Position(ada),
        none(BTC, 21, MarginMode::Cross),
        none(ETH, 5, MarginMode::Isolated),
        none(BNB, 0, MarginMode::Cross),
        none(SOL, 0, MarginMode::Cross),
    ];
    assert_eq!(rig.events.list(), expected);
    let sent = rig.requested();
    assert_eq!(unsigned(&sent.line), format!("GET /fapi/v3/balance?{}", stamp()));
    rig.response(sent.id, 200, "", fixture!("usdm_rest_balance_v3")).unwrap();
    let event_ns = Nanos::from_millis(1_617_939_110_373);
    let wallet = AssetBalance {
        venue: VenueId(0),
        asset: USDT,
        free: dec("122607.35137903"),
        locked: Amount::ZERO,
        event_ns,
    };
    let margin = MarginReport {
        venue: VenueId(0),
        asset: USDT,
        equity: dec("122608.11565603"),
        available: dec("23.72469206"),
        initial: dec("0.61571385"),
        maintenance: dec("0.0800428"),
        event_ns,
    };
    let expected =
        [Event::Balance(wallet), Event::Margin(margin), Event::Notice(VenueNotice::BalancesEnd)];
    assert_eq!(rig.events.list(), expected);
}

/// An account that never had anything.
#[test]
fn what_is_not_listed_is_nothing() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let sent = rig.asked(CommandKind::Balances);
    rig.response(sent.id, 200, "", "[]").unwrap();
    assert_eq!(rig.events.list().len(), 5);
    let sent = rig.requested();
    rig.response(sent.id, 200, "", "[]").unwrap();
    let [Event::Balance(balance), Event::Margin(margin), Event::Notice(end)] = rig.events.list()
    else {
        panic!("{:?}", rig.events.list())
    };
    assert_eq!((balance.asset, balance.total()), (USDT, Amount::ZERO));
    assert_eq!((margin.asset, margin.available), (USDT, Amount::ZERO));
    assert_eq!(*end, VenueNotice::BalancesEnd);
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let failed = [VenueNotice::RequestFailed(0)];
    for (body, error) in [
        (
            fixture!("usdm_rest_position_risk_v3").replace("BOTH", "LONG"),
            DecodeError::Invalid("positionSide"),
        ),
        (
            fixture!("usdm_rest_position_risk_v3").replace("\"maintMargin\"", "\"x\""),
            DecodeError::Missing("maintMargin"),
        ),
        (fixture!("usdm_rest_account_config").to_owned(), DecodeError::Invalid("result")),
    ] {
        let sent = rig.asked(CommandKind::Balances);
        assert_eq!(rig.response(sent.id, 200, "", &body), Err(error));
        assert_eq!(rig.notices(), failed);
        assert_eq!(rig.requests(), []);
    }
    let sent = rig.asked(CommandKind::Balances);
    rig.response(sent.id, 200, "", "[]").unwrap();
    let wallets = rig.requested();
    rig.response(wallets.id, 500, "", "").unwrap();
    assert_eq!(rig.notices(), [VenueNotice::RequestFailed(-500)]);
    let sent = rig.asked(CommandKind::Balances);
    rig.response(sent.id, 200, "", "[]").unwrap();
    let wallets = rig.requested();
    rig.lose(wallets.id);
    assert_eq!(rig.notices(), failed);
}

/// What is listed of symbols that are not traded here binds margin all the same.
#[test]
fn margin_is_that_of_all_positions() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let sent = rig.asked(CommandKind::Balances);
    let row = fixture!("usdm_rest_position_risk_v3").trim_matches(['[', ']']);
    let other = row.replace("ADAUSDT", "DOGEUSDT");
    let coin = row.replace("\"marginAsset\":\"USDT\"", "\"marginAsset\":\"USDC\"");
    rig.response(sent.id, 200, "", &format!("[{row},{other},{coin}]")).unwrap();
    let wallets = rig.requested();
    rig.response(wallets.id, 200, "", fixture!("usdm_rest_balance_v3")).unwrap();
    let Event::Margin(margin) = rig.events.list()[1] else { panic!() };
    assert_eq!(margin.initial, dec("1.2314277"));
    assert_eq!(margin.equity, dec("122608.87993303"));
}

#[test]
fn settings_of_the_fixture_are_those_of_its_symbol() {
    use super::super::account::Account;
    use super::super::contracts;
    use super::super::streams::Product;
    let mut account = Account::new(&futures_setup(PEM, false), Product::UsdM);
    let mut read = |text: &str| {
        let read = |root: Value<'_>| contracts::settings(root, &mut account);
        crate::venues::Parser::new().read(&mut text.as_bytes().to_vec(), read)
    };
    assert_eq!(read(fixture!("usdm_rest_symbol_config")), Ok(()));
    let odd = fixture!("usdm_rest_symbol_config").replace("CROSSED", "PORTFOLIO");
    assert_eq!(read(&odd), Err(DecodeError::Invalid("marginType")));
}
