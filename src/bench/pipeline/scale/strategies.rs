//! More strategies on one engine, all on one thread: the way of an order of the first, while the
//! others read the same book with their own rings and decide against it.

use super::super::rig::{Rig, Shape, instrument_name, script};
use super::super::{BenchOptions, Capture, FrameKind, Layout, Measured, Run, Spread, record};
use super::looker::Looker;
use crate::clock::Clock;
use crate::types::Stamp;

/// How many there are.
const COUNTS: [usize; 5] = [1, 2, 4, 8, 16];

fn name(count: usize) -> String {
    format!("strategies.{count}")
}

/// The first buys, the others look.
fn shape(count: usize) -> Shape {
    let mut shape = Shape::taker();
    for number in 1..count {
        let looker = Looker::new(vec![instrument_name(0)]);
        shape.strategies.push((format!("looker-{number}"), Box::new(looker)));
    }
    shape
}

/// One run of each count.
pub(super) fn run(
    capture: &Capture,
    options: &BenchOptions,
    cpu: usize,
    measured: &mut Measured,
) -> Result<(), String> {
    for count in COUNTS {
        let run = Run { kind: FrameKind::Top, options, cpus: [cpu, cpu], capture };
        let (mut rig, engine) = Rig::shaped(capture, Clock::new(), script(capture)?, shape(count))?;
        let (paths, _) = run.play(&mut rig, engine, &Spread::Both(Layout::Folded))?;
        let what = format!("top frame to signed bytes of the first of {count} strategies, folded");
        record(&paths, Stamp::Encoded, &name(count), &what, measured);
    }
    Ok(())
}

/// What each of them costs the first.
pub(super) fn compare(measured: &mut Measured) {
    let (most, one) = (name(COUNTS[COUNTS.len() - 1]), name(1));
    measured.compare("strategies.16_vs_1", "tick to order with 16 strategies / 1", &most, &one);
    let p50 = |name: &str| measured.find(name).map(|series| series.figure().p50_ns);
    if let (Some(most), Some(one)) = (p50(&most), p50(&one)) {
        measured.values.push(("strategies.each_ns".to_owned(), (most - one) / 15.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::allowed_cpus;

    #[test]
    fn every_count_gives_as_many_orders_as_were_asked_for() {
        let options = BenchOptions { runs: 1, events: 20, ..BenchOptions::default() };
        let mut measured = Measured::default();
        run(&Capture::made(60), &options, allowed_cpus()[0], &mut measured).unwrap();
        compare(&mut measured);
        for count in COUNTS {
            assert_eq!(measured.find(&name(count)).unwrap().figure().count, 20, "{count}");
        }
        assert_eq!(measured.ratios.len(), 1);
        assert_eq!(measured.values[0].0, "strategies.each_ns");
    }
}
