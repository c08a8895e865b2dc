//! Both forms against each other, against values that others have computed, and against bad input.

use super::book::{imbalance, microprice, vwap_to};
use super::*;
use crate::types::{Level, Price, Qty, Rounding};
use proptest::prelude::*;
use serde_json::Value;

/// Written by the program beside it, which says whose values these are and how to write them anew.
const GOLDEN: &str = include_str!("../../../tests/fixtures/indicators/golden.json");

fn golden() -> Value {
    serde_json::from_str(GOLDEN).unwrap()
}

fn series(values: &Value) -> Vec<Option<f64>> {
    values.as_array().unwrap().iter().map(Value::as_f64).collect()
}

fn bars(golden: &Value) -> Vec<Bar> {
    let bar = |row: &Value| {
        let [high, low, close] = [0, 1, 2].map(|at| row[at].as_f64().unwrap());
        Bar { high, low, close }
    };
    golden["bars"].as_array().unwrap().iter().map(bar).collect()
}

fn closes(golden: &Value) -> Vec<f64> {
    bars(golden).iter().map(|bar| bar.close).collect()
}

fn assert_near(what: &str, ours: &[Option<f64>], theirs: &[Option<f64>], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (at, pair) in ours.iter().zip(theirs).enumerate() {
        match pair {
            (None, None) => {}
            (Some(ours), Some(theirs)) if (ours - theirs).abs() <= tolerance => {}
            _ => panic!("{what}, value {at}: {pair:?}"),
        }
    }
}

/// Streaming and batch, and both against the reference.
fn assert_golden(
    what: &str,
    (streamed, batch): (Vec<Option<f64>>, Vec<Option<f64>>),
    reference: &Value,
) {
    assert_near(what, &streamed, &series(reference), 1e-7);
    assert_near(what, &batch, &series(reference), 1e-7);
}

#[test]
fn averages_are_those_of_ta_lib() {
    let (golden, mut sma_10, mut ema_10) = (golden(), Sma::new(10).unwrap(), Ema::new(10).unwrap());
    let values = closes(&golden);
    let streamed = values.iter().map(|value| sma_10.update(*value)).collect();
    assert_golden("sma", (streamed, sma(&values, 10).unwrap()), &golden["sma_10"]);
    let streamed = values.iter().map(|value| ema_10.update(*value)).collect();
    assert_golden("ema", (streamed, ema(&values, 10).unwrap()), &golden["ema_10"]);
}

#[test]
fn rsi_is_that_of_ta_lib_and_of_the_published_example() {
    let golden = golden();
    let values: Vec<f64> = series(&golden["chart_school_closes"]).into_iter().flatten().collect();
    let batch = rsi(&values, 14).unwrap();
    let printed = [70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71];
    for (ours, printed) in batch[14..].iter().zip(printed) {
        assert!((ours.unwrap() - printed).abs() < 0.005, "{ours:?} {printed}");
    }
    for (values, reference) in
        [(values, &golden["chart_school_rsi"]), (closes(&golden), &golden["rsi_14"])]
    {
        let mut indicator = Rsi::new(14).unwrap();
        let streamed = values.iter().map(|value| indicator.update(*value)).collect();
        assert_golden("rsi", (streamed, rsi(&values, 14).unwrap()), reference);
    }
}

#[test]
fn macd_is_made_of_the_averages_of_ta_lib() {
    let golden = golden();
    let values = closes(&golden);
    let mut indicator = Macd::new(MacdPeriods::default()).unwrap();
    let streamed: Vec<_> = values.iter().map(|value| indicator.update(*value)).collect();
    let batch = macd(&values, MacdPeriods::default()).unwrap();
    let of = |all: &[Option<MacdValue>], part: fn(MacdValue) -> f64| -> Vec<Option<f64>> {
        all.iter().map(|value| value.map(part)).collect()
    };
    let signals = (of(&streamed, |value| value.signal), of(&batch, |value| value.signal));
    assert_golden("signal", signals, &golden["macd_signal_9"]);
    // Says its line only with its signal.
    let lines: Vec<Option<f64>> = series(&golden["macd_12_26"]);
    assert_near("line", &of(&streamed, |value| value.line)[33..], &lines[33..], 1e-7);
    assert_near("line", &of(&batch, |value| value.line)[33..], &lines[33..], 1e-7);
    assert_eq!(
        streamed[40].unwrap().histogram(),
        streamed[40].unwrap().line - streamed[40].unwrap().signal
    );
}

