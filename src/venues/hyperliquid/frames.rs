//! Decoders by themselves, for [`crate::venues::FrameDecoder`].

#![forbid(unsafe_code)]

use super::market_data::{self, Owner};
use super::memory::Memory;
use super::scan::Scanner;
use crate::types::{Events, Instrument, Nanos};
use crate::venues::{DecodeError, FrameKind, Parser, VenueSetup};

/// Both readers of this venue's frames. Neither remembers a frame: each is as if it were the first.
pub(in crate::venues) struct Frames {
    instruments: Vec<Instrument>,
    scanner: Scanner,
    parser: Parser,
    memory: Memory,
}

impl Frames {
    pub(in crate::venues) fn new(setup: &VenueSetup) -> Self {
        let instruments: Vec<Instrument> =
            setup.instruments.of_venue(setup.venue).cloned().collect();
        let scanner = Scanner::new(instruments.iter().map(|one| one.symbol.as_str()));
        let memory = Memory::new(instruments.len());
        Self { instruments, scanner, parser: Parser::new(), memory }
    }

    #[inline]
    pub(in crate::venues) fn scan(&self, frame: &[u8], events: &mut Events) -> Option<FrameKind> {
        let find = |at: usize| Some((self.instruments.get(at)?, Nanos(0)));
        let scanned = self.scanner.scan(frame, find, &self.memory, events);
        self.memory.forget();
        scanned.map(|(_, scanned)| scanned.into())
    }

    pub(in crate::venues) fn reference(
        &mut self,
        frame: &mut [u8],
        events: &mut Events,
    ) -> Result<FrameKind, DecodeError> {
        let Self { instruments, parser, memory, .. } = self;
        let result = parser.read(frame, |root| {
            let topic = market_data::topic(root)?;
            let (topic, coin) = topic.ok_or(DecodeError::UnknownKind)?;
            let at = instruments.iter().position(|instrument| instrument.symbol == coin);
            let at = at.ok_or(DecodeError::UnknownSymbol)?;
            let owner = Owner { at, asked: Nanos(0), instrument: &instruments[at] };
            market_data::read(topic, owner, memory, Nanos(0), events).map(FrameKind::from)
        });
        memory.forget();
        result
    }
}
