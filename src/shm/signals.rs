//! The rings between a strategy and the oms: requests one way, reports the other.

use super::codec::byte;
use crate::sync::ring;
use crate::sync::seqlock::Payload;
use crate::sync::spsc::{BadIndex, Full};
use crate::sync::words::ReadWords;
use crate::types::{
    BookStamps, BreachAction, ClientOrderId, Contract, InstrumentId, LEGS_MAX, Leg, LegMode,
    LegPricing, Nanos, OrderState, Ppb, Price, Qty, RejectReason, ReportKind, Request, Side,
    Signal, SignalId, StrategyId, StrategyReport, TimeInForce,
};
use std::fmt;

/// Why a record of a strategy's ring was thrown away. The ring goes on behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadRecord {
    /// The ring's counter claims more records than there are slots; all were skipped.
    Counter,
    /// Unknown kind of request.
    Kind,
    /// No leg, or more than a signal may have.
    Legs,
    /// A byte of a leg that stands for no side, pricing or time in force, or is not zero where it
    /// must be.
    Leg,
    /// A contract that cannot be meant: an unknown mode or action, a negative quantity, a slippage
    /// beyond the whole price.
    Contract,
    /// An instrument that is not in the table.
    Instrument,
    /// The request names another strategy than the file's owner.
    Strategy,
    /// A signal or client order id of 0.
    Id,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "the ring's counter cannot be true",
            Self::Kind => "unknown kind of request",
            Self::Legs => "impossible number of legs",
            Self::Leg => "a leg with an impossible value",
            Self::Contract => "a contract with an impossible value",
            Self::Instrument => "an unknown instrument",
            Self::Strategy => "the name of another strategy",
            Self::Id => "an id of zero",
        })
    }
}

impl std::error::Error for BadRecord {}

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "request: kind|legs<<8|strategy<<16 id|instrument tick|price stamps|qty seen emitted \
    legs4(instrument|side<<16|pricing<<24|tif<<32 price qty) \
    contract(mode|action<<8 naked_qty naked_time slippage); report: client signal \
    leg|state<<8|kind<<16|reason<<24|risk<<32|side<<40|instrument<<48 last_price last_qty \
    cumulative event retry";

const LEGS_AT: usize = 6;
const LEG_WORDS: usize = 3;
const CONTRACT_AT: usize = LEGS_AT + LEGS_MAX * LEG_WORDS;
const CONTRACT_WORDS: usize = 4;
/// Words of a request.
pub(super) const REQUEST_WORDS: usize = CONTRACT_AT + CONTRACT_WORDS;
/// The whole price, in parts per billion.
const WHOLE: i64 = 1_000_000_000;
/// Words of a report.
pub(super) const REPORT_WORDS: usize = 8;

const SIGNAL: u8 = 1;
const CANCEL: u8 = 2;
const CANCEL_ALL: u8 = 3;
const WATCH: u8 = 4;
const REPLACE: u8 = 5;

/// What the bytes of a strategy are checked against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) strategy: StrategyId,
    pub(super) instruments: usize,
}

fn leg_words(leg: &Leg) -> [u64; LEG_WORDS] {
    let codes = u64::from(leg.instrument.0)
        | (leg.side as u64) << 16
        | (leg.pricing as u64) << 24
        | (leg.time_in_force as u64) << 32;
    [codes, leg.price.0 as u64, leg.qty.0 as u64]
}

fn leg(words: &[u64; LEG_WORDS], bounds: Bounds) -> Result<Leg, BadRecord> {
    let [codes, price, qty] = *words;
    if codes >> 40 != 0 {
        return Err(BadRecord::Leg);
    }
    let instrument = InstrumentId(codes as u16);
    if instrument.index() >= bounds.instruments {
        return Err(BadRecord::Instrument);
    }
    Ok(Leg {
        instrument,
        side: Side::from_u8(byte(codes, 2)).ok_or(BadRecord::Leg)?,
        pricing: LegPricing::from_u8(byte(codes, 3)).ok_or(BadRecord::Leg)?,
        time_in_force: TimeInForce::from_u8(byte(codes, 4)).ok_or(BadRecord::Leg)?,
        price: Price(price as i64),
        qty: Qty(qty as i64),
    })
}

