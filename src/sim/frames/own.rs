//! Lines of a recording that the recorder has written itself, all of them `{"stoop":{..}}`: whose frames
//! these are, by which rules, what was known when the file began, where frames are missing, and what the
//! venue has said that is no market data.

#![forbid(unsafe_code)]

use super::{Best, Frame, Levels, Marks, Parser};
use crate::sim::SimLevel;
use crate::types::{Instrument, InstrumentTable, Side};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

const BEGIN: &str = r#"{"stoop":"#;

/// Whether a line is one of these.
pub(crate) fn is_own(json: &str) -> bool {
    json.starts_with(BEGIN)
}

/// The first line of a file. `after_ns` is the time of the last line of the file that it continues.
#[must_use]
pub fn header(rules: &StatedRules, after_ns: Option<u64>) -> String {
    let StatedRules { venue, instrument, symbol, perpetual, .. } = rules;
    let mut header = json!({
        "venue": venue, "instrument": instrument, "symbol": symbol, "perpetual": perpetual,
    });
    if let Some(after_ns) = after_ns {
        header["after"] = json!(after_ns);
    }
    line(&header)
}

/// So many messages are missing; 0 if nobody knows how many.
#[must_use]
pub fn hole(messages: u64) -> String {
    line(&json!({ "hole": messages }))
}

/// What a venue has sent that is no market data.
#[must_use]
pub fn answer(text: &str) -> String {
    line(&json!({ "answer": text }))
}

/// The rules of the instrument, as its venue has them.
#[must_use]
pub fn rules(rules: &StatedRules) -> String {
    line(&json!({ "rules": rules.to_json() }))
}

/// A book, without its best quote where that is newer.
pub(in crate::sim) fn book(
    (id, order): (u64, u64),
    levels: &[(Side, SimLevel)],
    best: Option<Best>,
) -> String {
    let row = |level: &SimLevel| json!([level.0, level.1]);
    let side = |of: Side| -> Vec<Value> {
        levels.iter().filter(|(side, _)| *side == of).map(|(_, level)| row(level)).collect()
    };
    let mut book =
        json!({ "id": id, "order": order, "bids": side(Side::Buy), "asks": side(Side::Sell) });
    if let Some((order, bid, ask)) = best {
        let level = |level: Option<SimLevel>| level.map(|level| row(&level));
        book["best"] = json!({ "order": order, "bid": level(bid), "ask": level(ask) });
    }
    line(&json!({ "book": book }))
}

/// Mark price and funding.
pub(in crate::sim) fn marks(marks: &Marks) -> String {
    let Marks { mark, index, rate, next_ms, interval_ms } = marks;
    line(&json!({ "marks": {
        "mark": mark, "index": index, "rate": rate, "next_ms": next_ms, "interval_ms": interval_ms,
    }}))
}

fn line(value: &Value) -> String {
    json!({ "stoop": value }).to_string()
}

/// What a venue states of one of its instruments. A limit of zero is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatedRules {
    /// Name of the venue.
    pub venue: String,
    /// Our name of it.
    pub instrument: String,
    /// The venue's own name of it.
    pub symbol: String,
    /// Whether it is a perpetual.
    pub perpetual: bool,
    /// What is traded.
    pub base: String,
    /// What it is priced in.
    pub quote: String,
    /// What a perpetual is settled in; empty for spot.
    pub settle: String,
    /// Smallest price step.
    pub tick: Decimal,
    /// Smallest quantity step, in base units as all quantities here.
    pub lot: Decimal,
    /// Smallest and largest limit price.
    pub price: [Decimal; 2],
    /// Smallest and largest quantity of a limit order.
    pub qty: [Decimal; 2],
    /// Largest quantity of a market order.
    pub qty_market_max: Decimal,
    /// Smallest and largest value.
    pub notional: [Decimal; 2],
    /// Base units of one contract; 1 where the venue counts in base units.
    pub contract: Decimal,
    /// What maker and taker pay, as ratios, if that is known.
    pub fees: Option<[Decimal; 2]>,
    /// Largest leverage of a perpetual; 0 if it is not known.
    pub leverage_max: u8,
}

