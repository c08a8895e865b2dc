//! The decoders of frames by themselves, without a connector around them: for benches, tests and
//! fuzz targets. Nothing of the engine uses this.

#![forbid(unsafe_code)]

use super::scan::Width;
use super::subscriptions::Scanned;
use super::{
    DecodeError, Endpoints, SetupError, VENUES, VenueSetup, binance, bybit, hyperliquid, okx,
};
use crate::types::{
    AssetId, Events, Instrument, InstrumentKind, InstrumentTable, Nanos, Scale, VenueId,
};
use std::sync::Arc;

/// What a frame of market data was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Top of book.
    Top,
    /// Depth, a snapshot or a delta.
    Depth,
    /// One or more trades.
    Trade,
    /// Mark price, index or funding of a perpetual.
    Mark,
    /// Depth that is no news.
    Other,
}

impl From<Scanned> for FrameKind {
    fn from(scanned: Scanned) -> Self {
        match scanned {
            Scanned::Depth(_) | Scanned::Suspect(_) => Self::Depth,
            Scanned::Top => Self::Top,
            Scanned::Trades => Self::Trade,
            Scanned::Perpetual => Self::Mark,
            Scanned::Repeated => Self::Other,
        }
    }
}

/// Both readers of one venue's frames: the scanner, and the complete decoder that it stands before.
pub struct FrameDecoder {
    inner: Inner,
    /// Of [`FrameDecoder::compare`], made when it is first called.
    buffers: Option<[Events; 2]>,
}

enum Inner {
    Binance(Box<binance::Frames>),
    Bybit(Box<bybit::Frames>),
    Okx(Box<okx::Frames>),
    Hyperliquid(Box<hyperliquid::Frames>),
}

/// Events and levels of one frame, at most, where [`FrameDecoder::compare`] decodes.
const EVENTS_MAX: usize = 256;
const LEVELS_MAX: usize = 4096;

impl FrameDecoder {
    /// For the instruments of `venue` in this table, which are all of one kind; `depth` is the
    /// number of levels that the feed asks for.
    pub fn new(
        venue: VenueId,
        instruments: Arc<InstrumentTable>,
        depth: u16,
    ) -> Result<Self, SetupError> {
        Self::with(venue, instruments, depth, Width::best())
    }

    /// The same, with the way of reading that every processor has.
    pub fn portable(
        venue: VenueId,
        instruments: Arc<InstrumentTable>,
        depth: u16,
    ) -> Result<Self, SetupError> {
        Self::with(venue, instruments, depth, Width::portable())
    }

    fn with(
        venue: VenueId,
        instruments: Arc<InstrumentTable>,
        depth: u16,
        width: Width,
    ) -> Result<Self, SetupError> {
        let setup = VenueSetup {
            venue,
            endpoints: Endpoints::default(),
            instruments,
            credentials: None,
            depth,
            recv_window_ms: 5_000,
            orders_over_rest: false,
            order_connections: 1,
            feed_connections: 1,
            dead_man_switch_s: None,
            prepared_nonces: 0,
            margin: Default::default(),
            reply_timeout_ms: 1_000,
            first_message_timeout_ms: 1_000,
        };
        let name = VENUES.get(usize::from(venue.0)).map_or("", |row| row.name);
        let inner = if name == bybit::ROW.name {
            Inner::Bybit(Box::new(bybit::Frames::new(&setup, width)?))
        } else if name == okx::ROW.name {
            Inner::Okx(Box::new(okx::Frames::new(&setup)))
        } else if name == hyperliquid::ROW.name {
            Inner::Hyperliquid(Box::new(hyperliquid::Frames::new(&setup)))
        } else {
            Inner::Binance(Box::new(binance::Frames::new(&setup, width)?))
        };
        Ok(Self { inner, buffers: None })
    }

    /// A table of instruments with these symbols and scales, numbered in their order.
    #[must_use]
    pub fn table(
        venue: VenueId,
        kind: InstrumentKind,
        symbols: &[(&str, Scale)],
    ) -> Arc<InstrumentTable> {
        let mut table = InstrumentTable::default();
        for (symbol, scale) in symbols {
            let base = table.assets.intern(symbol.get(..3).unwrap_or(symbol));
            let quote = table.assets.intern("USDT");
            table.add(Instrument {
                venue,
                name: (*symbol).to_owned(),
                symbol: (*symbol).to_owned(),
                kind,
                base,
                quote,
                settle: if kind == InstrumentKind::Spot { AssetId::NONE } else { quote },
                scale: *scale,
                ..Instrument::default()
            });
        }
        Arc::new(table)
    }

