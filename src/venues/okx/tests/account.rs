//! The account over REST: balances with positions, fee rates, funding.

use super::*;
use crate::types::{AssetBalance, FeeRate, FundingPayment, MarginReport, Ppb};

#[test]
fn balances_are_followed_by_positions() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Balances).unwrap();
    let path = |bench: &Bench| match bench.out.outputs().next() {
        Some(Output::Request(request)) => request.path.to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(path(&bench), "/api/v5/account/balance");
    bench.answer(&fixture("rest_account_balance")).unwrap();
    let assets = instruments().assets;
    let [usdt, btc] = ["USDT", "BTC"].map(|name| assets.find(name).unwrap());
    let event_ns = Nanos(1_705_449_605_015 * MS);
    let none = AssetBalance {
        venue: OKX,
        asset: btc,
        event_ns: Nanos(1_705_474_164_160 * MS),
        ..AssetBalance::default()
    };
    assert_eq!(
        bench.take(),
        [
            Event::Balance(AssetBalance {
                venue: OKX,
                asset: usdt,
                free: amount("4834.317093622894"),
                locked: amount("16.1186"),
                event_ns,
            }),
            Event::Margin(MarginReport {
                venue: OKX,
                asset: usdt,
                equity: amount("4992.890093622894"),
                available: amount("4834.3170936228935"),
                initial: Amount::ZERO,
                maintenance: Amount::ZERO,
                event_ns,
            }),
            Event::Balance(none),
        ],
        "what is not listed is none"
    );
    assert_eq!(path(&bench), "/api/v5/account/positions?instType=SWAP");
    let long = fixture("rest_positions_swap");
    assert_eq!(bench.answer(&long), Err(DecodeError::Invalid("posSide")), "kept apart");
    assert_eq!(bench.notices(), [VenueNotice::RequestFailed(0)]);
    bench.submit(CommandKind::Balances).unwrap();
    bench.answer(&fixture("rest_account_balance")).unwrap();
    bench.take();
    bench.answer(&long.replace("\"long\"", "\"net\"").replace("isolated", "cross")).unwrap();
    let events = bench.take();
    let [Event::Position(position), Event::Notice(VenueNotice::BalancesEnd)] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((position.instrument, position.qty), (SWAP, amount("0.005")));
}

/// Costs are negative on the wire and positive here; they stand by the instrument's group.
#[test]
fn fee_rates_are_those_of_the_group() {
    let mut bench = Bench::logged_in();
    for (id, query) in
        [(BTC, "instType=SPOT&instId=BTC-USDT"), (SWAP, "instType=SWAP&instFamily=BTC-USDT")]
    {
        bench.submit(CommandKind::FeeRate(id)).unwrap();
        let Some(Output::Request(request)) = bench.out.outputs().next() else { panic!() };
        assert_eq!(request.path, format!("/api/v5/account/trade-fee?{query}"));
        let body = fixture("rest_trade_fee").replacen(
            "\"maker\": \"-0.0008\"",
            "\"maker\": \"0.0001\"",
            1,
        );
        bench.answer(&body).unwrap();
        let maker = if id == BTC { -100_000 } else { 800_000 };
        let rate = FeeRate { instrument: id, maker: Ppb(maker), taker: Ppb(1_000_000) };
        assert_eq!(bench.take(), [Event::Fee(rate)]);
    }
    // Without a group a swap pays what those pay that settle in the same.
    let by_settle = fixture("rest_trade_fee")
        .replace("\"groupId\": \"1\"", "\"groupId\": \"7\"")
        .replace("\"makerU\": \"\"", "\"makerU\": \"-0.0002\"")
        .replace("\"takerU\": \"\"", "\"takerU\": \"-0.0005\"");
    bench.submit(CommandKind::FeeRate(SWAP)).unwrap();
    bench.answer(&by_settle).unwrap();
    let rate = FeeRate { instrument: SWAP, maker: Ppb(200_000), taker: Ppb(500_000) };
    assert_eq!(bench.take(), [Event::Fee(rate)]);
    bench.submit(CommandKind::FeeRate(BTC)).unwrap();
    let body = fixture("rest_trade_fee").replace("\"taker\"", "\"take\"");
    assert_eq!(bench.answer(&body), Err(DecodeError::Missing("taker")));
}

#[test]
fn funding_is_read_from_the_bills() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::FundingSince(Nanos((START_MS - 1_000) * MS))).unwrap();
    let Some(Output::Request(request)) = bench.out.outputs().next() else { panic!() };
    let path = "/api/v5/account/bills?instType=SWAP&type=8&begin=1699999999000&limit=100";
    assert_eq!(request.path, path);
    let bill = |id: u64, inst: &str, change: &str, own: &str, ms: u64| {
        format!(
            r#"{{"billId":"{id}","ccy":"USDT","instId":"{inst}","instType":"SWAP","type":"8","subType":"173","balChg":"{change}","posBalChg":"{own}","pnl":"{change}","ts":"{ms}"}}"#
        )
    };
    let rows = [
        bill(12, "BTC-USDT-SWAP", "-0.25", "0", START_MS),
        bill(11, "XRP-USDT-SWAP", "-9", "0", START_MS),
        bill(10, "ETH-USDT-SWAP", "0", "0.5", START_MS - 1_000),
        bill(9, "ETH-USDT-SWAP", "7", "0", START_MS - 1_001),
    ];
    let body = format!(r#"{{"code":"0","msg":"","data":[{}]}}"#, rows.join(","));
    bench.answer(&body).unwrap();
    let asset = instruments().assets.find("USDT").unwrap();
    let paid = |instrument, text, id, ms: u64| {
        let event_ns = Nanos(ms * MS);
        Event::FundingPaid(FundingPayment {
            instrument,
            asset,
            amount: amount(text),
            id,
            settles: false,
            event_ns,
        })
    };
    assert_eq!(
        bench.take(),
        [
            paid(ETH, "0.5", 10, START_MS - 1_000),
            paid(SWAP, "-0.25", 12, START_MS),
            Event::Notice(VenueNotice::FundingEnd),
        ],
        "ours alone, back to the time asked for, oldest first"
    );
    bench.submit(CommandKind::FundingSince(Nanos((START_MS - 8 * 86_400_000) * MS))).unwrap();
    let Some(Output::Request(request)) = bench.out.outputs().next() else { panic!() };
    assert!(request.path.starts_with("/api/v5/account/bills-archive?"), "{}", request.path);
}

/// Every example of a reply over REST that no request of ours has is refused or empty, by name.
#[test]
fn spot_alone_knows_no_positions() {
    let mut table = InstrumentTable::default();
    for instrument in instruments().iter().take(1) {
        table.add(instrument.clone());
    }
    table.assets = instruments().assets;
    let spot = VenueSetup { instruments: Arc::new(table), ..setup() };
    let mut bench = Bench::over((ROW.trading)(spot).unwrap());
    bench.open(Channel::Rest);
    bench.answer(&fixture("rest_time").replace("1597026383085", "1700000000000")).unwrap();
    // Long and short apart do not matter without perpetuals.
    bench.answer(&fixture("rest_account_config")).unwrap();
    bench.answer(&fixture("rest_instruments_spot")).unwrap();
    assert!(bench.notices().contains(&VenueNotice::Readiness(Channel::Rest, Readiness::Ready)));
    bench.submit(CommandKind::Balances).unwrap();
    bench.answer(&fixture("rest_account_balance")).unwrap();
    let events = bench.take();
    assert_eq!(events.last(), Some(&Event::Notice(VenueNotice::BalancesEnd)));
    assert!(events.iter().all(|event| !matches!(event, Event::Margin(_))));
}