#[test]
fn bollinger_bands_are_those_of_ta_lib() {
    let golden = golden();
    let values = closes(&golden);
    let mut indicator = Bollinger::new(20, 2.0).unwrap();
    let streamed: Vec<_> = values.iter().map(|value| indicator.update(*value)).collect();
    let batch = bollinger(&values, 20, 2.0).unwrap();
    let parts: [fn(Bands) -> f64; 3] = [|b| b.upper, |b| b.middle, |b| b.lower];
    for (at, part) in parts.into_iter().enumerate() {
        let of = |all: &[Option<Bands>]| -> Vec<Option<f64>> {
            all.iter().map(|bands| bands.map(part)).collect()
        };
        assert_golden("bollinger", (of(&streamed), of(&batch)), &golden["bollinger_20_2"][at]);
    }
    let bands = Bands { upper: 4.0, middle: 3.0, lower: 2.0 };
    assert_eq!([2.0, 3.0, 5.0].map(|value| bands.place(value)), [0.0, 0.5, 1.5]);
}

#[test]
fn ranges_are_those_of_ta_lib() {
    let golden = golden();
    let all = bars(&golden);
    let mut indicator = Atr::new(14).unwrap();
    let streamed = all.iter().map(|bar| indicator.update(*bar)).collect();
    assert_golden("atr", (streamed, atr(&all, 14).unwrap()), &golden["atr_14"]);
    let mut indicator = Stochastic::new(StochasticPeriods::default()).unwrap();
    let streamed: Vec<_> = all.iter().map(|bar| indicator.update(*bar)).collect();
    let batch = stochastic(&all, StochasticPeriods::default()).unwrap();
    let of = |all: &[Option<StochasticValue>], part: fn(StochasticValue) -> f64| {
        all.iter().map(|value| value.map(part)).collect::<Vec<Option<f64>>>()
    };
    let d = (of(&streamed, |value| value.d), of(&batch, |value| value.d));
    assert_golden("%D", d, &golden["stochastic_d_3"]);
    let reference = &series(&golden["stochastic_k_14_3"])[17..];
    assert_near("%K", &of(&streamed, |value| value.k)[17..], reference, 1e-7);
    assert_near("%K", &of(&batch, |value| value.k)[17..], reference, 1e-7);
}

#[test]
fn volatility_is_that_of_pandas() {
    let golden = golden();
    let values = closes(&golden);
    let mut indicator = Volatility::new(20).unwrap();
    let streamed: Vec<_> = values.iter().map(|value| indicator.update(*value)).collect();
    let batch = volatility(&values, 20).unwrap();
    assert_near("volatility", &streamed, &series(&golden["volatility_20"]), 1e-12);
    assert_near("volatility", &batch, &series(&golden["volatility_20"]), 1e-12);
    let step = indicator.value().unwrap();
    assert!((indicator.over_steps(400).unwrap() - step * 20.0).abs() < 1e-12);
}

fn levels(rows: &Value) -> Vec<Level> {
    let level = |row: &Value| Level {
        price: Price(row[0].as_i64().unwrap()),
        qty: Qty(row[1].as_i64().unwrap()),
    };
    rows.as_array().unwrap().iter().map(level).collect()
}

#[test]
fn what_is_computed_of_books_is_exact() {
    for row in golden()["books"].as_array().unwrap() {
        let (bids, asks) = (levels(&row["bids"]), levels(&row["asks"]));
        let near = |ours: f64, key: &str| {
            let theirs = row[key].as_f64().unwrap();
            assert!((ours - theirs).abs() <= theirs.abs() * 1e-15, "{key}: {ours} {theirs}");
        };
        near(imbalance(&bids, &asks, 5).unwrap(), "imbalance");
        near(microprice(bids[0], asks[0]).unwrap(), "microprice");
        let sweep = vwap_to(&asks, Qty(row["size"].as_i64().unwrap())).unwrap();
        near(sweep.mean(), "vwap");
        let (down, up) = (sweep.price(Rounding::Down).0, sweep.price(Rounding::Up).0);
        assert_eq!((down, up), (sweep.mean().floor() as i64, sweep.mean().ceil() as i64));
        let all: i64 = asks.iter().map(|level| level.qty.0).sum();
        assert_eq!(vwap_to(&asks, Qty(all)).unwrap().worst, asks[4].price);
        assert_eq!(vwap_to(&asks, Qty(all + 1)), None, "deeper than what is known");
    }
}

