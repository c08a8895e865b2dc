//! Broken bytes never panic, and messages recorded by others decode or are refused by name.

use super::{BTC, ETH, NOW, PEM, Rig, SECRET, fixture, id_of, order, setup};
use crate::types::{
    CancelOrder, Channel, CommandKind, DepthKind, Event, Events, FillId, Instrument,
    InstrumentKind, InstrumentTable, Nanos, Scale, TimeInForce, VenueId, VenueOrderId,
};
use crate::venues::{Connector, DecodeError, Outbox, RequestId, Response};
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

const PUBLIC: [&str; 5] = [
    fixture!("combined_book_ticker"),
    fixture!("combined_depth"),
    fixture!("combined_trade"),
    fixture!("combined_server_shutdown"),
    r#"{"result":null,"id":1}"#,
];

const PRIVATE: [&str; 14] = [
    fixture!("execution_new"),
    fixture!("execution_partial"),
    fixture!("execution_filled"),
    fixture!("execution_canceled"),
    fixture!("execution_replaced"),
    fixture!("execution_rejected"),
    fixture!("execution_expired"),
    fixture!("execution_trade_prevention"),
    fixture!("account_position"),
    fixture!("balance_update"),
    fixture!("event_stream_terminated"),
    fixture!("trade_server_shutdown"),
    fixture!("key_revoked"),
    fixture!("list_status"),
];

fn commands() -> [(CommandKind, &'static str); 8] {
    let id = CancelOrder {
        client_id: super::ORDER,
        venue_order_id: VenueOrderId::EMPTY,
        instrument: BTC,
    };
    let fills =
        CommandKind::FillsSince { instrument: BTC, from_id: FillId::EMPTY, from_ns: Nanos(0) };
    [
        (CommandKind::New(order(TimeInForce::Ioc)), fixture!("result_order_ack")),
        (CommandKind::Cancel(id), fixture!("result_order_cancel")),
        (CommandKind::CancelAll(BTC), fixture!("result_cancel_all")),
        (CommandKind::Query(id), fixture!("result_order_status")),
        (CommandKind::OpenOrders(BTC), fixture!("result_open_orders")),
        (fills, fixture!("result_my_trades")),
        (CommandKind::Balances, fixture!("result_account")),
        (CommandKind::FeeRate(BTC), fixture!("result_commission")),
    ]
}

/// Flips bits and cuts the end.
pub(super) fn damage(text: &str, flips: &[(usize, u8)], cut: usize) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, bit) in flips {
        let at = at % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
    }
    let keep = bytes.len() - cut % bytes.len();
    bytes.truncate(keep);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_public_frames_do_not_panic(
        which in 0..PUBLIC.len(),
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..3),
        cut in prop_oneof![Just(0), 0usize..400],
    ) {
        let mut rig = Rig::market();
        rig.submit(CommandKind::Subscribe(BTC)).unwrap();
        rig.submit(CommandKind::Subscribe(ETH)).unwrap();
        rig.open(Channel::Public);
        rig.events.clear();
        let mut bytes = damage(PUBLIC[which], &flips, cut);
        let Rig { connector, out, events, now } = &mut rig;
        let _ = connector.on_frame(Channel::Public, &mut bytes, *now, out, events);
        prop_assert!(rig.events.list().len() <= 2);
    }

    #[test]
    fn damaged_private_frames_do_not_panic(
        which in 0..PRIVATE.len(),
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..3),
        cut in prop_oneof![Just(0), 0usize..400],
    ) {
        let mut rig = Rig::ready(PEM, false);
        let mut bytes = damage(PRIVATE[which], &flips, cut);
        let Rig { connector, out, events, now } = &mut rig;
        let _ = connector.on_frame(Channel::Trade, &mut bytes, *now, out, events);
    }

    /// An order whose reply is damaged is told exactly once: accepted, refused or unknown.
    #[test]
    fn damaged_replies_do_not_panic(
        which in 0usize..8,
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..3),
        cut in prop_oneof![Just(0), 0usize..400],
        status in prop_oneof![Just(200u16), Just(400), Just(429), Just(500)],
    ) {
        let (command, result) = commands()[which];
        let mut rig = Rig::ready(SECRET, true);
        rig.submit(command).unwrap();
        let id = RequestId(rig.requests()[0].id);
        let mut body = damage(result, &flips, cut);
        rig.events.clear();
        let Rig { connector, out, events, now } = &mut rig;
        let response = Response { status, head: b"HTTP/1.1 200 OK\r\n\r\n", body: &mut body };
        let _ = connector.on_response(id, response, *now, out, events);
        if let CommandKind::New(_) = command {
            prop_assert_eq!(rig.reports().len(), 1);
        }
    }

    #[test]
    fn damaged_rules_do_not_panic(
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        cut in prop_oneof![Just(0), 0usize..2000],
    ) {
        let mut body = damage(fixture!("exchange_info"), &flips, cut);
        let _ = super::super::instruments::decode(InstrumentKind::Spot, &mut body);
    }

    #[test]
    fn any_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut rig = Rig::market();
        rig.open(Channel::Public);
        let Rig { connector, out, events, now } = &mut rig;
        let _ = connector.on_frame(Channel::Public, &mut bytes.clone(), *now, out, events);
        let mut rig = Rig::ready(PEM, false);
        let Rig { connector, out, events, now } = &mut rig;
        let _ = connector.on_frame(Channel::Trade, &mut bytes, *now, out, events);
    }
}

