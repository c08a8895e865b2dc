//! The shape of the code: who imports whom, where unsafe may stand, how long things may be, and
//! that a venue's name stands in its own folders only.

use std::fs;
use std::path::{Path, PathBuf};

/// Top folder of `src/` and what it may import from the rest of the engine.
const IMPORTS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("mutants", &[]),
    ("sync", &[]),
    ("clock", &["types"]),
    ("shm", &["types", "sync"]),
    ("venues", &["types", "throttle"]),
    ("book", &["types", "mutants"]),
    ("journal", &["types"]),
    ("portfolio", &["types"]),
    ("throttle", &["types"]),
    ("pipe", &["types"]),
    ("net", &["types", "clock", "pipe"]),
    ("oms", &["types", "portfolio", "mutants", "throttle"]),
    ("strategy", &["types", "shm", "clock"]),
    ("sim", &["types", "pipe"]),
    ("config", &["types", "venues"]),
    ("metrics", &["types", "shm", "clock"]),
    ("doctor", &["bench", "net"]),
    ("show", &["types", "shm", "oms", "journal", "venues"]),
    ("tui", &["types", "shm", "clock", "show"]),
];

/// Folders and files in which `unsafe` may stand.
const UNSAFE: &[&str] =
    &["sync/", "shm/", "journal/map.rs", "journal/crc.rs", "net/sockopt.rs", "venues/scan/"];

/// Folders in which a venue may be named.
const VENUE_NAMES: &[&str] = &["venues", "sim"];
/// And where examples for users are.
const EXAMPLES: &str = "cli/new/";

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Every source with its top folder, its path for messages, and its text without tests.
fn code() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let top = relative.iter().next().unwrap().to_str().unwrap();
            let text = fs::read_to_string(path).unwrap();
            let tests = ["\n#[cfg(test)]\nmod tests {", "\n#[cfg(all(test"];
            let end = tests.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
            let top = top.trim_end_matches(".rs").to_owned();
            (top, relative.display().to_string(), text[..end].to_owned())
        })
        .filter(|(_, path, _)| !path.ends_with("tests.rs") && !path.contains("/tests/"))
        .collect()
}

/// The code of a line, without its comment.
fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

fn fail_if_any(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn steps_import_in_one_direction() {
    let mut problems = Vec::new();
    for (top, path, text) in code() {
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == top) else { continue };
        for (number, line) in text.lines().enumerate() {
            let code = without_comment(line);
            for (at, _) in code.match_indices("crate::") {
                let name: String = code[at + 7..]
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                if !name.is_empty() && name != top && !allowed.contains(&name.as_str()) {
                    problems.push(format!("src/{path}:{}: {top} imports {name}", number + 1));
                }
            }
        }
    }
    fail_if_any(&problems);
}

#[test]
fn unsafe_stands_only_where_it_may() {
    let mut problems = Vec::new();
    for (_, path, text) in code() {
        if UNSAFE.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = without_comment(line);
            if code.contains("unsafe ") && !code.contains("unsafe_") {
                problems.push(format!("src/{path}:{}: unsafe", number + 1));
            }
        }
    }
    fail_if_any(&problems);
}

#[test]
fn venues_are_named_in_their_own_folders_only() {
    let mut problems = Vec::new();
    for (top, path, text) in code() {
        if VENUE_NAMES.contains(&top.as_str()) || path.starts_with(EXAMPLES) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = without_comment(line).to_lowercase();
            if ["binance", "bybit", "okx", "hyperliquid"].iter().any(|name| code.contains(name)) {
                problems.push(format!("src/{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    fail_if_any(&problems);
}

#[test]
fn every_file_says_what_it_is_and_is_short() {
    let mut problems = Vec::new();
    for (_, path, text) in code() {
        if !text.starts_with("//!") {
            problems.push(format!("src/{path}: does not begin with //!"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            problems.push(format!("src/{path}: {lines} lines without its tests"));
        }
    }
    fail_if_any(&problems);
}

#[test]
fn functions_are_short() {
    let mut problems = Vec::new();
    for (_, path, text) in code() {
        let mut open: Option<(usize, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_function =
                words.iter().take(4).any(|word| *word == "fn") && !line.ends_with(';');
            if is_function && !without_comment(line).trim_end().ends_with('}') {
                open = Some((number, format!("{indent}}}")));
            }
            if let Some((start, end)) = &open
                && line == end
            {
                if number - start > FUNCTION_LINES_MAX {
                    problems.push(format!("src/{path}:{}: {} lines", start + 1, number - start));
                }
                open = None;
            }
        }
    }
    fail_if_any(&problems);
}

#[test]
fn the_top_level_is_what_it_should_be() {
    const ALLOWED: &[&str] = &[
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "README.md",
        "engine.toml",
        "src",
        "benches",
        "fuzz",
        "tools",
        "tests",
        "target",
        "crash",
    ];
    let mut problems = Vec::new();
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.starts_with('.') && !ALLOWED.contains(&name.as_str()) {
            problems.push(format!("{name} does not belong at the top level"));
        }
    }
    fail_if_any(&problems);
}
