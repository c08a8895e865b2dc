//! `stoop journal`: reads a journal for a person or a program. Changes nothing, needs no lock, and
//! may look at a journal that is being written.

#![forbid(unsafe_code)]

mod row;

use super::output::end_of;
use super::{EXIT_FAILURE, EXIT_JOURNAL, EXIT_OK, Failure};
use crate::agents::journal::{Restored, restore};
use crate::journal::{Place, Reader, snapshot};
use crate::oms::{Kept, Record};
use crate::show::table::csv_field;
use crate::types::{ClientOrderId, Nanos};
use clap::{Args, Subcommand, ValueEnum};
use row::{Row, Rows};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// What to do with a journal.
#[derive(Subcommand)]
pub(super) enum Action {
    /// Print the records for people, one a line
    Show {
        #[command(flatten)]
        choice: Choice,
        #[command(flatten)]
        folder: Folder,
    },
    /// Read everything, execute it again and compare: checksums, order, every decision, the state
    Verify {
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        folder: Folder,
    },
    /// Print the records for programs
    Export {
        /// jsonl: one JSON object a line, with everything; csv: the columns of `show`
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Format,
        #[command(flatten)]
        choice: Choice,
        #[command(flatten)]
        folder: Folder,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Jsonl,
    Csv,
}

/// Which journal.
#[derive(Args)]
pub(super) struct Folder {
    /// Folder of the journal; without it that of the configuration
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    config: super::ConfigArgument,
}

/// Which records.
#[derive(Args)]
pub(super) struct Choice {
    /// First sequence number
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// At most so many records
    #[arg(long, value_name = "N")]
    most: Option<u64>,
    /// Only records of this kind, as the column says: report, command, signal, ...
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only records that name this order: st and 16 digits
    #[arg(long, value_name = "ID")]
    order: Option<String>,
}

impl Folder {
    fn place(&self) -> Result<Place, Failure> {
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => self.config.load_any()?.journal_folder(),
        };
        if folder.is_dir() {
            return Ok(Place::Folder(folder));
        }
        let message =
            format!("{}: there is no journal here; --folder names another", folder.display());
        Err(Failure { code: EXIT_JOURNAL, message })
    }
}

pub(super) fn journal(action: &Action) -> Result<u8, Failure> {
    match action {
        Action::Show { choice, folder } => {
            each(&folder.place()?, choice, |out, at, row, _| show_line(out, at, row))
        }
        Action::Export { format: Format::Csv, choice, folder } => {
            let place = folder.place()?;
            let head = Row::NAMES.join(",");
            end_of(writeln!(io::stdout(), "sequence,time_ns,{head}"))?;
            each(&place, choice, |out, at, row, _| csv_line(out, at, row))
        }
        Action::Export { format: Format::Jsonl, choice, folder } => {
            each(&folder.place()?, choice, |out, at, row, record| json_line(out, at, row, record))
        }
        Action::Verify { json, folder } => verify(&folder.place()?, *json),
    }
}

/// Where a record stands.
#[derive(Clone, Copy)]
struct At {
    sequence: u64,
    time: Nanos,
}

fn show_line(out: &mut dyn Write, at: At, row: &Row) -> io::Result<()> {
    let time = clock_time(at.time);
    write!(out, "{:>9} {time} {:<12}", at.sequence, row.kind)?;
    let parts = [&row.venue, &row.instrument, &row.order, &row.side, &row.qty];
    // The instrument names its venue.
    let skip = usize::from(!row.instrument.is_empty());
    for part in parts.into_iter().skip(skip).filter(|part| !part.is_empty()) {
        write!(out, " {part}")?;
    }
    if !row.price.is_empty() {
        write!(out, " at {}", row.price)?;
    }
    if !row.text.is_empty() {
        write!(out, "  {}", row.text)?;
    }
    writeln!(out)
}

/// `2026-11-28T06:34:05.123456789Z`
fn clock_time(time: Nanos) -> String {
    let since_epoch = Duration::from_nanos(time.0);
    humantime::format_rfc3339_nanos(SystemTime::UNIX_EPOCH + since_epoch).to_string()
}

/// Written at once: amounts are larger than the numbers that a JSON value in memory can hold.
fn json_line(out: &mut dyn Write, at: At, row: &Row, record: &Record) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        sequence: u64,
        time_ns: u64,
        kind: &'a str,
        venue: &'a str,
        instrument: &'a str,
        order: &'a str,
        text: &'a str,
        record: &'a Record,
    }
    let Row { kind, venue, instrument, order, text, .. } = row;
    let (sequence, time_ns) = (at.sequence, at.time.0);
    let line = Line { sequence, time_ns, kind, venue, instrument, order, text, record };
    writeln!(out, "{}", serde_json::to_string(&line)?)
}

fn csv_line(out: &mut dyn Write, at: At, row: &Row) -> io::Result<()> {
    let columns = row.columns().map(csv_field);
    writeln!(out, "{},{},{}", at.sequence, at.time.0, columns.join(","))
}

