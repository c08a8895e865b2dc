//! For tests: whether a message has the members of a venue's own, with values of the same types.

use serde_json::Value;

/// Ends of what is said of a member that only we have, and of a list without rows.
const ADDED: &str = " is not the venue's";
const EMPTY: &str = " is empty";

/// Where `ours` is not shaped like `theirs`. `optional` names members that either may lack; a null is
/// like everything; the id of a request is the client's.
fn differences(ours: &Value, theirs: &Value, optional: &[&str], path: &str, out: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(mine), Value::Object(wanted)) => {
            for (name, value) in wanted {
                match mine.get(name) {
                    Some(own) => differences(own, value, optional, &format!("{path}.{name}"), out),
                    None if optional.contains(&name.as_str()) => {}
                    None => out.push(format!("{path}.{name} is missing")),
                }
            }
            for name in mine.keys().filter(|name| !wanted.contains_key(*name)) {
                if !optional.contains(&name.as_str()) {
                    out.push(format!("{path}.{name}{ADDED}"));
                }
            }
        }
        (Value::Array(mine), Value::Array(wanted)) => {
            if let (Some(first), Some(wanted)) = (mine.first(), wanted.first()) {
                differences(first, wanted, optional, &format!("{path}[]"), out);
            } else if !wanted.is_empty() {
                out.push(format!("{path}{EMPTY}"));
            }
        }
        _ if path == ".id" => {}
        (Value::Null, _) | (_, Value::Null) => {}
        _ if std::mem::discriminant(ours) == std::mem::discriminant(theirs) => {}
        _ => out.push(format!("{path} is {ours}, the venue's is {theirs}")),
    }
}

/// Fails unless the two have the same shape, but for lists that are empty here.
pub(super) fn same(ours: &Value, fixture: &Value) {
    fail_but_for(ours, fixture, &[EMPTY]);
}

/// Fails unless ours has all members of the other; it may have more.
pub(super) fn covers(ours: &Value, fixture: &Value) {
    fail_but_for(ours, fixture, &[EMPTY, ADDED]);
}

fn fail_but_for(ours: &Value, fixture: &Value, allowed: &[&str]) {
    let mut out = Vec::new();
    differences(ours, fixture, &[], "", &mut out);
    out.retain(|problem| !allowed.iter().any(|ending| problem.ends_with(ending)));
    assert!(out.is_empty(), "{out:#?}\nin {ours}");
}

/// Fails unless the two have the same shape.
pub(super) fn compare(ours: &str, fixture: &str, optional: &[&str]) {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let mut out = Vec::new();
    differences(&read(ours), &read(fixture), optional, "", &mut out);
    assert!(out.is_empty(), "{out:#?}\nin {ours}");
}

#[test]
fn what_is_missing_added_or_of_another_type_is_found() {
    let theirs: Value = serde_json::from_str(r#"{"a":"1","b":[{"c":1}],"d":{"e":true}}"#).unwrap();
    let found = |ours: &str, optional: &[&str]| {
        let mut out = Vec::new();
        differences(&serde_json::from_str(ours).unwrap(), &theirs, optional, "", &mut out);
        out
    };
    assert_eq!(found(r#"{"a":"","b":[{"c":2}],"d":{"e":false}}"#, &[]), [""; 0]);
    assert_eq!(found(r#"{"a":"","b":[],"d":{"e":false}}"#, &[]), [".b is empty"]);
    assert_eq!(found(r#"{"b":[{"c":1}],"d":{"e":false}}"#, &[]), [".a is missing"]);
    assert_eq!(found(r#"{"b":[{"c":1}],"d":{"e":false}}"#, &["a"]), [""; 0]);
    let number = ".b[].c is \"1\", the venue's is 1";
    assert_eq!(found(r#"{"a":"","b":[{"c":"1"}],"d":{"e":false}}"#, &[]), [number]);
    let more = r#"{"a":"","b":[{"c":1}],"d":{"e":false,"f":1}}"#;
    assert_eq!(found(more, &[]), [".d.f is not the venue's"]);
}