impl StatedRules {
    /// As they were loaded from the venue.
    #[must_use]
    pub fn of(venue: &str, instrument: &Instrument, table: &InstrumentTable) -> Self {
        let (rules, scale) = (&instrument.rules, instrument.scale);
        let price = |price| scale.price_decimal(price).normalize();
        let qty = |qty| scale.qty_decimal(qty).normalize();
        let perpetual = instrument.is_perpetual();
        let settle = if perpetual { table.assets.name(instrument.settle) } else { "" };
        let contract = Some(qty(instrument.contract)).filter(|size| !size.is_zero());
        Self {
            venue: venue.to_owned(),
            instrument: instrument.name.clone(),
            symbol: instrument.symbol.clone(),
            perpetual,
            base: table.assets.name(instrument.base).to_owned(),
            quote: table.assets.name(instrument.quote).to_owned(),
            settle: settle.to_owned(),
            tick: price(rules.tick_size),
            lot: qty(rules.lot_size),
            price: [price(rules.price_min), price(rules.price_max)],
            qty: [qty(rules.qty_min), qty(rules.qty_max)],
            qty_market_max: qty(rules.qty_market_max),
            notional: [rules.notional_min, rules.notional_max]
                .map(|amount| amount.to_decimal().normalize()),
            contract: contract.unwrap_or(Decimal::ONE),
            fees: None,
            leverage_max: instrument.leverage_max,
        }
    }

    fn to_json(&self) -> Value {
        let [price_min, price_max] = self.price;
        let [qty_min, qty_max] = self.qty;
        let [notional_min, notional_max] = self.notional;
        let mut value = json!({
            "venue": self.venue, "instrument": self.instrument, "symbol": self.symbol,
            "perpetual": self.perpetual,
            "base": self.base, "quote": self.quote, "settle": self.settle,
            "tick": self.tick, "lot": self.lot, "price_min": price_min, "price_max": price_max,
            "qty_min": qty_min, "qty_max": qty_max, "qty_market_max": self.qty_market_max,
            "notional_min": notional_min, "notional_max": notional_max,
            "contract": self.contract, "leverage_max": self.leverage_max,
        });
        if let Some([maker, taker]) = self.fees {
            (value["maker_fee"], value["taker_fee"]) = (json!(maker), json!(taker));
        }
        value
    }

    fn read(of: &Fields<'_>) -> Result<Self, String> {
        let rules = Self {
            venue: of.text("venue")?.to_owned(),
            instrument: of.text("instrument")?.to_owned(),
            symbol: of.text("symbol")?.to_owned(),
            perpetual: of.flag("perpetual")?,
            base: of.text("base")?.to_owned(),
            quote: of.text("quote")?.to_owned(),
            settle: of.text("settle")?.to_owned(),
            tick: of.above_zero("tick")?,
            lot: of.above_zero("lot")?,
            price: [of.limit("price_min")?, of.limit("price_max")?],
            qty: [of.limit("qty_min")?, of.limit("qty_max")?],
            qty_market_max: of.limit("qty_market_max")?,
            notional: [of.limit("notional_min")?, of.limit("notional_max")?],
            contract: of.above_zero("contract")?,
            fees: match of.0.get("maker_fee").or(of.0.get("taker_fee")) {
                Some(_) => Some([of.decimal("maker_fee")?, of.decimal("taker_fee")?]),
                None => None,
            },
            leverage_max: match of.0.get("leverage_max") {
                // A recording of before there was any.
                None => 0,
                Some(_) => u8::try_from(of.number("leverage_max")?)
                    .map_err(|_| of.error("leverage_max", "is above 255"))?,
            },
        };
        if rules.perpetual == rules.settle.is_empty() {
            let is = if rules.perpetual { "a perpetual is settled in" } else { "spot has" };
            return Err(
                of.error("settle", &format!("{:?}, but {is} some asset or none", rules.settle))
            );
        }
        Ok(rules)
    }
}

