//! What each venue's ways to sign cost, through what the connectors use.

use super::{BenchOptions, Measured, Timer};
use crate::venues::signing_schemes;

/// Measures every scheme; all of them take turns.
pub fn sign(options: &BenchOptions) -> Result<Measured, String> {
    let mut schemes =
        signing_schemes().map_err(|error| format!("a key cannot be used: {error:?}"))?;
    let mut measured = Measured::default();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| -> Result<(), String> {
            if let Some(&cpu) = options.cpus.first() {
                crate::agents::pin(cpu)?;
            }
            let timer = Timer::new();
            for _ in 0..options.runs {
                for scheme in &schemes {
                    measured.series(scheme.name, scheme.what).begin();
                }
                for event in 0..options.events + options.events / 10 {
                    for scheme in &mut schemes {
                        if let Some(prepare) = &mut scheme.prepare {
                            prepare();
                        }
                        let (ps, len) = timer.time(|| (scheme.sign)(event as u64));
                        if len == 0 {
                            return Err(format!("{} gave no signature", scheme.name));
                        }
                        if event >= options.events / 10 {
                            measured.series(scheme.name, scheme.what).record(ps);
                        }
                    }
                }
            }
            Ok(())
        });
        run.join().map_err(|_| "a thread of the benchmark panicked".to_owned())?
    })?;
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_of_every_venue_is_measured() {
        let options = BenchOptions {
            runs: 1,
            events: 100,
            capture: None,
            cpus: Vec::new(),
            ..BenchOptions::default()
        };
        let measured = sign(&options).unwrap();
        for row in crate::venues::VENUES {
            assert!(measured.series.iter().any(|series| series.name.starts_with(row.exchange)));
        }
        assert!(measured.series.len() >= 3, "{:?}", measured.series.len());
        assert!(measured.series.iter().all(|series| series.figure().count == 100));
    }
}
