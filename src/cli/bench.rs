//! `stoop bench`: measures the engine on this host.

use super::{EXIT_FAILURE, EXIT_OK, Failure};
use crate::bench::{self, BenchOptions, Measured};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Name {
    /// From a frame to the order that it causes
    TickToOrder,
}

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What to measure
    #[arg(value_enum)]
    name: Name,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Recorded frames to measure with
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// How often everything is measured; the median of the runs counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: u16,
    /// Events in a run
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    events: u32,
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::TickToOrder => "tick-to-order",
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let options = BenchOptions {
        runs: usize::from(arguments.runs),
        events: arguments.events as usize,
        capture: arguments.capture.clone(),
        cpus: crate::agents::allowed_cpus(),
    };
    let measured = match arguments.name {
        Name::TickToOrder => bench::tick_to_order(&options),
    };
    let measured = measured.map_err(|message| Failure { code: EXIT_FAILURE, message })?;
    if arguments.json {
        println!("{}", object(arguments.name, &measured));
    } else {
        table(&measured);
    }
    Ok(EXIT_OK)
}

fn object(name: Name, measured: &Measured) -> Value {
    let mut figures = Map::new();
    for series in &measured.series {
        figures.insert(series.name.clone(), json!(series.figure()));
    }
    let mut ratios = Map::new();
    for ratio in &measured.ratios {
        ratios.insert(ratio.name.clone(), json!({"ratio": ratio.ratio, "what": ratio.what}));
    }
    let values: Map<String, Value> =
        measured.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({"bench": name.text(), "figures": figures, "comparisons": ratios, "values": values,
        "notes": measured.notes})
}

fn table(measured: &Measured) {
    println!("{:<34} {:>10} {:>10} {:>10} {:>10}  ns", "", "p50", "p99", "p99.9", "max");
    for series in &measured.series {
        let figure = series.figure();
        println!(
            "{:<34} {:>10.1} {:>10.1} {:>10.1} {:>10.1}  {:.1} to {:.1}, {} events",
            series.name,
            figure.p50_ns,
            figure.p99_ns,
            figure.p999_ns,
            figure.max_ns,
            figure.p50_min_ns,
            figure.p50_max_ns,
            figure.count
        );
    }
    for ratio in &measured.ratios {
        println!("{:<34} {:>10.2}  {}", ratio.name, ratio.ratio, ratio.what);
    }
    for note in &measured.notes {
        println!("note: {note}");
    }
}
