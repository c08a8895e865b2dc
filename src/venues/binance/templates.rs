//! New orders and cancels for the socket, built beforehand: only ids, price, quantity, time and
//! signature are written per order. See [`super::super::template`] for how they are made.
//!
//! Whatever has no template here, or does not fit one, is written by [`Params`], which is also what
//! the templates are cut from and held equal to.

#![forbid(unsafe_code)]

use super::account::Account;
use super::auth::{Signature, Signer};
use super::orders::{self, Stamp};
use super::params::{Params, Wire};
use crate::types::{
    CancelOrder, ClientOrderId, CommandKind, Instrument, InstrumentId, NewOrder, OrderType,
    VenueOrderId,
};
use crate::venues::digits::Text;
use crate::venues::template::{KINDS, PAGE, SAMPLES, Sample, Template, kind};

/// One request.
struct Request {
    /// Gaps: its number, the values of the query, the signature where requests are signed.
    frame: Template,
    /// What is signed. Gaps: the values.
    query: Option<Template>,
}

/// The requests of one instrument.
#[derive(Default)]
struct Row {
    new: [Option<Request>; KINDS],
    cancel_by_client_id: Option<Request>,
    cancel_by_number: Option<Request>,
}

/// What the samples are written with.
struct Maker<'a> {
    account: &'a Account,
    signer: &'a Signer,
    key: &'a str,
    wire: Wire,
    recv_window_ms: u64,
}

/// The templates of an account.
pub(super) struct Templates {
    /// By instrument; none where the wire is REST.
    rows: Vec<Row>,
    /// What requests are written on.
    page: Vec<u8>,
    /// The newest order, until the id behind its own was foreseen.
    newest: Option<Newest>,
}

/// An order whose id is probably followed by the next one.
struct Newest {
    client_id: ClientOrderId,
    instrument: InstrumentId,
    kind: usize,
}

impl Templates {
    pub(super) fn new(
        account: &Account,
        signer: &Signer,
        key: &str,
        wire: Wire,
        recv_window_ms: u64,
    ) -> Self {
        let maker = Maker { account, signer, key, wire, recv_window_ms };
        let mut rows = Vec::new();
        if wire != Wire::Rest {
            rows.resize_with(account.instruments.len(), Row::default);
            for instrument in account.instruments.of_venue(account.venue) {
                rows[instrument.id.index()] = maker.row(instrument);
            }
        }
        Self { rows, page: vec![0; PAGE], newest: None }
    }

    /// Lets the signer absorb the beginning that the next order's text will have if it takes the id
    /// after that of the newest: everything before the first price or quantity. Costs nothing if no
    /// order was signed since.
    #[inline]
    pub(super) fn foresee(&mut self, signer: &mut Signer) {
        if let Some(newest) = self.newest.take() {
            self.foresee_after(&newest, signer);
        }
    }

    fn foresee_after(&mut self, newest: &Newest, signer: &mut Signer) {
        let row = self.rows.get(newest.instrument.index());
        let request = row.and_then(|row| row.new[newest.kind].as_ref());
        let Some(query) = request.and_then(|request| request.query.as_ref()) else { return };
        let next = ClientOrderId(newest.client_id.0.wrapping_add(1));
        signer.foresee(query.fill(&mut self.page, |page| {
            query.piece(0, page);
            query.values(1, &[Text::fixed(&next.encode())], page);
        }));
    }

    /// Signs the request for a command, which is then ready to be written; `None` if [`Params`] has
    /// to write it.
    #[inline]
    pub(super) fn prepare<'a>(
        &'a mut self,
        command: &CommandKind,
        (id, timestamp_ms): (u64, u64),
        account: &Account,
        signer: &Signer,
    ) -> Option<impl FnOnce(&mut Vec<u8>) + use<'a>> {
        let Self { rows, page, newest } = self;
        let (request, values) = values(rows, command, account)?;
        if let CommandKind::New(order) = command {
            let NewOrder { client_id, instrument, .. } = *order;
            *newest = Some(Newest { client_id, instrument, kind: kind(order) });
        }
        let values = values.texts(timestamp_ms);
        let signature = request
            .query
            .as_ref()
            .map(|template| signer.sign(signed_text(template, &values, page)));
        Some(move |out: &mut Vec<u8>| {
            out.extend_from_slice(request.write(id, &values, signature.as_ref(), page));
        })
    }
}