fn contract_words(contract: &Contract) -> [u64; CONTRACT_WORDS] {
    [
        contract.mode as u64 | (contract.on_breach as u64) << 8,
        contract.naked_qty_max.0 as u64,
        contract.naked_time_max_ns,
        contract.slippage_max.0 as u64,
    ]
}

fn contract(words: &[u64; CONTRACT_WORDS]) -> Result<Contract, BadRecord> {
    let [codes, naked_qty, naked_time_max_ns, slippage] = *words;
    let (naked_qty, slippage) = (naked_qty as i64, slippage as i64);
    if codes >> 16 != 0 || naked_qty < 0 || !(0..=WHOLE).contains(&slippage) {
        return Err(BadRecord::Contract);
    }
    Ok(Contract {
        mode: LegMode::from_u8(byte(codes, 0)).ok_or(BadRecord::Contract)?,
        on_breach: BreachAction::from_u8(byte(codes, 1)).ok_or(BadRecord::Contract)?,
        naked_qty_max: Qty(naked_qty),
        naked_time_max_ns,
        slippage_max: Ppb(slippage),
    })
}

fn watched(id: u64, bounds: Bounds) -> Result<InstrumentId, BadRecord> {
    let id = u16::try_from(id).map(InstrumentId).map_err(|_| BadRecord::Instrument)?;
    if id.index() < bounds.instruments { Ok(id) } else { Err(BadRecord::Instrument) }
}

/// A request of its words, which may be anything, into `into`. They are a private copy: the strategy
/// can no longer change them between check and use. Words of legs that a signal does not have are
/// not looked at.
#[inline]
pub(super) fn decode(
    words: &[u64; REQUEST_WORDS],
    bounds: Bounds,
    into: &mut Request,
) -> Result<(), BadRecord> {
    let [head, id, tick_ns, stamps, seen_ns, emitted_ns, rest @ ..] = words;
    if head >> 24 != 0 {
        return Err(BadRecord::Kind);
    }
    if byte(*head, 2) != bounds.strategy.0 {
        return Err(BadRecord::Strategy);
    }
    let legs_len = byte(*head, 1);
    match byte(*head, 0) {
        CANCEL_ALL if legs_len == 0 => *into = Request::CancelAll,
        SIGNAL | CANCEL | REPLACE if *id == 0 => return Err(BadRecord::Id),
        WATCH if legs_len == 0 => *into = Request::Watch(watched(*id, bounds)?),
        CANCEL if legs_len == 0 => *into = Request::Cancel(ClientOrderId(*id)),
        // Price and quantity stand where a signal has its first two stamps.
        REPLACE if legs_len == 0 => {
            let (price, qty) = (Price(*tick_ns as i64), Qty(*stamps as i64));
            *into = Request::Replace { id: ClientOrderId(*id), price, qty };
        }
        SIGNAL if (1..=LEGS_MAX).contains(&usize::from(legs_len)) => {
            let (tick_ns, book) = (Nanos(*tick_ns), BookStamps::from_word(*stamps));
            *into = Request::Signal(Signal {
                id: SignalId(*id),
                strategy: bounds.strategy,
                legs_len,
                tick_ns,
                published_ns: book.published_ns(tick_ns),
                seen_ns: Nanos(*seen_ns),
                emitted_ns: Nanos(*emitted_ns),
                book,
                ..Signal::default()
            });
            if let Request::Signal(signal) = into {
                legs(rest, bounds, signal)?;
            }
        }
        SIGNAL | CANCEL | CANCEL_ALL | WATCH | REPLACE => return Err(BadRecord::Legs),
        _ => return Err(BadRecord::Kind),
    }
    Ok(())
}

/// Copies what a request has: a first part that says how many legs follow.
#[inline(always)]
fn copy(payload: &Payload<'_>, words: &mut [u64; REQUEST_WORDS]) {
    if let Some(head) = words.first_chunk_mut::<LEGS_AT>() {
        payload.copy_to(0, head);
    }
    if let Some(contract) = words.last_chunk_mut::<CONTRACT_WORDS>() {
        payload.copy_to(CONTRACT_AT, contract);
    }
    let legs_len = usize::from(byte(words[0], 1));
    let (legs, _) = words[LEGS_AT..CONTRACT_AT].as_chunks_mut::<LEG_WORDS>();
    for (at, leg) in legs.iter_mut().take(legs_len).enumerate() {
        payload.copy_to(LEGS_AT + at * LEG_WORDS, leg);
    }
}

