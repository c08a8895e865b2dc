//! Whether a message has the members of a venue's own, with values of the same type.

#![forbid(unsafe_code)]

use serde_json::Value;

/// Where `ours` is not shaped like `theirs`. Members that only we have are named if `exact`.
pub(super) fn differences(
    ours: &Value,
    theirs: &Value,
    exact: bool,
    path: &str,
    out: &mut Vec<String>,
) {
    match (ours, theirs) {
        (Value::Object(mine), Value::Object(wanted)) => {
            for (name, value) in wanted {
                match mine.get(name) {
                    Some(own) => differences(own, value, exact, &format!("{path}.{name}"), out),
                    None => out.push(format!("{path}.{name} is missing")),
                }
            }
            let more = mine.keys().filter(|name| exact && !wanted.contains_key(*name));
            out.extend(more.map(|name| format!("{path}.{name} is not the venue's")));
        }
        (Value::Array(mine), Value::Array(wanted)) => {
            if let (Some(first), Some(wanted)) = (mine.first(), wanted.first()) {
                differences(first, wanted, exact, &format!("{path}[]"), out);
            }
        }
        _ if std::mem::discriminant(ours) == std::mem::discriminant(theirs) => {}
        _ => out.push(format!("{path} is {ours}, the venue's is {theirs}")),
    }
}

fn compare(ours: &Value, theirs: &str, exact: bool) {
    let wanted: Value = serde_json::from_str(theirs).unwrap();
    let mut out = Vec::new();
    differences(ours, &wanted, exact, "", &mut out);
    assert!(out.is_empty(), "{out:#?}\nin {ours}\nwanted {wanted}");
}

/// Exactly the members of an example.
pub(super) fn same(ours: &Value, theirs: &str) {
    compare(ours, theirs, true);
}

/// All members of an example, and perhaps more.
pub(super) fn covers(ours: &Value, theirs: &str) {
    compare(ours, theirs, false);
}
