//! Commands that wait for an executor's turn, and which of them leaves first.
//!
//! Cancels, then hedges, then new orders, then queries; in the order in which they came among
//! themselves. Nothing overtakes a command that it must follow: what is done to an order stays in
//! order, and a cancel-all follows the orders of its instrument.

use crate::types::{ClientOrderId, Command, CommandKind, InstrumentId};

/// See the module. Bounded, and of one size.
pub(super) struct Waiting {
    commands: Vec<Command>,
}

/// Commands that wait at most; more stay in the ring, in the order in which they came.
const ROOM: usize = 32;

impl Waiting {
    pub fn new() -> Self {
        Self { commands: Vec::with_capacity(ROOM) }
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub fn has_room(&self) -> bool {
        self.commands.len() < ROOM
    }

    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// The one whose turn it is.
    pub fn take(&mut self) -> Option<Command> {
        let mut first = 0;
        for at in 1..self.commands.len() {
            if self.commands[at].priority < self.commands[first].priority
                && !self.commands[..at].iter().any(|earlier| follows(&self.commands[at], earlier))
            {
                first = at;
            }
        }
        (first < self.commands.len()).then(|| self.commands.remove(first))
    }
}

/// Whether a command must not leave before an earlier one.
fn follows(command: &Command, earlier: &Command) -> bool {
    let (id, instrument) = subject(&earlier.kind);
    match command.kind {
        // A cancel of everything covers what was sent before it.
        CommandKind::CancelAll(whole) => instrument == Some(whole),
        _ => subject(&command.kind).0.is_some_and(|order| id == Some(order)),
    }
}

/// The order of ours and the instrument that a command changes.
fn subject(kind: &CommandKind) -> (Option<ClientOrderId>, Option<InstrumentId>) {
    match kind {
        CommandKind::New(order) => (Some(order.client_id), Some(order.instrument)),
        CommandKind::Replace(order) => (some(order.client_id), Some(order.instrument)),
        CommandKind::Cancel(order) => (some(order.client_id), Some(order.instrument)),
        CommandKind::CancelAll(instrument) => (None, Some(*instrument)),
        _ => (None, None),
    }
}

fn some(id: ClientOrderId) -> Option<ClientOrderId> {
    id.is_some().then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{
        CancelOrder, Nanos, NewOrder, OrderType, Price, Priority, Qty, Side, SignalId, TimeInForce,
        VenueOrderId,
    };
    use proptest::prelude::*;

    fn command(kind: CommandKind, priority: Priority, signal: u64) -> Command {
        Command { priority, signal: SignalId(signal), ..Command::new(kind, Nanos(0)) }
    }

    fn new(order: u64) -> CommandKind {
        CommandKind::New(NewOrder {
            client_id: ClientOrderId(order),
            instrument: InstrumentId(order as u16 % 2),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            reduce_only: false,
            price: Price(1),
            qty: Qty(1),
        })
    }

    fn target(order: u64) -> CancelOrder {
        CancelOrder {
            client_id: ClientOrderId(order),
            venue_order_id: VenueOrderId::EMPTY,
            instrument: InstrumentId(order as u16 % 2),
        }
    }

    fn order_of(commands: &[(CommandKind, Priority)]) -> Vec<u64> {
        let mut waiting = Waiting::new();
        for (number, (kind, priority)) in commands.iter().enumerate() {
            waiting.push(command(*kind, *priority, number as u64));
        }
        std::iter::from_fn(|| waiting.take()).map(|command| command.signal.0).collect()
    }

    #[test]
    fn cancels_then_hedges_then_new_orders_then_queries() {
        use Priority::{Cancel, Hedge, New, Query};
        let waiting = [
            (CommandKind::Balances, Query),
            (new(1), New),
            (new(2), Hedge),
            (CommandKind::Query(target(9)), Query),
            (CommandKind::Cancel(target(8)), Cancel),
            (new(3), New),
            (new(4), Hedge),
            (CommandKind::Cancel(target(7)), Cancel),
        ];
        assert_eq!(order_of(&waiting), [4, 7, 2, 6, 1, 5, 0, 3]);
    }

    #[test]
    fn nothing_overtakes_what_it_must_follow() {
        use Priority::{Cancel, New, Query};
        let waiting = [
            (CommandKind::Balances, Query),
            (new(1), New),
            (CommandKind::Cancel(target(1)), Cancel),
            (new(2), New),
            (CommandKind::CancelAll(InstrumentId(1)), Cancel),
            (CommandKind::Cancel(target(5)), Cancel),
        ];
        assert_eq!(order_of(&waiting), [5, 1, 2, 4, 3, 0]);
        let unnamed =
            CommandKind::Cancel(CancelOrder { client_id: ClientOrderId::NONE, ..target(1) });
        assert_eq!(order_of(&[(new(1), New), (unnamed, Cancel)]), [1, 0], "not an order of ours");
    }

    proptest! {
        #[test]
        fn all_leave_once_and_in_a_legal_order(
            steps in prop::collection::vec((0u8..6, 0u64..4), 0..ROOM),
        ) {
            let commands: Vec<(CommandKind, Priority)> = steps
                .iter()
                .map(|(kind, order)| match kind {
                    0 => (new(*order), Priority::New),
                    1 => (new(*order), Priority::Hedge),
                    2 => (CommandKind::Cancel(target(*order)), Priority::Cancel),
                    3 => (CommandKind::CancelAll(InstrumentId(*order as u16 % 2)), Priority::Cancel),
                    4 => (CommandKind::Query(target(*order)), Priority::Query),
                    _ => (CommandKind::Balances, Priority::Query),
                })
                .collect();
            let left = order_of(&commands);
            let mut sorted = left.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..commands.len() as u64).collect::<Vec<u64>>());
            for (at, first) in left.iter().enumerate() {
                for then in &left[at + 1..] {
                    let of = |number: u64| {
                        let (kind, priority) = commands[number as usize];
                        command(kind, priority, number)
                    };
                    prop_assert!(then > first || !follows(&of(*first), &of(*then)));
                }
            }
        }
    }
}
