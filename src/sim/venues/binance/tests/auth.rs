//! Signatures of the documentation are accepted; one changed bit is refused. Timestamps.

use super::super::auth::{Signer, check_time, verify};
use super::super::params::{Params, rest_payload};
use super::*;

/// Replaces each character of a signature in turn and expects a refusal every time.
fn assert_every_change_is_refused(signature: &str, accepts: impl Fn(&str) -> bool) {
    assert!(accepts(signature), "{signature}");
    for index in 0..signature.len() {
        let mut changed = signature.as_bytes().to_vec();
        changed[index] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        assert!(!accepts(&changed), "{changed}");
    }
}

/// The documentation's keys and clock: a request of `T` is on time.
fn rest_accepts(key: &str, payload: &str, signature: &str, now_ms: u64) -> bool {
    let escaped = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let query = format!("{payload}&signature={escaped}");
    let Ok(params) = Params::from_rest(&query, "") else { return false };
    assert_eq!(rest_payload(&query, ""), payload);
    verify(key, &params, payload, &exchange(), now_ms).is_ok()
}

#[test]
fn rest_vectors() {
    let plain = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&\
                 recvWindow=5000&timestamp=1499827319559";
    let hmac = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    assert_every_change_is_refused(hmac, |signature| {
        rest_accepts(KEY, plain, signature, 1_499_827_319_559)
    });
    assert!(rest_accepts(KEY, plain, &hmac.to_uppercase(), 1_499_827_319_559), "any case");
    let escaped = plain.replace("LTCBTC", "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96");
    let hmac = "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3";
    assert_every_change_is_refused(hmac, |signature| {
        rest_accepts(KEY, &escaped, signature, 1_499_827_319_559)
    });
    let ed25519 = "jjt1qwCY9csZlKsIpxgnSZSMn4zp40EFhbaN3JXjejGf6Zmc2MF5T+Kj6+CwPqvjBhT7RLWOVFrnRe0D\
                   YkbuBA==";
    assert!(rest_accepts(ED_KEY, plain, ed25519, 1_499_827_319_559));
    assert!(!rest_accepts(ED_KEY, &plain.replace("=0.1", "=0.2"), ed25519, 1_499_827_319_559));
    assert!(!rest_accepts(ED_KEY, plain, &ed25519.to_lowercase(), 1_499_827_319_559));
    assert!(!rest_accepts(KEY, plain, ed25519, 1_499_827_319_559), "the key decides the kind");
}

#[test]
fn query_and_body_are_joined_by_nothing() {
    let (query, body) = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC",
        "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943",
    );
    let payload = rest_payload(query, body);
    assert_eq!(
        hmac_of("2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9", &payload),
        "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4"
    );
    let signature = hmac_of(SECRET, &payload);
    let body = format!("{body}&signature={signature}");
    let params = Params::from_rest(query, &body).unwrap();
    let payload = rest_payload(query, &body);
    assert!(verify(KEY, &params, &payload, &exchange(), 1_591_702_613_943).is_ok());
}

