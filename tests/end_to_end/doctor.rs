//! `stoop doctor` and `stoop tune` on this host, which nothing here changes.

use crate::support::{Folder, stderr, stoop};
use serde_json::Value;

#[test]
fn doctor_tells_people_and_programs_the_same() {
    let folder = Folder::new();
    let output = stoop(&folder, &["doctor", "--json", "--spin", "0", "--cpus", "0"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = object["findings"].as_array().unwrap();
    assert!(findings.len() > 40, "{}", findings.len());
    for one in findings {
        for key in ["name", "title", "path", "reason"] {
            assert!(!one[key].as_str().unwrap().is_empty(), "{key} of {one}");
        }
        let state = one["state"].as_str().unwrap();
        assert!(["OK", "WARN", "FAIL", "unknown"].contains(&state), "{one}");
        assert_eq!(one["value"].is_null(), state == "unknown", "{one}");
        assert!(one["fix"].is_null() || ["WARN", "FAIL"].contains(&state), "{one}");
    }
    let failed = findings.iter().any(|one| one["state"] == "FAIL");
    assert_eq!(object["fit"], !failed);
    assert_eq!(output.status.code(), Some(i32::from(failed)), "{}", stderr(&output));
    // Without measured CPUs and venues, and with no engine running, these are not known.
    for name in ["jitter", "rings", "ways", "engine_faults"] {
        let one = findings.iter().find(|one| one["name"] == name).unwrap();
        assert_eq!(one["state"], "unknown", "{one}");
    }
    let people = stoop(&folder, &["doctor", "--spin", "0", "--cpus", "0"]);
    let text = String::from_utf8(people.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let heads = text
        .lines()
        .filter(|line| ["OK  ", "WARN", "FAIL", "unkn"].iter().any(|s| line.starts_with(s)));
    assert_eq!(heads.count(), findings.len(), "{text}");
}

#[test]
fn cpus_are_watched_if_asked() {
    let folder = Folder::new();
    let output = stoop(&folder, &["doctor", "--json", "--spin", "1", "--cpus", "0"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let jitter = object["findings"].as_array().unwrap().iter().find(|one| one["name"] == "jitter");
    let text = |key: &str| jitter.unwrap()[key].as_str().unwrap_or_default().to_owned();
    let measured = text("value").starts_with("CPU 0: ") && text("value").contains(" us at most");
    // Engines of other tests may run: then it spins on no CPU and names them.
    let another = text("reason").starts_with("not measured while e2e-");
    assert!(measured != another, "{jitter:?}");
}

#[test]
fn tune_prints_a_script_and_knows_its_names() {
    let folder = Folder::new();
    let output = stoop(&folder, &["tune", "--cpus", "0"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let known = ["echo ", "swapoff ", "ethtool ", "taskset ", "systemctl ", "tuned-adm "];
        assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
    }
    let output = stoop(&folder, &["tune", "swop"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("\"swop\" is none of: isolated, "), "{}", stderr(&output));
    let output = stoop(&folder, &["doctor", "--cpus", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--cpus x: not a list of CPUs"), "{}", stderr(&output));
}