impl Request {
    #[inline]
    fn write<'a>(
        &self,
        id: u64,
        values: &Texts,
        signature: Option<&Signature>,
        page: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        let frame = &self.frame;
        frame.fill(page, |page| {
            frame.piece(0, page);
            page.text(&Text::whole(id));
            frame.piece(1, page);
            let next = frame.values(2, values.list(), page);
            if let Some(signature) = signature {
                page.long(signature.chunks(), signature.len());
                frame.piece(next, page);
            }
        })
    }
}

/// What is signed.
#[inline]
fn signed_text<'a>(template: &Template, values: &Texts, page: &'a mut Vec<u8>) -> &'a [u8] {
    template.fill(page, |page| {
        template.piece(0, page);
        template.values(1, values.list(), page);
    })
}

/// What changes from order to order, but for request number, time and signature.
#[derive(Clone, Copy)]
enum Values {
    /// Client id, price, quantity.
    Limit(ClientOrderId, Text, Text),
    /// Client id, quantity.
    Market(ClientOrderId, Text),
    ClientId(ClientOrderId),
    Number(Text),
}

/// Values as text: the query and the frame take them from here.
struct Texts {
    texts: [Text; 4],
    len: usize,
}

impl Texts {
    #[inline]
    fn list(&self) -> &[Text] {
        self.texts.get(..self.len).unwrap_or(&[])
    }
}

impl Values {
    /// The texts in the order of their names, the time last.
    #[inline]
    fn texts(&self, timestamp_ms: u64) -> Texts {
        let id = |id: ClientOrderId| Text::fixed(&id.encode());
        let time = Text::whole(timestamp_ms);
        let (texts, len) = match *self {
            Self::Limit(client_id, price, qty) => ([id(client_id), price, qty, time], 4),
            Self::Market(client_id, qty) => ([id(client_id), qty, time, time], 3),
            Self::ClientId(client_id) => ([id(client_id), time, time, time], 2),
            Self::Number(number) => ([number, time, time, time], 2),
        };
        Texts { texts, len }
    }
}

/// The template of a command and what goes into it.
#[inline]
fn values<'a>(
    rows: &'a [Row],
    command: &CommandKind,
    account: &Account,
) -> Option<(&'a Request, Values)> {
    match command {
        CommandKind::New(order) => {
            let row = rows.get(order.instrument.index())?;
            let instrument = account.instruments.get(order.instrument)?;
            orders::check(order, instrument, account.product).ok()?;
            // There is none for orders that only reduce.
            if order.reduce_only {
                return None;
            }
            Some((row.new[kind(order)].as_ref()?, new_values(order, instrument)?))
        }
        CommandKind::Cancel(order) => {
            let row = rows.get(order.instrument.index())?;
            let values = cancel_values(order)?;
            match values {
                Values::Number(_) => Some((row.cancel_by_number.as_ref()?, values)),
                _ => Some((row.cancel_by_client_id.as_ref()?, values)),
            }
        }
        _ => None,
    }
}

#[inline]
fn new_values(order: &NewOrder, instrument: &Instrument) -> Option<Values> {
    let scale = instrument.scale;
    let qty = Text::decimal(order.qty.0, scale.qty_decimals)?;
    if order.order_type == OrderType::Market {
        return Some(Values::Market(order.client_id, qty));
    }
    let price = Text::decimal(order.price.0, scale.price_decimals)?;
    Some(Values::Limit(order.client_id, price, qty))
}

#[inline]
fn cancel_values(order: &CancelOrder) -> Option<Values> {
    if order.venue_order_id.is_empty() {
        return order.client_id.is_some().then_some(Values::ClientId(order.client_id));
    }
    let number = order.venue_order_id.as_str();
    if is_plain(number) { Text::new(number.as_bytes()).map(Values::Number) } else { None }
}

/// Whether a number is written as numbers are, and so stays as it is.
fn is_plain(number: &str) -> bool {
    let text = number.as_bytes();
    text.len() < 20
        && text.first().is_some_and(|first| matches!(first, b'1'..=b'9'))
        && text.iter().all(u8::is_ascii_digit)
}

