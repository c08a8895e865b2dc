//! Decoders by themselves, for [`crate::venues::FrameDecoder`].

#![forbid(unsafe_code)]

use super::account::Account;
use super::envelope::{self, Frame};
use super::market_data::{self, Parts};
use super::private_stream;
use super::scan::{self, Scanner};
use super::streams::{self, Product, Stream, Symbol};
use crate::types::{Channel, Events, Nanos};
use crate::venues::scan::Width;
use crate::venues::{DecodeError, FrameKind, Parser, SetupError, VenueSetup};

/// Both readers of this venue's frames.
pub(in crate::venues) struct Frames {
    product: Product,
    symbols: Vec<Symbol>,
    scanner: Scanner,
    parser: Parser,
    /// What each reader of private frames has learnt.
    scanned: Account,
    read: Account,
}

impl From<Stream> for FrameKind {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Top => Self::Top,
            Stream::Depth => Self::Depth,
            Stream::Trade => Self::Trade,
            Stream::Mark => Self::Mark,
        }
    }
}

impl Frames {
    pub(in crate::venues) fn new(setup: &VenueSetup, width: Width) -> Result<Self, SetupError> {
        let product = Product::of(setup)?;
        let symbols = streams::symbols(setup);
        let scanner = Scanner::new(&symbols, product, width);
        Ok(Self {
            product,
            symbols,
            scanner,
            parser: Parser::new(),
            scanned: Account::new(setup, product),
            read: Account::new(setup, product),
        })
    }

    #[inline]
    pub(in crate::venues) fn scan(&self, frame: &[u8], events: &mut Events) -> Option<FrameKind> {
        let (_, stream) = self.scanner.scan(frame, &self.symbols, |_| true, events)?;
        Some(stream.into())
    }

    pub(in crate::venues) fn reference(
        &mut self,
        frame: &mut [u8],
        events: &mut Events,
    ) -> Result<FrameKind, DecodeError> {
        let Self { product, symbols, parser, .. } = self;
        parser.read(frame, |root| match market_data::parts(root, symbols, *product)? {
            Parts::Data { symbol, stream, data } => {
                market_data::decode(stream, data, &symbols[symbol], *product, events)?;
                Ok(stream.into())
            }
            Parts::Control { .. } | Parts::Shutdown => Err(DecodeError::UnknownKind),
        })
    }

    pub(in crate::venues) fn snapshot(
        &mut self,
        body: &mut [u8],
        symbol: &str,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let known = self.symbols.iter().find(|known| known.name == symbol);
        let (known, product) = (known.ok_or(DecodeError::UnknownSymbol)?, self.product);
        self.parser.read(body, |root| market_data::snapshot(root, known, product, events))
    }

    pub(in crate::venues) fn scan_private(
        &mut self,
        frame: &[u8],
        now: Nanos,
        events: &mut Events,
    ) -> Option<Result<(), DecodeError>> {
        let fields = match self.product {
            Product::Spot => scan::execution(frame)?,
            Product::UsdM => scan::order_update(frame)?,
        };
        Some(private_stream::execution(&fields, &mut self.scanned, now, events))
    }

    pub(in crate::venues) fn reference_private(
        &mut self,
        frame: &mut [u8],
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let Self { product, parser, read, .. } = self;
        let told = parser.read(frame, |root| match product {
            Product::UsdM => private_stream::decode_usdm(root, read, now, events),
            Product::Spot => match envelope::frame(Channel::Trade, root)? {
                Frame::Event(event) => private_stream::decode(event, read, now, events),
                Frame::Reply { .. } => Err(DecodeError::UnknownKind),
            },
        });
        told.map(drop)
    }
}
