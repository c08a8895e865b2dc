//! Klines of the venues' histories: what is asked, and what every row must hold.

#![forbid(unsafe_code)]

use super::fields::{self, Field};
use super::{DecodeError, decimal};
use crate::types::{Instrument, Interval, Kline, Nanos, ParseUnitError, Price, Qty};

/// Rows of one answer: as many as every venue gives at once.
pub(super) const ROWS_MAX: u64 = 300;
/// A kline is taken to be closed so long after its end, where the venue does not say: our clock and
/// the venue's differ, and its last trades take their time.
const CLOSED_AFTER_NS: u64 = 2_000_000_000;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct KlineQuery<'a> {
    /// Klines of this instrument.
    pub of: &'a Instrument,
    /// Their length.
    pub interval: Interval,
    /// From this time on; 0: the newest that one answer holds.
    pub from: Nanos,
    /// When it is asked.
    pub now: Nanos,
}

/// One row as the venue states it.
pub(super) struct KlineRow<'a> {
    /// Begin in milliseconds, with the venue's name of it.
    pub start: (&'static str, Field<'a>),
    /// Open, high, low and close, likewise.
    pub prices: [(&'static str, Field<'a>); 4],
    /// Base units.
    pub volume: Qty,
    pub trades: Option<u32>,
    /// Where the venue says so.
    pub is_closed: Option<bool>,
}

impl KlineQuery<'_> {
    /// First and last millisecond of what is asked for: no more intervals than an answer holds.
    pub(super) fn span_ms(&self) -> (u64, u64) {
        let span = (ROWS_MAX - 1) * self.interval.nanos();
        let newest = self.interval.start_of(self.now);
        let from = match self.from {
            Nanos(0) => Nanos(newest.0.saturating_sub(span)),
            from => self.interval.start_of(from),
        };
        let end = from.plus(span + self.interval.nanos());
        (from.as_millis(), end.as_millis().saturating_sub(1))
    }

    /// Quantity that others traded, cut to what the scale holds: it may be finer where a venue's lot
    /// was finer once.
    pub(super) fn volume(&self, name: &'static str, text: &str) -> Result<Qty, DecodeError> {
        decimal::qty_cut(text, self.of.scale).map_err(|error| DecodeError::Number(name, error))
    }

    /// Reads one row: begins with an interval, positive prices that contain each other.
    fn kline(&self, row: &KlineRow<'_>) -> Result<Kline, DecodeError> {
        let (name, start) = row.start;
        let open_ns = Nanos::from_millis(fields::whole(start, name)?);
        if self.interval.start_of(open_ns) != open_ns {
            return Err(DecodeError::Invalid(name));
        }
        let mut prices = [Price(0); 4];
        for (price, (name, field)) in prices.iter_mut().zip(row.prices) {
            *price = fields::price(field, name, self.of)?;
            if *price == Price(0) {
                return Err(DecodeError::Number(name, ParseUnitError::Malformed));
            }
        }
        let [open, high, low, close] = prices;
        let ended = open_ns.plus(self.interval.nanos() + CLOSED_AFTER_NS) <= self.now;
        let is_closed = row.is_closed.unwrap_or(ended);
        let kline = Kline {
            open_ns,
            open,
            high,
            low,
            close,
            volume: row.volume,
            trades: row.trades,
            is_closed,
            is_complete: is_closed,
        };
        // The second price is the high.
        if kline.is_sane() { Ok(kline) } else { Err(DecodeError::Invalid(row.prices[1].0)) }
    }

    /// Reads all rows, oldest first or newest first, and gives them oldest first.
    pub(super) fn read<'a>(
        &self,
        rows: impl Iterator<Item = Result<KlineRow<'a>, DecodeError>>,
    ) -> Result<Vec<Kline>, DecodeError> {
        let (mut klines, mut name) = (Vec::new(), "");
        for row in rows {
            let row = row?;
            name = row.start.0;
            klines.push(self.kline(&row)?);
        }
        if klines.len() > 1 && klines[0].open_ns > klines[1].open_ns {
            klines.reverse();
        }
        let rising = klines.windows(2).all(|pair| pair[0].open_ns < pair[1].open_ns);
        if rising { Ok(klines) } else { Err(DecodeError::Invalid(name)) }
    }
}

