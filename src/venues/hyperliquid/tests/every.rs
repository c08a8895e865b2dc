//! Every example of the venue's: read by whom it is for, or refused by name.

use super::*;

/// Who reads an example, and what comes of it.
enum For {
    /// A socket: read, or refused.
    Public(Result<(), DecodeError>),
    Private(Result<(), DecodeError>),
    Trade(Result<(), DecodeError>),
    /// Read elsewhere in these tests, with exact values.
    Elsewhere,
    /// Of a kind that the engine does not ask for.
    NotAsked,
}

fn whose(name: &str) -> For {
    use For::{Elsewhere, NotAsked, Private, Public, Trade};
    let unknown = Err(DecodeError::UnknownKind);
    match name {
        "ws_bbo" | "ws_bbo_between_fast_books" | "ws_bbo_both_sides_empty" => Public(Ok(())),
        "ws_l2book_empty" | "ws_l2book_fast_1" | "ws_l2book_fast_2" => Public(Ok(())),
        "ws_l2book_hype" | "ws_trades" | "ws_trades_replay_on_subscribe" => Public(Ok(())),
        "ws_active_asset_ctx_nulls" | "ws_active_asset_ctx_perp" | "ws_pong" => Public(Ok(())),
        "ws_subscribe_ack_bbo" | "ws_unsubscribe_ack" => Public(Ok(())),
        "ws_error_already_unsubscribed" | "ws_error_unknown_subscription_type" => Public(Ok(())),
        "ws_all_dexs_asset_ctxs" | "ws_allmids" | "ws_candle_1d" | "ws_candle_1m" => {
            Public(unknown)
        }
        "ws_subscribe_ack_userfills" => Private(Ok(())),
        "ws_userfills_empty_snapshot" | "ws_userfills_snapshot" => {
            Private(Err(DecodeError::Invalid("user")))
        }
        _ if name.starts_with("ws_orderupdates_") => Private(Ok(())),
        _ if name.starts_with("ws_user_fill_") => Private(Ok(())),
        "ws_post_action_order_response" | "ws_post_info_l2book_response" => {
            Trade(Err(DecodeError::UnknownRequest))
        }
        "ws_post_action_order_request" | "ws_post_info_l2book_request" => {
            Trade(Err(DecodeError::Missing("channel")))
        }
        _ if name.starts_with("rest_exchange_twap") => NotAsked,
        _ if name.starts_with("rest_exchange_") => Elsewhere,
        _ if name.starts_with("rest_clearinghouse_") => Elsewhere,
        "rest_meta_with_delisted_index" | "rest_spot_meta" | "signing_vectors" => Elsewhere,
        "rest_order_status_filled_template" | "rest_order_status_unknown" => Elsewhere,
        "rest_spot_balances" | "rest_user_funding" | "rest_user_rate_limit" => Elsewhere,
        "rest_user_rate_limit_recorded" | "rest_frontend_open_orders_one" => Elsewhere,
        "rest_frontend_open_orders_spot" => Elsewhere,
        _ => NotAsked,
    }
}

#[test]
fn every_example_has_a_reader() {
    let folder = format!("{}/tests/fixtures/hyperliquid", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".json") else { continue };
        count += 1;
        let (channel, expected) = match whose(name) {
            For::Public(expected) => (Channel::Public, expected),
            For::Private(expected) => (Channel::Private, expected),
            For::Trade(expected) => (Channel::Trade, expected),
            For::Elsewhere | For::NotAsked => continue,
        };
        let mut bench = if channel == Channel::Public {
            let mut bench = Bench::market();
            for id in 0..5 {
                bench.submit(CommandKind::Subscribe(InstrumentId(id))).unwrap();
            }
            bench.open(channel);
            bench
        } else {
            Bench::ready()
        };
        assert_eq!(bench.text(channel, &fixture(name)), expected, "{name}");
    }
    assert!(count > 75, "{count}");
}

/// Lists whose rows are of other coins, or of the venue's older forms.
#[test]
fn lists_of_strangers_are_read_or_refused_by_field() {
    let all = CommandKind::FillsSince {
        instrument: BTC,
        from_id: crate::types::FillId::EMPTY,
        from_ns: Nanos(MS),
    };
    let orders = CommandKind::OpenOrders(BTC);
    for (name, kind, expected) in [
        ("rest_user_fills_docs", all, Ok(())),
        ("rest_user_fills_spot_dust_conversion", all, Ok(())),
        ("rest_frontend_open_orders_triggers", orders, Ok(())),
        ("rest_open_orders_frontend_docs", orders, Ok(())),
        ("rest_open_orders_recorded", orders, Err(DecodeError::Missing("origSz"))),
        ("rest_historical_orders", orders, Err(DecodeError::Missing("coin"))),
        ("rest_spot_clearinghouse_state", orders, Err(DecodeError::Invalid("openOrders"))),
    ] {
        let mut bench = Bench::ready();
        let (id, _) = bench.ask(kind);
        assert_eq!(bench.answer(id, &fixture(name)), expected, "{name}");
    }
    for name in ["rest_user_role_vault", "rest_active_asset_data"] {
        let mut bench = Bench::trading(setup());
        bench.open(Channel::Rest);
        let kind = if name == "rest_user_role_vault" { "userRole" } else { "activeAssetData" };
        // Leverages are asked for one by one.
        for _ in 0..20 {
            bench.skip(3_000);
            let asked = bench.requests();
            for (id, _, body) in asked {
                let asked = kind_of(&body);
                let text = fixture(name).replace("\"APT\"", "\"ETH\"");
                let text = if asked == kind { text } else { answer_to(&asked) };
                let read = bench.answer(id, &text);
                assert!(asked != kind || read.is_ok(), "{name}: {read:?}");
            }
        }
    }
}

/// No reply and no frame, however broken, ends in a panic.
#[test]
fn broken_frames_are_refused() {
    for name in [
        "ws_bbo",
        "ws_l2book_fast_1",
        "ws_trades",
        "ws_active_asset_ctx_perp",
        "ws_orderupdates_open",
        "ws_user_fill_maker_perp",
        "ws_subscribe_ack_userfills",
        "ws_post_action_order_response",
    ] {
        let text = fixture(name);
        let (mut public, mut trading) = (Bench::market(), Bench::ready());
        public.submit(CommandKind::Subscribe(BTC)).unwrap();
        public.open(Channel::Public);
        for at in 0..text.len() {
            for byte in [b'9', b'"', b'}', b'n', 0x80] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = byte;
                for channel in [Channel::Public, Channel::Private, Channel::Trade] {
                    let of_feed = channel == Channel::Public;
                    let bench = if of_feed { &mut public } else { &mut trading };
                    let (out, events) = (&mut bench.out, &mut bench.events);
                    let frame = &mut bytes.clone();
                    let _ = bench.connector.on_frame(channel, frame, bench.now, out, events);
                    bench.out.clear();
                    bench.events.clear();
                }
            }
        }
    }
}
