//! The gate: instructions per call of the hot functions, counted by callgrind, against
//! `benches/baseline.json`. More than three per cent more fails, with the function named, unless the
//! compiler is another one.
//!
//! `cargo bench --bench instructions` judges, `-- --update` accepts what is counted now, `-- --only
//! NAME` counts one. Every function runs a fixed number of calls on fixed input in a process of its
//! own, between entry and exit of one marker function; what happens outside is not counted. The CPU
//! that valgrind shows has no AVX-512 and no SHA extensions, so the counts are the same on every
//! x86-64 host with AVX2.

#![allow(missing_docs)]

mod work;

#[path = "../support/limits.rs"]
mod limits;
#[path = "../support/ready.rs"]
mod ready;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use stoop::bench::{Baseline, FrameKind, Steps, instructions};

/// Calls that are counted.
const CALLS: u64 = 256;
/// Calls before them: caches of the code fill, buffers reach their size.
const WARM_UP: u64 = 64;
/// Ways through the whole engine that are counted.
const PATHS: [(&str, FrameKind); 2] =
    [("path/top_to_order", FrameKind::Top), ("path/depth_to_order", FrameKind::Depth)];
/// Argument with which this program runs one function under callgrind.
const INSIDE: &str = "--inside";

/// What callgrind counts in: nothing else of the process is.
#[inline(never)]
fn counted_region(work: &mut dyn FnMut(u64), calls: std::ops::Range<u64>) {
    for call in calls {
        work(black_box(call));
    }
}

/// A whole step from a frame to its order; what happens between two of them is not counted.
fn inside_a_path(kind: FrameKind) -> Result<(), String> {
    let mut steps = Steps::new(kind, (WARM_UP + CALLS) as usize)?;
    for call in 0..WARM_UP + CALLS {
        steps.prepare()?;
        let mut left = true;
        if call < WARM_UP {
            left = steps.answer();
        } else {
            counted_region(&mut |_| left = steps.answer(), call..call + 1);
        }
        if !left {
            return Err(format!("step {call}: no order"));
        }
    }
    Ok(())
}

fn inside(name: &str) -> Result<(), String> {
    if let Some((_, kind)) = PATHS.iter().find(|(path, _)| *path == name) {
        return inside_a_path(*kind);
    }
    let functions = work::functions();
    let (_, make) = functions
        .into_iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("{name}: no such function"))?;
    let mut work = make();
    for call in 0..WARM_UP {
        work(call);
    }
    counted_region(&mut *work, WARM_UP..WARM_UP + CALLS);
    Ok(())
}

/// Instructions per call of one function.
fn count(name: &str, folder: &Path) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = folder.join(format!("callgrind.{}", name.replace('/', ".")));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--quiet"])
        .arg("--toggle-collect=*counted_region*")
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(program)
        .args([INSIDE, name])
        .env_remove("RUST_LOG")
        .output()
        .map_err(|error| {
            format!("valgrind cannot be started: {error} (apt-get install valgrind)")
        })?;
    if !run.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&run.stderr)));
    }
    let text = std::fs::read_to_string(&output).map_err(|error| error.to_string())?;
    let total = instructions(&text).ok_or_else(|| format!("{name}: nothing was counted"))?;
    let per_call = total as f64 / CALLS as f64;
    // A marker that was inlined or renamed would count nothing, and everything would pass.
    if per_call < 4.0 {
        return Err(format!("{name}: {per_call} instructions a call cannot be"));
    }
    Ok((per_call * 10.0).round() / 10.0)
}

fn toolchain() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let run = Command::new(rustc).arg("--version").output();
    run.map_or_else(
        |_| "unknown".to_owned(),
        |run| String::from_utf8_lossy(&run.stdout).trim().to_owned(),
    )
}

fn judge(update: bool, only: Option<&str>) -> Result<bool, String> {
    if !cfg!(target_arch = "x86_64") {
        println!("the baseline is of x86-64: nothing to compare with here");
        return Ok(true);
    }
    #[cfg(target_arch = "x86_64")]
    if !std::arch::is_x86_feature_detected!("avx2") {
        return Err("this CPU has no AVX2: other code runs than in the baseline".to_owned());
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let mut functions = BTreeMap::new();
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    let names = work::functions().into_iter().map(|(name, _)| name);
    for name in names.chain(PATHS.map(|(name, _)| name)).filter(|name| wanted(name)) {
        functions.insert(name.to_owned(), count(name, &folder)?);
    }
    let now = Baseline { toolchain: toolchain(), functions };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/baseline.json");
    if update {
        let text = serde_json::to_string_pretty(&now).map_err(|error| error.to_string())?;
        std::fs::write(&path, text + "\n").map_err(|error| error.to_string())?;
        println!("{} functions are the baseline now", now.functions.len());
        return Ok(true);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| format!("baseline.json: {error}"))?;
    let then: Baseline =
        serde_json::from_str(&text).map_err(|error| format!("baseline.json: {error}"))?;
    let comparable = then.toolchain == now.toolchain;
    println!("{:<34} {:>12} {:>12}", "instructions per call", "baseline", "now");
    let verdicts = then.judge(&now);
    let verdicts: Vec<_> = verdicts.iter().filter(|verdict| wanted(&verdict.name)).collect();
    for verdict in &verdicts {
        println!("{verdict}");
    }
    let failed: Vec<_> = verdicts.iter().filter(|verdict| verdict.fails()).collect();
    for verdict in &failed {
        println!("{}: {verdict}", if comparable { "FAILED" } else { "differs" });
    }
    if !comparable {
        // The compiler moved, not the code.
        let (then, now) = (&then.toolchain, &now.toolchain);
        println!("NOT JUDGED: the baseline was counted with {then}, this is {now}");
        return Ok(true);
    }
    if !failed.is_empty() {
        println!("if that is meant: cargo bench --bench instructions -- --update");
    }
    Ok(failed.is_empty())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let result = match after(INSIDE) {
        Some(name) => inside(name).map(|()| true),
        // `cargo test --benches` only wants to see it start.
        None if arguments.iter().any(|argument| argument == "--test") => Ok(true),
        None => {
            let update = arguments.iter().any(|argument| argument == "--update");
            if update && after("--only").is_some() {
                Err("--update takes all functions, not --only some".to_owned())
            } else {
                judge(update, after("--only"))
            }
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
