//! Decoders by themselves, for [`crate::venues::FrameDecoder`].

#![forbid(unsafe_code)]

use super::account::Holder;
use super::market_data;
use super::private_stream::{self, Context};
use super::scan::{self, Scanner};
use super::streams::depth_topic;
use crate::types::{Event, Events, Instrument, MarginMode, Nanos};
use crate::venues::flight::Flights;
use crate::venues::scan::Width;
use crate::venues::sink::Sink;
use crate::venues::trading::{Assets, Desk, Names};
use crate::venues::{DecodeError, FrameKind, Parser, SetupError, Value, VenueSetup};
use std::collections::VecDeque;

/// Both readers of this venue's frames.
pub(in crate::venues) struct Frames {
    instruments: Vec<Instrument>,
    depth: &'static str,
    scanner: Scanner,
    parser: Parser,
    names: Names,
    assets: Assets,
    /// What each reader of private frames has learnt.
    scanned: Flights,
    read: Flights,
    backlog: VecDeque<Event>,
}

impl Frames {
    pub(in crate::venues) fn new(setup: &VenueSetup, width: Width) -> Result<Self, SetupError> {
        // Products share symbols: public frames are those of one.
        setup.only_kind()?;
        let instruments: Vec<Instrument> =
            setup.instruments.of_venue(setup.venue).cloned().collect();
        let depth = depth_topic(setup.depth);
        let symbols = instruments.iter().map(|instrument| instrument.symbol.as_str());
        let scanner = Scanner::new(symbols, depth, width);
        let names = Names::new(setup.venue, &setup.instruments);
        Ok(Self {
            depth,
            scanner,
            instruments,
            parser: Parser::new(),
            assets: Assets::new(&names),
            names,
            scanned: Flights::new(),
            read: Flights::new(),
            backlog: VecDeque::new(),
        })
    }

    #[inline]
    pub(in crate::venues) fn scan(&self, frame: &[u8], events: &mut Events) -> Option<FrameKind> {
        let (_, scanned) = self.scanner.scan(frame, |at| self.instruments.get(at), events)?;
        Some(scanned.into())
    }

    pub(in crate::venues) fn reference(
        &mut self,
        frame: &mut [u8],
        events: &mut Events,
    ) -> Result<FrameKind, DecodeError> {
        let Self { instruments, depth, parser, .. } = self;
        parser.read(frame, |root| {
            let text = root.get("topic").and_then(Value::str).ok_or(DecodeError::UnknownKind)?;
            let topic = market_data::topic(text, depth)?;
            let known = instruments.iter().find(|row| row.symbol == topic.symbol());
            let known = known.ok_or(DecodeError::UnknownSymbol)?;
            topic.read(root, known, events).map(FrameKind::from)
        })
    }

    pub(in crate::venues) fn scan_private(
        &mut self,
        frame: &[u8],
        now: Nanos,
        events: &mut Events,
    ) -> Option<Result<(), DecodeError>> {
        let frame = scan::private(frame)?;
        let sink = Sink { events, backlog: &mut self.backlog };
        let mut desk = Desk { flights: &mut self.scanned, sink, now };
        let context = context(&self.names, &self.assets);
        let result = private_stream::on_scanned(&frame, context, &mut desk);
        self.backlog.clear();
        Some(result)
    }

    pub(in crate::venues) fn reference_private(
        &mut self,
        frame: &mut [u8],
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let Self { parser, names, assets, read, backlog, .. } = self;
        let result = parser.read(frame, |root| {
            let topic = root.get("topic").and_then(Value::str).ok_or(DecodeError::UnknownKind)?;
            let mut desk = Desk { flights: read, sink: Sink { events, backlog }, now };
            private_stream::decode(root, topic, context(names, assets), &mut desk)
        });
        self.backlog.clear();
        result
    }
}

fn context<'a>(names: &'a Names, assets: &'a Assets) -> Context<'a> {
    Context { holder: Holder { names, assets, mode: MarginMode::Cross }, product: None }
}
