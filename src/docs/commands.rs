//! Every command, a page each, as its `--help` says it.
//!
//! Made of the commands by `STOOP_WRITE_PAGES=1 cargo test --lib cli::pages`.
//!
//! | command | what it does |
//! |---|---|
//! | [`run`](mod@run) | Trade until Ctrl-C, or for a while, then cancel everything and print a summary |
//! | [`check`](mod@check) | Check a configuration and say what is wrong with it, where |
//! | [`sim`](mod@sim) | Run the simulated venues alone, for other programs to connect to |
//! | [`instruments`](mod@instruments) | List the configured instruments, or all of a venue, with the venues' rules and fees |
//! | [`ps`](mod@ps) | List the instances of this user, those that have died too |
//! | [`status`](mod@status) | Show what an operator asks first of a running instance: what it may do, which venues are ready and why not, positions, profit, limits in force (those of single strategies too), the last event, and how busy each thread is |
//! | [`monitor`](mod@monitor) | Watch a running instance on screens, and pause, cancel, flatten or halt it by a key |
//! | [`orders`](mod@orders) | List orders, of an instance that runs or of one that has ended |
//! | [`fills`](mod@fills) | List fills, of an instance that runs or of one that has ended |
//! | [`positions`](mod@positions) | List positions: valued now, or as an ended instance has left them |
//! | [`pnl`](mod@pnl) | Show profit and loss, exact |
//! | [`books`](mod@books) | Show the books of a running instance |
//! | [`events`](mod@events) | Show what happened: readiness, halts, refusals, funding, corrections, outcomes of legs |
//! | [`why`](mod@why) | Tell one order's whole life, with times since its signal and reasons |
//! | [`export`](mod@export) | Write fills, orders or events for other programs |
//! | [`new`](mod@new) | Make a project with a strategy of your own |
//! | [`record`](mod@record) | Write down what the venues' public feeds send, and their rules, for `replay`; trades nothing and needs no keys |
//! | [`replay`](mod@replay) | Run the engine over recorded markets in virtual time: the same decisions every time |
//! | [`doctor`](mod@doctor) | Look whether this host is fit for low latency; changes nothing |
//! | [`tune`](mod@tune) | Print what mends the host, each command with why and how to undo it |
//! | [`stop`](mod@stop) | Stop a running engine: no new orders, all of its own cancelled and confirmed |
//! | [`cancel-all`](mod@cancel_all) | Cancel orders, those placed by hand too, again and again until they have ended |
//! | [`flatten`](mod@flatten) | Pause, cancel orders and close positions by limit orders inside the price collar |
//! | [`pause`](mod@pause) | Allow no new orders |
//! | [`resume`](mod@resume) | Allow new orders again |
//! | [`reduce-only`](mod@reduce_only) | Allow only orders that make a position smaller |
//! | [`reconcile`](mod@reconcile) | Ask venues for open orders, fills and balances and compare |
//! | [`set`](mod@set) | Change a limit, or a parameter of a strategy, until the end of the run |
//! | [`latency`](mod@latency) | Show what each stage from tick to order takes in a running engine, and the worst paths |
//! | [`journal`](mod@journal) | Read the journal: everything that happened, as it was acted on |
//! | [`bench`](mod@bench) | Measure the engine on this host |
//! | [`completions`](mod@completions) | Print what makes a shell complete these commands |
//! | [`man`](mod@man) | Write manual pages |
//! | [`version`](mod@version) | Print the version |
//!
//! ```text
//! Exit codes: 0 all well, 1 failure, 2 usage, 3 configuration, 4 venue,
//! 5 no such instance runs, 6 begun but not all confirmed in time, 7 no such order or
//! instrument, or more than one, 8 the journal cannot be read.
//! Try: stoop run --for 30s
//! ```

#![forbid(unsafe_code)]

#[doc = include_str!("commands/run.md")]
pub mod run {}

#[doc = include_str!("commands/check.md")]
pub mod check {}

#[doc = include_str!("commands/sim.md")]
pub mod sim {}

#[doc = include_str!("commands/instruments.md")]
pub mod instruments {}

#[doc = include_str!("commands/ps.md")]
pub mod ps {}

#[doc = include_str!("commands/status.md")]
pub mod status {}

#[doc = include_str!("commands/monitor.md")]
pub mod monitor {}

#[doc = include_str!("commands/orders.md")]
pub mod orders {}

#[doc = include_str!("commands/fills.md")]
pub mod fills {}

#[doc = include_str!("commands/positions.md")]
pub mod positions {}

#[doc = include_str!("commands/pnl.md")]
pub mod pnl {}

#[doc = include_str!("commands/books.md")]
pub mod books {}

#[doc = include_str!("commands/events.md")]
pub mod events {}

#[doc = include_str!("commands/why.md")]
pub mod why {}

#[doc = include_str!("commands/export.md")]
pub mod export {}

#[doc = include_str!("commands/new.md")]
pub mod new {}

#[doc = include_str!("commands/record.md")]
pub mod record {}

#[doc = include_str!("commands/replay.md")]
pub mod replay {}

#[doc = include_str!("commands/doctor.md")]
pub mod doctor {}

#[doc = include_str!("commands/tune.md")]
pub mod tune {}

#[doc = include_str!("commands/stop.md")]
pub mod stop {}

#[doc = include_str!("commands/cancel-all.md")]
pub mod cancel_all {}

#[doc = include_str!("commands/flatten.md")]
pub mod flatten {}

#[doc = include_str!("commands/pause.md")]
pub mod pause {}

#[doc = include_str!("commands/resume.md")]
pub mod resume {}

#[doc = include_str!("commands/reduce-only.md")]
pub mod reduce_only {}

#[doc = include_str!("commands/reconcile.md")]
pub mod reconcile {}

#[doc = include_str!("commands/set.md")]
pub mod set {}

#[doc = include_str!("commands/latency.md")]
pub mod latency {}

#[doc = include_str!("commands/journal.md")]
pub mod journal {}

#[doc = include_str!("commands/bench.md")]
pub mod bench {}

#[doc = include_str!("commands/completions.md")]
pub mod completions {}

#[doc = include_str!("commands/man.md")]
pub mod man {}

#[doc = include_str!("commands/version.md")]
pub mod version {}