#[test]
fn an_empty_side_of_a_book_says_nothing() {
    let level = |price, qty| Level { price: Price(price), qty: Qty(qty) };
    assert_eq!(microprice(level(0, 0), level(2, 5)), None);
    assert_eq!(microprice(level(1, 5), level(2, -5)), None);
    assert_eq!(microprice(level(i64::MIN, i64::MAX), level(i64::MAX, i64::MAX)), Some(0.0));
    assert_eq!(imbalance(&[], &[], 5), None);
    assert_eq!(imbalance(&[level(1, 3)], &[], 5), Some(1.0));
    assert_eq!(imbalance(&[level(1, 3)], &[level(2, 9)], 0), None);
    assert_eq!(vwap_to(&[level(1, 3)], Qty(0)), None);
    assert_eq!(vwap_to(&[level(1, 3)], Qty(-1)), None);
    assert_eq!(vwap_to(&[level(1, -3), level(2, 3)], Qty(3)).unwrap().mean(), 2.0);
    let (best, depth) = (crate::shm::Best::default(), crate::shm::Depth::default());
    assert_eq!(book::best_microprice(&best), None, "not live");
    assert_eq!(book::depth_imbalance(&depth, 5), None, "not live");
}

#[test]
fn periods_that_have_no_meaning_are_errors_with_a_name() {
    let zero = |what, min| IndicatorError::TooShort { what, period: 0, min };
    assert_eq!(Sma::new(0).unwrap_err(), zero("period", 1));
    assert_eq!(Ema::new(0).unwrap_err(), zero("period", 1));
    assert_eq!(Rsi::new(0).unwrap_err(), zero("period", 1));
    assert_eq!(Atr::new(0).unwrap_err(), zero("period", 1));
    assert_eq!(Bollinger::new(0, 2.0).unwrap_err(), zero("period", 1));
    assert_eq!(Volatility::new(0).unwrap_err(), zero("period", 2));
    assert_eq!(Volatility::new(1).unwrap_err().to_string(), "period = 1 is too short: at least 2");
    assert_eq!(volatility(&[], 1).unwrap_err().to_string(), "period = 1 is too short: at least 2");
    let long = IndicatorError::TooLong { what: "period", period: usize::MAX };
    assert_eq!(sma(&[], usize::MAX).unwrap_err(), long);
    assert_eq!(Rsi::new(usize::MAX).unwrap_err(), long);
    let periods = MacdPeriods { fast: 26, ..MacdPeriods::default() };
    assert_eq!(Macd::new(periods).unwrap_err(), IndicatorError::FastNotBelowSlow);
    let periods = MacdPeriods { signal: 0, ..MacdPeriods::default() };
    assert_eq!(macd(&[], periods).unwrap_err(), zero("signal", 1));
    let periods = StochasticPeriods { smoothing: 0, ..StochasticPeriods::default() };
    assert_eq!(Stochastic::new(periods).unwrap_err(), zero("smoothing", 1));
    assert_eq!(stochastic(&[], periods).unwrap_err(), zero("smoothing", 1));
    assert_eq!(bollinger(&[], 20, -1.0).unwrap_err(), IndicatorError::BadFactor(-1.0));
    assert!(Bollinger::new(20, f64::NAN).is_err());
}

