//! Broken messages of futures never panic, and whatever is asked is answered in some way.

use super::bad_input::damage;
use super::futures::{ACCOUNT, BNB, BTC, ETH, SETTINGS, futures_setup, usual};
use super::{NOW, PEM, Rig, SECRET, fixture};
use crate::types::{
    CancelOrder, Channel, ClientOrderId, CommandKind, Event, FillId, Nanos, NewOrder, OrderType,
    Price, Qty, ReplaceOrder, Side, TimeInForce, VenueOrderId,
};
use crate::venues::binance::{instruments, market};
use crate::venues::{RequestId, Response};
use proptest::prelude::*;

const MESSAGES: [&str; 22] = [
    fixture!("usdm_book_ticker"),
    fixture!("usdm_depth_update"),
    fixture!("usdm_combined_trade_real"),
    fixture!("usdm_combined_book_ticker_real"),
    fixture!("usdm_combined_depth_real"),
    fixture!("usdm_mark_price"),
    fixture!("usdm_user_account_update_real"),
    fixture!("usdm_user_account_update_hedge"),
    fixture!("usdm_user_account_config_leverage"),
    fixture!("usdm_user_account_config_multi_assets"),
    fixture!("usdm_user_listen_key_expired"),
    fixture!("usdm_user_margin_call"),
    fixture!("usdm_user_algo_update_canceled"),
    fixture!("usdm_user_order_new_real"),
    fixture!("usdm_user_order_new_limit_real"),
    fixture!("usdm_user_order_canceled_real"),
    fixture!("usdm_user_order_partial"),
    fixture!("usdm_user_order_liquidation"),
    fixture!("usdm_user_trade_lite_real"),
    fixture!("usdm_ws_error_bad_param"),
    fixture!("usdm_ws_order_place_response"),
    r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key"}}"#,
];

const PAYMENT: &str = r#"[{"symbol":"BTCUSDT","incomeType":"FUNDING_FEE","income":"-0.375","asset":"USDT","info":"","time":1570636800000,"tranId":9689322392,"tradeId":""}]"#;

fn order() -> NewOrder {
    NewOrder {
        client_id: ClientOrderId(7),
        instrument: BTC,
        side: Side::Sell,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: true,
        reduce_only: false,
        price: Price(1_000_000),
        qty: Qty(1),
    }
}