/// Symbols of the recorded messages, with scales that hold all their decimals.
fn wide_setup() -> crate::venues::VenueSetup {
    let mut table = InstrumentTable::default();
    for (base, quote) in [
        ("BTC", "USDT"),
        ("ETH", "USDT"),
        ("BNB", "BTC"),
        ("BNB", "USDT"),
        ("ETH", "BTC"),
        ("MATIC", "USDT"),
    ] {
        let instrument = Instrument {
            venue: VenueId(0),
            symbol: format!("{base}{quote}"),
            base: table.assets.intern(base),
            quote: table.assets.intern(quote),
            scale: Scale { price_decimals: 8, qty_decimals: 8 },
            ..Instrument::default()
        };
        table.add(instrument);
    }
    let mut setup = setup(PEM, false);
    setup.instruments = Arc::new(table);
    setup
}

fn recorded() -> Option<PathBuf> {
    let folder = std::env::var_os("STOOP_FIXTURES").map(PathBuf::from)?.join("binance");
    folder.is_dir().then_some(folder)
}

/// How often each message produced an event and how often it was refused.
fn offer(
    connector: &mut dyn Connector,
    channel: Channel,
    text: &str,
) -> (usize, Option<DecodeError>) {
    let (mut out, mut events) =
        (Outbox::with_capacity(64, 1 << 16), Events::with_capacity(256, 8192));
    let mut bytes = text.as_bytes().to_vec();
    let error = connector.on_frame(channel, &mut bytes, NOW, &mut out, &mut events).err();
    (events.list().len(), error)
}

#[test]
fn recorded_messages_decode_or_are_refused_by_name() {
    let Some(folder) = recorded() else {
        println!("skipped: STOOP_FIXTURES names no folder with recorded messages");
        return;
    };
    let (mut out, mut events) =
        (Outbox::with_capacity(64, 1 << 16), Events::with_capacity(256, 8192));
    let mut market = super::MarketConnector::new(&wide_setup(), super::Product::Spot);
    for index in 0..6 {
        let kind = CommandKind::Subscribe(crate::types::InstrumentId(index));
        let command = crate::types::Command::new(kind, NOW);
        market.submit(&command, NOW, &mut out, &mut events).unwrap();
    }
    market.on_open(Channel::Public, NOW, &mut out, &mut events);
    let mut trading = super::TradingConnector::new(&wide_setup(), super::Product::Spot).unwrap();
    trading.on_open(Channel::Trade, NOW, &mut out, &mut events);
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".json") || name == "signing_vectors.json" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        check(&name, &text, &mut market, &mut trading);
        files += 1;
    }
    assert!(files > 50, "{files} files");
}

