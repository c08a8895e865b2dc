//! Balances, positions, settings, cash flows.

use super::super::super::super::shapes::compare;
use super::*;

#[test]
fn positions_and_balances_agree_with_the_exchange() {
    let mut venue = venue();
    venue.result("order.place", &market("BUY", "2", ""));
    venue.result("order.place", &limit("SELL", "0.5", "105", ""));
    let reply = venue.rest("GET", "/fapi/v3/positionRisk", "");
    compare(&reply.body, fixture!("rest_position_risk_v3"), &[]);
    let position = &json(&reply.body)[0];
    let wanted = [
        ("positionAmt", "2"),
        ("entryPrice", "101"),
        ("unRealizedProfit", "-2.00000000"),
        ("initialMargin", "10.00000000"),
        ("maintMargin", "0.80000000"),
        ("askNotional", "52.5"),
    ];
    for (name, value) in wanted {
        assert_eq!(position[name], value, "{name}");
    }
    let ws = venue.call("v2/account.position", "");
    compare(&ws, fixture!("ws_position_v2_response"), &["rateLimits"]);
    let balance = venue.rest("GET", "/fapi/v3/balance", "");
    compare(&balance.body, fixture!("rest_balance_v3"), &[]);
    // The fee of 202 is 0.101.
    assert_eq!(json(&balance.body)[0]["balance"], "999.89900000");
    assert_eq!(json(&balance.body)[0]["availableBalance"], "987.89900000");
    let account = venue.get("/fapi/v3/account", "");
    assert_eq!(account["totalMarginBalance"], "997.89900000");
    assert_eq!(account["positions"][0]["notional"], "200.00000000");
}

#[test]
fn settings_are_shown_changed_and_refused() {
    let mut venue = listening();
    compare(
        &venue.get("/fapi/v1/accountConfig", "").to_string(),
        fixture!("rest_account_config"),
        &[],
    );
    let symbol = venue.get("/fapi/v1/symbolConfig", "symbol=BTCUSDT").to_string();
    compare(&symbol, fixture!("rest_symbol_config"), &[]);
    let bracket = venue.get("/fapi/v1/leverageBracket", "").to_string();
    compare(&bracket, fixture!("leverage_bracket_rest"), &[]);
    let rate = venue.get("/fapi/v1/commissionRate", "symbol=BTCUSDT").to_string();
    compare(&rate, fixture!("rest_commission_rate"), &[]);
    compare(
        &venue.get("/fapi/v1/positionSide/dual", "").to_string(),
        fixture!("rest_position_mode"),
        &[],
    );
    let (_, reply) = venue.post("/fapi/v1/leverage", "symbol=BTCUSDT&leverage=21");
    assert_eq!(reply["leverage"], 21);
    let heard = Usdm::heard(&venue.publish());
    compare(&heard[0].1.to_string(), fixture!("user_account_config_leverage"), &[]);
    let codes = [
        ("/fapi/v1/leverage", "symbol=BTCUSDT&leverage=126", -4028),
        ("/fapi/v1/marginType", "symbol=BTCUSDT&marginType=CROSSED", -4046),
        ("/fapi/v1/positionSide/dual", "dualSidePosition=false", -4059),
        ("/fapi/v1/positionMargin", "symbol=BTCUSDT&amount=1&type=1", -4054),
    ];
    for (path, query, code) in codes {
        let (status, reply) = venue.post(path, query);
        assert_eq!((status, &reply["code"]), (400, &code.into()), "{path} {query}");
    }
    let (status, _) = venue.post("/fapi/v1/marginType", "symbol=BTCUSDT&marginType=ISOLATED");
    assert_eq!(status, 200);
    venue.result("order.place", &market("BUY", "2", ""));
    let (status, reply) = venue.post("/fapi/v1/positionMargin", "symbol=BTCUSDT&amount=5&type=1");
    assert_eq!((status, &reply["type"]), (200, &1.into()));
    let (_, reply) = venue.post("/fapi/v1/marginType", "symbol=BTCUSDT&marginType=CROSSED");
    assert_eq!(reply["code"], -4048);
    // 202 / 21 and the five.
    let isolated = venue.get("/fapi/v3/positionRisk", "symbol=BTCUSDT");
    assert_eq!(isolated[0]["isolatedWallet"], "14.61904761");
}

#[test]
fn income_lists_funding_profit_and_fees() {
    let mut venue = venue();
    venue.result("order.place", &market("BUY", "1", ""));
    venue.exchange.set_mark("BTCUSDT", Some(d("100")));
    venue.exchange.set_funding_rate("BTCUSDT", Some(d("0.0003")));
    venue.pass(1_000);
    venue.pass(8 * 3_600_000);
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("99"), d("10"), T);
    venue.result("order.place", &market("SELL", "1", ""));
    let income = venue.get("/fapi/v1/income", "");
    let rows: Vec<_> = income
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["incomeType"].as_str().unwrap(), row["income"].as_str().unwrap()))
        .collect();
    let wanted = [
        ("COMMISSION", "-0.05050000"),
        ("FUNDING_FEE", "-0.03000000"),
        ("REALIZED_PNL", "-2.00000000"),
        ("COMMISSION", "-0.04950000"),
    ];
    assert_eq!(rows, wanted);
    let funding = venue.get("/fapi/v1/income", "incomeType=FUNDING_FEE&symbol=BTCUSDT");
    assert_eq!(funding.as_array().unwrap().len(), 1);
    assert_eq!(funding[0]["asset"], "USDT");
}