/// The members of an object, and what they are called in errors.
struct Fields<'a>(&'a Map<String, Value>, &'static str);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, name: &'static str) -> Result<Self, String> {
        let map = value.as_object().ok_or_else(|| format!("{name}: no object"))?;
        Ok(Self(map, name))
    }

    fn error(&self, name: &str, text: &str) -> String {
        format!("{}.{name}: {text}", self.1)
    }

    fn get(&self, name: &str) -> Result<&'a Value, String> {
        self.0.get(name).ok_or_else(|| self.error(name, "is missing"))
    }

    fn text(&self, name: &str) -> Result<&'a str, String> {
        let value = self.get(name)?;
        value.as_str().ok_or_else(|| self.error(name, &format!("{value} is no text")))
    }

    fn flag(&self, name: &str) -> Result<bool, String> {
        let value = self.get(name)?;
        value.as_bool().ok_or_else(|| self.error(name, &format!("{value} is not true or false")))
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        let value = self.get(name)?;
        value.as_u64().ok_or_else(|| self.error(name, &format!("{value} is no whole number")))
    }

    fn decimal(&self, name: &str) -> Result<Decimal, String> {
        decimal(self.get(name)?).map_err(|text| self.error(name, &text))
    }

    fn above_zero(&self, name: &str) -> Result<Decimal, String> {
        match self.decimal(name)? {
            value if value > Decimal::ZERO => Ok(value),
            value => Err(self.error(name, &format!("{value} is not above zero"))),
        }
    }

    fn limit(&self, name: &str) -> Result<Decimal, String> {
        match self.decimal(name)? {
            value if value < Decimal::ZERO => {
                Err(self.error(name, &format!("{value} is below zero")))
            }
            value => Ok(value),
        }
    }

    /// None where it is not there or null.
    fn maybe<T>(
        &self,
        name: &str,
        read: impl Fn(&Self, &str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let there = self.0.get(name).is_some_and(|value| !value.is_null());
        there.then(|| read(self, name)).transpose()
    }

    fn level(&self, name: &str) -> Result<SimLevel, String> {
        level(self.get(name)?).map_err(|text| self.error(name, &text))
    }

    fn side(&self, name: &str, side: Side) -> Result<Levels, String> {
        let value = self.get(name)?;
        let rows = value.as_array().ok_or_else(|| self.error(name, "no list of levels"))?;
        let row = |row| level(row).map(|level| (side, level));
        rows.iter().map(row).collect::<Result<_, _>>().map_err(|text| self.error(name, &text))
    }
}

fn decimal(value: &Value) -> Result<Decimal, String> {
    let read = value.as_str().and_then(|text| text.parse().ok());
    read.ok_or_else(|| format!("{value} is no decimal in quotes"))
}

fn level(value: &Value) -> Result<SimLevel, String> {
    match value.as_array().map(Vec::as_slice) {
        Some([price, qty]) => Ok((decimal(price)?, decimal(qty)?)),
        _ => Err(format!("{value} is no price and quantity")),
    }
}

impl Parser {
    /// Reads such a line. What it is of a kind that is not known here means nothing.
    pub(super) fn on_own(&mut self, json: &str, out: &mut Vec<Frame>) -> Result<(), String> {
        let value: Value = serde_json::from_str(json).map_err(|error| format!("stoop: {error}"))?;
        let own = Fields::of(&value["stoop"], "stoop")?;
        if own.0.contains_key("hole") {
            own.number("hole")?;
            out.push(Frame::Hole);
        } else if let Some(rules) = own.0.get("rules") {
            self.on_rules(StatedRules::read(&Fields::of(rules, "rules")?)?, out)?;
        } else if let Some(book) = own.0.get("book") {
            read_book(&Fields::of(book, "book")?, out)?;
        } else if let Some(marks) = own.0.get("marks") {
            let of = Fields::of(marks, "marks")?;
            out.push(Frame::Marks(Marks {
                mark: of.maybe("mark", Fields::above_zero)?,
                index: of.maybe("index", Fields::above_zero)?,
                rate: of.maybe("rate", Fields::decimal)?,
                next_ms: of.maybe("next_ms", Fields::number)?,
                interval_ms: of.maybe("interval_ms", Fields::number)?,
            }));
        } else if own.0.contains_key("symbol") || own.0.contains_key("venue") {
            self.on_header(&own)?;
        }
        Ok(())
    }

