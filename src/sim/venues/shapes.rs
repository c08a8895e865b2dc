//! For tests: whether a message has the members of a venue's own, with values of the same types.

use serde_json::Value;

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
                    out.push(format!("{path}.{name} is not the venue's"));
                }
            }
        }
        (Value::Array(mine), Value::Array(wanted)) => {
            if let (Some(first), Some(wanted)) = (mine.first(), wanted.first()) {
                differences(first, wanted, optional, &format!("{path}[]"), out);
            } else if !wanted.is_empty() {
                out.push(format!("{path} is empty"));
            }
        }
        _ if path == ".id" => {}
        (Value::Null, _) | (_, Value::Null) => {}
        _ if std::mem::discriminant(ours) == std::mem::discriminant(theirs) => {}
        _ => out.push(format!("{path} is {ours}, the venue's is {theirs}")),
    }
}

/// Fails unless the two have the same shape.
pub(super) fn compare(ours: &str, fixture: &str, optional: &[&str]) {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let mut out = Vec::new();
    differences(&read(ours), &read(fixture), optional, "", &mut out);
    assert!(out.is_empty(), "{out:#?}\nin {ours}");
}
