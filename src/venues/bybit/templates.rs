//! New orders and cancels for the trade socket, built beforehand: only numbers, ids, price, quantity
//! and time are written per order. See [`super::super::template`] for how they are made.
//!
//! Whatever has no template here, or does not fit one, is written by [`Action::write_frame`], which
//! is also what the templates are cut from and held equal to.

#![forbid(unsafe_code)]

use super::super::digits::Text;
use super::super::template::{KINDS, PAGE, SAMPLES, Sample, Template, kind};
use super::Product;
use super::orders::Action;
use crate::types::{CancelOrder, Instrument, InstrumentTable, OrderType, VenueId, VenueOrderId};

/// The requests of one instrument.
#[derive(Default)]
struct Row {
    new: [Option<Template>; KINDS],
    cancel: Option<Template>,
}

/// The templates of an account.
pub(super) struct Templates {
    /// By instrument.
    rows: Vec<Row>,
    /// What requests are written on.
    page: Vec<u8>,
}

/// What the samples are written with.
struct Maker<'a> {
    product: &'static Product,
    recv_window: &'a str,
}

/// The values of an action in the order in which they are written.
struct Values {
    texts: [Text; 5],
    len: usize,
}

impl Values {
    #[inline]
    fn list(&self) -> &[Text] {
        self.texts.get(..self.len).unwrap_or(&[])
    }
}

/// The values of an action that was checked; `None` if no template serves it.
#[inline]
fn values(
    action: Action<'_>,
    instrument: &Instrument,
    (id, timestamp_ms): (u64, u64),
) -> Option<Values> {
    let scale = instrument.scale;
    let (id, time) = (Text::whole(id), Text::whole(timestamp_ms));
    let (texts, len) = match action {
        Action::New(order) => {
            let client_id = Text::fixed(&order.client_id.encode());
            let qty = Text::decimal(order.qty.0, scale.qty_decimals)?;
            if order.order_type == OrderType::Market {
                ([id, time, qty, client_id, client_id], 4)
            } else {
                let price = Text::decimal(order.price.0, scale.price_decimals)?;
                ([id, time, qty, price, client_id], 5)
            }
        }
        Action::Cancel(order) if order.client_id.is_some() => {
            let client_id = Text::fixed(&order.client_id.encode());
            ([id, time, client_id, client_id, client_id], 3)
        }
        Action::Cancel(_) | Action::Replace(_) => return None,
    };
    Some(Values { texts, len })
}

/// A whole frame.
#[inline]
fn write<'a>(template: &Template, values: &Values, page: &'a mut Vec<u8>) -> &'a [u8] {
    template.fill(page, |page| {
        template.piece(0, page);
        template.values(1, values.list(), page);
    })
}

impl Templates {
    pub(super) fn new(
        product: &'static Product,
        venue: VenueId,
        instruments: &InstrumentTable,
        recv_window: &str,
    ) -> Self {
        let maker = Maker { product, recv_window };
        let mut rows = Vec::new();
        rows.resize_with(instruments.len(), Row::default);
        for instrument in instruments.of_venue(venue) {
            rows[instrument.id.index()] = maker.row(instrument);
        }
        Self { rows, page: vec![0; PAGE] }
    }

    /// The frame of an action that was checked, ready to be written; `None` if the action has to
    /// write it itself.
    #[inline]
    pub(super) fn prepare<'a>(
        &'a mut self,
        action: Action<'a>,
        instrument: &Instrument,
        id: u64,
        timestamp_ms: u64,
    ) -> Option<impl FnOnce(&mut Vec<u8>) + use<'a>> {
        let Self { rows, page } = self;
        let row = rows.get(instrument.id.index())?;
        let template = match action {
            Action::New(order) => row.new[kind(order)].as_ref()?,
            Action::Cancel(_) => row.cancel.as_ref()?,
            Action::Replace(_) => return None,
        };
        let values = values(action, instrument, (id, timestamp_ms))?;
        Some(move |out: &mut Vec<u8>| out.extend_from_slice(write(template, &values, page)))
    }
}