/// A row that is an array: begin, four prices, a volume, and what else the venue adds.
pub(super) struct Columns<'a> {
    items: super::Items<'a>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(row: super::Value<'a>) -> Self {
        Self { items: row.items() }
    }

    /// The next column.
    pub(super) fn next(&mut self) -> Field<'a> {
        self.items.next().map(Into::into)
    }

    /// Begin, prices and the text of the volume, which come first everywhere.
    pub(super) fn head(
        &mut self,
        start: &'static str,
    ) -> Result<(KlineRow<'a>, &'a str), DecodeError> {
        let start = (start, self.next());
        let prices = ["open", "high", "low", "close"].map(|name| (name, self.next()));
        let volume = fields::text(self.next(), "volume")?;
        let row = KlineRow { start, prices, volume: Qty::ZERO, trades: None, is_closed: None };
        Ok((row, volume))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{VENUES, VenueRow, find};
    use super::*;
    use crate::types::{InstrumentKind, Scale};

    const SPOT: InstrumentKind = InstrumentKind::Spot;
    const LINEAR: InstrumentKind = InstrumentKind::LinearPerpetual;

    fn row(name: &str) -> &'static VenueRow {
        &VENUES[usize::from(find(name).unwrap().0)]
    }

    fn fixture(name: &str) -> String {
        let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn instrument(symbol: &str, kind: InstrumentKind, decimals: (u8, u8)) -> Instrument {
        let scale = Scale { price_decimals: decimals.0, qty_decimals: decimals.1 };
        Instrument { symbol: symbol.to_owned(), kind, scale, ..Instrument::default() }
    }

    fn query(of: &Instrument, interval: Interval, now_ms: u64) -> KlineQuery<'_> {
        KlineQuery { of, interval, from: Nanos(0), now: Nanos::from_millis(now_ms) }
    }

    fn decoded(venue: &str, query: &KlineQuery<'_>, text: &str) -> Result<Vec<Kline>, DecodeError> {
        (row(venue).decode_klines)(query, &mut text.as_bytes().to_vec())
    }

    /// Begin, prices, volume, trades, closed.
    type Flat = (u64, [i64; 4], i64, Option<u32>, bool);

    fn flat(klines: &[Kline]) -> Vec<Flat> {
        let flat = |kline: &Kline| {
            assert_eq!(kline.is_complete, kline.is_closed);
            let prices = [kline.open, kline.high, kline.low, kline.close].map(|price| price.0);
            (kline.open_ns.as_millis(), prices, kline.volume.0, kline.trades, kline.is_closed)
        };
        klines.iter().map(flat).collect()
    }

    #[test]
    fn what_is_asked_is_what_the_venues_document() {
        let spot = instrument("BTCUSDT", SPOT, (2, 5));
        let linear = instrument("BTCUSDT", LINEAR, (2, 5));
        let (okx, coin) = (instrument("BTC-USDT", SPOT, (2, 8)), instrument("BTC", LINEAR, (1, 5)));
        let now = 1_700_000_030_000;
        let path = |venue: &str, of: &Instrument, interval| {
            let request = (row(venue).klines_request)(&query(of, interval, now));
            format!("{}{}", request.path, request.body.unwrap_or_default())
        };
        assert_eq!(
            path("binance", &spot, Interval::M1),
            "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=1699982040000\
             &endTime=1700000039999&limit=300"
        );
        assert_eq!(
            path("binance_usdm", &linear, Interval::H1),
            "/fapi/v1/klines?symbol=BTCUSDT&interval=1h&startTime=1698922800000\
             &endTime=1700002799999&limit=300"
        );
        assert_eq!(
            path("bybit", &linear, Interval::H4),
            "/v5/market/kline?category=linear&symbol=BTCUSDT&interval=240&start=1695686400000\
             &end=1700006399999&limit=300"
        );
        assert_eq!(
            path("bybit", &spot, Interval::D1),
            "/v5/market/kline?category=spot&symbol=BTCUSDT&interval=D&start=1674086400000\
             &end=1700006399999&limit=300"
        );
        assert_eq!(
            path("okx", &okx, Interval::D1),
            "/api/v5/market/candles?instId=BTC-USDT&bar=1Dutc&before=1674086399999\
             &after=1700006400000&limit=300"
        );
        assert_eq!(
            path("hyperliquid", &coin, Interval::M15),
            r#"/info{"type":"candleSnapshot","req":{"coin":"BTC","interval":"15m","startTime":1699730100000,"endTime":1700000099999}}"#
        );
        let later = KlineQuery {
            from: Nanos::from_millis(now - 60_000),
            ..query(&spot, Interval::M1, now)
        };
        assert_eq!(later.span_ms(), (1_699_999_920_000, 1_700_017_919_999));
    }

    #[test]
    fn rows_of_the_documents_are_read_exactly() {
        let of = instrument("ETHBTC", SPOT, (8, 8));
        let now = 1_499_040_000_000 + 86_400_000 + 2_000;
        let rows = decoded(
            "binance",
            &query(&of, Interval::D1, now),
            &fixture("binance/spot_klines_rest"),
        );
        let prices = [1_634_790, 80_000_000, 1_575_800, 1_577_100];
        let expected: Flat = (1_499_040_000_000, prices, 14_897_611_427_815, Some(308), true);
        assert_eq!(flat(&rows.unwrap()), [expected]);
        // A moment before its end is settled it is open.
        let rows = decoded(
            "binance",
            &query(&of, Interval::D1, now - 1),
            &fixture("binance/spot_klines_rest"),
        );
        assert!(!rows.unwrap()[0].is_closed);

        let text = fixture("bybit/rest_kline_inverse").replace("inverse", "linear");
        let of = instrument("BTCUSD", LINEAR, (1, 3));
        let rows = decoded("bybit", &query(&of, Interval::H1, 1_670_608_800_000), &text).unwrap();
        let expected: [Flat; 3] = [
            (1_670_601_600_000, [170_865, 170_880, 169_780, 170_715], 6_356_000, None, true),
            (1_670_605_200_000, [170_715, 170_715, 170_610, 170_710], 4_177_000, None, false),
            (1_670_608_800_000, [170_710, 170_730, 170_270, 170_555], 268_611_000, None, false),
        ];
        assert_eq!(flat(&rows), expected, "newest first there, oldest first here");

        let of = instrument("BTC", LINEAR, (1, 5));
        let text = fixture("hyperliquid/rest_candle_snapshot_1h");
        let rows =
            decoded("hyperliquid", &query(&of, Interval::H1, 1_790_360_000_000), &text).unwrap();
        let expected: [Flat; 3] = [
            (
                1_790_344_800_000,
                [839_120, 840_390, 831_330, 840_100],
                399_794_344,
                Some(35_095),
                true,
            ),
            (
                1_790_355_600_000,
                [837_370, 839_770, 836_000, 837_670],
                91_098_068,
                Some(8_461),
                true,
            ),
            (
                1_790_359_200_000,
                [837_660, 839_520, 837_660, 839_310],
                24_350_048,
                Some(1_829),
                false,
            ),
        ];
        assert_eq!(flat(&rows), expected);
    }

    #[test]
    fn contracts_are_base_units_and_the_venue_says_what_is_over() {
        // The document's example has times between two intervals; those are put right here.
        let text = fixture("okx/rest_candles").replacen("1597026383085", "1597026420000", 1);
        let text = text.replace("1597026383085", "1597026360000");
        let mut of = instrument("BCH-USDT-SWAP", LINEAR, (3, 4));
        of.contract = Qty(100);
        let rows = decoded("okx", &query(&of, Interval::M1, 0), &text).unwrap();
        let expected: [Flat; 2] = [
            (1_597_026_360_000, [3_731, 3_799, 3_494, 3_720], 2_491_240_300, None, true),
            (1_597_026_420_000, [3_721, 3_743, 3_677, 3_708], 842_241_000, None, false),
        ];
        assert_eq!(flat(&rows), expected);
        let spot = instrument("BCH-USDT", SPOT, (3, 4));
        let rows = decoded("okx", &query(&spot, Interval::M1, 0), &text).unwrap();
        assert_eq!(rows[1].volume, Qty(84_224_100_000), "base units");
    }

    #[test]
    fn bad_rows_are_refused_by_name() {
        use DecodeError::{Invalid, Json, Missing, Number};
        let of = instrument("BTCUSDT", SPOT, (2, 5));
        let query = query(&of, Interval::M1, 0);
        let bad = |row: &str| decoded("binance", &query, row).unwrap_err();
        let row = r#"[60000,"2.00","3.00","1.00","2.50","7",119999,"1",4,"1","1","0"]"#;
        assert!(decoded("binance", &query, &format!("[{row}]")).is_ok());
        assert_eq!(bad(r#"{"code":-1121,"msg":"Invalid symbol."}"#), Invalid("klines"));
        assert_eq!(bad(&format!("[{row},{row}]")), Invalid("openTime"), "twice");
        for (from, to, error) in [
            ("60000", "60001", Invalid("openTime")),
            ("60000", "\"x\"", Invalid("openTime")),
            ("\"3.00\"", "\"2.40\"", Invalid("high")),
            ("\"1.00\"", "\"2.10\"", Invalid("high")),
            ("\"1.00\"", "\"0\"", Number("low", ParseUnitError::Malformed)),
            ("\"1.00\"", "\"-1\"", Invalid("low")),
            ("\"2.50\"", "\"2.505\"", Number("close", ParseUnitError::OffScale)),
            ("\"7\"", "\"-7\"", Invalid("high")),
            ("\"7\"", "\"7e3\"", Number("volume", ParseUnitError::Malformed)),
            ("\"7\"", "7", Invalid("volume")),
            (",4,", ",-4,", Invalid("trades")),
            ("119999,\"1\",4,\"1\",\"1\",\"0\"", "119999", Missing("trades")),
            ("]", "", Json),
        ] {
            assert_eq!(bad(&format!("[{}]", row.replacen(from, to, 1))), error, "{from} -> {to}");
        }
        let refused = [
            (
                "bybit",
                r#"{"retCode":10001,"retMsg":"params error","result":{}}"#,
                Invalid("retCode"),
            ),
            ("okx", r#"{"code":"51001","msg":"x","data":[]}"#, Invalid("code")),
            ("hyperliquid", "null", Invalid("candleSnapshot")),
            ("hyperliquid", r#"[{"s":"ETH"}]"#, Invalid("s")),
        ];
        for (venue, text, error) in refused {
            assert_eq!(decoded(venue, &query, text), Err(error), "{venue}");
        }
    }

    #[test]
    fn damaged_answers_never_panic() {
        let of = instrument("BTC", LINEAR, (1, 5));
        for (venue, name) in [
            ("binance", "binance/spot_klines_rest"),
            ("bybit", "bybit/rest_kline_inverse"),
            ("okx", "okx/rest_candles"),
            ("hyperliquid", "hyperliquid/rest_candle_snapshot_1h"),
        ] {
            let text = fixture(name).into_bytes();
            for at in 0..text.len() {
                let query = query(&of, Interval::M1, 0);
                let _ = (row(venue).decode_klines)(&query, &mut text[..at].to_vec());
                let mut flipped = text.clone();
                flipped[at] ^= 1;
                let _ = (row(venue).decode_klines)(&query, &mut flipped);
            }
        }
    }
}