    /// Whose frames follow; files of one recording follow each other and say the same.
    fn on_header(&mut self, header: &Fields<'_>) -> Result<(), String> {
        let (venue, symbol) = (header.text("venue")?, header.text("symbol")?);
        self.perpetual = header.maybe("perpetual", Fields::flag)?;
        self.after_ns = header.maybe("after", Fields::number)?;
        self.venue = Some(venue.to_owned());
        symbol.clone_into(&mut self.symbol);
        Ok(())
    }

    fn on_rules(&mut self, rules: StatedRules, out: &mut Vec<Frame>) -> Result<(), String> {
        let differs = |name: &str, own: &str, file: &str| {
            Err(format!("rules.{name}: {own}, but the file is of {file}"))
        };
        if let Some(venue) = self.venue.as_ref().filter(|venue| **venue != rules.venue) {
            return differs("venue", &rules.venue, venue);
        }
        if !self.symbol.is_empty() && self.symbol != rules.symbol {
            return differs("symbol", &rules.symbol, &self.symbol);
        }
        if let Some(perpetual) = self.perpetual.filter(|perpetual| *perpetual != rules.perpetual) {
            let kind = |perpetual| if perpetual { "a perpetual" } else { "spot" };
            return differs("perpetual", kind(rules.perpetual), kind(perpetual));
        }
        // Whoever plays it begins with the first ones, and hears of others when they come.
        if self.newest.as_ref().is_some_and(|before| *before != rules) {
            out.push(Frame::Rules(Box::new(rules.clone())));
        }
        self.newest = Some(rules.clone());
        self.rules.get_or_insert(rules);
        Ok(())
    }
}

