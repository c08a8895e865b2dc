//! What became of signals with a contract, in the region: one broadcast ring, written by the oms.

use super::codec::{amount, amount_words, byte};
use crate::sync::broadcast::{self, Lapped};
use crate::types::{
    Breach, BreachAction, InstrumentId, LEGS_MAX, LegMode, Nanos, PairEnd, PairLeg, PairOutcome,
    Ppb, Price, Qty, Side, SignalId, StrategyId,
};

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "pair: strategy|revision|mode|legs|breach|action|end|flags signal \
    skew naked_ns naked_qty left proof hedges|risk hedged cost_value2 cost fees2 opened ended \
    legs4(instrument|side<<16 price qty got_price got_qty sent first_fill last_fill)";

const HEAD: usize = 16;
const LEG_WORDS: usize = 8;
/// Words of an outcome after its counter.
pub(super) const WORDS: usize = HEAD + LEGS_MAX * LEG_WORDS;
/// Outcomes that a reader may lag behind.
pub(super) const CAPACITY: usize = 64;

const WAS_UNKNOWN: u8 = 1;
const FEES_ELSEWHERE: u8 = 2;

fn encode(pair: &PairOutcome) -> [u64; WORDS] {
    let flags =
        u8::from(pair.was_unknown) * WAS_UNKNOWN + u8::from(pair.fees_elsewhere) * FEES_ELSEWHERE;
    let codes = [
        pair.strategy.0,
        pair.revision,
        pair.mode as u8,
        pair.legs_len,
        pair.breach.map_or(0, |breach| breach as u8 + 1),
        pair.action.map_or(0, |action| action as u8 + 1),
        pair.end as u8,
        flags,
    ];
    let ([cost_low, cost_high], [fees_low, fees_high]) =
        (amount_words(pair.cost_value), amount_words(pair.fees));
    let head: [u64; HEAD] = [
        u64::from_le_bytes(codes),
        pair.signal.0,
        pair.skew_ns,
        pair.naked_ns,
        pair.naked_qty.0 as u64,
        pair.left.0 as u64,
        pair.proof_ns,
        u64::from(pair.hedges) | u64::from(pair.risk) << 8,
        pair.hedged.0 as u64,
        cost_low,
        cost_high,
        pair.cost.0 as u64,
        fees_low,
        fees_high,
        pair.opened_ns.0,
        pair.ended_ns.0,
    ];
    let mut words = [0; WORDS];
    words[..HEAD].copy_from_slice(&head);
    for (to, leg) in words[HEAD..].chunks_exact_mut(LEG_WORDS).zip(&pair.legs) {
        to.copy_from_slice(&[
            u64::from(leg.instrument.0) | (leg.side as u64) << 16,
            leg.price.0 as u64,
            leg.qty.0 as u64,
            leg.got_price.0 as u64,
            leg.got_qty.0 as u64,
            leg.sent_ns.0,
            leg.first_fill_ns.0,
            leg.last_fill_ns.0,
        ]);
    }
    words
}

fn leg(words: &[u64; LEG_WORDS]) -> Option<PairLeg> {
    let [codes, price, qty, got_price, got_qty, sent, first, last] = *words;
    Some(PairLeg {
        instrument: InstrumentId(codes as u16),
        side: Side::from_u8(byte(codes, 2))?,
        price: Price(price as i64),
        qty: Qty(qty as i64),
        got_price: Price(got_price as i64),
        got_qty: Qty(got_qty as i64),
        sent_ns: Nanos(sent),
        first_fill_ns: Nanos(first),
        last_fill_ns: Nanos(last),
    })
}