    /// Public frame to events by the scanner; `None` if it is not for the scanner.
    #[inline]
    pub fn scan(&self, frame: &[u8], events: &mut Events) -> Option<FrameKind> {
        match &self.inner {
            Inner::Binance(frames) => frames.scan(frame, events),
            Inner::Bybit(frames) => frames.scan(frame, events),
            Inner::Okx(frames) => frames.scan(frame, events),
            Inner::Hyperliquid(frames) => frames.scan(frame, events),
        }
    }

    /// The same by the complete decoder, which may rewrite the frame.
    pub fn reference(
        &mut self,
        frame: &mut [u8],
        events: &mut Events,
    ) -> Result<FrameKind, DecodeError> {
        match &mut self.inner {
            Inner::Binance(frames) => frames.reference(frame, events),
            Inner::Bybit(frames) => frames.reference(frame, events),
            Inner::Okx(frames) => frames.reference(frame, events),
            Inner::Hyperliquid(frames) => frames.reference(frame, events),
        }
    }

    /// A depth snapshot that was fetched apart, where the venue has such.
    pub fn snapshot(
        &mut self,
        body: &mut [u8],
        symbol: &str,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match &mut self.inner {
            Inner::Binance(frames) => frames.snapshot(body, symbol, events),
            Inner::Bybit(_) | Inner::Okx(_) | Inner::Hyperliquid(_) => {
                Err(DecodeError::UnknownKind)
            }
        }
    }

    /// Private frame (an order or an execution) to events by the scanner.
    pub fn scan_private(
        &mut self,
        frame: &[u8],
        now: Nanos,
        events: &mut Events,
    ) -> Option<Result<(), DecodeError>> {
        match &mut self.inner {
            Inner::Binance(frames) => frames.scan_private(frame, now, events),
            Inner::Bybit(frames) => frames.scan_private(frame, now, events),
            Inner::Okx(frames) => frames.scan_private(frame, now, events),
            // Its private frames have no scanner.
            Inner::Hyperliquid(_) => None,
        }
    }

    /// The same by the complete decoder.
    pub fn reference_private(
        &mut self,
        frame: &mut [u8],
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match &mut self.inner {
            Inner::Binance(frames) => frames.reference_private(frame, now, events),
            Inner::Bybit(frames) => frames.reference_private(frame, now, events),
            Inner::Okx(frames) => frames.reference_private(frame, now, events),
            Inner::Hyperliquid(_) => Err(DecodeError::UnknownKind),
        }
    }

    /// Reads a frame both ways, as a public and as a private one. The scanner must have done what
    /// the complete decoder does, or nothing. Gives what it read as a public frame, and whether it
    /// read it as a private one; or says what differs.
    pub fn compare(&mut self, frame: &[u8]) -> Result<(Option<FrameKind>, bool), String> {
        let buffer = || Events::with_capacity(EVENTS_MAX, LEVELS_MAX);
        let mut buffers = self.buffers.take().unwrap_or_else(|| [buffer(), buffer()]);
        let result = self.compare_in(frame, &mut buffers);
        self.buffers = Some(buffers);
        result
    }

    fn compare_in(
        &mut self,
        frame: &[u8],
        [scanned, expected]: &mut [Events; 2],
    ) -> Result<(Option<FrameKind>, bool), String> {
        let now = Nanos(1);
        scanned.clear();
        expected.clear();
        let kind = self.scan(frame, scanned);
        let reference = self.reference(&mut frame.to_vec(), expected);
        same(kind.map(Ok), reference, scanned, expected)?;
        scanned.clear();
        expected.clear();
        let private = self.scan_private(frame, now, scanned);
        let reference = self.reference_private(&mut frame.to_vec(), now, expected);
        same(private, reference, scanned, expected)?;
        Ok((kind, private.is_some()))
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    result: Option<Result<T, DecodeError>>,
    reference: Result<T, DecodeError>,
    scanned: &Events,
    expected: &Events,
) -> Result<(), String> {
    let Some(result) = result else {
        let untouched = scanned.list().is_empty() && scanned.levels_len() == 0;
        return untouched.then_some(()).ok_or_else(|| format!("left behind {scanned:?}"));
    };
    if result != reference {
        return Err(format!("scanned {result:?}, read {reference:?}"));
    }
    if scanned != expected {
        return Err(format!("scanned {scanned:?}, read {expected:?}"));
    }
    Ok(())
}
