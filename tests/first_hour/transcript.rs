//! What was said against what should be: `transcript.md` has every command with its output. Whatever
//! differs from run to run stands there as `N` (a number, its unit, and "below" before it), `TIME` and
//! `ID`; a line of three dots is any number of lines, three dots at the end of a line are the rest of it.

/// A command with its output.
pub struct Step {
    pub command: String,
    pub output: Vec<String>,
}

/// The steps of a transcript.
pub fn read(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let fenced = text.split("```").skip(1).step_by(2);
    for line in fenced.flat_map(|block| block.lines().skip(1)) {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step { command: command.to_owned(), output: Vec::new() }),
            None => steps.last_mut().unwrap().output.push(line.to_owned()),
        }
    }
    steps
}

/// What Cargo says of its own progress.
const PROGRESS: [&str; 9] = [
    "Compiling ",
    "Finished ",
    "Running ",
    "Doc-tests ",
    "Blocking ",
    "Locking ",
    "Adding ",
    "Updating ",
    "Removing ",
];

/// What was said without blank lines, Cargo's progress and what the log says to inform.
pub fn shown(said: &[String]) -> Vec<String> {
    let lines = said.iter().map(|line| normal(line));
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("TIME INFO "))
        .filter(|line| !PROGRESS.iter().any(|start| line.starts_with(start)))
        .collect()
}

fn normal(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_unit = ["ns", "us", "ms", "s"].contains(&word);
        if !(is_unit && words.last().is_some_and(|last| last == "N")) {
            words.push(normal_word(word));
        }
    }
    words.join(" ").replace("below N", "N")
}

fn normal_word(word: &str) -> String {
    if word.starts_with("20") && word.contains('T') && word.contains('Z') {
        return "TIME".to_owned() + word.split_once('Z').map_or("", |(_, rest)| rest);
    }
    let id = word.strip_prefix("st").and_then(|rest| rest.split_at_checked(16));
    if let Some((_, rest)) = id.filter(|id| id.0.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return format!("ID{rest}");
    }
    let mut text = String::new();
    let mut chars = word.trim_start_matches('-').chars().peekable();
    if !chars.peek().is_some_and(char::is_ascii_digit) {
        chars = word.chars().peekable();
    }
    while let Some(char) = chars.next() {
        if !char.is_ascii_digit() {
            text.push(char);
            continue;
        }
        loop {
            let mut ahead = chars.clone();
            ahead.next_if(|next| [':', '.'].contains(next));
            if ahead.next_if(char::is_ascii_digit).is_none() {
                break;
            }
            chars = ahead;
        }
        text.push('N');
    }
    text
}

/// Whether lines are what a transcript says.
pub fn fits(expected: &[String], lines: &[String]) -> bool {
    let Some((first, rest)) = expected.split_first() else { return lines.is_empty() };
    if first == "..." {
        return (0..=lines.len()).any(|skipped| fits(rest, &lines[skipped..]));
    }
    let Some((line, others)) = lines.split_first() else { return false };
    let same = match first.strip_suffix("...") {
        Some(start) => line.starts_with(start),
        None => line == first,
    };
    same && fits(rest, others)
}

#[test]
fn what_differs_from_run_to_run_is_left_out_and_nothing_else() {
    let said = "2026-11-29T17:23:27.28Z  st0d007e8600000181 BTC/USDT@binance -61849.51  3.2 ms 7x below 1 ms";
    assert_eq!(normal(said), "TIME ID BTC/USDT@binance N N Nx N");
    assert_eq!(
        normal("error: engine.toml:20:1: no-such \"key\""),
        "error: engine.toml:N: no-such \"key\""
    );
    let lines = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
    assert!(fits(&lines("a|...|d ..."), &lines("a|b|c|d e")));
    assert!(fits(&lines("a|..."), &lines("a")));
    assert!(!fits(&lines("a|...|d"), &lines("a|b|c|d e")));
    assert!(!fits(&lines("a"), &lines("a|b")));
}
