//! Prepared requests against the complete encoder.

use super::super::trading::Wire;
use super::*;
use crate::types::{InstrumentKind, InstrumentRules, Price, Qty, Scale};
use crate::venues::trading::{Action, Templates, template_tests as hold};
use proptest::prelude::*;

const SYMBOLS: [(&str, u8, u8, InstrumentKind); 4] = [
    ("BTCUSDT", 2, 6, InstrumentKind::Spot),
    ("PEPEUSDT", 10, 0, InstrumentKind::Spot),
    ("AUSDT", 0, 15, InstrumentKind::Spot),
    ("BTCUSDT", 2, 6, InstrumentKind::LinearPerpetual),
];

fn wire() -> Wire {
    let mut table = InstrumentTable::default();
    let rules =
        InstrumentRules { tick_size: Price(1), lot_size: Qty(1), ..InstrumentRules::default() };
    for (symbol, price_decimals, qty_decimals, kind) in SYMBOLS {
        table.add(Instrument {
            venue: BYBIT,
            symbol: symbol.to_owned(),
            kind,
            scale: Scale { price_decimals, qty_decimals },
            rules,
            ..Instrument::default()
        });
    }
    table.add(Instrument { venue: VenueId(0), rules, ..Instrument::default() });
    Wire::new(&VenueSetup { instruments: Arc::new(table), ..setup() }).unwrap()
}

#[test]
fn every_kind_of_order_has_its_template() {
    hold::all_there(&wire());
}

proptest! {
    #[test]
    fn templates_write_what_the_complete_encoder_writes(
        order in hold::orders(4), cancel in hold::cancels(4), mark in hold::marks(),
    ) {
        let wire = wire();
        let mut templates = Templates::new(&wire);
        hold::compare(&wire, &mut templates, Action::New(&order), order.instrument, mark);
        hold::compare(&wire, &mut templates, Action::Cancel(&cancel), cancel.instrument, mark);
    }
}