/// Members of `params` but key, timestamp and signature, and what signs them.
const WS_VECTORS: &[(&str, u64, &str)] = &[
    (
        r#""symbol":"BTCUSDT","side":"SELL","type":"LIMIT","timeInForce":"GTC","quantity":"0.01000000","price":"52000.00","recvWindow":100"#,
        1_645_423_376_532,
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        r#""symbol":"１２３４５６","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"1.00000000","price":"0.10000000","recvWindow":5000"#,
        1_645_423_376_532,
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
    (
        r#""symbol":"BTCUSDT","side":"SELL","type":"LIMIT","timeInForce":"GTC","price":"23416.10000000","quantity":"0.00847000""#,
        1_660_801_715_431,
        "15af09e41c36f3cc61378c2fbe2c33719a03dd5eba8d0f9206fbda44de717c88",
    ),
    (
        r#""symbol":"BTCUSDT","origClientOrderId":"4d96324ff9d44481926157""#,
        1_660_801_715_830,
        "33d5b721f278ae17a52f004a82a6f68a70c68e7dd6776ed0be77a455ab855282",
    ),
    (
        r#""symbol":"BTCUSDT","cancelReplaceMode":"ALLOW_FAILURE","cancelOrigClientOrderId":"4d96324ff9d44481926157","side":"SELL","type":"LIMIT","timeInForce":"GTC","price":"23416.10000000","quantity":"0.00847000""#,
        1_660_813_156_900,
        "7028fdc187868754d25e42c37ccfa5ba2bab1d180ad55d4c3a7e2de643943dc5",
    ),
    ("", 1_649_729_878_532, "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed"),
    (
        r#""symbol":"BTCUSDT""#,
        1_660_805_557_200,
        "773f01b6e3c2c9e0c1d217bc043ce383c1ddd6f0e25f8d6070f2b66a6ceaf3a5",
    ),
    ("", 1_660_801_839_480, "83303b4a136ac1371795f465808367242685a9e3a42b22edb4d977d0696eb45c"),
    (
        r#""symbol":"BTCUSDT","orderId":12569099453"#,
        1_660_801_720_951,
        "2c3aab5a078ee4ea465ecd95523b77289f61476c2f238ec10c55ea6cb11a6f35",
    ),
    (
        r#""symbol":"BTCUSDT""#,
        1_660_813_156_812,
        "d632b3fdb8a81dd44f82c7c901833309dd714fe508772a89b0a35b0ee0c48b89",
    ),
    (
        r#""symbol":"BTCUSDT","startTime":1660780800000,"endTime":1660867200000,"limit":5"#,
        1_661_955_123_341,
        "f50a972ba7fad92842187643f6b930802d4e20bce1ba1e788e856e811577bd42",
    ),
    (
        r#""symbol":"BTCUSDT","startTime":1660780800000,"endTime":1660867200000"#,
        1_661_955_125_250,
        "c5a5ffb79fd4f2e10a92f895d488943a57954edf5933bde3338dfb6ea6d6eefc",
    ),
    ("", 1_660_801_839_500, "76289424d6e288f4dc47d167ac824e859dabf78736f4348abbbac848d719eb94"),
];

#[test]
fn ws_vectors() {
    for (members, timestamp, signature) in WS_VECTORS {
        let comma = if members.is_empty() { "" } else { "," };
        assert_every_change_is_refused(signature, |signature| {
            let object = format!(
                r#"{{{members}{comma}"signature":"{signature}","apiKey":"{KEY}","timestamp":{timestamp}}}"#
            );
            let params = Params::from_ws(&object).unwrap();
            let payload = params.sorted_payload();
            verify(KEY, &params, &payload, &exchange(), *timestamp)
                .is_ok_and(|(account, signer)| (account, signer) == (ACCOUNT, Signer::Hmac))
        });
    }
}

#[test]
fn ed25519_vectors() {
    assert_eq!(
        ed25519_public().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    );
    let logon = format!("apiKey={KEY}&timestamp=1649729878532");
    let vector =
        "OIe2IwMR3NP+oRgf/Hbo4Wf1DQyOmGvT5NrO+vm69t5WJn7jxvFQvS6nRtYpyFgebeGilE89v0rBSxL5N7EhCA==";
    assert_eq!(ed25519_of(&logon), vector);
    let public =
        ApiKey { key: KEY.to_owned(), secret: String::new(), ed25519_public: ed25519_public() };
    let exchange = Exchange::new(vec![], vec![(public, BTreeMap::new())]);
    let accepts = |payload: &str, signature: &str| {
        let object =
            format!(r#"{{"apiKey":"{KEY}","timestamp":1649729878532,"signature":"{signature}"}}"#);
        let params = Params::from_ws(&object).unwrap();
        verify(KEY, &params, payload, &exchange, 1_649_729_878_532).is_ok()
    };
    assert!(accepts(&logon, vector));
    assert!(!accepts(&logon.replace("532", "533"), vector));
    assert!(!accepts(&logon, &vector.replacen('O', "P", 1)));
    assert!(!accepts(&logon, &vector.to_lowercase()), "base64 has two cases");
    assert!(!accepts(&logon, "not base64"));
}

#[test]
fn timestamps() {
    let check = |query: &str| check_time(&Params::from_rest(query, "").unwrap(), T);
    let at = |offset: i64| format!("timestamp={}", T.saturating_add_signed(offset));
    assert_eq!(check(&at(0)), Ok(()));
    assert_eq!(check(&at(999)), Ok(()));
    let ahead = check(&at(1000)).unwrap_err();
    assert_eq!((ahead.status, ahead.code), (400, -1021));
    assert_eq!(ahead.message, "Timestamp for this request was 1000ms ahead of the server's time.");
    assert_eq!(check(&at(-5000)), Ok(()));
    let late = check(&at(-5001)).unwrap_err();
    assert_eq!((late.status, late.code), (400, -1021));
    assert_eq!(late.message, "Timestamp for this request is outside of the recvWindow.");
    assert_eq!(check(&format!("{}&recvWindow=100", at(-100))), Ok(()));
    assert_eq!(check(&format!("{}&recvWindow=100", at(-101))).unwrap_err().code, -1021);
    assert_eq!(check(&format!("{}&recvWindow=60000", at(-60_000))), Ok(()));
    assert_eq!(
        check(&format!("{}&recvWindow=60001", at(0))).unwrap_err().message,
        "'recvWindow' contains unexpected value. Cannot be greater than 60000."
    );
    assert_eq!(check(&format!("{}&recvWindow=0.0001", at(0))).unwrap_err().code, -1111);
    assert_eq!(
        check("").unwrap_err().message,
        "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."
    );
    assert_eq!(check("timestamp=soon").unwrap_err().code, -1102);
    // Microseconds, with a window of fractions of a millisecond.
    let micros = |offset: i64| format!("timestamp={}", (T * 1000).saturating_add_signed(offset));
    assert_eq!(check(&format!("{}&recvWindow=0.5", micros(-500))), Ok(()));
    assert_eq!(check(&format!("{}&recvWindow=0.5", micros(-501))).unwrap_err().code, -1021);
    assert_eq!(check(&micros(999_999)), Ok(()));
    assert_eq!(check(&micros(1_000_000)).unwrap_err().code, -1021);
}

#[test]
fn keys_and_signatures_are_refused_with_the_venues_words() {
    let mut venue = Venue::new();
    let path = "/api/v3/account";
    let query = format!("timestamp={T}&signature=00");
    let none = venue.http("GET", path, &query, "", None);
    assert_eq!(
        (none.status, none.body.as_str()),
        (401, r#"{"code":-2014,"msg":"API-key format invalid."}"#)
    );
    let odd = venue.http("GET", path, &query, "", Some("a b"));
    assert_eq!(odd.status, 401);
    assert_eq!(odd.body, r#"{"code":-2014,"msg":"API-key format invalid."}"#);
    let unknown = venue.http("GET", path, &query, "", Some("nobody"));
    assert_eq!(unknown.status, 401);
    assert_eq!(
        unknown.body,
        r#"{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}"#
    );
    let forged = venue.http("GET", path, &query, "", Some(KEY));
    assert_eq!(forged.status, 400);
    assert_eq!(forged.body, r#"{"code":-1022,"msg":"Signature for this request is not valid."}"#);
    let unsigned = venue.http("GET", path, &format!("timestamp={T}"), "", Some(KEY));
    assert_eq!(
        unsigned.body,
        r#"{"code":-1102,"msg":"Mandatory parameter 'signature' was not sent, was empty/null, or malformed."}"#
    );
    // An Ed25519 signature that was not percent-encoded loses its plus signs.
    let payload = format!("timestamp={T}");
    let base64 = ed25519_of(&payload);
    assert!(base64.contains('+') || base64.contains('/'), "the vector shows the point");
    let raw = venue.http("GET", path, &format!("{payload}&signature={base64}"), "", Some(ED_KEY));
    let escaped = base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let good = venue.http("GET", path, &format!("{payload}&signature={escaped}"), "", Some(ED_KEY));
    assert_eq!(good.status, 200);
    assert_eq!(raw.status, if base64.contains('+') { 400 } else { 200 });
}

#[test]
fn a_skewed_clock_is_told_so() {
    let mut venue = Venue::new();
    let request = venue.signed("account.status", "");
    venue.now_ms = T + 5001;
    let reply = only_text(&venue.send(API, &request), API).remove(0);
    assert_eq!(
        reply,
        refusal(400, -1021, "Timestamp for this request is outside of the recvWindow.")
    );
}
