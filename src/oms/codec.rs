//! Fixed bytes for the records that stand between a frame and its order; all others are postcard's.
//!
//! A general encoder looks at every field for its shortest form, which for these three costs as much
//! as all risk checks together. Here every field has its place: little-endian, no length, no choice.
//! The first byte is one that no other record begins with (their first bytes number the variants).
//!
//! ```text
//! signal  f1 strategy legs mode action flags 0 0 | id tick published seen emitted |
//!         naked_qty naked_time slippage, if flags has 1 | legs x (instrument side pricing tif 0.. price qty)
//! quote   f2 state instrument.. 0.. | bid price, qty | ask price, qty | recv
//! intent  f3 leg side type tif flags instrument | client id | signal | price | qty
//! ```
//!
//! Everything begins at a multiple of 8. A signal that says what cannot be meant (more legs than
//! there may be) is left to the general encoder.

#![forbid(unsafe_code)]

use super::record::{Record, RecordError};
use super::risk::BookQuote;
use crate::types::{
    BookState, BreachAction, ClientOrderId, Contract, InstrumentId, LEGS_MAX, Leg, LegMode,
    LegPricing, Level, Nanos, NewOrder, OrderType, Ppb, Price, Qty, Request, Side, Signal,
    SignalId, StrategyId, TimeInForce,
};

const SIGNAL: u8 = 0xf1;
const QUOTE: u8 = 0xf2;
const INTENT: u8 = 0xf3;

const HEAD: usize = 48;
const CONTRACT: usize = 24;
const LEG: usize = 24;
const SIGNAL_MAX: usize = HEAD + CONTRACT + LEGS_MAX * LEG;
const QUOTE_LEN: usize = 48;
const INTENT_LEN: usize = 40;

const HAS_CONTRACT: u8 = 1;
const POST_ONLY: u8 = 1;
const REDUCE_ONLY: u8 = 2;

