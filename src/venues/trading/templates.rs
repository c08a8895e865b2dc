//! New orders and cancels for the order sockets, built beforehand: only numbers, ids, price, quantity
//! and time are written per order. See [`super::super::template`] for how they are made.
//!
//! Whatever has no template here, or does not fit one, is written by [`TradingWire::write_frame`],
//! which is also what the templates are cut from and held equal to.

#![forbid(unsafe_code)]

use super::super::digits::Text;
use super::super::template::{KINDS, PAGE, SAMPLES, Template, kind};
use super::action::Action;
use super::wire::{Mark, TradingWire};
use crate::types::{CancelOrder, Instrument, VenueOrderId};

/// Most values of one request.
const VALUES: usize = 5;

/// The requests of one instrument.
#[derive(Default)]
struct Row {
    new: [Option<Template>; KINDS],
    cancel: Option<Template>,
}

/// The templates of an account.
pub(in crate::venues) struct Templates {
    /// By instrument.
    rows: Vec<Row>,
    /// What requests are written on.
    page: Vec<u8>,
}

/// The values of an action in the order in which they are written.
pub(in crate::venues) struct Values {
    texts: [Text; VALUES],
    len: usize,
}

impl Values {
    /// As many as there are, five at most.
    #[inline]
    pub(in crate::venues) fn new<const N: usize>(texts: [Text; N]) -> Self {
        const { assert!(0 < N && N <= VALUES) };
        Self { texts: std::array::from_fn(|at| texts[at.min(N - 1)]), len: N }
    }

    #[inline]
    fn list(&self) -> &[Text] {
        self.texts.get(..self.len).unwrap_or(&[])
    }
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
    pub(in crate::venues) fn new<W: TradingWire>(wire: &W) -> Self {
        let names = wire.names();
        let mut rows = Vec::new();
        rows.resize_with(names.instruments.len(), Row::default);
        for instrument in names.instruments.of_venue(names.venue) {
            rows[instrument.id.index()] = row(wire, instrument);
        }
        Self { rows, page: vec![0; PAGE] }
    }

    /// The frame of an action that was checked, ready to be written; `None` if it has to be written
    /// whole.
    #[inline]
    pub(in crate::venues) fn prepare<'a, W: TradingWire>(
        &'a mut self,
        wire: &W,
        action: Action<'_>,
        instrument: &Instrument,
        mark: Mark,
    ) -> Option<impl FnOnce(&mut Vec<u8>) + use<'a, W>> {
        let Self { rows, page } = self;
        let row = rows.get(instrument.id.index())?;
        let template = match action {
            Action::New(order) if !order.reduce_only => row.new[kind(order)].as_ref()?,
            Action::Cancel(_) => row.cancel.as_ref()?,
            Action::New(_) | Action::Replace(_) => return None,
        };
        let values = wire.values(action, instrument, mark)?;
        Some(move |out: &mut Vec<u8>| out.extend_from_slice(write(template, &values, page)))
    }
}

fn row<W: TradingWire>(wire: &W, instrument: &Instrument) -> Row {
    let new = std::array::from_fn(|kind| {
        let [first, second] = [0, 1].map(|at: usize| SAMPLES[at].order(kind, instrument));
        make(wire, [Action::New(&first?), Action::New(&second?)], instrument)
    });
    let [first, second] = SAMPLES.map(|sample| CancelOrder {
        client_id: sample.client_id,
        venue_order_id: VenueOrderId::EMPTY,
        instrument: instrument.id,
    });
    let cancel = make(wire, [Action::Cancel(&first), Action::Cancel(&second)], instrument);
    Row { new, cancel }
}

