//! Balances, positions, margin, fees.

use super::*;
use crate::types::{AssetBalance, FeeRate, MarginMode, MarginReport, PositionReport, Ppb};

const BALANCES: CommandKind = CommandKind::Balances;

/// The same without spot: there the wallet of perpetuals is all.
fn perpetuals_only() -> VenueSetup {
    let mut table = InstrumentTable::default();
    for instrument in instruments().iter().filter(|one| one.is_perpetual()) {
        let mut next = instrument.clone();
        let all = instruments();
        let assets = [&mut next.base, &mut next.quote, &mut next.settle];
        for asset in assets {
            *asset = table.assets.intern(all.assets.name(*asset));
        }
        table.add(next);
    }
    VenueSetup { instruments: Arc::new(table), ..setup() }
}

fn asked(setup: VenueSetup, state: &str) -> (Bench, Vec<Event>) {
    let mut bench = Bench::ready_with(setup);
    let (id, body) = bench.ask(BALANCES);
    assert_eq!(body, format!(r#"{{"type":"clearinghouseState","user":"{SIGNER}"}}"#));
    bench.answer(id, state).unwrap();
    let events = bench.take();
    (bench, events)
}

#[test]
fn a_cross_position_its_margin_and_the_wallet() {
    let setup = perpetuals_only();
    let usdc = setup.instruments.assets.find("USDC").unwrap();
    let (_, events) = asked(setup, &fixture("rest_clearinghouse_state_cross_long"));
    let event_ns = Nanos(1_790_360_864_964 * MS);
    let milli = E18 / 1_000;
    let position = PositionReport {
        instrument: BTC,
        qty: Amount(4_500 * milli),
        entry: Amount(81_285 * E18),
        liquidation: Amount(74_501_802_790_436_000_000_000),
        margin: Amount(37_766_700 * milli),
        unrealised: Amount(11_884_306_507_000_000_000_000),
        leverage: Amount(10 * E18),
        mode: MarginMode::Cross,
        event_ns,
    };
    let margin = MarginReport {
        venue: VENUE,
        asset: usdc,
        equity: Amount(38_252_700 * milli),
        available: Amount(486 * E18),
        initial: Amount(37_766_700 * milli),
        maintenance: Amount(4_720_837_500_000_000_000_000),
        event_ns,
    };
    // 38252.7 less what the open position has gained.
    let wallet = AssetBalance {
        venue: VENUE,
        asset: usdc,
        free: Amount(26_368_393_493_000_000_000_000),
        locked: Amount::ZERO,
        event_ns,
    };
    let end = Event::Notice(VenueNotice::BalancesEnd);
    assert_eq!(
        events,
        [Event::Position(position), Event::Margin(margin), Event::Balance(wallet), end]
    );
}

#[test]
fn an_isolated_position_has_margin_of_its_own() {
    let (_, events) = asked(perpetuals_only(), &fixture("rest_clearinghouse_state_isolated"));
    let Event::Position(position) = events[0] else { panic!("{events:?}") };
    assert_eq!((position.instrument, position.mode), (ETH, MarginMode::Isolated));
    assert_eq!(position.qty, Amount(33_500_000_000_000_000));
    assert_eq!(position.margin, Amount(4_967_826_000_000_000_000));
    assert_eq!(position.unrealised, Amount(-13_400_000_000_000_000));
    assert_eq!(position.liquidation, Amount(2_866_269_365_290_000_000_000));
    assert_eq!(position.leverage, Amount(20 * E18));
    let Event::Balance(wallet) = events[2] else { panic!("{events:?}") };
    assert_eq!(wallet.free, Amount(13_109_495_728_000_000_000_000), "13109.482328 + 0.0134");
    let (_, events) = asked(perpetuals_only(), &fixture("rest_clearinghouse_state_isolated_hype"));
    assert!(matches!(events[0], Event::Position(position) if position.instrument == HYPE));
    let (_, events) = asked(perpetuals_only(), &fixture("rest_clearinghouse_state_flat"));
    assert_eq!(events.last(), Some(&Event::Notice(VenueNotice::BalancesEnd)));
    // An abridged state, without the sums of the whole account.
    let mut bench = Bench::ready_with(perpetuals_only());
    let (id, _) = bench.ask(BALANCES);
    let abridged = bench.answer(id, &fixture("rest_clearinghouse_state_negative_total_raw_usd"));
    assert_eq!(abridged, Err(DecodeError::Missing("marginSummary")));
}

#[test]
fn the_leverage_of_a_coin_without_position_is_kept() {
    let mut bench = Bench::ready_with(perpetuals_only());
    for coin in ["BTC", "ETH"] {
        bench.skip(3_000);
        let (id, body) = bench.asked();
        assert!(body.contains(&format!("\"{coin}\"")), "{body}");
        let isolated = r#"{"user":"0x1","coin":"ETH","leverage":{"type":"isolated","value":20}}"#;
        let _ = bench.answer(id, if coin == "ETH" { isolated } else { "null" });
    }
    bench.take();
    let (id, _) = bench.ask(BALANCES);
    bench.answer(id, &fixture("rest_clearinghouse_state_flat")).unwrap();
    let Event::Position(none) = bench.take()[0] else { panic!() };
    assert_eq!((none.instrument, none.qty), (ETH, Amount::ZERO));
    assert_eq!((none.leverage, none.mode), (Amount(20 * E18), MarginMode::Isolated));
}

#[test]
fn both_wallets_of_an_account_are_one_balance() {
    let (mut bench, events) = asked(setup(), &fixture("rest_clearinghouse_state_cross_long"));
    assert!(!events.iter().any(|event| matches!(event, Event::Balance(_) | Event::Notice(_))));
    let (id, body) = bench.asked();
    assert_eq!(body, format!(r#"{{"type":"spotClearinghouseState","user":"{SIGNER}"}}"#));
    bench.answer(id, &fixture("rest_spot_balances")).unwrap();
    let events = bench.take();
    let Event::Balance(usdc) = events[1] else { panic!("{events:?}") };
    assert_eq!(usdc.free, Amount(26_371_167_123_000_000_000_000), "26368.393493 + 2.77363");
    let Event::Balance(hype) = events[0] else { panic!("{events:?}") };
    assert_eq!((hype.free, hype.locked), (Amount(9_590_570_000_000_000), Amount::ZERO));
    assert_eq!(events[2], Event::Notice(VenueNotice::BalancesEnd));
    // What is not listed the account has none of: it had, perhaps.
    let (mut bench, _) = asked(setup(), &fixture("rest_clearinghouse_state_cross_long"));
    let (id, _) = bench.asked();
    bench.answer(id, &fixture("rest_spot_balances").replace("HYPE", "PURR")).unwrap();
    let Event::Balance(none) = bench.take()[0] else { panic!() };
    assert_eq!((none.asset, none.free, none.locked), (hype.asset, Amount::ZERO, Amount::ZERO));
    // Without any USDC in spot the wallet is told all the same.
    let (mut bench, _) = asked(setup(), &fixture("rest_clearinghouse_state_cross_long"));
    let (id, _) = bench.asked();
    bench.answer(id, r#"{"balances":[]}"#).unwrap();
    let Event::Balance(wallet) = bench.take()[1] else { panic!() };
    assert_eq!(wallet.free, Amount(26_368_393_493_000_000_000_000));
}

#[test]
fn accounts_that_are_not_understood_are_not_half_told() {
    let state = fixture("rest_clearinghouse_state_cross_long");
    for (from, to, error) in [
        ("\"oneWay\"", "\"hedge\"", DecodeError::Invalid("type")),
        ("\"accountValue\"", "\"x\"", DecodeError::Missing("accountValue")),
        ("\"withdrawable\"", "\"x\"", DecodeError::Missing("withdrawable")),
        ("\"cross\"", "\"what\"", DecodeError::Invalid("type")),
        ("\"szi\"", "\"x\"", DecodeError::Missing("szi")),
    ] {
        let mut bench = Bench::ready_with(perpetuals_only());
        let (id, _) = bench.ask(BALANCES);
        assert_eq!(bench.answer(id, &state.replace(from, to)), Err(error), "{from}");
        let end = Event::Notice(VenueNotice::BalancesEnd);
        assert!(!bench.take().contains(&end));
    }
    let mut bench = Bench::ready_with(perpetuals_only());
    let (id, _) = bench.ask(BALANCES);
    bench.respond(id, 502, "").unwrap();
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::RequestFailed(-502))]);
}

#[test]
fn fees_are_those_of_the_kind() {
    let mut bench = Bench::ready();
    let body = r#"{"userCrossRate":"0.000315","userAddRate":"0.000105","userSpotCrossRate":"0.00049","userSpotAddRate":"-0.00001"}"#;
    for (instrument, taker, maker) in [(BTC, 315_000, 105_000), (PAIR, 490_000, -10_000)] {
        let (id, asked) = bench.ask(CommandKind::FeeRate(instrument));
        assert!(asked.contains("userFees"));
        bench.answer(id, body).unwrap();
        let rate = FeeRate { instrument, maker: Ppb(maker), taker: Ppb(taker) };
        assert_eq!(bench.take(), [Event::Fee(rate)]);
    }
}
