//! `stoop sim`: the simulated venues alone, for other programs to connect to.
//!
//! With `--json` the first line says where everything is; the second, at the end, what each venue then
//! holds for its account, for clients to compare their own sums with.

use super::signals::stop_flag;
use super::venues::Simulated;
use super::{EXIT_OK, Failure};
use crate::config::Config;
use crate::sim::{Ledger, LedgerPosition, SimKeyKind};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub(super) fn sim(config: &Config, duration: Option<Duration>, json: bool) -> Result<u8, Failure> {
    let stop = stop_flag()?;
    let sim = Simulated::start(config)?;
    let folder = std::env::temp_dir().join(format!("stoop-sim-{}", std::process::id()));
    let described = describe(&sim, &folder)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    if json {
        println!("{described}");
    } else {
        print(&described);
    }
    let started = Instant::now();
    while !stop.load(Ordering::Relaxed) && duration.is_none_or(|d| started.elapsed() < d) {
        std::thread::sleep(Duration::from_millis(20));
    }
    if json {
        // Nobody may be reading any more.
        let _ = writeln!(std::io::stdout(), "{}", ledgers(&sim));
    }
    sim.handle.stop();
    let _ = std::fs::remove_dir_all(&folder);
    Ok(EXIT_OK)
}

/// Writes CA and private keys into a folder of our own and says where everything is.
fn describe(sim: &Simulated, folder: &Path) -> std::io::Result<Value> {
    use std::os::unix::fs::DirBuilderExt;
    let _ = std::fs::remove_dir_all(folder);
    std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, sim.handle.ca_pem())?;
    let mut all = serde_json::Map::new();
    all.insert("ca".to_owned(), json!(ca.display().to_string()));
    for name in sim.handle.venues() {
        let Some(urls) = sim.handle.urls(name) else { continue };
        let mut row = json!({
            "rest": urls.rest,
            "public": urls.public,
            "trade": urls.trade,
            "private": urls.private,
        });
        for account in sim.accounts.iter().filter(|account| account.venue == name) {
            match account.kind {
                SimKeyKind::Secp256k1 => {
                    row["address"] = json!(account.key);
                    row["private_key"] = json!(account.secret);
                }
                SimKeyKind::Hmac => {
                    row["key"] = json!(account.key);
                    row["secret"] = json!(account.secret);
                    if !account.passphrase.is_empty() {
                        row["passphrase"] = json!(account.passphrase);
                    }
                }
                SimKeyKind::Ed25519 => {
                    let file = folder.join(format!("{name}_ed25519.pem"));
                    write_private(&file, &account.secret)?;
                    row["ed25519_key"] = json!(account.key);
                    row["ed25519_pem_file"] = json!(file.display().to_string());
                }
            }
        }
        all.insert(name.to_owned(), row);
    }
    Ok(Value::Object(all))
}

/// What each venue holds for the account that was described, by venue, and how many requests and texts
/// of clients that trade, or tried to, it has heard.
fn ledgers(sim: &Simulated) -> Value {
    let ledger = |name| {
        let account = sim.account(name)?;
        Some(shown(&sim.handle.ledger(name, &account.key)?))
    };
    let all: serde_json::Map<String, Value> =
        sim.handle.venues().filter_map(|name| Some((name.to_owned(), ledger(name)?))).collect();
    let private = |name| Some(json!(sim.handle.counters(name)?.private));
    let asked: serde_json::Map<String, Value> =
        sim.handle.venues().filter_map(|name| Some((name.to_owned(), private(name)?))).collect();
    json!({ "ledgers": all, "private_requests": asked })
}

/// Amounts as decimal text; `realised` is that of perpetuals, in the settlement asset.
fn shown(ledger: &Ledger) -> Value {
    let pair = |(free, locked): &(Decimal, Decimal)| json!({ "free": free, "locked": locked });
    let balances = ledger.balances.iter().map(|(asset, both)| (asset.clone(), pair(both)));
    let position = |position: &LedgerPosition| {
        json!({
            "qty": position.qty,
            "entry": position.entry,
            "realised": position.realised,
            "funding": position.funding,
        })
    };
    let positions = ledger.positions.iter().map(|(symbol, one)| (symbol.clone(), position(one)));
    json!({
        "balances": balances.collect::<serde_json::Map<_, _>>(),
        "positions": positions.collect::<serde_json::Map<_, _>>(),
        "fees": ledger.fees,
        "funding": ledger.funding,
        "covered": ledger.covered,
        "fills": ledger.fills,
        "orders": ledger.orders,
        "open_orders": ledger.open_orders,
    })
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn print(described: &Value) {
    let Some(all) = described.as_object() else { return };
    for (name, row) in all {
        match row.as_object() {
            None => println!("{name:<10} {}", row.as_str().unwrap_or_default()),
            Some(fields) => {
                println!("\n{name}");
                for (field, value) in fields {
                    println!("  {field:<18} {}", value.as_str().unwrap_or_default());
                }
            }
        }
    }
    println!("\nthese keys are made anew at every start and open nothing else; Ctrl-C stops");
}