/// A template from the first sample, if it reproduces the second.
fn make<W: TradingWire>(
    wire: &W,
    actions: [Action<'_>; 2],
    instrument: &Instrument,
) -> Option<Template> {
    let mark = |at: usize| Mark { id: SAMPLES[at].id, venue_ms: SAMPLES[at].timestamp_ms };
    let frame = |at: usize| {
        let mut frame = Vec::new();
        wire.write_frame(actions[at], instrument, mark(at), &mut frame);
        frame
    };
    let values = |at: usize| wire.values(actions[at], instrument, mark(at));
    let (first, second) = (values(0)?, values(1)?);
    let marks: Vec<_> = first.list().iter().map(|text| text.as_bytes().to_vec()).collect();
    let template = Template::new(&frame(0), &marks)?;
    let mut page = Vec::new();
    let again = write(&template, &second, &mut page);
    (again == frame(1)).then_some(template)
}

#[cfg(test)]
pub(in crate::venues) mod tests {
    //! What every venue's templates are held to.

    use super::*;
    use crate::types::{
        ClientOrderId, InstrumentId, NewOrder, OrderType, Price, Qty, Side, TimeInForce,
    };
    use proptest::prelude::*;

    /// Orders of every kind, of instruments with a number below `instruments`.
    pub(in crate::venues) fn orders(instruments: u16) -> impl Strategy<Value = NewOrder> {
        let number = || (1i64..=i64::MAX, 0u32..62).prop_map(|(number, shift)| number >> shift);
        let kind = (0u8..5, any::<bool>(), any::<bool>());
        (0..instruments, 1u64.., kind, number(), number()).prop_map(
            |(at, client, (fate, buy, reduce_only), price, qty)| NewOrder {
                client_id: ClientOrderId(client),
                instrument: InstrumentId(at),
                side: if buy { Side::Buy } else { Side::Sell },
                order_type: if fate == 4 { OrderType::Market } else { OrderType::Limit },
                time_in_force: [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok]
                    [usize::from(fate % 3)],
                post_only: fate == 3,
                reduce_only,
                price: Price(price.max(1)),
                qty: Qty(qty.max(1)),
            },
        )
    }

    /// Cancels by our id and by the venue's.
    pub(in crate::venues) fn cancels(instruments: u16) -> impl Strategy<Value = CancelOrder> {
        (0..instruments, any::<u64>(), "[0-9]{1,19}").prop_map(|(at, client, id)| CancelOrder {
            client_id: ClientOrderId(client),
            venue_order_id: VenueOrderId::new(&id).unwrap(),
            instrument: InstrumentId(at),
        })
    }

    pub(in crate::venues) fn marks() -> impl Strategy<Value = Mark> {
        (any::<u64>(), 0u64..9_999_999_999_999).prop_map(|(id, venue_ms)| Mark { id, venue_ms })
    }

    /// A template must write what the complete encoder writes, of whatever the venue can express.
    pub(in crate::venues) fn compare<W: TradingWire>(
        wire: &W,
        templates: &mut Templates,
        action: Action<'_>,
        id: InstrumentId,
        mark: Mark,
    ) {
        let instrument = wire.names().instruments.get(id).unwrap();
        if wire.check(action, instrument).is_err() {
            return;
        }
        let (mut written, mut reference) = (Vec::new(), Vec::new());
        let Some(write) = templates.prepare(wire, action, instrument, mark) else { return };
        write(&mut written);
        wire.write_frame(action, instrument, mark, &mut reference);
        assert_eq!(String::from_utf8(written), String::from_utf8(reference));
    }

    /// Every kind of order of every instrument of the venue has its template, and so have cancels;
    /// those of other venues have none.
    pub(in crate::venues) fn all_there<W: TradingWire>(wire: &W) {
        let templates = Templates::new(wire);
        for instrument in wire.names().instruments.iter() {
            let row = &templates.rows[instrument.id.index()];
            let ours = instrument.venue == wire.names().venue;
            assert!(row.new.iter().all(|new| new.is_some() == ours), "{}", instrument.symbol);
            assert_eq!(row.cancel.is_some(), ours, "{}", instrument.symbol);
        }
    }
}
