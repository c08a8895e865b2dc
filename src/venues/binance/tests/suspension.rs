//! How long a refusal for too many requests silences us, in every form that it comes in.

use super::{BTC, MS, NOW, PEM, Rig, SECRET, VENUE_ID, cancel, id_of, order};
use crate::types::{Channel, CommandKind, RateLimitUse, RejectReason, TimeInForce, VenueNotice};
use crate::venues::EncodeError;
use TimeInForce::Ioc;

const DELTA: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1795161255508,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}}"#;
const SECOND: u64 = 1_000 * MS;
/// It is 16 s past the minute by the venue's clock.
const MINUTE_END: u64 = 44 * SECOND;
const SHORTEST_BAN: u64 = 120 * SECOND;
const LONGEST_BAN: u64 = 3 * 86_400 * SECOND;

/// The error object of the trading socket.
fn error(code: i32, message: &str, data: &str) -> String {
    let data = if data.is_empty() { String::new() } else { format!(r#","data":{{{data}}}"#) };
    format!(r#"{{"code":{code},"msg":"{message}"{data}}}"#)
}

/// What an order learns that was refused over the trading socket, and how long the pause is.
fn over_socket(rig: &mut Rig, status: u16, error: &str) -> Option<u64> {
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = id_of(&rig.sent());
    let text = format!(r#"{{"id":{id},"status":{status},"error":{error}}}"#);
    rig.frame(Channel::Trade, &text).unwrap();
    pause(rig)
}

fn pause(rig: &Rig) -> Option<u64> {
    let until = rig.notices().iter().find_map(|notice| match notice {
        VenueNotice::Suspended(until) => Some(*until),
        _ => None,
    });
    until.map(|until| until.since(rig.now))
}

#[test]
fn the_trading_socket_states_the_end_by_the_venues_clock() {
    let way = "Way too much request weight used; IP banned until 1795161266000. Please use \
               WebSocket Streams for live updates to avoid bans.";
    let both = r#""serverTime":1795161256000,"retryAfter":1795161266000"#;
    for (status, code, message, data, expected) in [
        (429, -1003, "Too much request weight used.", both, 10 * SECOND),
        (418, -1003, way, both, 10 * SECOND),
        // The two times agree with each other whatever our clock says.
        (418, -1003, way, r#""serverTime":1000,"retryAfter":61000"#, 60 * SECOND),
        (418, -1003, way, r#""retryAfter":1795161276000"#, 20 * SECOND),
        (418, -1003, way, "", 10 * SECOND),
        (429, -1034, "Too many connection attempts.", both, 10 * SECOND),
        // A code alone counts as well as a status.
        (400, -1003, "Too many requests queued.", both, 10 * SECOND),
        // No time, one that cannot be, and one that is over: the rest of the minute, a whole ban.
        (429, -1003, "Too much request weight used.", "", MINUTE_END),
        (429, -1003, "x", r#""retryAfter":"soon""#, MINUTE_END),
        (418, -1003, "IP banned until tomorrow.", "", SHORTEST_BAN),
        (429, -1003, "x", r#""serverTime":1795161256000,"retryAfter":1795161255999"#, MINUTE_END),
        (418, -1003, way, r#""retryAfter":1795161256000"#, SHORTEST_BAN),
        (418, -1003, "IP banned until 1795161255999.", "", SHORTEST_BAN),
        // Never less than a second, never longer than the venue's longest ban.
        (429, -1003, "x", r#""serverTime":1795161256000,"retryAfter":1795161256001"#, SECOND),
        (418, -1003, "x", r#""retryAfter":99999999999999999"#, LONGEST_BAN),
        (403, 0, "", "", MINUTE_END),
    ] {
        let mut rig = Rig::ready(PEM, false);
        let found = over_socket(&mut rig, status, &error(code, message, data));
        assert_eq!(found, Some(expected), "{status} {code} {message} {data}");
        let cancel = rig.submit(CommandKind::Cancel(cancel(VENUE_ID)));
        let banned = if status == 418 { Err(EncodeError::RateLimited) } else { Ok(()) };
        assert_eq!(cancel, banned, "{status}");
        assert_eq!(rig.submit(CommandKind::New(order(Ioc))), Err(EncodeError::RateLimited));
    }
}

#[test]
fn a_ban_is_served_although_our_clock_has_jumped() {
    for jump in [3_600 * SECOND, 2 * LONGEST_BAN] {
        // Our clock goes on; what it was measured against is of no use any more.
        let mut rig = Rig::ready(PEM, false);
        rig.now = rig.now.plus(jump);
        let way = "Way too much request weight used; IP banned until 1795161286000.";
        let whole = r#""serverTime":1795161256000,"retryAfter":1795161286000"#;
        assert_eq!(over_socket(&mut rig, 418, &error(-1003, way, whole)), Some(30 * SECOND));
        let mut rig = Rig::ready(PEM, false);
        rig.now = rig.now.plus(jump);
        assert_eq!(over_socket(&mut rig, 418, &error(-1003, way, "")), Some(SHORTEST_BAN));
        assert_eq!(rig.submit(CommandKind::New(order(Ioc))), Err(EncodeError::RateLimited));
        rig.pass(SHORTEST_BAN);
        let probe = rig.sent();
        assert!(probe.contains(r#""method":"time""#), "the clock is measured anew: {probe}");
    }
}

#[test]
fn rest_states_a_pause_in_seconds() {
    let body = r#"{"code":-1003,"msg":"Way too much request weight used; IP banned until 1795161266000."}"#;
    for (status, headers, body, expected) in [
        (429, "Retry-After: 5\r\n", body, 5 * SECOND),
        (418, "retry-after: 120\r\n", body, 120 * SECOND),
        (418, "", body, 10 * SECOND),
        (418, "", "<html>I'm a teapot</html>", SHORTEST_BAN),
        (429, "", "<html>", MINUTE_END),
        (429, "Retry-After: 0\r\n", body, SECOND),
        (418, "Retry-After: 99999999999\r\n", body, LONGEST_BAN),
        // The other form of the header is not documented here.
        (429, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", "<html>", MINUTE_END),
        (429, "Retry-After: -1\r\n", "<html>", MINUTE_END),
        (403, "", "<html>firewall</html>", MINUTE_END),
    ] {
        let mut rig = Rig::ready(SECRET, true);
        rig.submit(CommandKind::New(order(Ioc))).unwrap();
        let id = rig.requests()[0].id;
        rig.response(id, status, headers, body).unwrap();
        assert_eq!(pause(&rig), Some(expected), "{status} {headers} {body}");
        // The same for market data, whose requests the same address makes.
        let mut rig = Rig::market();
        rig.submit(CommandKind::Subscribe(BTC)).unwrap();
        rig.open(Channel::Rest);
        rig.answer_probes_over_rest();
        rig.now = NOW;
        rig.open(Channel::Public);
        rig.frame(Channel::Public, DELTA).unwrap();
        let id = rig.requests()[0].id;
        rig.response(id, status, headers, body).unwrap();
        assert_eq!(pause(&rig), Some(expected), "market data: {status} {headers} {body}");
    }
}

#[test]
fn too_many_orders_fill_the_limit_that_the_text_names() {
    let day = 86_400 - NOW.0 / SECOND % 86_400;
    for (message, limit, allowed, seconds) in [
        ("Too many new orders; current limit is 50 orders per 10 SECOND.", 1, 50, 4),
        ("Too many new orders; current limit is 160000 orders per 1 DAY.", 2, 160_000, day),
        ("Too many new orders.", 1, 0, 4),
    ] {
        let used = if allowed == 0 { u32::MAX } else { allowed };
        let resets_ns = NOW.plus(seconds * SECOND);
        let full = VenueNotice::RateLimit(RateLimitUse { limit, used, allowed, resets_ns });
        let mut rig = Rig::ready(PEM, false);
        let error =
            error(-1015, message, r#""serverTime":1795161256000,"retryAfter":1795161260000"#);
        assert_eq!(over_socket(&mut rig, 429, &error), None, "other requests go on");
        assert_eq!(rig.notices(), [full], "{message}");
        assert_eq!(rig.report().reason, RejectReason::RateLimit);
        assert_eq!(rig.submit(CommandKind::Balances), Ok(()));
    }
}
