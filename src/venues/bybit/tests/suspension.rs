//! How long a refusal for too many requests silences us, in every form that it comes in.

use super::orders::order;
use super::*;

const SECOND: u64 = 1_000 * MS;
const TEN_MINUTES: u64 = 600 * SECOND;

fn pause(bench: &mut Bench) -> Option<u64> {
    let now = bench.now;
    let until = bench.notices().iter().find_map(|notice| match notice {
        VenueNotice::Suspended(until) => Some(*until),
        _ => None,
    });
    until.map(|until| until.since(now))
}

#[test]
fn codes_of_the_trade_socket() {
    let reset = |reset: &str| format!(r#""X-Bapi-Limit-Reset-Timestamp":"{reset}""#);
    let both = |reset_ms: &str, told: &str| format!(r#"{},"Timenow":"{told}""#, reset(reset_ms));
    for (code, header, expected) in [
        (10006, reset("1700000000700"), 700 * MS),
        // The venue's own time beside it makes our clock needless.
        (10006, both("1700000000700", "1700000000300"), 400 * MS),
        (10006, both("500", "300"), 200 * MS),
        (10006, reset("1699999999999"), SECOND),
        (10006, both("300", "300"), SECOND),
        (10006, both("200", "300"), SECOND),
        (10006, reset("soon"), SECOND),
        (10006, String::new(), SECOND),
        (10006, reset("9700000000700"), 3_600 * SECOND),
        (10018, reset("1700000000700"), 700 * MS),
        (10018, String::new(), TEN_MINUTES),
        (10403, String::new(), SECOND),
        (10429, String::new(), SECOND),
        (429, String::new(), SECOND),
        (20003, String::new(), SECOND),
    ] {
        for jump in [0, 3_600 * SECOND] {
            let told = header.contains("Timenow") || !header.contains("Reset");
            if jump > 0 && !told {
                continue;
            }
            let mut bench = Bench::logged_in();
            bench.submit(CommandKind::New(order())).unwrap();
            bench.now = bench.now.plus(jump);
            let text = format!(
                r#"{{"reqId":"{}","retCode":{code},"op":"order.create","data":{{}},"header":{{{header}}}}}"#,
                START.0 + 1
            );
            bench.text(Channel::Trade, &text).unwrap();
            assert_eq!(pause(&mut bench), Some(expected), "{code} {header} {jump}");
        }
    }
}

#[test]
fn a_reset_that_is_over_by_a_clock_that_has_jumped_still_is_a_pause() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(order())).unwrap();
    bench.now = bench.now.plus(3_600 * SECOND);
    let header = r#""X-Bapi-Limit-Reset-Timestamp":"1700000000700""#;
    let text = format!(
        r#"{{"reqId":"{}","retCode":10006,"op":"order.create","data":{{}},"header":{{{header}}}}}"#,
        START.0 + 1
    );
    bench.text(Channel::Trade, &text).unwrap();
    assert_eq!(pause(&mut bench), Some(SECOND));
}

#[test]
fn statuses_and_codes_over_rest() {
    let reset = "X-Bapi-Limit-Reset-Timestamp: 1700000000700\r\n";
    let told = r#"{"retCode":10006,"retMsg":"Too many visits!","time":1700000000500}"#;
    let code = |code: i32| format!(r#"{{"retCode":{code},"retMsg":"","result":{{}}}}"#);
    for (status, head, body, expected) in [
        (403, "", "access too frequent".to_owned(), TEN_MINUTES),
        (403, "Retry-After: 1800\r\n", String::new(), 1_800 * SECOND),
        (403, "Retry-After: 5\r\n", String::new(), TEN_MINUTES),
        (429, "", String::new(), SECOND),
        (429, "Retry-After: 7\r\n", String::new(), 7 * SECOND),
        (429, "Retry-After: soon\r\n", String::new(), SECOND),
        (429, reset, String::new(), 700 * MS),
        (200, reset, told.to_owned(), 200 * MS),
        (200, reset, code(10006), 700 * MS),
        (200, "", code(10006), SECOND),
        (200, "", code(10018), TEN_MINUTES),
        (200, reset, code(10018), 700 * MS),
        (200, "", code(10429), SECOND),
    ] {
        let mut bench = Bench::logged_in();
        bench.submit(CommandKind::Balances).unwrap();
        bench.reply(START.0 + 1, status, &format!("HTTP/1.1 {status} X\r\n{head}"), &body).unwrap();
        assert_eq!(pause(&mut bench), Some(expected), "{status} {head} {body}");
    }
}