#[test]
fn a_series_that_does_not_move_has_defined_results() {
    for price in [0.1, 61_685.99, 1e-9, 1e90] {
        let flat = [price; 60];
        let bar = Bar { high: price, low: price, close: price };
        let last = |all: Vec<Option<f64>>| all.last().copied().flatten();
        assert_eq!(last(rsi(&flat, 14).unwrap()), Some(50.0));
        assert_eq!(last(volatility(&flat, 20).unwrap()), Some(0.0));
        assert_eq!(last(atr(&[bar; 60], 14).unwrap()), Some(0.0));
        let trend = macd(&flat, MacdPeriods::default()).unwrap()[59].unwrap();
        assert!(trend.line.abs() <= price * 1e-15 && trend.histogram().abs() <= price * 1e-15);
        let mut all = (
            Rsi::new(14).unwrap(),
            Macd::new(MacdPeriods::default()).unwrap(),
            Stochastic::new(StochasticPeriods::default()).unwrap(),
            Bollinger::new(20, 2.0).unwrap(),
            Atr::new(14).unwrap(),
            Volatility::new(20).unwrap(),
        );
        for value in flat {
            all.0.update(value);
            all.1.update(value);
            all.2.update(bar);
            all.3.update(value);
            all.4.update(bar);
            all.5.update(value);
        }
        assert_eq!(all.0.value(), Some(50.0));
        assert_eq!(all.1.value(), Some(MacdValue { line: 0.0, signal: 0.0 }));
        assert_eq!(all.2.value(), Some(StochasticValue { k: 50.0, d: 50.0 }));
        assert_eq!(all.3.value(), Some(Bands { upper: price, middle: price, lower: price }));
        assert_eq!((all.4.value(), all.5.value()), (Some(0.0), Some(0.0)));
    }
}

#[test]
fn rsi_of_one_direction_is_at_its_end() {
    let mut up = Rsi::new(3).unwrap();
    let mut down = Rsi::new(3).unwrap();
    for step in 0..10 {
        up.update(f64::from(step));
        down.update(f64::from(-step));
    }
    assert_eq!((up.value(), down.value()), (Some(100.0), Some(0.0)));
}

/// Prices, now and then something that cannot be one, or is absurd.
fn hostile() -> impl Strategy<Value = f64> {
    prop_oneof![
        12 => 1.0..100_000.0f64,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => Just(f64::MAX),
        1 => Just(-0.0f64),
        1 => Just(f64::MIN_POSITIVE / 4.0),
        1 => Just(1e100),
        1 => -1e100..1e100f64,
    ]
}

fn hostile_bar() -> impl Strategy<Value = Bar> {
    let whole = (1.0..100_000.0f64, 0.0..100.0f64, 0.0..100.0f64);
    let whole = whole.prop_map(|(close, above, below)| Bar {
        high: close + above,
        low: close - below,
        close,
    });
    let any = (hostile(), hostile(), hostile());
    let any = any.prop_map(|(high, low, close)| Bar { high, low, close });
    prop_oneof![6 => whole, 1 => any]
}

/// What two computations may differ by: rounding at the size of the largest value so far.
fn scale_of(values: impl Iterator<Item = f64>) -> f64 {
    values.filter(|value| is_usable(*value)).fold(1.0, |scale: f64, value| scale.max(value.abs()))
}

fn assert_same(what: &str, streamed: &[Option<f64>], batch: &[Option<f64>], scale: f64) {
    assert_near(what, streamed, batch, scale * 1e-11);
    assert!(streamed.iter().flatten().all(|value| value.is_finite()), "{what}");
}