/// Hands every chosen record to `line`. A reader that goes away ends it quietly.
fn each(
    place: &Place,
    choice: &Choice,
    mut line: impl FnMut(&mut dyn Write, At, &Row, &Record) -> io::Result<()>,
) -> Result<u8, Failure> {
    let failed = |error: crate::journal::JournalError| Failure {
        code: EXIT_JOURNAL,
        message: error.to_string(),
    };
    if let Some(order) = &choice.order
        && !ClientOrderId::decode(order).is_some()
    {
        return Err(Failure::new(format!("{order:?} is no order of ours: st and 16 digits")));
    }
    // The instruments stand in the opening of each run; the first one's file may be gone.
    let kept = snapshot::newest(place).ok().and_then(|found| found.snapshot);
    let kept = kept.and_then(|snapshot| Kept::decode(&snapshot.payload));
    let mut rows = kept.map_or_else(Rows::default, |kept| Rows::over(kept.instruments().clone()));
    let mut reader = Reader::open(place, 0).map_err(failed)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut left = choice.most.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(raw) = reader.next().map_err(failed)? else { break };
        let at = At { sequence: raw.sequence, time: raw.time };
        let record = Record::decode(raw.payload).map_err(|error| Failure {
            code: EXIT_JOURNAL,
            message: format!("record {}: {error}", raw.sequence),
        })?;
        let is_opening = matches!(record, Record::Opening(_));
        if at.sequence < choice.from && !is_opening {
            continue;
        }
        let row = rows.row(&record);
        let wanted = at.sequence >= choice.from
            && choice.kind.as_ref().is_none_or(|kind| kind == row.kind)
            && choice.order.as_ref().is_none_or(|order| names(&row, &record, order));
        if !wanted {
            continue;
        }
        left -= 1;
        if let Err(error) = line(&mut out, at, &row, &record) {
            return end_of(Err(error)).map(|()| EXIT_OK);
        }
    }
    end_of(out.flush())?;
    if let Some(torn) = reader.torn() {
        tracing::warn!("{torn}");
    }
    Ok(EXIT_OK)
}

/// Whether a record names an order, in its own column or inside.
fn names(row: &Row, record: &Record, order: &str) -> bool {
    let inside = |id: ClientOrderId| id == ClientOrderId::decode(order);
    row.order == order || matches!(record, Record::Assumed(id, _) if inside(*id))
}

fn verify(place: &Place, json: bool) -> Result<u8, Failure> {
    let begun = Instant::now();
    let result = restore(place, false);
    let seconds = begun.elapsed().as_secs_f64();
    let text = match &result {
        Ok(restored) => verified(restored, seconds),
        Err(error) => error.clone(),
    };
    if json {
        let restored = result.as_ref().ok();
        let object = json!({
            "ok": result.is_ok(),
            "after": restored.map(|r| r.after),
            "records": restored.map(|r| r.records),
            "inputs": restored.map(|r| r.inputs),
            "state_hash": restored.and_then(|r| Some(format!("{:016x}", r.kept.as_ref()?.hash()))),
            "torn": restored.and_then(|r| r.torn.as_ref()).map(ToString::to_string),
            "seconds": seconds,
            "error": result.as_ref().err(),
        });
        println!("{object}");
    } else if result.is_ok() {
        println!("{text}");
    } else {
        return Err(Failure::new(text));
    }
    Ok(if result.is_ok() { EXIT_OK } else { EXIT_FAILURE })
}

fn verified(restored: &Restored, seconds: f64) -> String {
    let hash = restored.kept.as_ref().map_or(0, |kept| kept.hash());
    let open = restored.kept.as_ref().map_or(0, |kept| kept.open_count());
    let torn = restored.torn.as_ref().map_or(String::new(), |torn| format!("\n{torn}"));
    let after = match restored.after {
        0 => String::new(),
        last => format!("\nrecords up to {last} were removed; their snapshot was the beginning"),
    };
    format!(
        "{} records, {} inputs executed again with the same outcome in {seconds:.2} s\n\
         state {hash:016x}, {open} orders not ended{after}{torn}",
        restored.records, restored.inputs
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_column_with_a_comma_is_quoted() {
        let row = Row { kind: "report", text: "a \"b\", c".to_owned(), ..Row::default() };
        let mut out = Vec::new();
        csv_line(&mut out, At { sequence: 7, time: Nanos(9) }, &row).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "7,9,report,,,,,,,\"a \"\"b\"\", c\"\n");
    }

    /// Amounts are counted in 1e-18: those of every day are beyond what 64 bits hold.
    #[test]
    fn amounts_of_any_size_are_exported() {
        use crate::types::{Amount, AssetBalance};
        let free = Amount(-100_000 * 10i128.pow(18));
        let record = Record::Balance(AssetBalance { free, ..AssetBalance::default() });
        let mut out = Vec::new();
        let at = At { sequence: 7, time: Nanos(9) };
        json_line(&mut out, at, &Row { kind: "balance", ..Row::default() }, &record).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(line.starts_with("{\"sequence\":7,\"time_ns\":9,\"kind\":\"balance\","), "{line}");
        assert!(line.contains("\"free\":-100000000000000000000000,"), "{line}");
        assert!(line.ends_with("}}}\n"), "{line}");
    }
}