/// What must come of a recorded message, by its name.
fn check(name: &str, text: &str, market: &mut dyn Connector, trading: &mut dyn Connector) {
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let public = offer(market, Channel::Public, text);
    let private = offer(trading, Channel::Trade, text);
    // Executions are recorded as the inside of their envelope.
    let inner = json.get("data").unwrap_or(&json);
    let wrapped = format!(r#"{{"subscriptionId":0,"event":{inner}}}"#);
    if name.starts_with("usdm_") {
        assert!(public.1.is_some() && public.0 == 0, "{name}: {public:?}");
        assert!(private.1.is_some() && private.0 == 0, "{name}: {private:?}");
        return;
    }
    let one = (1, None);
    match name {
        "spot_book_sync_sequence_real.json" => {
            for frame in json.as_array().unwrap().iter().filter(|v| v.get("stream").is_some()) {
                assert_eq!(offer(market, Channel::Public, &frame.to_string()), one, "{name}");
            }
        }
        "spot_book_ticker.json" | "spot_depth_update.json" | "spot_trade.json" => {
            assert_eq!(public, one, "{name}");
        }
        _ if name.starts_with("spot_combined_") => assert_eq!(public, one, "{name}"),
        _ if name.starts_with("spot_server_shutdown") => assert_eq!(public, one, "{name}"),
        // An error without a number is an error on the public socket too.
        "spot_subscribe_ack.json" | "spot_rest_error.json" => assert_eq!(public.1, None, "{name}"),
        _ if name.starts_with("spot_user_execution_report") => {
            let event = if json.get("event").is_some() { text } else { &wrapped };
            assert_eq!(offer(trading, Channel::Trade, event), one, "{name}");
        }
        "spot_user_outbound_account_position.json" => assert_eq!(private, one, "{name}"),
        "spot_user_event_stream_terminated.json" => assert_eq!(private, (0, None), "{name}"),
        _ if name.starts_with("spot_user_") => assert_eq!(private, (0, None), "{name}"),
        "spot_ws_error_key_revoked.json" => assert_eq!(private.1, None, "{name}"),
        // Replies to requests with other ids than ours, requests, REST bodies, other streams.
        _ => {
            assert!(public.1.is_some() && private.1.is_some(), "{name}: {public:?} {private:?}");
        }
    }
    results(name, &json);
}

/// Recorded results answer our own requests as well.
fn results(name: &str, json: &serde_json::Value) {
    if name.starts_with("spot_exchange_info") {
        let specs = super::super::instruments::decode(
            InstrumentKind::Spot,
            &mut json.to_string().into_bytes(),
        )
        .unwrap();
        assert!(
            !specs.is_empty() && specs.iter().all(|spec| spec.base == "BTC" || spec.base == "ETH")
        );
    }
    let commands = commands();
    let index = match name {
        "spot_ws_order_cancel_response.json" => 1,
        "spot_ws_cancel_all_response.json" => 2,
        "spot_ws_order_status_response.json" => 3,
        "spot_ws_my_trades_response.json" => 5,
        "spot_ws_account_status_response.json" => 6,
        "spot_ws_commission_response.json" => 7,
        _ => return,
    };
    let mut rig = Rig::ready(PEM, false);
    rig.submit(commands[index].0).unwrap();
    let id = id_of(&rig.sent());
    let mut reply = json.clone();
    reply["id"] = id.into();
    rig.frame(Channel::Trade, &reply.to_string()).unwrap();
    assert!(!rig.events.list().is_empty(), "{name}");
}

/// Whole recordings, `<ns> <frame>` a line: every frame decodes, and as many of each kind as counted
/// apart.
#[test]
fn recordings_decode_without_a_gap() {
    let folder = std::env::var_os("STOOP_CAPTURES").map(|path| PathBuf::from(path).join("binance"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        println!("skipped: STOOP_CAPTURES names no folder with recordings");
        return;
    };
    for (file, instrument, counts) in [
        ("spot_btcusdt_20240808.gz", BTC, [28_040, 9_757, 3_451, 1]),
        ("spot_ethusdt_20240808.gz", ETH, [24_077, 6_106, 3_434, 1]),
    ] {
        let mut rig = Rig::market();
        rig.submit(CommandKind::Subscribe(instrument)).unwrap();
        rig.open(Channel::Rest);
        rig.open(Channel::Public);
        assert_eq!(replay(&mut rig, &folder.join(file)), counts, "{file}");
    }
}

/// Tops, trades, deltas and snapshots of a recording. Deltas must be contiguous.
fn replay(rig: &mut Rig, path: &std::path::Path) -> [usize; 4] {
    use std::io::BufRead;
    let file = flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap());
    let (mut counts, mut last_id, mut request) = ([0; 4], None, 0);
    for line in std::io::BufReader::new(file).lines() {
        let line = line.unwrap();
        let (_, frame) = line.split_once(' ').unwrap();
        if frame.contains("lastUpdateId") {
            rig.response(request, 200, "", frame).unwrap();
        } else {
            rig.frame(Channel::Public, frame).unwrap();
            let sent = rig.requests().into_iter().find(|sent| sent.line.contains("/depth"));
            request = sent.map_or(request, |sent| sent.id);
        }
        let data = |event: &&Event| !matches!(event, Event::Notice(_));
        let data: Vec<_> = rig.events.list().iter().filter(data).collect();
        assert_eq!(data.len(), 1, "{frame}");
        match data[0] {
            Event::Top(_) => counts[0] += 1,
            Event::Trade(_) => counts[1] += 1,
            Event::Depth(depth) if depth.kind == DepthKind::Delta => {
                assert!(last_id.is_none_or(|last| depth.first_id == last + 1));
                last_id = Some(depth.last_id);
                counts[2] += 1;
            }
            Event::Depth(_) => counts[3] += 1,
            _ => panic!("{frame}"),
        }
    }
    counts
}
