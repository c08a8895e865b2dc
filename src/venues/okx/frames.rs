//! Decoders by themselves, for [`crate::venues::FrameDecoder`].

#![forbid(unsafe_code)]

use super::market_data::{self, Topic};
use super::private_stream;
use super::scan::{self, Scanner};
use super::sequence::Ids;
use crate::types::{Event, Events, Instrument, Nanos};
use crate::venues::flight::Flights;
use crate::venues::sink::Sink;
use crate::venues::trading::{Assets, Desk, Names};
use crate::venues::{DecodeError, FrameKind, Parser, VenueSetup};
use std::collections::VecDeque;

/// Both readers of this venue's frames.
pub(in crate::venues) struct Frames {
    instruments: Vec<Instrument>,
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
    pub(in crate::venues) fn new(setup: &VenueSetup) -> Self {
        let instruments: Vec<Instrument> =
            setup.instruments.of_venue(setup.venue).cloned().collect();
        let names = Names::new(setup.venue, &setup.instruments);
        Self {
            scanner: Scanner::new(instruments.iter().map(|row| row.symbol.as_str())),
            instruments,
            parser: Parser::new(),
            assets: Assets::new(&names),
            names,
            scanned: Flights::new(),
            read: Flights::new(),
            backlog: VecDeque::new(),
        }
    }

    /// Each frame by itself, as if none had come before it.
    #[inline]
    pub(in crate::venues) fn scan(&self, frame: &[u8], events: &mut Events) -> Option<FrameKind> {
        let mut ids = Ids::default();
        let instrument = |at| self.instruments.get(at);
        let (_, scanned) = self.scanner.scan(frame, |_| Some(&mut ids), instrument, events)?;
        Some(scanned.into())
    }

    pub(in crate::venues) fn reference(
        &mut self,
        frame: &mut [u8],
        events: &mut Events,
    ) -> Result<FrameKind, DecodeError> {
        let Self { instruments, parser, .. } = self;
        parser.read(frame, |root| {
            let (topic, symbol) = market_data::topic(root)?.ok_or(DecodeError::UnknownKind)?;
            let known = instruments.iter().find(|instrument| instrument.symbol == symbol);
            let known = known.ok_or(DecodeError::UnknownSymbol)?;
            let ids = &mut Ids::default();
            match topic {
                Topic::Depth => {
                    market_data::depth(root, known, ids, events).map(|_| FrameKind::Depth)
                }
                Topic::Top => market_data::top(root, known, ids, events).map(|()| FrameKind::Top),
                Topic::Trades => {
                    market_data::trades(root, known, events).map(|()| FrameKind::Trade)
                }
                Topic::Mark | Topic::Index | Topic::Funding => Err(DecodeError::UnknownKind),
            }
        })
    }

    pub(in crate::venues) fn scan_private(
        &mut self,
        frame: &[u8],
        now: Nanos,
        events: &mut Events,
    ) -> Option<Result<(), DecodeError>> {
        let frame = scan::orders(frame)?;
        let sink = Sink { events, backlog: &mut self.backlog };
        let mut desk = Desk { flights: &mut self.scanned, sink, now };
        let result = private_stream::on_scanned(&frame, &self.names, &mut desk);
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
            let arg = root.get("arg").ok_or(DecodeError::UnknownKind)?;
            let channel = arg.field_str("channel")?;
            let mut desk = Desk { flights: read, sink: Sink { events, backlog }, now };
            private_stream::decode(root, channel, (names, assets, "cross"), &mut desk)
        });
        self.backlog.clear();
        result
    }
}