impl Maker<'_> {
    fn row(&self, instrument: &Instrument) -> Row {
        let new = std::array::from_fn(|kind| {
            self.make(|sample| Some(CommandKind::New(sample.order(kind, instrument)?)))
        });
        let cancel = |sample: &Sample, venue_order_id| {
            let client_id = sample.client_id;
            CommandKind::Cancel(CancelOrder {
                client_id,
                venue_order_id,
                instrument: instrument.id,
            })
        };
        Row {
            new,
            cancel_by_client_id: self.make(|sample| Some(cancel(sample, VenueOrderId::EMPTY))),
            cancel_by_number: self
                .make(|sample| Some(cancel(sample, VenueOrderId::from_u64(sample.id / 3)))),
        }
    }

    /// A template from the first sample, if it reproduces the second.
    fn make(&self, command: impl Fn(&Sample) -> Option<CommandKind>) -> Option<Request> {
        let [first, second] = &SAMPLES;
        let request = self.cut(first, &command(first)?)?;
        let command = command(second)?;
        let (frame, query, _) = self.sample(second, &command)?;
        let (again, again_query) = self.write(&request, second, &command)?;
        (again == frame && again_query == query).then_some(request)
    }

    /// A request by the complete encoder: frame, signed text, signature.
    fn sample(
        &self,
        sample: &Sample,
        command: &CommandKind,
    ) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let mut params = Params::new();
        let stamp =
            Stamp { recv_window_ms: self.recv_window_ms, timestamp_ms: sample.timestamp_ms };
        params.start(self.wire, self.key);
        let call = orders::encode(command, self.account, stamp, &mut params).ok()?;
        let signature = params.sign(self.signer);
        let mut frame = Vec::new();
        params.write_frame(sample.id, call.name, signature.as_ref(), &mut frame);
        let signature = signature.map_or_else(Vec::new, |text| text.as_bytes().to_vec());
        Some((frame, params.signed().to_vec(), signature))
    }

    fn cut(&self, sample: &Sample, command: &CommandKind) -> Option<Request> {
        let (frame, query, signature) = self.sample(sample, command)?;
        let values = self.own_values(command)?.texts(sample.timestamp_ms);
        let texts = values.list().iter();
        let mut marks: Vec<Vec<u8>> = texts.map(|text| text.as_bytes().to_vec()).collect();
        let signed = self.wire == Wire::Signed;
        let query = match signed {
            true => Some(Template::new(&query, &marks)?),
            false => None,
        };
        marks.insert(0, Text::whole(sample.id).as_bytes().to_vec());
        marks.extend(signed.then_some(signature));
        Some(Request { frame: Template::new(&frame, &marks)?, query })
    }

    fn own_values(&self, command: &CommandKind) -> Option<Values> {
        match command {
            CommandKind::New(order) => {
                new_values(order, self.account.instruments.get(order.instrument)?)
            }
            CommandKind::Cancel(order) => cancel_values(order),
            _ => None,
        }
    }

    /// The same by the template: frame, signed text.
    fn write(
        &self,
        request: &Request,
        sample: &Sample,
        command: &CommandKind,
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let values = self.own_values(command)?.texts(sample.timestamp_ms);
        let (mut page, mut query) = (Vec::new(), Vec::new());
        let signature = request.query.as_ref().map(|template| {
            query.extend_from_slice(signed_text(template, &values, &mut page));
            self.signer.sign(&query)
        });
        let frame = request.write(sample.id, &values, signature.as_ref(), &mut page).to_vec();
        Some((frame, query))
    }
}

#[cfg(test)]
mod tests {
    use super::super::streams::Product;
    use super::super::tests::{KEY, PEM, SECRET, setup};
    use super::*;
    use crate::types::{
        InstrumentRules, InstrumentTable, Price, Qty, Scale, Side, TimeInForce, VenueId,
    };
    use crate::venues::Secret;
    use proptest::prelude::*;
    use std::sync::Arc;

    const SYMBOLS: [(&str, u8, u8, i64, i64); 5] = [
        ("BTCUSDT", 2, 5, 1, 1),
        ("ETHUSDT", 2, 4, 5, 10),
        ("PEPEUSDT", 8, 0, 1, 1),
        ("１２３\"\\\u{1}", 0, 12, 1, 1_000),
        ("XUSDT", 4, 8, 100, 1_000_000_000_000_000_000),
    ];

    fn account(product: Product) -> Account {
        let mut table = InstrumentTable::default();
        for (symbol, price_decimals, qty_decimals, tick, lot) in SYMBOLS {
            table.add(Instrument {
                venue: VenueId(0),
                symbol: symbol.to_owned(),
                scale: Scale { price_decimals, qty_decimals },
                rules: InstrumentRules {
                    tick_size: Price(tick),
                    lot_size: Qty(lot),
                    ..InstrumentRules::default()
                },
                ..Instrument::default()
            });
        }
        let mut setup = setup(SECRET, false);
        setup.instruments = Arc::new(table);
        Account::new(&setup, product)
    }

