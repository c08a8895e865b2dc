//! What a strategy in a process of its own costs against one on a thread: from the order manager's end
//! of a strategy's file into its callback and back, the same file, loop and context for both.
//!
//! Bursts of both take turns, and a ratio is taken of neighbours: nanoseconds between cores change by
//! the minute on a shared machine, ratios hardly.

#![forbid(unsafe_code)]

use super::{BenchOptions, Measured, Ratio, Timer};
use crate::agents::control::children::PROCESS_COMMAND;
use crate::agents::pin;
use crate::clock::Clock;
use crate::shm::{
    Market, MarketView, OmsEnd, RegionOptions, StrategyEnd, StrategyFile, StrategyOptions,
};
use crate::strategy::process::{IDLE_VARIABLE, REGION_VARIABLE, STRATEGY_VARIABLE};
use crate::strategy::{Context, ContextParts, Runner, Strategy};
use crate::types::{
    ClientOrderId, Instrument, InstrumentId, InstrumentTable, Nanos, OrderState, Price, Qty,
    RejectReason, ReportKind, Request, Side, SignalId, StrategyReport,
};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Name of the strategy that the process runs.
pub const HANDOFF_STRATEGY: &str = "bench-handoff";
/// Tells it on which CPU.
const CPU_VARIABLE: &str = "STOOP_BENCH_CPU";

const ROUNDS: usize = 5;
const HOPS_MAX: u64 = 20_000;
/// A process has to have started by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers every report by a cancel of the same order.
#[derive(Default)]
pub struct Echo;

impl Strategy for Echo {
    fn on_start(&mut self, _ctx: &mut Context) {
        let cpu = std::env::var(CPU_VARIABLE).ok().and_then(|text| text.parse().ok());
        if let Some(cpu) = cpu {
            let _ = pin(cpu);
        }
    }

    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        let _ = ctx.cancel(report.client_id);
    }
}

/// The region of the bench, removed at the end.
struct Place {
    folder: PathBuf,
    market: Market,
}

impl Place {
    fn make(clock: &Clock) -> Result<Self, String> {
        let mut table = InstrumentTable::default();
        let (base, quote) = (table.assets.intern("A"), table.assets.intern("B"));
        let name = "A/B@bench".to_owned();
        table.add(Instrument { name, base, quote, ..Instrument::default() });
        let folder = PathBuf::from(format!("/dev/shm/stoop-bench-{}", std::process::id()));
        let market = Market::create(&folder, &table, &RegionOptions::default());
        let market = market.map_err(|error| error.to_string())?;
        market.set_clock(clock.anchor());
        Ok(Self { folder, market })
    }

    fn file(&self) -> Result<(OmsEnd, StrategyEnd), String> {
        let options = StrategyOptions { instruments: 1, ..StrategyOptions::default() };
        let made = StrategyFile::create(&self.folder, HANDOFF_STRATEGY, &options);
        made.map_err(|error| error.to_string())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// News of an order; which one does not matter.
const REPORT: StrategyReport = StrategyReport {
    client_id: ClientOrderId(0),
    signal: SignalId(1),
    leg: 0,
    instrument: InstrumentId(0),
    side: Side::Buy,
    state: OrderState::Open,
    kind: ReportKind::Accepted,
    reason: RejectReason::None,
    risk: 0,
    last_price: Price(0),
    last_qty: Qty(0),
    cumulative_qty: Qty(0),
    event_ns: Nanos(0),
    retry_ns: Nanos(0),
};

/// One there and back, or an error if nobody answers.
fn hop(end: &mut OmsEnd, id: u64, patience: Duration) -> Result<(), String> {
    let report = StrategyReport { client_id: ClientOrderId(id), ..REPORT };
    end.push_report(&report).map_err(|_| "the report ring is full".to_owned())?;
    let mut spins = 0u32;
    let begun = Instant::now();
    loop {
        match end.pop_request() {
            Ok(Some(Request::Cancel(answer))) if answer.0 == id => return Ok(()),
            Ok(Some(_)) => return Err("another request than was caused".to_owned()),
            Ok(None) => {}
            Err(error) => return Err(error.to_string()),
        }
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(1 << 16) && begun.elapsed() > patience {
            return Err("the strategy does not answer".to_owned());
        }
        std::hint::spin_loop();
    }
}

/// Half of each there and back, picoseconds, sorted.
fn burst(timer: &Timer, end: &mut OmsEnd, hops: u64) -> Result<Vec<u64>, String> {
    hop(end, 1, PATIENCE)?;
    let warm = hops / 10;
    let mut times = Vec::with_capacity(hops as usize);
    for id in 2..hops + warm + 2 {
        let start = timer.raw();
        hop(end, id, PATIENCE)?;
        if id > warm + 1 {
            times.push(timer.between(start, timer.raw()) / 2);
        }
    }
    times.sort_unstable();
    Ok(times)
}

fn on_thread(place: &Place, timer: &Timer, cpu: usize, hops: u64) -> Result<Vec<u64>, String> {
    let (mut end, own) = place.file()?;
    let (view, clock) = (place.market.view(), Clock::anchored(place.market.view().clock()));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = pin(cpu);
            serve(view, own, &clock, &over);
        });
        let times = burst(timer, &mut end, hops);
        over.store(true, Ordering::Relaxed);
        times
    })
}