/// `None` if the words make no sense: the file was damaged.
fn decode(words: &[u64; WORDS]) -> Option<PairOutcome> {
    let [
        codes,
        signal,
        skew_ns,
        naked_ns,
        naked_qty,
        left,
        proof_ns,
        hedges,
        hedged,
        cost_low,
        cost_high,
        cost,
        fees_low,
        fees_high,
        opened,
        ended,
        rest @ ..,
    ] = words;
    let [strategy, revision, mode, legs_len, breach, action, end, flags] = codes.to_le_bytes();
    let mut legs = [PairLeg::default(); LEGS_MAX];
    let (chunks, _) = rest.as_chunks();
    for (to, words) in legs.iter_mut().zip(chunks) {
        *to = leg(words)?;
    }
    Some(PairOutcome {
        strategy: StrategyId(strategy),
        signal: SignalId(*signal),
        revision,
        mode: LegMode::from_u8(mode)?,
        legs_len: (usize::from(legs_len) <= LEGS_MAX).then_some(legs_len)?,
        legs,
        skew_ns: *skew_ns,
        naked_ns: *naked_ns,
        naked_qty: Qty(*naked_qty as i64),
        left: Qty(*left as i64),
        breach: breach
            .checked_sub(1)
            .map(|code| Breach::from_u8(code).ok_or(()))
            .transpose()
            .ok()?,
        action: action
            .checked_sub(1)
            .map(|code| BreachAction::from_u8(code).ok_or(()))
            .transpose()
            .ok()?,
        proof_ns: *proof_ns,
        was_unknown: flags & WAS_UNKNOWN != 0,
        hedges: byte(*hedges, 0),
        hedged: Qty(*hedged as i64),
        risk: byte(*hedges, 1),
        end: PairEnd::from_u8(end)?,
        cost_value: amount(*cost_low, *cost_high),
        cost: Ppb(*cost as i64),
        fees: amount(*fees_low, *fees_high),
        fees_elsewhere: flags & FEES_ELSEWHERE != 0,
        opened_ns: Nanos(*opened),
        ended_ns: Nanos(*ended),
    })
}

/// Publishes outcomes. Handed out once, to the oms.
#[derive(Debug)]
pub struct PairWriter(pub(super) broadcast::Writer);

impl PairWriter {
    /// Publishes one.
    pub fn publish(&mut self, pair: &PairOutcome) {
        let words = encode(pair);
        self.0.push(|payload| payload.copy_from(0, &words));
    }
}

/// Reads outcomes at its own pace, from the oldest that is still there.
#[derive(Clone, Debug)]
pub struct PairReader(pub(super) broadcast::Reader);

impl PairReader {
    /// The next outcome; `None` if there is none yet. One that makes no sense is skipped.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot say that it was lapped")]
    pub fn next(&mut self) -> Result<Option<PairOutcome>, Lapped> {
        let mut words = [0; WORDS];
        while self.0.next(|payload| payload.copy_to(0, &mut words))?.is_some() {
            let pair = decode(&words);
            if pair.is_some() {
                return Ok(pair);
            }
        }
        Ok(None)
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outcome() -> PairOutcome {
        let leg = |number: i64| PairLeg {
            instrument: InstrumentId(number as u16),
            side: Side::Sell,
            price: Price(number),
            qty: Qty(-number),
            got_price: Price(number + 1),
            got_qty: Qty(number + 2),
            sent_ns: Nanos(3),
            first_fill_ns: Nanos(4),
            last_fill_ns: Nanos(u64::MAX),
        };
        PairOutcome {
            strategy: StrategyId(5),
            signal: SignalId(6),
            revision: 7,
            mode: LegMode::Sequential,
            legs_len: 3,
            legs: [leg(1), leg(2), leg(3), PairLeg::default()],
            skew_ns: 8,
            naked_ns: 9,
            naked_qty: Qty(10),
            left: Qty(-11),
            breach: Some(Breach::Refused),
            action: Some(BreachAction::Complete),
            proof_ns: 12,
            was_unknown: true,
            hedges: 13,
            hedged: Qty(14),
            risk: 15,
            end: PairEnd::Held,
            cost_value: Amount(-16),
            cost: Ppb(-17),
            fees: Amount(1 << 100),
            fees_elsewhere: true,
            opened_ns: Nanos(18),
            ended_ns: Nanos(19),
        }
    }
    use crate::types::Amount;

    #[test]
    fn outcomes_come_back_as_they_were_and_nonsense_is_skipped() {
        let (writer, reader) = broadcast::ring(8, WORDS);
        let (mut writer, mut reader) = (PairWriter(writer), PairReader(reader));
        assert_eq!(reader.next(), Ok(None));
        let plain = PairOutcome { breach: None, action: None, was_unknown: false, ..outcome() };
        writer.publish(&PairOutcome { legs_len: 5, ..outcome() });
        for pair in [outcome(), plain, PairOutcome::default()] {
            writer.publish(&pair);
            assert_eq!(reader.next(), Ok(Some(pair)));
        }
    }

    proptest! {
        #[test]
        fn any_words_are_survived(words in prop::collection::vec(any::<u64>(), WORDS)) {
            let _ = decode(words.first_chunk().unwrap());
        }
    }
}