    /// Template and reference for one command; `None` where there is no template for it.
    fn both(
        product: Product,
        wire: Wire,
        command: &CommandKind,
        id: u64,
        time: u64,
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let account = account(product);
        let secret = if wire == Wire::Session { PEM } else { SECRET };
        let signer = Signer::new(&Secret::new(secret.to_owned()), KEY).unwrap();
        let mut templates = Templates::new(&account, &signer, KEY, wire, 5000);
        let mut written = Vec::new();
        templates.prepare(command, (id, time), &account, &signer)?(&mut written);
        let mut params = Params::new();
        params.start(wire, KEY);
        let stamp = Stamp { recv_window_ms: 5000, timestamp_ms: time };
        let call = orders::encode(command, &account, stamp, &mut params).unwrap();
        let signature = params.sign(&signer);
        let mut reference = Vec::new();
        params.write_frame(id, call.name, signature.as_ref(), &mut reference);
        Some((written, reference))
    }

    #[test]
    fn every_kind_of_order_has_its_template() {
        let products = [Product::Spot, Product::UsdM];
        products.into_iter().for_each(every_kind_of);
    }

    fn every_kind_of(product: Product) {
        let account = account(product);
        for (wire, secret) in [(Wire::Session, PEM), (Wire::Signed, SECRET)] {
            let signer = Signer::new(&Secret::new(secret.to_owned()), KEY).unwrap();
            let templates = Templates::new(&account, &signer, KEY, wire, 5000);
            for (row, (symbol, ..)) in templates.rows.iter().zip(SYMBOLS) {
                let made = row.new.iter().flatten().count();
                // Steps so large that no sample can be made of them are left to the encoder.
                let expected = if symbol == "XUSDT" { 0 } else { KINDS };
                assert_eq!(made, expected, "{symbol} {wire:?}");
                assert!(row.cancel_by_client_id.is_some() && row.cancel_by_number.is_some());
                assert!(
                    row.new.iter().flatten().all(|r| r.query.is_some() == (wire == Wire::Signed))
                );
            }
        }
        let signer = Signer::new(&Secret::new(SECRET.to_owned()), KEY).unwrap();
        assert!(Templates::new(&account, &signer, KEY, Wire::Rest, 5000).rows.is_empty());
    }

    fn product(futures: bool) -> Product {
        if futures { Product::UsdM } else { Product::Spot }
    }

    fn orders() -> impl Strategy<Value = NewOrder> {
        let tif =
            prop_oneof![Just(TimeInForce::Gtc), Just(TimeInForce::Ioc), Just(TimeInForce::Fok)];
        let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.05), any::<bool>());
        let numbers = (1i64..=i64::MAX, 0u32..62, 1i64..=i64::MAX, 0u32..62);
        (0usize..SYMBOLS.len(), any::<u64>(), tif, flags, numbers).prop_map(
            |(at, id, time_in_force, (buy, post_only, reduce_only, market), (p, ps, q, qs))| {
                let (_, _, _, tick, lot) = SYMBOLS[at];
                NewOrder {
                    client_id: ClientOrderId(id),
                    instrument: InstrumentId(at as u16),
                    side: if buy { Side::Buy } else { Side::Sell },
                    order_type: if market { OrderType::Market } else { OrderType::Limit },
                    time_in_force,
                    post_only,
                    reduce_only,
                    price: Price((p >> ps) / tick * tick),
                    qty: Qty((q >> qs) / lot * lot),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn templates_write_what_the_complete_encoder_writes(
            order in orders(), id in any::<u64>(), time in 0u64..9_999_999_999_999, signed: bool,
            futures: bool,
        ) {
            let wire = if signed { Wire::Signed } else { Wire::Session };
            if let Some((written, reference)) = both(product(futures), wire, &CommandKind::New(order), id, time) {
                prop_assert_eq!(String::from_utf8(written), String::from_utf8(reference));
            }
        }

        #[test]
        fn cancels_too(
            at in 0usize..SYMBOLS.len(), client: u64, number in "[0-9]{0,20}|[+]5|x", id: u64,
            signed: bool, futures: bool,
        ) {
            let order = CancelOrder {
                client_id: ClientOrderId(client),
                venue_order_id: VenueOrderId::new(&number).unwrap(),
                instrument: InstrumentId(at as u16),
            };
            let wire = if signed { Wire::Signed } else { Wire::Session };
            let both = both(product(futures), wire, &CommandKind::Cancel(order), id, 1_795_161_256_000);
            if let Some((written, reference)) = both {
                prop_assert_eq!(String::from_utf8(written), String::from_utf8(reference));
            }
        }
    }
}