/// Contract and legs of a signal that has so many.
#[inline]
fn legs(
    words: &[u64; REQUEST_WORDS - LEGS_AT],
    bounds: Bounds,
    signal: &mut Signal,
) -> Result<(), BadRecord> {
    let (legs, last) = words.split_at(LEGS_MAX * LEG_WORDS);
    if let Some(words) = last.first_chunk() {
        signal.contract = contract(words)?;
    }
    let (legs, _) = legs.as_chunks();
    for (to, words) in signal.legs.iter_mut().zip(legs).take(usize::from(signal.legs_len)) {
        *to = leg(words, bounds)?;
    }
    Ok(())
}

/// Words of a request that says nothing of legs.
fn short(kind: u8, strategy: StrategyId, id: u64) -> [u64; 2] {
    [u64::from(kind) | u64::from(strategy.0) << 16, id]
}

/// The strategy's end of the request ring.
#[derive(Debug)]
pub struct RequestWriter {
    ring: ring::Producer,
    strategy: StrategyId,
}

impl RequestWriter {
    pub(super) fn new(ring: ring::Producer, strategy: StrategyId) -> Self {
        Self { ring, strategy }
    }

    /// Queues a request.
    #[inline]
    pub fn push(&mut self, request: &Request) -> Result<(), Full> {
        match request {
            Request::Signal(signal) => self.push_signal(signal),
            Request::Cancel(order) => self.push_cancel(*order),
            Request::CancelAll => self.push_cancel_all(),
            Request::Watch(instrument) => self.push_watch(*instrument),
            Request::Replace { id, price, qty } => self.push_replace(*id, *price, *qty),
        }
    }

    /// Queues a signal. The file's owner signs it, whatever `signal.strategy` says.
    #[inline]
    pub fn push_signal(&mut self, signal: &Signal) -> Result<(), Full> {
        let [kind, id] = short(SIGNAL, self.strategy, signal.id.0);
        self.ring.push(|payload| {
            let head = [
                kind | u64::from(signal.legs_len) << 8,
                id,
                signal.tick_ns.0,
                signal.book.word(),
                signal.seen_ns.0,
                signal.emitted_ns.0,
            ];
            payload.copy_from(0, &head);
            payload.copy_from(CONTRACT_AT, &contract_words(&signal.contract));
            for (index, leg) in signal.legs().iter().enumerate() {
                payload.copy_from(LEGS_AT + index * LEG_WORDS, &leg_words(leg));
            }
        })
    }

    /// Queues the cancel of one order.
    pub fn push_cancel(&mut self, order: ClientOrderId) -> Result<(), Full> {
        let words = short(CANCEL, self.strategy, order.0);
        self.ring.push(|payload| payload.copy_from(0, &words))
    }

    /// Queues the cancel of all orders of the strategy.
    pub fn push_cancel_all(&mut self) -> Result<(), Full> {
        let words = short(CANCEL_ALL, self.strategy, 0);
        self.ring.push(|payload| payload.copy_from(0, &words))
    }

    /// Queues a change of price or quantity of one order.
    pub fn push_replace(
        &mut self,
        order: ClientOrderId,
        price: Price,
        qty: Qty,
    ) -> Result<(), Full> {
        let [kind, id] = short(REPLACE, self.strategy, order.0);
        let words = [kind, id, price.0 as u64, qty.0 as u64];
        self.ring.push(|payload| payload.copy_from(0, &words))
    }

    /// Queues the wish to see an instrument.
    pub fn push_watch(&mut self, instrument: InstrumentId) -> Result<(), Full> {
        let words = short(WATCH, self.strategy, u64::from(instrument.0));
        self.ring.push(|payload| payload.copy_from(0, &words))
    }
}

/// The oms' end of the request ring.
#[derive(Debug)]
pub(super) struct RequestReader {
    ring: ring::Consumer,
    bounds: Bounds,
}

