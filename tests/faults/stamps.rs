//! The stamps of a tick's way through strategy and order manager, with a clock that is moved by hand.

use crate::desk::{BTC, Desk, NOW, SECOND, instruments, market, top};
use std::sync::Arc;
use stoop::agents::journal::JournalRecorder;
use stoop::clock::Clock;
use stoop::oms::{Record, Recorder};
use stoop::shm::{StrategyFile, StrategyOptions};
use stoop::strategy::{Context, ContextParts};
use stoop::types::*;

#[test]
fn a_strategy_stamps_what_it_saw_and_when_it_emitted() {
    let table = Arc::new(instruments());
    let market = market(&table);
    let mut book = market.book_writer(BTC).unwrap();
    let options = StrategyOptions { instruments: 1, ..StrategyOptions::default() };
    let (mut oms, end) = StrategyFile::in_memory(&options).unwrap();
    let clock = Clock::manual(NOW);
    let (view, strategy) = (market.view(), StrategyId(0));
    let parts =
        ContextParts { view, end, instruments: table.clone(), clock: clock.clone(), strategy };
    let mut ctx = Context::new(parts);
    let name = &table.get(BTC).unwrap().name;
    let instrument = ctx.instrument(name).unwrap();
    let stamps = BookStamps::new(Nanos(NOW.0 - 9_000), NOW, NOW.plus(400), NOW.plus(480));
    book.publish_top_stamped(&top(1, 6_000_000, 6_000_010), BookState::Live, NOW, stamps);
    clock.set(NOW.plus(600));
    assert!(ctx.best(&instrument).is_live());
    clock.set(NOW.plus(700));
    // Seen before: that it is read again changes nothing.
    ctx.best(&instrument);
    ctx.signal().buy(&instrument, Qty(1_000)).limit_at(Price(6_000_010)).emit().unwrap();
    let Ok(Some(Request::Signal(signal))) = oms.pop_request() else { panic!("a signal") };
    let path = Stamps::of(&signal, NOW.plus(900)).path();
    let at = Stamp::ALL.map(|stamp| path.at(stamp).0 as i64 - NOW.0 as i64);
    assert_eq!(at[..7], [-9_000, 0, 400, 480, 600, 700, 900]);
    assert_eq!(signal.published_ns, NOW.plus(480));
}

fn signal(number: u64) -> Signal {
    let mut signal = Signal {
        id: SignalId(number),
        legs_len: 1,
        tick_ns: NOW,
        book: BookStamps::new(Nanos(0), NOW, NOW.plus(40), NOW.plus(50)),
        seen_ns: NOW.plus(60),
        emitted_ns: NOW.plus(70),
        ..Signal::default()
    };
    let (price, qty) = (Price(6_000_010), Qty(1_000));
    let time_in_force = TimeInForce::Ioc;
    signal.legs[0] = Leg { instrument: BTC, price, qty, time_in_force, ..Leg::default() };
    signal
}

#[test]
fn a_command_carries_the_way_behind_it() {
    let mut desk = Desk::new();
    desk.live_book(NOW);
    desk.commands();
    desk.emit(&signal(1), NOW.plus(500));
    let [command] = desk.commands()[..] else { panic!("one command") };
    let path = command.stamps.path();
    let at = |stamp| path.at(stamp).0 - NOW.0;
    let way = [Stamp::Received, Stamp::Decoded, Stamp::Published, Stamp::Seen, Stamp::Emitted];
    assert_eq!(way.map(at), [0, 40, 50, 60, 70]);
    assert_eq!((at(Stamp::Checked), command.issued_ns), (500, NOW.plus(500)));
    // What no signal causes carries none.
    desk.cancel_all(NOW.plus(SECOND));
    let cancels = desk.commands();
    assert!(cancels.iter().all(|command| command.stamps == Stamps::NONE), "{cancels:?}");
    assert_eq!(cancels.len(), 1);
}

#[test]
fn no_stamp_is_on_record() {
    let bytes = |record: &Record| record.encode_long();
    let stamped = signal(1);
    let plain = Signal { book: BookStamps::NONE, ..stamped };
    assert_ne!(stamped, plain);
    let request = |signal| bytes(&Record::Request(StrategyId(0), Request::Signal(signal)));
    assert_eq!(request(stamped), request(plain));
    let command = Command::new(CommandKind::Balances, NOW);
    let stamped = Command { stamps: Stamps::of(&stamped, NOW.plus(90)), ..command };
    assert_ne!(stamped, command);
    let venue = VenueId(0);
    let record = |command| bytes(&Record::Command(venue, command));
    assert_eq!(record(stamped), record(command));
    let Ok(Record::Command(_, read)) = Record::decode(&record(stamped)) else { panic!() };
    assert_eq!(read, command);
}

#[test]
fn the_first_intent_of_a_signal_is_stamped_once() {
    let mut recorder = JournalRecorder::none();
    let clock = Clock::manual(NOW);
    let order = NewOrder {
        client_id: ClientOrderId(1),
        instrument: BTC,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Ioc,
        post_only: false,
        reduce_only: false,
        price: Price(1),
        qty: Qty(1),
    };
    let intent = Record::Intent { order, signal: SignalId(1), leg: 0 };
    recorder.record(NOW, &intent);
    assert_eq!(recorder.take_intent_ns(), Nanos(0), "not asked for");
    recorder.stamp_intents(clock.clone());
    recorder.record(NOW, &Record::Command(VenueId(0), Command::new(CommandKind::Balances, NOW)));
    clock.set(NOW.plus(5));
    recorder.record(NOW, &intent);
    clock.set(NOW.plus(9));
    recorder.record(NOW, &intent);
    assert_eq!(recorder.take_intent_ns(), NOW.plus(5));
    assert_eq!(recorder.take_intent_ns(), Nanos(0));
}
