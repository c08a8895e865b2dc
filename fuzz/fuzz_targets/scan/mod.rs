//! Both readers of one venue's frames, for both products and both ways of reading lists.

use std::cell::RefCell;
use stoop::types::{InstrumentKind, Scale};
use stoop::venues::{FrameDecoder, find};

const SYMBOLS: &[(&str, Scale)] = &[
    ("BTCUSDT", Scale { price_decimals: 2, qty_decimals: 8 }),
    ("ETHUSDT", Scale { price_decimals: 2, qty_decimals: 5 }),
    ("BNBUSDT", Scale { price_decimals: 8, qty_decimals: 8 }),
    ("XRPUSDT", Scale { price_decimals: 4, qty_decimals: 0 }),
    ("BTC", Scale { price_decimals: 1, qty_decimals: 8 }),
    ("@107", Scale { price_decimals: 6, qty_decimals: 8 }),
];

thread_local! {
    static DECODERS: RefCell<Vec<FrameDecoder>> = const { RefCell::new(Vec::new()) };
}

fn decoders(venue: &str) -> Vec<FrameDecoder> {
    let venue = find(venue).expect("a venue of the table");
    let mut decoders = Vec::new();
    for kind in [InstrumentKind::Spot, InstrumentKind::LinearPerpetual] {
        let table = FrameDecoder::table(venue, kind, SYMBOLS);
        decoders.extend(FrameDecoder::new(venue, table.clone(), 50));
        decoders.extend(FrameDecoder::portable(venue, table, 50));
    }
    decoders
}

/// Reads the frame with every decoder, both ways.
pub fn run(venue: &str, frame: &[u8]) {
    DECODERS.with_borrow_mut(|all| {
        if all.is_empty() {
            *all = decoders(venue);
        }
        for decoder in all {
            if let Err(difference) = decoder.compare(frame) {
                panic!("{difference}");
            }
        }
    });
}