impl RequestReader {
    pub(super) fn new(ring: ring::Consumer, bounds: Bounds) -> Self {
        Self { ring, bounds }
    }

    /// Whether there was one; it is then in `into`, which is larger than one likes to hand around.
    #[inline]
    pub(super) fn pop(&mut self, into: &mut Request) -> Result<bool, BadRecord> {
        let mut words = [0; REQUEST_WORDS];
        match self.ring.pop(|payload| copy(payload, &mut words)) {
            Ok(Some(())) => {
                decode(&words, self.bounds, into)?;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(BadIndex) => Err(BadRecord::Counter),
        }
    }
}

/// The newest requests of a ring, oldest first and `most` at most, whether they were taken or not.
/// What its strategy wrote may be anything, also a number of requests that there never were.
pub(super) fn newest(
    words: &ReadWords,
    shape: ring::Shape,
    bounds: Bounds,
    most: usize,
) -> Vec<Result<Request, BadRecord>> {
    let mut found = Vec::new();
    ring::peek(words, shape, most, |payload| {
        let (mut words, mut request) = ([0; REQUEST_WORDS], Request::CancelAll);
        copy(payload, &mut words);
        found.push(decode(&words, bounds, &mut request).map(|()| request));
    });
    found
}

/// The oms' end of the report ring.
#[derive(Debug)]
pub(super) struct ReportWriter(pub(super) ring::Producer);

impl ReportWriter {
    #[inline]
    pub(super) fn push(&mut self, report: &StrategyReport) -> Result<(), Full> {
        let codes = u64::from_le_bytes([
            report.leg,
            report.state as u8,
            report.kind as u8,
            report.reason as u8,
            report.risk,
            report.side as u8,
            report.instrument.0 as u8,
            (report.instrument.0 >> 8) as u8,
        ]);
        let words: [u64; REPORT_WORDS] = [
            report.client_id.0,
            report.signal.0,
            codes,
            report.last_price.0 as u64,
            report.last_qty.0 as u64,
            report.cumulative_qty.0 as u64,
            report.event_ns.0,
            report.retry_ns.0,
        ];
        self.0.push(|payload| payload.copy_from(0, &words))
    }
}

/// The strategy's end of the report ring.
#[derive(Debug)]
pub struct ReportReader(pub(super) ring::Consumer);

impl ReportReader {
    /// Takes the oldest report. One that makes no sense (the file was damaged) is skipped.
    #[inline]
    pub fn pop(&mut self) -> Option<StrategyReport> {
        let mut words = [0; REPORT_WORDS];
        while let Ok(Some(())) = self.0.pop(|payload| payload.copy_to(0, &mut words)) {
            let report = report(&words);
            if report.is_some() {
                return report;
            }
        }
        None
    }
}

fn report(words: &[u64; REPORT_WORDS]) -> Option<StrategyReport> {
    let [client_id, signal, codes, last_price, last_qty, cumulative_qty, event_ns, retry_ns] =
        *words;
    Some(StrategyReport {
        client_id: ClientOrderId(client_id),
        signal: SignalId(signal),
        leg: byte(codes, 0),
        instrument: InstrumentId((codes >> 48) as u16),
        side: Side::from_u8(byte(codes, 5))?,
        state: OrderState::from_u8(byte(codes, 1))?,
        kind: ReportKind::from_u8(byte(codes, 2))?,
        reason: RejectReason::from_u8(byte(codes, 3))?,
        risk: byte(codes, 4),
        last_price: Price(last_price as i64),
        last_qty: Qty(last_qty as i64),
        cumulative_qty: Qty(cumulative_qty as i64),
        event_ns: Nanos(event_ns),
        retry_ns: Nanos(retry_ns),
    })
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::sync::words::Words;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { strategy: StrategyId(5), instruments: 4 };

    fn signal() -> Signal {
        let leg = |number: i64| Leg {
            instrument: InstrumentId(number as u16),
            side: Side::Sell,
            pricing: LegPricing::PostOnly,
            time_in_force: TimeInForce::Fok,
            price: Price(-number),
            qty: Qty(number << 40),
        };
        Signal {
            id: SignalId(9),
            strategy: StrategyId(5),
            legs_len: 3,
            legs: [leg(1), leg(2), leg(3), Leg::default()],
            contract: Contract {
                mode: LegMode::Sequential,
                naked_qty_max: Qty(1 << 50),
                naked_time_max_ns: u64::MAX,
                on_breach: BreachAction::Hold,
                slippage_max: Ppb(WHOLE),
            },
            tick_ns: Nanos(11),
            published_ns: Nanos(12),
            seen_ns: Nanos(13),
            emitted_ns: Nanos(u64::MAX),
            book: BookStamps::new(Nanos(0), Nanos(11), Nanos(12), Nanos(12)),
        }
    }

    fn requests(capacity: usize) -> (RequestWriter, RequestReader, Words) {
        let shape = ring::Shape::new(capacity, REQUEST_WORDS);
        let words = Words::heap(shape.size());
        let writer = RequestWriter::new(ring::Producer::new(words.clone(), shape), StrategyId(5));
        let reader = RequestReader::new(ring::Consumer::new(words.clone(), shape), BOUNDS);
        (writer, reader, words)
    }

    fn popped(reader: &mut RequestReader) -> Result<Option<Request>, BadRecord> {
        let mut request = Request::CancelAll;
        Ok(reader.pop(&mut request)?.then_some(request))
    }

    /// Word of the first slot behind the ring's head and tail.
    const SLOT: usize = 32;

    #[test]
    fn requests_come_back_as_they_were() {
        let (mut writer, mut reader, _) = requests(8);
        let all = [
            Request::Signal(signal()),
            Request::Cancel(ClientOrderId(77)),
            Request::CancelAll,
            Request::Replace { id: ClientOrderId(78), price: Price(-1), qty: Qty(i64::MAX) },
            Request::Watch(InstrumentId(3)),
        ];
        for request in all {
            assert_eq!(writer.push(&request), Ok(()));
        }
        for request in all {
            assert_eq!(popped(&mut reader), Ok(Some(request)));
        }
        assert_eq!(popped(&mut reader), Ok(None));
        for _ in 0..8 {
            assert_eq!(writer.push_cancel_all(), Ok(()));
        }
        assert_eq!(writer.push_cancel_all(), Err(Full(())));
    }

    #[test]
    fn every_bad_byte_has_its_error_and_the_ring_goes_on() {
        use BadRecord::{Contract, Id, Instrument, Kind, Leg, Legs, Strategy};
        let good = 1 | 3 << 8 | 5 << 16;
        for (word, value, expected) in [
            (0, 0, Strategy),
            (0, 3 << 8 | 5 << 16, Kind),
            (0, 6 | 3 << 8 | 5 << 16, Kind),
            (0, 5 | 3 << 8 | 5 << 16, Legs),
            (0, 4 | 3 << 8 | 5 << 16, Legs),
            // The signal's id, 9, is no instrument.
            (0, 4 | 5 << 16, Instrument),
            (0, good | 1 << 24, Kind),
            (0, good | 1 << 63, Kind),
            (0, 1 | 3 << 8 | 6 << 16, Strategy),
            (0, 1 | 5 << 16, Legs),
            (0, 1 | 5 << 8 | 5 << 16, Legs),
            (0, 1 | 255 << 8 | 5 << 16, Legs),
            (0, 2 | 1 << 8 | 5 << 16, Legs),
            (0, 3 | 1 << 8 | 5 << 16, Legs),
            (1, 0, Id),
            (6, 4, Instrument),
            (9, 0xffff, Instrument),
            (6, 1 | 2 << 16, Leg),
            (6, 1 | 3 << 24, Leg),
            (6, 1 | 3 << 32, Leg),
            (12, 1 | 1 << 40, Leg),
            (18, 2, Contract),
            (18, 3 << 8, Contract),
            (18, 1 << 16, Contract),
            (18, 1 << 63, Contract),
            (19, 1 << 63, Contract),
            (21, 1 << 63, Contract),
            (21, 1_000_000_001, Contract),
        ] {
            let (mut writer, mut reader, words) = requests(4);
            writer.push_signal(&signal()).unwrap();
            writer.push_cancel_all().unwrap();
            words.store(SLOT + word, value);
            assert_eq!(popped(&mut reader), Err(expected), "word {word} as {value:#x}");
            assert_eq!(popped(&mut reader), Ok(Some(Request::CancelAll)));
            assert_eq!(popped(&mut reader), Ok(None));
        }
    }

    #[test]
    fn an_instrument_to_watch_is_not_cut_to_size() {
        let words = |id| {
            let mut words = [0; REQUEST_WORDS];
            [words[0], words[1]] = [4 | 5 << 16, id];
            words
        };
        let mut request = Request::CancelAll;
        assert_eq!(decode(&words(3), BOUNDS, &mut request), Ok(()));
        assert_eq!(request, Request::Watch(InstrumentId(3)));
        for id in [4, 1 << 16, 1 << 63, u64::MAX] {
            let decoded = decode(&words(id), BOUNDS, &mut request);
            assert_eq!(decoded, Err(BadRecord::Instrument), "{id:#x}");
        }
    }

    #[test]
    fn words_of_unused_legs_do_not_matter() {
        let (mut writer, mut reader, words) = requests(4);
        writer.push_signal(&signal()).unwrap();
        (15..18).for_each(|word| words.store(SLOT + word, u64::MAX));
        assert_eq!(popped(&mut reader), Ok(Some(Request::Signal(signal()))));
    }

    #[test]
    fn an_impossible_counter_is_one_error() {
        let (_, mut reader, words) = requests(4);
        words.store(16, u64::MAX);
        assert_eq!(popped(&mut reader), Err(BadRecord::Counter));
        assert_eq!(popped(&mut reader), Ok(None));
    }

    #[test]
    fn reports_come_back_as_they_were_and_nonsense_is_skipped() {
        let shape = ring::Shape::new(4, REPORT_WORDS);
        let words = Words::heap(shape.size());
        let mut writer = ReportWriter(ring::Producer::new(words.clone(), shape));
        let mut reader = ReportReader(ring::Consumer::new(words.clone(), shape));
        let report = StrategyReport {
            client_id: ClientOrderId(1 << 60),
            signal: SignalId(9),
            leg: 3,
            instrument: InstrumentId(0xabcd),
            side: Side::Sell,
            state: OrderState::Unknown,
            kind: ReportKind::Progress,
            reason: RejectReason::SelfTrade,
            risk: 255,
            last_price: Price(-1),
            last_qty: Qty(2),
            cumulative_qty: Qty(i64::MAX),
            event_ns: Nanos(4),
            retry_ns: Nanos(5),
        };
        writer.push(&report).unwrap();
        let second = StrategyReport { leg: 1, ..report };
        writer.push(&second).unwrap();
        words.store(SLOT + 2, 10 << 8);
        assert_eq!(reader.pop(), Some(second));
        assert_eq!(reader.pop(), None);
        writer.push(&report).unwrap();
        assert_eq!(reader.pop(), Some(report));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 16 } else { 2000 }))]
        #[test]
        fn any_bytes_are_a_request_within_bounds_or_an_error(
            mut words in prop::array::uniform22(prop_oneof![any::<u64>(), 0u64..5]),
            head in prop_oneof![any::<u64>(), (0u64..5, 0u64..6).prop_map(|(k, l)| k | l << 8 | 5 << 16)],
        ) {
            words[0] = head;
            words[18] &= 0x0303;
            let mut request = Request::CancelAll;
            if let (Ok(()), Request::Signal(signal)) = (decode(&words, BOUNDS, &mut request), &request) {
                let signal = *signal;
                prop_assert!((1..=LEGS_MAX).contains(&usize::from(signal.legs_len)));
                prop_assert!(signal.legs().iter().all(|leg| leg.instrument.0 < 4));
                // What was accepted is written back to the same words.
                let (mut writer, mut reader, _) = requests(1);
                writer.push_signal(&signal).unwrap();
                prop_assert_eq!(popped(&mut reader), Ok(Some(Request::Signal(signal))));
            }
        }

        #[test]
        fn any_report_bytes_are_survived(words in prop::array::uniform8(any::<u64>())) {
            let _ = report(&words);
        }
    }
}
