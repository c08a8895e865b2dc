//! The venue's published signatures, and ones computed apart for keys that it does not publish.

use super::super::auth::Signer;
use super::super::params::{Params, Wire};
use super::{KEY, PEM, SECRET, setup};
use crate::venues::{Secret, SetupError};

fn signature(secret: &str, payload: &str) -> String {
    let signer = Signer::new(&Secret::new(secret.to_owned()), KEY).unwrap();
    String::from_utf8(signer.sign(payload.as_bytes()).as_bytes().to_vec()).unwrap()
}

#[test]
fn shared_secrets_sign_as_documented() {
    let futures = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";
    let k = KEY;
    for (secret, payload, expected) in [
        (SECRET, "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559".to_owned(), "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (SECRET, "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559".to_owned(), "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
        (SECRET, format!("apiKey={k}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"), "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
        (SECRET, format!("apiKey={k}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY&symbol=１２３４５６&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"), "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
        (SECRET, format!("apiKey={k}&timestamp=1649729878532"), "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed"),
        (SECRET, format!("apiKey={k}&price=23416.10000000&quantity=0.00847000&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1660801715431&type=LIMIT"), "15af09e41c36f3cc61378c2fbe2c33719a03dd5eba8d0f9206fbda44de717c88"),
        (SECRET, format!("apiKey={k}&origClientOrderId=4d96324ff9d44481926157&symbol=BTCUSDT&timestamp=1660801715830"), "33d5b721f278ae17a52f004a82a6f68a70c68e7dd6776ed0be77a455ab855282"),
        (SECRET, format!("apiKey={k}&cancelOrigClientOrderId=4d96324ff9d44481926157&cancelReplaceMode=ALLOW_FAILURE&price=23416.10000000&quantity=0.00847000&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1660813156900&type=LIMIT"), "7028fdc187868754d25e42c37ccfa5ba2bab1d180ad55d4c3a7e2de643943dc5"),
        (SECRET, format!("apiKey={k}&symbol=BTCUSDT&timestamp=1660805557200"), "773f01b6e3c2c9e0c1d217bc043ce383c1ddd6f0e25f8d6070f2b66a6ceaf3a5"),
        (SECRET, format!("apiKey={k}&timestamp=1660801839480"), "83303b4a136ac1371795f465808367242685a9e3a42b22edb4d977d0696eb45c"),
        (SECRET, format!("apiKey={k}&orderId=12569099453&symbol=BTCUSDT&timestamp=1660801720951"), "2c3aab5a078ee4ea465ecd95523b77289f61476c2f238ec10c55ea6cb11a6f35"),
        (SECRET, format!("apiKey={k}&symbol=BTCUSDT&timestamp=1660813156812"), "d632b3fdb8a81dd44f82c7c901833309dd714fe508772a89b0a35b0ee0c48b89"),
        (SECRET, format!("apiKey={k}&endTime=1660867200000&limit=5&startTime=1660780800000&symbol=BTCUSDT&timestamp=1661955123341"), "f50a972ba7fad92842187643f6b930802d4e20bce1ba1e788e856e811577bd42"),
        (SECRET, format!("apiKey={k}&endTime=1660867200000&startTime=1660780800000&symbol=BTCUSDT&timestamp=1661955125250"), "c5a5ffb79fd4f2e10a92f895d488943a57954edf5933bde3338dfb6ea6d6eefc"),
        (SECRET, format!("apiKey={k}&timestamp=1660801839500"), "76289424d6e288f4dc47d167ac824e859dabf78736f4348abbbac848d719eb94"),
        (futures, "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943".to_owned(), "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"),
        // The documented sample of a mixed request has a stray space; without it, what is right.
        (futures, "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=9000&recvWindow=5000&timestamp= 1591702613943".to_owned(), "f9d0ae5e813ef6ccf15c2b5a434047a0181cb5a342b903b367ca6d27a66e36f2"),
        (futures, "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=9000&recvWindow=5000&timestamp=1591702613943".to_owned(), "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4"),
    ] {
        assert_eq!(signature(secret, &payload), expected, "{payload}");
    }
}

#[test]
fn private_keys_sign_as_computed_apart() {
    let k = KEY;
    for (payload, expected) in [
        (format!("apiKey={k}&timestamp=1649729878532"), "OIe2IwMR3NP+oRgf/Hbo4Wf1DQyOmGvT5NrO+vm69t5WJn7jxvFQvS6nRtYpyFgebeGilE89v0rBSxL5N7EhCA=="),
        ("symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559".to_owned(), "jjt1qwCY9csZlKsIpxgnSZSMn4zp40EFhbaN3JXjejGf6Zmc2MF5T+Kj6+CwPqvjBhT7RLWOVFrnRe0DYkbuBA=="),
        (format!("apiKey={k}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"), "PQO7vntp6e0SGpNNyaLxbzyBn92VKq5AXLl675bT44GP502KR5JIw5dZVOkvbOG1TpdiIMkrRyIy6yknTibkAg=="),
    ] {
        assert_eq!(signature(PEM, &payload), expected, "{payload}");
    }
}

/// The parameters of the documented socket order, written the way requests are written, make the
/// documented signature; so the order of parameters and the raw symbol are right.
#[test]
fn parameters_make_the_documented_payload() {
    let signer = Signer::new(&Secret::new(SECRET.to_owned()), KEY).unwrap();
    let mut params = Params::new();
    let mut write = |wire: Wire, symbol: &str| {
        params.start(wire, KEY);
        params.text("price", "0.10000000");
        params.text("quantity", "1.00000000");
        params.number("recvWindow", 5000);
        params.text("side", "BUY");
        params.text("symbol", symbol);
        params.text("timeInForce", "GTC");
        params.number("timestamp", 1_645_423_376_532);
        params.text("type", "LIMIT");
        let signature = params.sign(&signer);
        let (mut frame, mut path) = (Vec::new(), Vec::new());
        params.write_frame(7, "order.place", signature.as_ref(), &mut frame);
        params.write_path("/api/v3/order", signature.as_ref(), &mut path);
        (String::from_utf8(frame).unwrap(), String::from_utf8(path).unwrap())
    };
    let (frame, _) = write(Wire::Signed, "１２３４５６");
    let expected = format!(
        r#"{{"id":7,"method":"order.place","params":{{"apiKey":"{KEY}","price":"0.10000000","quantity":"1.00000000","recvWindow":5000,"side":"BUY","symbol":"１２３４５６","timeInForce":"GTC","timestamp":1645423376532,"type":"LIMIT","signature":"b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"}}}}"#
    );
    assert_eq!(frame, expected);
    let (frame, _) = write(Wire::Session, "A\"B\\\n");
    assert!(frame.contains(r#""symbol":"A\"B\\\u000a""#), "{frame}");
    assert!(!frame.contains("apiKey") && !frame.contains("signature"), "{frame}");
    let (_, path) = write(Wire::Rest, "１");
    let (query, signature) = path.split_once("&signature=").unwrap();
    let query = query.strip_prefix("/api/v3/order?").unwrap();
    assert!(query.contains("&symbol=%EF%BC%91&"), "{query}");
    assert_eq!(signature.as_bytes(), signer.sign(query.as_bytes()).as_bytes());
}

#[test]
fn secrets_that_cannot_sign_are_refused_by_name() {
    let begin = "-----BEGIN PRIVATE KEY-----\n";
    for (secret, expected) in [
        ("", "it is empty"),
        (" \n", "it is empty"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n",
            "the PEM does not hold an unencrypted PKCS#8 key",
        ),
        (&format!("{begin}AAAA\n"), "the PEM has no end line"),
        (&format!("{begin}A*A\n-----END PRIVATE KEY-----\n"), "the PEM is not base64"),
        (
            &format!("{begin}AAAA\n-----END PRIVATE KEY-----\n"),
            "not an Ed25519 private key in PKCS#8",
        ),
    ] {
        let error = Signer::new(&Secret::new(secret.to_owned()), KEY).err();
        assert_eq!(error, Some(SetupError::BadSecret(expected)), "{secret:?}");
    }
}

#[test]
fn keys_that_would_break_a_header_are_refused() {
    let connect = |key: Option<&str>| {
        let mut setup = setup(SECRET, false);
        setup.credentials = setup.credentials.filter(|_| key.is_some());
        if let Some(credentials) = &mut setup.credentials {
            credentials.key = key.unwrap_or("").to_owned();
        }
        super::super::trading::connect(setup).err()
    };
    assert_eq!(connect(Some(KEY)), None);
    assert_eq!(connect(None), Some(SetupError::NoCredentials));
    assert_eq!(connect(Some(" ")), Some(SetupError::NoCredentials));
    let bad = SetupError::BadSecret("the API key is not made of letters and digits");
    assert_eq!(connect(Some("a\r\nX: y")), Some(bad.clone()));
    assert_eq!(connect(Some("a\"b")), Some(bad));
}
