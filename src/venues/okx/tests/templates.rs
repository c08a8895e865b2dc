//! Prepared requests against the complete encoder.

use super::super::trading::Wire;
use super::*;
use crate::venues::flight::Ask;
use crate::venues::trading::{Action, Lesson, Templates, TradingWire, template_tests as hold};
use crate::venues::{Parser, Value};
use proptest::prelude::*;

fn learn(wire: &mut Wire, ask: Ask, body: &str) {
    let mut body = body.as_bytes().to_vec();
    let result = Parser::new().read(&mut body, |root: Value<'_>| wire.learn(&ask, root));
    assert_eq!(result, Ok(Lesson::Learnt));
}

/// Everything is known, also of instruments of another venue, which have no templates.
fn wire() -> Wire {
    let mut table = instruments();
    table.add(Instrument { venue: VenueId(0), ..Instrument::default() });
    let mut wire = Wire::new(&VenueSetup { instruments: Arc::new(table), ..setup() }).unwrap();
    let net = fixture("rest_account_config").replace("long_short_mode", "net_mode");
    learn(&mut wire, Ask::Account, &net);
    learn(&mut wire, Ask::Rules(InstrumentKind::Spot), &fixture("rest_instruments_spot"));
    let swaps = swaps().replace("null", "10462");
    learn(&mut wire, Ask::Rules(InstrumentKind::LinearPerpetual), &swaps);
    wire
}

#[test]
fn every_kind_of_order_has_its_template() {
    hold::all_there(&wire());
}

proptest! {
    #[test]
    fn templates_write_what_the_complete_encoder_writes(
        order in hold::orders(4), cancel in hold::cancels(4), mark in hold::marks(),
        lots in 1i64..1_000_000_000,
    ) {
        let wire = wire();
        let mut templates = Templates::new(&wire);
        hold::compare(&wire, &mut templates, Action::New(&order), order.instrument, mark);
        hold::compare(&wire, &mut templates, Action::Cancel(&cancel), cancel.instrument, mark);
        // Numbers at random are seldom whole lots.
        let instrument = wire.names().instruments.get(order.instrument).unwrap();
        let qty = Qty(instrument.rules.lot_size.0 * lots);
        let order = crate::types::NewOrder { qty, ..order };
        hold::compare(&wire, &mut templates, Action::New(&order), order.instrument, mark);
    }
}
