//! A person's command that waited for too long is not carried out when the order manager comes back.

use crate::desk::{Desk, NOW};
use stoop::agents::{Ask, AskKind, OperatorDesk, OrderBoard, Settled, TellPart};
use stoop::sync::spsc;
use stoop::types::{Operator, Scope, Teller, TradingState};

#[test]
fn a_command_that_was_taken_back_is_left() {
    let mut desk = Desk::new();
    let (mut asks, asks_in) = spsc::channel(4);
    let (tells_out, mut tells) = spsc::channel(4);
    let settled = Settled::default();
    desk.oms = desk.oms.with_desk(OperatorDesk {
        asks: asks_in,
        tells: tells_out,
        settled: settled.clone(),
        board: OrderBoard::default(),
        strategies: Vec::new(),
        strategy_silence_max_ns: 1_000_000_000,
    });
    let state = |state| AskKind::Do(Operator::SetState(Scope::Engine, state), Teller::Watchdog);
    asks.push(Ask { number: 1, kind: state(TradingState::Halted) }).unwrap();
    assert_eq!(settled.up_to(1), 0, "taken back before it was seen");
    desk.poll(NOW);
    assert_eq!(desk.view.counters().trading_state, TradingState::Active);
    assert!(tells.pop().is_none());
    asks.push(Ask { number: 2, kind: state(TradingState::ReduceOnly) }).unwrap();
    desk.poll(NOW.plus(1_000_000_000));
    assert_eq!(desk.view.counters().trading_state, TradingState::ReduceOnly);
    let tell = tells.pop().unwrap();
    assert_eq!(tell.number, 2);
    assert!(matches!(tell.part, TellPart::Done(Ok(_), _)), "{tell:?}");
    assert_eq!(settled.up_to(2), 2, "nobody can take back what was carried out");
}