/// The line is a difference, and may be larger than any value that is taken.
#[test]
fn a_line_beyond_the_largest_value_is_a_line_in_both_forms() {
    let values = [1e100, 1e100, 1e100, 1e100, 1e100, 1e100, -1e100, 1.0];
    let periods = MacdPeriods { fast: 1, slow: 6, signal: 1 };
    let mut indicator = Macd::new(periods).unwrap();
    let streamed: Vec<_> = values.iter().map(|value| indicator.update(*value)).collect();
    assert!(streamed.iter().flatten().any(|value| value.line.abs() > 1e100));
    let batch = macd(&values, periods).unwrap();
    for part in [|value: MacdValue| value.line, |value: MacdValue| value.signal] {
        let of = |all: &[Option<MacdValue>]| -> Vec<_> {
            all.iter().map(|value| value.map(part)).collect()
        };
        assert_same("macd", &of(&streamed), &of(&batch), 1e100);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn streaming_and_batch_say_the_same_of_values(
        values in prop::collection::vec(hostile(), 0..200),
        period in 1usize..30,
    ) {
        let scale = scale_of(values.iter().copied());
        let (mut one, mut two) = (Sma::new(period).unwrap(), Ema::new(period).unwrap());
        let mut three = Rsi::new(period).unwrap();
        let streamed: Vec<_> = values.iter().map(|value| one.update(*value)).collect();
        assert_same("sma", &streamed, &sma(&values, period).unwrap(), scale);
        let streamed: Vec<_> = values.iter().map(|value| two.update(*value)).collect();
        assert_same("ema", &streamed, &ema(&values, period).unwrap(), scale);
        let streamed: Vec<_> = values.iter().map(|value| three.update(*value)).collect();
        assert_same("rsi", &streamed, &rsi(&values, period).unwrap(), 1e4);
        prop_assert!(streamed.iter().flatten().all(|value| (0.0..=100.0).contains(value)));
        let unusable = values.iter().filter(|value| !is_usable(**value)).count() as u64;
        prop_assert_eq!((one.skipped(), two.skipped(), three.skipped()), (unusable, unusable, unusable));
        let mut four = Volatility::new(period + 1).unwrap();
        let streamed: Vec<_> = values.iter().map(|value| four.update(*value)).collect();
        assert_same("volatility", &streamed, &volatility(&values, period + 1).unwrap(), 1e3);
    }

    #[test]
    fn streaming_and_batch_say_the_same_of_lines_and_bands(
        values in prop::collection::vec(hostile(), 0..200),
        fast in 1usize..15,
        more in 1usize..15,
        signal in 1usize..10,
    ) {
        let scale = scale_of(values.iter().copied());
        let periods = MacdPeriods { fast, slow: fast + more, signal };
        let (mut one, mut two) = (Macd::new(periods).unwrap(), Bollinger::new(fast, 2.0).unwrap());
        let streamed: Vec<_> = values.iter().map(|value| one.update(*value)).collect();
        let batch = macd(&values, periods).unwrap();
        let parts: [fn(MacdValue) -> f64; 2] = [|value| value.line, |value| value.signal];
        for part in parts {
            let of = |all: &[Option<MacdValue>]| -> Vec<_> {
                all.iter().map(|value| value.map(part)).collect()
            };
            assert_same("macd", &of(&streamed), &of(&batch), scale);
        }
        let streamed: Vec<_> = values.iter().map(|value| two.update(*value)).collect();
        let batch = bollinger(&values, fast, 2.0).unwrap();
        let parts: [fn(Bands) -> f64; 2] = [|bands| bands.upper, |bands| bands.lower];
        for part in parts {
            let of = |all: &[Option<Bands>]| -> Vec<_> {
                all.iter().map(|bands| bands.map(part)).collect()
            };
            assert_same("bollinger", &of(&streamed), &of(&batch), scale * 1e4);
        }
    }

    #[test]
    fn streaming_and_batch_say_the_same_of_bars(
        bars in prop::collection::vec(hostile_bar(), 0..150),
        range in 1usize..20,
        smoothing in 1usize..6,
        signal in 1usize..6,
    ) {
        let scale = scale_of(bars.iter().flat_map(|bar| [bar.high, bar.low, bar.close]));
        let mut one = Atr::new(range).unwrap();
        let streamed: Vec<_> = bars.iter().map(|bar| one.update(*bar)).collect();
        assert_same("atr", &streamed, &atr(&bars, range).unwrap(), scale);
        let periods = StochasticPeriods { range, smoothing, signal };
        let mut two = Stochastic::new(periods).unwrap();
        let streamed: Vec<_> = bars.iter().map(|bar| two.update(*bar)).collect();
        let batch = stochastic(&bars, periods).unwrap();
        let parts: [fn(StochasticValue) -> f64; 2] = [|value| value.k, |value| value.d];
        for part in parts {
            let of = |all: &[Option<StochasticValue>]| -> Vec<_> {
                all.iter().map(|value| value.map(part)).collect()
            };
            assert_same("stochastic", &of(&streamed), &of(&batch), 1e4);
        }
        prop_assert_eq!(one.skipped(), two.skipped());
    }

    #[test]
    fn an_exponential_average_is_the_sum_of_weighted_values(
        values in prop::collection::vec(-1e6..1e6f64, 1..80),
        period in 1usize..20,
    ) {
        let share = 2.0 / (period as f64 + 1.0);
        let direct: Vec<Option<f64>> = (1..=values.len()).map(|len| {
            let seed = values.get(..period).filter(|_| len >= period)?;
            let seed = seed.iter().sum::<f64>() / period as f64;
            let weighted = values[period..len].iter().rev().enumerate();
            let sum: f64 = weighted.map(|(age, value)| share * (1.0 - share).powi(age as i32) * value).sum();
            Some(sum + (1.0 - share).powi((len - period) as i32) * seed)
        }).collect();
        assert_same("ema", &ema(&values, period).unwrap(), &direct, 1e6);
    }
}
