//! Parameters of a strategy that the program brings: told at the start, changed by a person, refused
//! where they are not what it says there may be.

use super::{PATIENCE, config, refusal, start, stop};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use stoop::strategy::prelude::*;

/// Says what it is told.
struct Told(Sender<(i64, Decimal)>);

impl Told {
    fn new() -> (Self, Receiver<(i64, Decimal)>) {
        let (to, told) = channel();
        (Self(to), told)
    }

    fn tell(&self, ctx: &Context) {
        let (count, edge) = (ctx.param_int("count"), ctx.param_decimal("edge"));
        assert_eq!((ctx.param_int("edge"), ctx.param_bool("none")), (None, None));
        self.0.send((count.unwrap(), edge.unwrap())).unwrap();
    }
}

impl Strategy for Told {
    fn params(&self) -> Vec<ParamSpec> {
        vec![
            ParamSpec::int("count", 3, "how many").bounded(1, 9),
            ParamSpec::decimal("edge", Decimal::new(5, 1), "how much"),
        ]
    }

    fn on_start(&mut self, ctx: &mut Context) {
        self.tell(ctx);
    }

    fn on_params(&mut self, ctx: &mut Context) {
        self.tell(ctx);
    }
}

fn ask(folder: &str, line: &str) -> serde_json::Value {
    let mut stream = UnixStream::connect(format!("{folder}/control.sock")).unwrap();
    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    serde_json::from_str(&reply).unwrap()
}

#[test]
fn a_strategy_of_the_program_is_told_what_the_file_and_a_person_say() {
    let config = config("[[strategy]]\nname = \"told\"\n[strategy.params]\ncount = 4\n", &["told"]);
    let folder = format!("/dev/shm/stoop-{}", config.name);
    let (strategy, told) = Told::new();
    let (engine, sim) = start(&config, vec![("told".to_owned(), Box::new(strategy))]).unwrap();
    let half = Decimal::new(5, 1);
    assert_eq!(told.recv_timeout(PATIENCE), Ok((4, half)));
    let line = r#"{"command":"set","strategy":"told","limit":"edge","value":"2.250"}"#;
    let reply = ask(&folder, line);
    assert_eq!((&reply["before"], &reply["after"]), (&"0.5".into(), &"2.25".into()), "{reply}");
    assert_eq!(told.recv_timeout(PATIENCE), Ok((4, Decimal::new(225, 2))));
    let line = r#"{"command":"set","strategy":"told","limit":"count","value":"10"}"#;
    let reply = ask(&folder, line);
    assert_eq!(reply["error"], "count = 10 must be an integer from 1 to 9", "{reply}");
    assert_eq!(stop(engine, sim).unconfirmed, [""; 0]);
    assert!(told.try_recv().is_err(), "what was refused is not told");
}

#[test]
fn a_file_that_says_what_cannot_be_is_refused_with_its_place() {
    let own = || -> super::Own { vec![("told".to_owned(), Box::new(Told::new().0))] };
    let told = |line: &str| {
        config(&format!("[[strategy]]\nname = \"told\"\n[strategy.params]\n{line}\n"), &["told"])
    };
    let error = refusal(&told("count = 10"), own());
    assert!(error.starts_with("engine.toml:"), "{error}");
    assert!(error.ends_with("strategy told: count = 10 must be an integer from 1 to 9"), "{error}");
    let error = refusal(&told("counts = 1"), own());
    assert!(error.contains("\"counts\" is not a parameter; there are: count ("), "{error}");
    let error = refusal(&told("count = 2"), Vec::new());
    assert_eq!(error, "strategy told: this program brings none of this name");
}