impl Maker<'_> {
    fn row(&self, instrument: &Instrument) -> Row {
        let new = std::array::from_fn(|kind| {
            let [first, second] = [0, 1].map(|at: usize| SAMPLES[at].order(kind, instrument));
            self.make([Action::New(&first?), Action::New(&second?)], instrument)
        });
        let [first, second] = SAMPLES.map(|sample| CancelOrder {
            client_id: sample.client_id,
            venue_order_id: VenueOrderId::EMPTY,
            instrument: instrument.id,
        });
        let cancel = self.make([Action::Cancel(&first), Action::Cancel(&second)], instrument);
        Row { new, cancel }
    }

    /// A template from the first sample, if it reproduces the second.
    fn make(&self, actions: [Action<'_>; 2], instrument: &Instrument) -> Option<Template> {
        let frame = |sample: &Sample, action: Action<'_>| {
            let (mut frame, window) = (Vec::new(), self.recv_window);
            let (id, time) = (sample.id, sample.timestamp_ms);
            action.write_frame(id, time, window, self.product, instrument, &mut frame);
            frame
        };
        let values = |at: usize| {
            let sample: &Sample = &SAMPLES[at];
            values(actions[at], instrument, (sample.id, sample.timestamp_ms))
        };
        let (first, second) = (values(0)?, values(1)?);
        let marks: Vec<_> = first.list().iter().map(|text| text.as_bytes().to_vec()).collect();
        let template = Template::new(&frame(&SAMPLES[0], actions[0]), &marks)?;
        let mut page = Vec::new();
        let again = write(&template, &second, &mut page);
        (again == frame(&SAMPLES[1], actions[1])).then_some(template)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SPOT;
    use super::*;
    use crate::types::{
        ClientOrderId, InstrumentId, InstrumentRules, NewOrder, Price, Qty, Scale, Side,
        TimeInForce,
    };
    use proptest::prelude::*;

    const SYMBOLS: [(&str, u8, u8); 3] = [("BTCUSDT", 2, 6), ("PEPEUSDT", 10, 0), ("AUSDT", 0, 15)];

    fn table() -> InstrumentTable {
        let mut table = InstrumentTable::default();
        for (symbol, price_decimals, qty_decimals) in SYMBOLS {
            table.add(Instrument {
                venue: VenueId(1),
                symbol: symbol.to_owned(),
                scale: Scale { price_decimals, qty_decimals },
                rules: InstrumentRules {
                    tick_size: Price(1),
                    lot_size: Qty(1),
                    ..InstrumentRules::default()
                },
                ..Instrument::default()
            });
        }
        table
    }

    fn compare(action: Action<'_>, at: usize, id: u64, time: u64) {
        let table = table();
        let mut templates = Templates::new(&SPOT, VenueId(1), &table, "5000");
        let instrument = table.get(InstrumentId(at as u16)).unwrap();
        let (mut written, mut reference) = (Vec::new(), Vec::new());
        let Some(write) = templates.prepare(action, instrument, id, time) else { return };
        write(&mut written);
        action.write_frame(id, time, "5000", &SPOT, instrument, &mut reference);
        assert_eq!(String::from_utf8(written), String::from_utf8(reference));
    }

    #[test]
    fn every_kind_of_order_has_its_template() {
        let templates = Templates::new(&SPOT, VenueId(1), &table(), "5000");
        for row in &templates.rows {
            assert!(row.new.iter().all(Option::is_some) && row.cancel.is_some());
        }
        let none = Templates::new(&SPOT, VenueId(0), &table(), "5000");
        assert!(none.rows.iter().all(|row| row.cancel.is_none()), "another venue's");
    }

    proptest! {
        #[test]
        fn templates_write_what_the_complete_encoder_writes(
            at in 0usize..SYMBOLS.len(), id: u64, time in 0u64..9_999_999_999_999, client: u64,
            fate in 0u8..5, buy: bool, price in 1i64..=i64::MAX, qty in 1i64..=i64::MAX,
            shifts in (0u32..62, 0u32..62),
        ) {
            let order = NewOrder {
                client_id: ClientOrderId(client),
                instrument: InstrumentId(at as u16),
                side: if buy { Side::Buy } else { Side::Sell },
                order_type: if fate == 4 { OrderType::Market } else { OrderType::Limit },
                time_in_force: [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok]
                    [usize::from(fate % 3)],
                post_only: fate == 3,
                reduce_only: false,
                price: Price(price >> shifts.0),
                qty: Qty(qty >> shifts.1),
            };
            // What the venue could not take is refused before anything is written.
            prop_assume!(Action::New(&order).check().is_ok());
            compare(Action::New(&order), at, id, time);
        }

        #[test]
        fn cancels_too(
            at in 0usize..SYMBOLS.len(), id: u64, client: u64, venue_id in "[0-9]{0,19}",
        ) {
            let order = CancelOrder {
                client_id: ClientOrderId(client),
                venue_order_id: VenueOrderId::new(&venue_id).unwrap(),
                instrument: InstrumentId(at as u16),
            };
            prop_assume!(Action::Cancel(&order).check().is_ok());
            compare(Action::Cancel(&order), at, id, 1_711_001_595_207);
        }
    }
}
