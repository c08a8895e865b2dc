//! `stoop stop|cancel-all|flatten|pause|resume|reduce-only|reconcile|set`: one request over a
//! running instance's control socket, and what came of it in words.

use super::instance::Instance;
use super::{EXIT_FAILURE, EXIT_OK, EXIT_UNCONFIRMED, Failure, parse_duration};
use crate::agents::control::{ControlReply, ControlRequest, OrderText, PositionText};
use std::time::Duration;

/// How much longer than the engine may wait we wait for its reply.
pub(super) const REPLY_MARGIN: Duration = Duration::from_secs(5);

/// Which instance, and how to answer.
#[derive(clap::Args)]
pub(super) struct To {
    /// Instance: `name` in its [engine]; without it that of ./engine.toml; without such a file the
    /// only one that runs
    #[arg(long, value_name = "INSTANCE")]
    pub(super) name: Option<String>,
    /// Print the reply as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What of it.
#[derive(clap::Args)]
pub(super) struct Of {
    /// Only at this venue
    #[arg(long, conflicts_with = "strategy")]
    venue: Option<String>,
    /// Only of this strategy
    #[arg(long)]
    strategy: Option<String>,
}

impl Of {
    /// One venue or all.
    pub(super) fn venue(venue: Option<String>) -> Self {
        Self { venue, strategy: None }
    }
}

/// How long to wait until it is done.
#[derive(clap::Args)]
pub(super) struct Wait {
    /// How long to wait until everything is confirmed; what is left then is listed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    wait: Duration,
}

/// What was typed.
pub(super) struct Typed {
    pub to: To,
    pub of: Option<Of>,
    pub wait: Option<Wait>,
    /// `limit=value`, or a strategy and `parameter=value`.
    pub setting: Vec<String>,
}

/// Sends a command and tells what came of it.
pub(super) fn operate(command: &str, typed: Typed) -> Result<u8, Failure> {
    let Typed { to, of, wait, setting } = typed;
    let (limit, value) = match setting.last().map(|text| split_setting(text)).transpose()? {
        Some((limit, value)) => (Some(limit), Some(value)),
        None => (None, None),
    };
    let (venue, strategy) = of.map_or((None, None), |of| (of.venue, of.strategy));
    let named = (setting.len() > 1).then(|| setting[0].clone());
    let strategy = strategy.or(named);
    let wait = wait.map(|wait| wait.wait);
    let wait_ms = wait.map(|wait| wait.as_millis() as u64);
    let command = command.to_owned();
    let request = ControlRequest { command, venue, strategy, limit, value, wait_ms, pid: None };
    let instance = Instance::find(to.name.as_deref())?;
    let patience = wait.unwrap_or(Duration::ZERO) + REPLY_MARGIN;
    let reply = instance.ask(&request, patience)?;
    let ended = request.command != "stop" || !reply.ok || instance.wait_for_its_end();
    if to.json {
        let mut object = serde_json::to_value(&reply).unwrap_or_default();
        object["instance"] = instance.name.clone().into();
        if request.command == "stop" {
            object["ended"] = ended.into();
        }
        println!("{object}");
    } else {
        tell(&instance.name, &request, &reply, ended)?;
    }
    Ok(exit_code(&reply, ended))
}

fn split_setting(text: &str) -> Result<(String, String), Failure> {
    let (limit, value) = text.split_once('=').ok_or_else(|| {
        Failure::usage(format!(
            "{text:?} is not LIMIT=VALUE, such as position_max.BTC=3, or STRATEGY KEY=VALUE"
        ))
    })?;
    Ok((limit.trim().to_owned(), value.trim().to_owned()))
}

fn exit_code(reply: &ControlReply, ended: bool) -> u8 {
    match (reply.ok, reply.done && ended && given_up(reply) == 0) {
        (false, _) => EXIT_FAILURE,
        (true, true) => EXIT_OK,
        (true, false) => EXIT_UNCONFIRMED,
    }
}

/// Positions that a flatten could not close and does not try any more.
fn given_up(reply: &ControlReply) -> usize {
    reply.positions.iter().filter(|row| row.state == "gave up").count()
}

fn tell(
    name: &str,
    request: &ControlRequest,
    reply: &ControlReply,
    ended: bool,
) -> Result<(), Failure> {
    if !reply.ok {
        let error = reply.error.as_deref().unwrap_or("refused");
        return Err(Failure::new(format!("{name}: {error}")));
    }
    if let (Some(error), false) = (&reply.error, request.command == "stop") {
        println!("{name}: {error}");
        return Ok(());
    }
    let of = match (&request.venue, &request.strategy) {
        (Some(venue), _) => format!(" at {venue}"),
        (_, Some(strategy)) => format!(" of strategy {strategy}"),
        _ => String::new(),
    };
    println!("{name}: {}", sentence(request, reply, &of, ended));
    if let Some(error) = &reply.error {
        println!("  {error}");
    }
    for row in &reply.positions {
        println!("  {}", position(row));
    }
    for row in &reply.orders {
        println!("  {}", order(row));
    }
    let shown = reply.orders.len() as u32;
    if reply.open > shown {
        println!("  and {} more", reply.open - shown);
    }
    Ok(())
}

/// What came of a request that was about all of an instance, in one sentence.
pub(super) fn sentence_of(request: &ControlRequest, reply: &ControlReply) -> String {
    match &reply.error {
        Some(error) => error.clone(),
        // Whether the process ends is seen on the screen.
        None => sentence(request, reply, "", true),
    }
}

fn sentence(request: &ControlRequest, reply: &ControlReply, of: &str, ended: bool) -> String {
    let cancelled = || {
        let (cancels, open) = (reply.cancels, reply.open);
        if open == 0 && reply.done {
            format!("{cancels} orders{of} cancelled, all confirmed as ended")
        } else {
            format!(
                "{cancels} orders{of} being cancelled, {open} not confirmed yet ({} of unknown \
                 outcome); cancelling goes on",
                reply.unknown
            )
        }
    };
    match request.command.as_str() {
        "stop" => match (ended, reply.done) {
            (true, true) => "stopped; every order is confirmed as ended".to_owned(),
            (true, false) if reply.error.is_some() => {
                "stopped; it is NOT known whether every order has ended".to_owned()
            }
            (true, false) => {
                format!("stopped; {} orders are NOT confirmed as ended", reply.open)
            }
            (false, _) => format!("stopping, but process {} has not ended yet", reply.pid),
        },
        "cancel-all" => cancelled(),
        "flatten" => {
            let open = reply.positions.iter().filter(|row| row.state == "working").count();
            let state = match (reply.done, given_up(reply)) {
                (true, 0) => "done".to_owned(),
                (true, some) => format!("NOT done, {some} positions were given up"),
                (false, 0) => "not done yet, it goes on".to_owned(),
                (false, some) => {
                    format!("not done yet, it goes on; {some} positions were given up")
                }
            };
            format!(
                "flattening{of}: {state}; {}; {open} positions still being closed; no new orders \
                 until `stoop resume`",
                cancelled()
            )
        }
        "pause" => format!(
            "paused{of}: no new orders; those that work go on (`stoop cancel-all` ends them)"
        ),
        "resume" => format!("resumed{of}: what no other pause holds back is traded again"),
        "reduce-only" => format!("reduce-only{of}: only orders that make a position smaller"),
        "accept" => format!("accepted{of}: the venue's balances are the new opening"),
        "reconcile" => format!("asked{of}: {} questions sent to the venues", reply.questions),
        _ => format!(
            "{}{} was {}, is {} until the end of the run",
            request.strategy.as_ref().map(|name| format!("{name}: ")).unwrap_or_default(),
            request.limit.as_deref().unwrap_or("?"),
            set_text(reply.before.as_deref()),
            set_text(reply.after.as_deref())
        ),
    }
}

fn set_text(value: Option<&str>) -> &str {
    match value {
        Some("none") => "not set",
        value => value.unwrap_or("?"),
    }
}

fn position(row: &PositionText) -> String {
    let why = row.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{} {}, {} left{why}", row.instrument, row.state, row.left)
}

fn order(row: &OrderText) -> String {
    let OrderText { id, instrument, side, qty, filled, why } = row;
    format!("{id} {instrument} {side} {qty} ({filled} filled): {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_done_from_begun_and_refused() {
        let done = ControlReply { ok: true, done: true, ..ControlReply::default() };
        assert_eq!(exit_code(&done, true), EXIT_OK);
        assert_eq!(exit_code(&done, false), EXIT_UNCONFIRMED);
        let begun = ControlReply { done: false, ..done.clone() };
        assert_eq!(exit_code(&begun, true), EXIT_UNCONFIRMED);
        let unknown = ControlReply { ok: true, ..ControlReply::refused("it may still be") };
        assert_eq!(exit_code(&unknown, true), EXIT_UNCONFIRMED);
        let row = PositionText {
            instrument: "a".to_owned(),
            state: "gave up".to_owned(),
            left: "1".to_owned(),
            why: None,
        };
        let given_up = ControlReply { positions: vec![row], ..done.clone() };
        assert_eq!(exit_code(&given_up, true), EXIT_UNCONFIRMED);
        let of = |command: &str, reply: &ControlReply| {
            let command = command.to_owned();
            sentence(&ControlRequest { command, ..ControlRequest::default() }, reply, "", true)
        };
        let said = of("flatten", &given_up);
        assert!(said.starts_with("flattening: NOT done, 1 positions were given up;"), "{said}");
        assert!(of("flatten", &done).starts_with("flattening: done;"));
        assert_eq!(of("stop", &unknown), "stopped; it is NOT known whether every order has ended");
        assert_eq!(exit_code(&ControlReply::refused("no"), true), EXIT_FAILURE);
    }

    #[test]
    fn a_limit_that_was_not_set_is_said_to_be() {
        let limit = Some("daily_loss_max".to_owned());
        let request =
            ControlRequest { command: "set".to_owned(), limit, ..ControlRequest::default() };
        let of = |before: &str, after: &str| {
            let (before, after) = (Some(before.to_owned()), Some(after.to_owned()));
            sentence(&request, &ControlReply { before, after, ..Default::default() }, "", true)
        };
        let until = "until the end of the run";
        assert_eq!(of("none", "5"), format!("daily_loss_max was not set, is 5 {until}"));
        assert_eq!(of("5", "none"), format!("daily_loss_max was 5, is not set {until}"));
    }

    #[test]
    fn a_setting_is_a_limit_and_a_value() {
        let split = split_setting("position_max.BTC = 3").ok();
        assert_eq!(split, Some(("position_max.BTC".to_owned(), "3".to_owned())));
        assert!(split_setting("position_max.BTC").is_err());
    }
}