fn commands() -> [(CommandKind, &'static str); 10] {
    let (client_id, venue_order_id) = (ClientOrderId(7), VenueOrderId::EMPTY);
    let id = CancelOrder { client_id, venue_order_id, instrument: BTC };
    let (price, qty) = (Price(2_000_000), Qty(2));
    let terms = ReplaceOrder { client_id, venue_order_id, instrument: BTC, price, qty };
    let fills =
        CommandKind::FillsSince { instrument: BTC, from_id: FillId::EMPTY, from_ns: Nanos(0) };
    let placed = r#"{"orderId":1,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"st0000000000000007","price":"43769.1","origQty":"0.11","executedQty":"0","side":"SELL","updateTime":1703426756190}"#;
    [
        (CommandKind::New(order()), placed),
        (CommandKind::Replace(terms), placed),
        (CommandKind::Cancel(id), placed),
        (CommandKind::Query(id), placed),
        (CommandKind::CancelAll(BTC), fixture!("usdm_rest_cancel_all_response")),
        (CommandKind::OpenOrders(BTC), fixture!("usdm_rest_all_orders")),
        (fills, fixture!("usdm_rest_user_trades")),
        (CommandKind::Balances, fixture!("usdm_rest_position_risk_v3")),
        (CommandKind::FeeRate(BTC), fixture!("usdm_rest_commission_rate")),
        (CommandKind::FundingSince(NOW), PAYMENT),
    ]
}

/// Of the way to ready, and of what is asked besides.
const STEPS: [(&str, &str); 4] = [
    ("accountConfig", ACCOUNT),
    ("symbolConfig", SETTINGS),
    ("listenKey", r#"{"listenKey":"pqia91"}"#),
    ("countdownCancelAll", r#"{"symbol":"BTCUSDT","countdownTime":"30000"}"#),
];

fn answer(rig: &mut Rig, id: u64, status: u16, body: &mut [u8]) {
    rig.out.clear();
    rig.events.clear();
    let Rig { connector, out, events, now } = rig;
    let response = Response { status, head: b"HTTP/1.1 200 OK\r\n\r\n", body };
    let _ = connector.on_response(RequestId(id), response, *now, out, events);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_frames_do_not_panic(
        which in 0..MESSAGES.len(),
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..3),
        cut in prop_oneof![Just(0), 0usize..400],
    ) {
        let text = damage(MESSAGES[which], &flips, cut);
        let mut trading = Rig::futures_ready(&futures_setup(PEM, false));
        let mut market = Rig::new(market::connect(futures_setup(PEM, false)).unwrap());
        for instrument in [BTC, ETH, BNB] {
            market.submit(CommandKind::Subscribe(instrument)).unwrap();
        }
        for (rig, channels) in [
            (&mut trading, [Channel::Private, Channel::Trade]),
            (&mut market, [Channel::Public, Channel::PublicMore]),
        ] {
            for channel in channels {
                if channel != Channel::Private && channel != Channel::Trade {
                    rig.open(channel);
                }
                rig.out.clear();
                rig.events.clear();
                let Rig { connector, out, events, now } = &mut *rig;
                let _ = connector.on_frame(channel, &mut text.clone(), *now, out, events);
            }
        }
    }

    /// What is about one order is told exactly once; what asks for a list is ended, failed or asked
    /// on.
    #[test]
    fn damaged_replies_are_answers_of_some_kind(
        which in 0usize..10,
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..3),
        cut in prop_oneof![Just(0), 0usize..400],
        status in prop_oneof![Just(200u16), Just(400), Just(429), Just(500), Just(503)],
    ) {
        let (command, result) = commands()[which];
        let mut rig = Rig::futures_ready(&futures_setup(SECRET, true));
        rig.submit(CommandKind::New(order())).unwrap();
        let first = rig.requested().id;
        answer(&mut rig, first, 200, &mut commands()[0].1.as_bytes().to_vec());
        let id = rig.asked(command).id;
        answer(&mut rig, id, status, &mut damage(result, &flips, cut));
        let told = rig.reports().len();
        match command {
            CommandKind::New(_)
            | CommandKind::Cancel(_)
            | CommandKind::Replace(_)
            | CommandKind::Query(_) => {
                let notices = rig.notices().len();
                prop_assert!(told == 1 || (told == 0 && notices > 0), "{command:?}");
            }
            _ => prop_assert!(!rig.notices().is_empty() || !rig.requests().is_empty()
                || rig.events.list().iter().any(|event| matches!(event, Event::Fee(_)))),
        }
    }

    /// Every step that is answered badly is taken again.
    #[test]
    fn damaged_steps_do_not_panic(
        which in 0..STEPS.len(),
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..3),
        cut in prop_oneof![Just(0), 0usize..100],
        status in prop_oneof![Just(200u16), Just(400), Just(429), Just(500)],
    ) {
        let mut setup = futures_setup(PEM, false);
        setup.dead_man_switch_s = Some(30);
        let mut rig = Rig::futures(&setup);
        let (step, text) = STEPS[which];
        rig.open(Channel::Rest);
        let mut waiting = rig.requests();
        let mut opened = false;
        for _ in 0..40 {
            let Some(request) = waiting.pop() else {
                if std::mem::replace(&mut opened, true) {
                    break;
                }
                rig.open(Channel::Private);
                waiting = rig.requests();
                continue;
            };
            let damaged = request.line.contains(step);
            let mut body = match damaged {
                true => damage(text, &flips, cut),
                false => usual(&rig, &request.line).into_bytes(),
            };
            let status = if damaged { status } else { 200 };
            answer(&mut rig, request.id, status, &mut body);
            waiting.extend(rig.requests());
        }
    }

    #[test]
    fn damaged_rules_do_not_panic(
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        cut in prop_oneof![Just(0), 0usize..2000],
    ) {
        use crate::types::InstrumentKind::LinearPerpetual;
        for text in [fixture!("usdm_exchange_info"), fixture!("usdm_exchange_info_2022")] {
            let _ = instruments::decode(LinearPerpetual, &mut damage(text, &flips, cut));
        }
    }
}