fn read_book(of: &Fields<'_>, out: &mut Vec<Frame>) -> Result<(), String> {
    let mut levels = of.side("bids", Side::Buy)?;
    levels.extend(of.side("asks", Side::Sell)?);
    out.push(Frame::Kept { id: of.number("id")?, order: of.number("order")?, levels });
    if let Some(best) = of.0.get("best") {
        let of = Fields::of(best, "best")?;
        let (bid, ask) = (of.maybe("bid", Fields::level)?, of.maybe("ask", Fields::level)?);
        out.push(Frame::Best { order: of.number("order")?, bid, ask });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn stated() -> StatedRules {
        StatedRules {
            venue: "okx".to_owned(),
            instrument: "SOL/USDT:USDT@okx".to_owned(),
            symbol: "SOL-USDT-SWAP".to_owned(),
            perpetual: true,
            base: "SOL".to_owned(),
            quote: "USDT".to_owned(),
            settle: "USDT".to_owned(),
            tick: dec("0.01"),
            lot: dec("0.01"),
            qty: [dec("0.01"), dec("0")],
            contract: dec("1"),
            fees: Some([dec("-0.0001"), dec("0.0005")]),
            leverage_max: 50,
            ..StatedRules::default()
        }
    }

    fn read(lines: &[&str]) -> (Parser, Vec<Frame>, Result<(), String>) {
        let (mut parser, mut out) = (Parser::default(), Vec::new());
        let result = lines.iter().try_for_each(|line| parser.parse(line, &mut out));
        (parser, out, result)
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let (order, bid, ask) = (12, Some((dec("99.5"), dec("1"))), None);
        let levels = [(Side::Buy, (dec("99"), dec("2"))), (Side::Sell, (dec("101"), dec("3")))];
        let known = Marks { mark: Some(dec("100")), next_ms: Some(7), ..Marks::default() };
        let lines = [
            header(&stated(), Some(5)),
            rules(&stated()),
            book((10, 11), &levels, Some((order, bid, ask))),
            marks(&known),
            hole(3),
            answer("{\"op\":\"pong\"}"),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (parser, frames, result) = read(&lines);
        assert_eq!((result, parser.after_ns), (Ok(()), Some(5)));
        assert_eq!(parser.rules, Some(stated()));
        let wanted = [
            Frame::Kept { id: 10, order: 11, levels: levels.to_vec() },
            Frame::Best { order, bid, ask },
            Frame::Marks(known),
            Frame::Hole,
        ];
        assert_eq!(frames, wanted);
        let without = StatedRules { fees: None, ..stated() };
        assert_eq!(read(&[&rules(&without)]).0.rules, Some(without));
    }

    #[test]
    fn other_rules_than_those_before_are_told_when_they_come() {
        let finer = StatedRules { tick: dec("0.001"), ..stated() };
        let lines = [stated(), stated(), finer.clone(), finer.clone(), stated()];
        let lines = lines.each_ref().map(rules);
        let (parser, frames, _) = read(&lines.each_ref().map(String::as_str));
        let told = [finer, stated()].map(|rules| Frame::Rules(Box::new(rules)));
        assert_eq!(frames, told);
        assert_eq!(parser.rules, Some(stated()), "it begins with the first ones");
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_field() {
        let whole = rules(&stated());
        for (from, to, error) in [
            ("\"tick\":\"0.01\"", "\"tick\":0.01", "rules.tick: 0.01 is no decimal in quotes"),
            ("\"tick\":\"0.01\"", "\"tick\":\"0\"", "rules.tick: 0 is not above zero"),
            ("\"lot\":\"0.01\",", "", "rules.lot: is missing"),
            ("\"qty_max\":\"0\"", "\"qty_max\":\"-1\"", "rules.qty_max: -1 is below zero"),
            ("\"maker_fee\":\"-0.0001\",", "", "rules.maker_fee: is missing"),
            ("\"settle\":\"USDT\"", "\"settle\":\"\"", "rules.settle: \"\", but a perpetual"),
            ("\"okx\"", "7", "rules.venue: 7 is no text"),
        ] {
            let line = whole.replace(from, to);
            assert_ne!(line, whole, "{from}");
            let found = read(&[&line]).2.unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
        for (line, error) in [
            (r#"{"stoop":{"hole":"x"}}"#, "stoop.hole: \"x\" is no whole number"),
            (r#"{"stoop":{"venue":"okx"}}"#, "stoop.symbol: is missing"),
            (r#"{"stoop":3}"#, "stoop: no object"),
            (
                r#"{"stoop":{"book":{"bids":[["1"]]}}}"#,
                "book.bids: [\"1\"] is no price and quantity",
            ),
        ] {
            assert_eq!(read(&[line]).2.unwrap_err(), error);
        }
        assert!(read(&[r#"{"stoop":{"hole":1"#]).2.unwrap_err().starts_with("stoop: "));
        assert_eq!(read(&[r#"{"stoop":{"of tomorrow":1}}"#]).2, Ok(()));
    }

    #[test]
    fn rules_of_another_instrument_than_the_file_are_refused() {
        let other = StatedRules { symbol: "BTC-USDT-SWAP".to_owned(), ..stated() };
        let found = read(&[&header(&stated(), None), &rules(&other)]).2.unwrap_err();
        assert_eq!(found, "rules.symbol: BTC-USDT-SWAP, but the file is of SOL-USDT-SWAP");
        let other = StatedRules { venue: "bybit".to_owned(), ..stated() };
        let found = read(&[&header(&stated(), None), &rules(&other)]).2.unwrap_err();
        assert_eq!(found, "rules.venue: bybit, but the file is of okx");
        let other = StatedRules { perpetual: false, settle: String::new(), ..stated() };
        let found = read(&[&header(&stated(), None), &rules(&other)]).2.unwrap_err();
        assert_eq!(found, "rules.perpetual: spot, but the file is of a perpetual");
    }
}