/// Writes 64-bit words at fixed places; the array's length is checked by the compiler.
#[inline(always)]
fn put<const N: usize>(bytes: &mut [u8; N], at: usize, word: u64) {
    bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

#[inline(always)]
fn get<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Bytes of a record that has a fixed form, at the start of `into`. `None`: it has none, or there is
/// no room.
#[inline]
pub(super) fn encode(record: &Record, into: &mut [u8]) -> Option<usize> {
    match record {
        Record::Request(strategy, Request::Signal(signal)) => {
            encode_signal(*strategy, signal, into)
        }
        Record::Quote(instrument, quote) => encode_quote(*instrument, quote, into),
        Record::Intent { order, signal, leg } => encode_intent(order, *signal, *leg, into),
        _ => None,
    }
}

/// A record of a fixed form; `None`: it begins like another.
pub(super) fn decode(bytes: &[u8]) -> Option<Result<Record, RecordError>> {
    let decoded = match *bytes.first()? {
        SIGNAL => decode_signal(bytes),
        QUOTE => decode_quote(bytes),
        INTENT => decode_intent(bytes),
        _ => return None,
    };
    Some(decoded.ok_or(RecordError))
}

#[inline]
pub(super) fn encode_signal(
    strategy: StrategyId,
    signal: &Signal,
    into: &mut [u8],
) -> Option<usize> {
    let into: &mut [u8; SIGNAL_MAX] = into.first_chunk_mut()?;
    let legs = usize::from(signal.legs_len);
    // What follows the legs that count must be nothing, or it would be lost.
    let plain = legs <= LEGS_MAX
        && signal.strategy == strategy
        && signal.legs.iter().skip(legs).all(|leg| *leg == Leg::default());
    if !plain {
        return None;
    }
    let contract = &signal.contract;
    let (mode, action) = (contract.mode as u8, contract.on_breach as u8);
    let has_contract = *contract != Contract::default();
    into[..8].copy_from_slice(&[
        SIGNAL,
        strategy.0,
        signal.legs_len,
        mode,
        action,
        u8::from(has_contract) * HAS_CONTRACT,
        0,
        0,
    ]);
    put(into, 8, signal.id.0);
    put(into, 16, signal.tick_ns.0);
    put(into, 24, signal.published_ns.0);
    put(into, 32, signal.seen_ns.0);
    put(into, 40, signal.emitted_ns.0);
    let mut at = HEAD;
    if has_contract {
        put(into, 48, contract.naked_qty_max.0 as u64);
        put(into, 56, contract.naked_time_max_ns);
        put(into, 64, contract.slippage_max.0 as u64);
        at += CONTRACT;
    }
    for leg in &signal.legs[..legs] {
        let codes = u64::from(leg.instrument.0)
            | (leg.side as u64) << 16
            | (leg.pricing as u64) << 24
            | (leg.time_in_force as u64) << 32;
        put(into, at, codes);
        put(into, at + 8, leg.price.0 as u64);
        put(into, at + 16, leg.qty.0 as u64);
        at += LEG;
    }
    Some(at)
}

fn decode_signal(bytes: &[u8]) -> Option<Record> {
    let mut whole = [0; SIGNAL_MAX];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let [_, strategy, legs_len, mode, action, flags, 0, 0] = *whole.first_chunk()? else {
        return None;
    };
    let has_contract = flags == HAS_CONTRACT;
    let start = if has_contract { HEAD + CONTRACT } else { HEAD };
    let legs_count = usize::from(legs_len);
    if flags & !HAS_CONTRACT != 0
        || legs_count > LEGS_MAX
        || bytes.len() != start + legs_count * LEG
    {
        return None;
    }
    let mut contract = Contract {
        mode: LegMode::from_u8(mode)?,
        on_breach: BreachAction::from_u8(action)?,
        ..Contract::default()
    };
    if has_contract {
        contract.naked_qty_max = Qty(get(&whole, 48) as i64);
        contract.naked_time_max_ns = get(&whole, 56);
        contract.slippage_max = Ppb(get(&whole, 64) as i64);
    }
    if has_contract == (contract == Contract::default()) {
        return None;
    }
    let mut legs = [Leg::default(); LEGS_MAX];
    for (index, leg) in legs[..legs_count].iter_mut().enumerate() {
        let at = start + index * LEG;
        let codes = get(&whole, at).to_le_bytes();
        if codes[5..] != [0; 3] {
            return None;
        }
        *leg = Leg {
            instrument: InstrumentId(u16::from_le_bytes([codes[0], codes[1]])),
            side: Side::from_u8(codes[2])?,
            pricing: LegPricing::from_u8(codes[3])?,
            time_in_force: TimeInForce::from_u8(codes[4])?,
            price: Price(get(&whole, at + 8) as i64),
            qty: Qty(get(&whole, at + 16) as i64),
        };
    }
    let strategy = StrategyId(strategy);
    let signal = Signal {
        id: SignalId(get(&whole, 8)),
        strategy,
        legs_len,
        legs,
        contract,
        tick_ns: Nanos(get(&whole, 16)),
        published_ns: Nanos(get(&whole, 24)),
        seen_ns: Nanos(get(&whole, 32)),
        emitted_ns: Nanos(get(&whole, 40)),
        ..Signal::default()
    };
    Some(Record::Request(strategy, Request::Signal(signal)))
}

#[inline]
fn encode_quote(instrument: InstrumentId, quote: &BookQuote, into: &mut [u8]) -> Option<usize> {
    let into: &mut [u8; QUOTE_LEN] = into.first_chunk_mut()?;
    let head = u64::from(QUOTE) | (quote.state as u64) << 8 | u64::from(instrument.0) << 16;
    put(into, 0, head);
    put(into, 8, quote.bid.price.0 as u64);
    put(into, 16, quote.bid.qty.0 as u64);
    put(into, 24, quote.ask.price.0 as u64);
    put(into, 32, quote.ask.qty.0 as u64);
    put(into, 40, quote.recv_ns.0);
    Some(QUOTE_LEN)
}

fn decode_quote(bytes: &[u8]) -> Option<Record> {
    let bytes: &[u8; QUOTE_LEN] = bytes.try_into().ok()?;
    let [_, state, low, high, 0, 0, 0, 0] = get(bytes, 0).to_le_bytes() else { return None };
    // A state that does not exist would be read as another.
    let known = BookState::from_u8(state);
    if known as u8 != state {
        return None;
    }
    let level =
        |at| Level { price: Price(get(bytes, at) as i64), qty: Qty(get(bytes, at + 8) as i64) };
    let quote =
        BookQuote { bid: level(8), ask: level(24), state: known, recv_ns: Nanos(get(bytes, 40)) };
    Some(Record::Quote(InstrumentId(u16::from_le_bytes([low, high])), quote))
}

#[inline]
fn encode_intent(order: &NewOrder, signal: SignalId, leg: u8, into: &mut [u8]) -> Option<usize> {
    let into: &mut [u8; INTENT_LEN] = into.first_chunk_mut()?;
    let flags = (u64::from(order.post_only) * u64::from(POST_ONLY))
        | (u64::from(order.reduce_only) * u64::from(REDUCE_ONLY));
    let head = u64::from(INTENT)
        | u64::from(leg) << 8
        | (order.side as u64) << 16
        | (order.order_type as u64) << 24
        | (order.time_in_force as u64) << 32
        | flags << 40
        | u64::from(order.instrument.0) << 48;
    put(into, 0, head);
    put(into, 8, order.client_id.0);
    put(into, 16, signal.0);
    put(into, 24, order.price.0 as u64);
    put(into, 32, order.qty.0 as u64);
    Some(INTENT_LEN)
}

fn decode_intent(bytes: &[u8]) -> Option<Record> {
    let bytes: &[u8; INTENT_LEN] = bytes.try_into().ok()?;
    let [_, leg, side, order_type, time_in_force, flags, low, high] = get(bytes, 0).to_le_bytes();
    if flags & !(POST_ONLY | REDUCE_ONLY) != 0 {
        return None;
    }
    let order = NewOrder {
        client_id: ClientOrderId(get(bytes, 8)),
        instrument: InstrumentId(u16::from_le_bytes([low, high])),
        side: Side::from_u8(side)?,
        order_type: match order_type {
            0 => OrderType::Limit,
            1 => OrderType::Market,
            _ => return None,
        },
        time_in_force: TimeInForce::from_u8(time_in_force)?,
        post_only: flags & POST_ONLY != 0,
        reduce_only: flags & REDUCE_ONLY != 0,
        price: Price(get(bytes, 24) as i64),
        qty: Qty(get(bytes, 32) as i64),
    };
    Some(Record::Intent { order, signal: SignalId(get(bytes, 16)), leg })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn side() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::Buy), Just(Side::Sell)]
    }

    fn time_in_force() -> impl Strategy<Value = TimeInForce> {
        prop_oneof![Just(TimeInForce::Gtc), Just(TimeInForce::Ioc), Just(TimeInForce::Fok)]
    }

    fn leg() -> impl Strategy<Value = Leg> {
        let pricing = prop_oneof![
            Just(LegPricing::Limit),
            Just(LegPricing::Market),
            Just(LegPricing::PostOnly)
        ];
        (any::<u16>(), side(), pricing, time_in_force(), any::<i64>(), any::<i64>()).prop_map(
            |(instrument, side, pricing, time_in_force, price, qty)| Leg {
                instrument: InstrumentId(instrument),
                side,
                pricing,
                time_in_force,
                price: Price(price),
                qty: Qty(qty),
            },
        )
    }

    fn contract() -> impl Strategy<Value = Contract> {
        let mode = prop_oneof![Just(LegMode::Parallel), Just(LegMode::Sequential)];
        let action = prop_oneof![
            Just(BreachAction::Unwind),
            Just(BreachAction::Complete),
            Just(BreachAction::Hold)
        ];
        (mode, action, any::<i64>(), any::<u64>(), any::<i64>()).prop_map(
            |(mode, on_breach, qty, naked_time_max_ns, slippage)| Contract {
                mode,
                on_breach,
                naked_qty_max: Qty(qty),
                naked_time_max_ns,
                slippage_max: Ppb(slippage),
            },
        )
    }

    fn signal() -> impl Strategy<Value = Record> {
        let times = [any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()];
        let contract = prop_oneof![Just(Contract::default()), contract()];
        // Of any strategy but mostly the one that asks, and with legs that do not count.
        let legs = (0u8..=5, [leg(), leg(), leg(), leg()], any::<bool>());
        (any::<u8>(), any::<bool>(), any::<u64>(), legs, contract, times).prop_map(
            |(strategy, other, id, (legs_len, mut legs, cut), contract, times)| {
                if cut {
                    legs.iter_mut()
                        .skip(usize::from(legs_len))
                        .for_each(|leg| *leg = Leg::default());
                }
                let [tick, published, seen, emitted] = times.map(Nanos);
                let signal = Signal {
                    id: SignalId(id),
                    strategy: StrategyId(strategy ^ u8::from(other)),
                    legs_len,
                    legs,
                    contract,
                    tick_ns: tick,
                    published_ns: published,
                    seen_ns: seen,
                    emitted_ns: emitted,
                    ..Signal::default()
                };
                Record::Request(StrategyId(strategy), Request::Signal(signal))
            },
        )
    }

    fn quote() -> impl Strategy<Value = Record> {
        (any::<u16>(), 0u8..4, any::<[i64; 4]>(), any::<u64>()).prop_map(
            |(instrument, state, [bid, bid_qty, ask, ask_qty], recv)| {
                let level = |price, qty| Level { price: Price(price), qty: Qty(qty) };
                let quote = BookQuote {
                    bid: level(bid, bid_qty),
                    ask: level(ask, ask_qty),
                    state: BookState::from_u8(state),
                    recv_ns: Nanos(recv),
                };
                Record::Quote(InstrumentId(instrument), quote)
            },
        )
    }

    fn intent() -> impl Strategy<Value = Record> {
        let order_type = prop_oneof![Just(OrderType::Limit), Just(OrderType::Market)];
        let kinds = (side(), order_type, time_in_force(), any::<bool>(), any::<bool>());
        (any::<u64>(), any::<u16>(), kinds, any::<i64>(), any::<i64>(), any::<u64>(), any::<u8>())
            .prop_map(|(id, instrument, kinds, price, qty, signal, leg)| {
                let (side, order_type, time_in_force, post_only, reduce_only) = kinds;
                let order = NewOrder {
                    client_id: ClientOrderId(id),
                    instrument: InstrumentId(instrument),
                    side,
                    order_type,
                    time_in_force,
                    post_only,
                    reduce_only,
                    price: Price(price),
                    qty: Qty(qty),
                };
                Record::Intent { order, signal: SignalId(signal), leg }
            })
    }

    /// Records have no equality of their own; their general form has.
    fn general(record: &Record) -> Vec<u8> {
        record.encode_long()
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(record in prop_oneof![signal(), quote(), intent()]) {
            let mut bytes = [0xaa; 1024];
            let len = record.encode(&mut bytes).unwrap();
            let back = Record::decode(&bytes[..len]).unwrap();
            prop_assert_eq!(general(&back), general(&record));
        }

        #[test]
        fn bytes_that_read_are_the_bytes_that_would_be_written(
            tag in prop_oneof![Just(SIGNAL), Just(QUOTE), Just(INTENT)],
            mut bytes in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 1..200),
        ) {
            bytes[0] = tag;
            if let Ok(record) = Record::decode(&bytes) {
                let mut again = [0; SIGNAL_MAX + 1];
                let len = record.encode(&mut again).unwrap();
                prop_assert_eq!(&again[..len], &bytes[..]);
            }
        }

        #[test]
        fn cut_short_it_is_refused(
            record in prop_oneof![signal(), quote(), intent()],
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = [0; 1024];
            let len = record.encode(&mut bytes).unwrap();
            prop_assert!(Record::decode(&bytes[..cut.index(len)]).is_err());
        }
    }

    #[test]
    fn without_room_for_the_fixed_form_the_general_one_is_written() {
        let quote = Record::Quote(InstrumentId(1), BookQuote::default());
        // The general form of this one is short: it is taken where the fixed one has no room.
        let mut short = [0; 47];
        let len = quote.encode(&mut short).unwrap();
        assert!(len < 20 && Record::decode(&short[..len]).is_ok(), "{len}");
        assert_eq!(quote.encode(&mut []), None);
    }
}