/// The loop of a thread of the engine.
fn serve(view: MarketView, end: StrategyEnd, clock: &Clock, over: &AtomicBool) {
    let instruments = view.instruments().clone();
    let strategy = end.strategy();
    let parts = ContextParts { view, end, instruments, clock: clock.clone(), strategy };
    let mut runner = Runner::new(Box::new(Echo), Context::new(parts));
    while !over.load(Ordering::Relaxed) {
        if runner.poll(clock.now()) == 0 {
            std::hint::spin_loop();
        }
    }
}

/// Ends with the burst.
struct Process(Child);

impl Process {
    fn start(folder: &Path, cpu: usize) -> Result<Self, String> {
        let child = Command::new("/proc/self/exe")
            .args([PROCESS_COMMAND, "--engine", &std::process::id().to_string()])
            .env(REGION_VARIABLE, folder)
            .env(STRATEGY_VARIABLE, HANDOFF_STRATEGY)
            .env(IDLE_VARIABLE, "spin")
            .env(CPU_VARIABLE, cpu.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        child.map(Self).map_err(|error| format!("a process could not be started: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn in_process(place: &Place, timer: &Timer, cpu: usize, hops: u64) -> Result<Vec<u64>, String> {
    let (mut end, own) = place.file()?;
    drop(own);
    let process = Process::start(&place.folder, cpu)?;
    let begun = Instant::now();
    while end.heartbeat() == Nanos(0) {
        if begun.elapsed() > PATIENCE {
            return Err("the strategy's process did not begin".to_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let times = burst(timer, &mut end, hops);
    drop(process);
    times
}

/// Adds both hand-offs and their ratio.
pub(super) fn handoff(
    options: &BenchOptions,
    [first, second]: [usize; 2],
    measured: &mut Measured,
) -> Result<(), String> {
    let timer = Timer::new();
    let clock = Clock::new();
    let place = Place::make(&clock)?;
    let hops = (options.events as u64).min(HOPS_MAX);
    let mut ratios = Vec::new();
    let measure = |measured: &mut Measured, ratios: &mut Vec<f64>| -> Result<(), String> {
        pin(first)?;
        for _ in 0..options.runs * ROUNDS {
            let thread = on_thread(&place, &timer, second, hops)?;
            let process = in_process(&place, &timer, second, hops)?;
            let middle = |times: &[u64]| times.get(times.len() / 2).copied().unwrap_or(0) as f64;
            ratios.push(middle(&process) / middle(&thread).max(1.0));
            for (name, what, times) in [
                ("strategy_thread", "report into a strategy's callback, one way: a thread", thread),
                ("strategy_process", "the same: a process of its own", process),
            ] {
                let series = measured.series(name, what);
                times.iter().for_each(|ps| series.record(*ps));
            }
        }
        Ok(())
    };
    // On a thread of its own: the caller is not to stay pinned.
    let result = std::thread::scope(|scope| {
        scope
            .spawn(|| measure(measured, &mut ratios))
            .join()
            .unwrap_or_else(|_| Err("a thread of the benchmark panicked".to_owned()))
    });
    result?;
    ratios.sort_by(f64::total_cmp);
    if let Some(&ratio) = ratios.get(ratios.len() / 2) {
        let name = "strategy_process_vs_thread".to_owned();
        let what = "hand-off to a strategy: process / thread, of neighbouring bursts".to_owned();
        measured.ratios.push(Ratio { name, what, ratio });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_answers_over_the_file() {
        let clock = Clock::new();
        let place = Place::make(&clock).unwrap();
        let times = on_thread(&place, &Timer::new(), 0, 100).unwrap();
        assert_eq!(times.len(), 100);
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
        let folder = place.folder.clone();
        drop(place);
        assert!(!folder.exists());
    }
}
