//! Mistakes that people make in `engine.toml`, and the exact words they get back.

mod credentials;

use rust_decimal::Decimal;
use stoop::config::{
    Config, ContractConfig, DEFAULT_TOML, Idle, Mode, ProcessConfig, RunConfig, StrategyKind,
    parse_duration,
};
use stoop::types::{Detail, Interval, Nanos, ParamValue};

/// The default file with one piece replaced.
fn with(from: &str, to: &str) -> String {
    assert!(DEFAULT_TOML.contains(from), "the default holds no {from:?}");
    DEFAULT_TOML.replacen(from, to, 1)
}

fn complaint(text: &str) -> String {
    match Config::parse("engine.toml", text) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

/// Line of the first occurrence of `text` in the default file.
fn line(text: &str) -> usize {
    DEFAULT_TOML[..DEFAULT_TOML.find(text).unwrap()].matches('\n').count() + 1
}

#[test]
fn the_built_in_file_is_fine() {
    let config = Config::embedded().unwrap();
    assert_eq!(config.mode, Mode::Sim);
    assert_eq!(config.idle, Idle::Yield);
    assert_eq!(config.instruments.len(), 4);
    assert_eq!(config.instruments.iter().filter(|i| i.streamed).count(), 2);
    assert!(config.threads.is_empty());
    assert!(!config.armed);
}

#[test]
fn paths_that_are_empty_are_refused() {
    let cases = [
        ("# kill_file = \"/path/KILL\"", "kill_file = \"${STOOP_TEST_NOT_SET:-}\" #", "kill_file"),
        ("crash_folder = \"crash\"", "crash_folder = \"\"", "crash_folder"),
        ("output_folder = \"output\"", "output_folder = \"\"", "output_folder"),
        ("\nfolder = \"journal\"", "\nfolder = \"\"", "folder"),
    ];
    for (from, to, key) in cases {
        let text = with(from, to);
        let at = line(from) + from.matches('\n').count();
        let said = complaint(&text);
        let column = format!("{key} = ").len() + 1;
        let wanted =
            format!("engine.toml:{at}:{column}: {key} is empty: name a path, or leave it out");
        assert_eq!(said, wanted);
    }
    let said = complaint(&format!("{DEFAULT_TOML}\n[log]\nfolder = \"\"\n"));
    assert!(said.ends_with(": folder is empty: name a path, or leave it out"), "{said}");
}

#[test]
fn misspelled_keys_are_named_with_the_right_one() {
    let at = line("depth = 20");
    assert_eq!(
        complaint(&with("depth = 20", "dept = 20")),
        format!("engine.toml:{at}:1: unknown key \"dept\"; did you mean \"depth\"?")
    );
    let at = line("cooldown_ms");
    assert_eq!(
        complaint(&with("cooldown_ms", "cooldwn_ms")),
        format!("engine.toml:{at}:1: unknown key \"cooldwn_ms\"; did you mean \"cooldown_ms\"?")
    );
}

#[test]
fn what_is_asked_of_the_kernel_is_checked_and_sockets_are_read_directly_where_a_thread_spins() {
    for (from, to, column, what) in [
        (
            "direct_reads = \"auto\"",
            "direct_reads = \"maybe\"",
            16,
            "direct_reads = \"maybe\" is not one of",
        ),
        ("quick_ack = \"system\"", "quick_ack = \"yes\"", 13, "quick_ack = \"yes\" is not one of"),
        ("busy_poll_us = 0", "busy_poll_us = -1", 16, "busy_poll_us = -1"),
    ] {
        let said = complaint(&with(from, to));
        let place = format!("engine.toml:{}:{column}: {what}", line(from));
        assert!(said.starts_with(&place), "{said}");
    }
    let threads = "[[thread]]\nidle = \"spin\"\nruns = [\"feed:binance\", \"oms\", \"strategy:spread\"]\n\
        [[thread]]\nidle = \"yield\"\nruns = [\"feed:bybit\", \"exec:bybit\", \"exec:binance\"]\n\n[host]\n";
    let config = |direct: &str| {
        let text = with("[host]\n", threads);
        let text = text.replace("direct_reads = \"auto\"", &format!("direct_reads = \"{direct}\""));
        Config::parse("engine.toml", &text).unwrap()
    };
    let reads = |direct: &str| {
        let config = config(direct);
        ["feed:binance", "feed:bybit", "exec:bybit"].map(|agent| config.reads_directly(agent))
    };
    assert_eq!(reads("auto"), [true, false, false]);
    assert_eq!((reads("always"), reads("never")), ([true; 3], [false; 3]));
    assert!(!Config::embedded().unwrap().reads_directly("feed:binance"));
}

#[test]
fn contracts_are_checked_where_they_stand() {
    let config = Config::parse("engine.toml", DEFAULT_TOML).unwrap();
    let StrategyKind::SpreadArb { legs, .. } = &config.strategies[0].kind else { panic!() };
    assert_eq!(legs.contract, ContractConfig::default(), "what the file says is the default");
    let without = DEFAULT_TOML.replace("naked_ms_max = 500", "# naked_ms_max = 500");
    assert_eq!(Config::parse("engine.toml", &without).unwrap().strategies, config.strategies);
    for (from, to, column, what) in [
        ("legs = \"parallel\"", "legs = \"serial\"", 8, "legs = \"serial\" is not one of"),
        ("on_breach = \"unwind\"", "on_breach = \"undo\"", 13, "on_breach = \"undo\" is not one"),
        ("naked_ms_max = 500", "naked_ms_max = -1", 16, "naked_ms_max = -1 must be from 0 to"),
        ("naked_qty_max = \"0\"", "naked_qty_max = \"-1\"", 17, "naked_qty_max = -1 must not be"),
        ("slippage_max_bps = 10", "slippage_max_bps = 1001", 20, "slippage_max_bps = 1001 must be"),
    ] {
        let place = format!("engine.toml:{}:{column}: {what}", line(from));
        let complaint = complaint(&with(from, to));
        assert!(complaint.starts_with(&place), "{complaint}\n{place}");
    }
}

#[test]
fn options_of_a_strategy_are_those_of_its_kind() {
    let head = "[[strategy]]\nname = \"carry\"\nkind = \"basis\"\n\
                instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]\n";
    let good = "entry_bps = 10\nexit_bps = -1.5\nqty = \"0.01\"\nqty_max = \"0.05\"\n\
                cooldown_ms = 100\nfunding_horizon_h = 24\n";
    let file = |options: &str| with("[limits]\n", &format!("{head}{options}\n[limits]\n"));
    let config = Config::parse("engine.toml", &file(good)).unwrap();
    let StrategyKind::Basis { funding_horizon_ns, funding_age_max_ns, exit_bps, .. } =
        &config.strategies[1].kind
    else {
        panic!()
    };
    assert_eq!(*funding_horizon_ns, 86_400_000_000_000);
    assert_eq!((*funding_age_max_ns, exit_bps.to_string()), (120_000_000_000, "-1.5".to_owned()));
    let first = line("[limits]") + 4;
    for (from, to, row, column, what) in [
        ("entry_bps = 10\n", "", 2, 8, "basis needs entry_bps"),
        ("exit_bps = -1.5", "exit_bps = 10", 5, 12, "exit_bps must be below entry_bps"),
        ("qty_max = \"0.05\"", "qty_max = \"0.005\"", 7, 11, "qty_max must not be below qty"),
        (
            "qty_max = \"0.05\"",
            "spread_min_bps = 5",
            7,
            18,
            "spread_min_bps is not an option of basis",
        ),
        (
            "funding_horizon_h = 24",
            "funding_horizon_h = -1",
            9,
            21,
            "funding_horizon_h = -1 must be from",
        ),
    ] {
        let said = complaint(&file(&good.replace(from, to)));
        let place = format!("engine.toml:{}:{column}: {what}", first + row - 4);
        assert!(said.starts_with(&place), "{said}\n{place}");
    }
    let at = line("name = \"spread\"") + 1;
    let said = complaint(&with("spread_min_bps = 5  ", "spread_min_bps = 5\nentry_bps = 4\n#"));
    assert!(said.ends_with("entry_bps is not an option of spread_arb"), "{said}");
    let said = complaint(&with("kind = \"spread_arb\"", "kind = \"bassis\""));
    let what = "kind = \"bassis\" is not one of \"spread_arb\", \"basis\" or \"rsi\"";
    assert_eq!(said, format!("engine.toml:{at}:8: {what}; did you mean \"basis\"?"));
}

#[test]
fn how_much_is_measured_is_checked_where_it_stands() {
    assert_eq!(Config::embedded().unwrap().latency, Detail::All);
    for (text, detail) in [("order", Detail::Order), ("off", Detail::Off)] {
        let file = with("detail = \"all\"", &format!("detail = \"{text}\""));
        assert_eq!(Config::parse("engine.toml", &file).unwrap().latency, detail);
    }
    let without = with("detail = \"all\"", "# detail = \"all\"");
    assert_eq!(Config::parse("engine.toml", &without).unwrap().latency, Detail::All);
    let at = line("detail = \"all\"");
    let what = "detail = \"oder\" is not one of \"all\", \"order\" or \"off\"";
    assert_eq!(
        complaint(&with("detail = \"all\"", "detail = \"oder\"")),
        format!("engine.toml:{at}:10: {what}; did you mean \"order\"?")
    );
    assert_eq!(
        complaint(&with("detail = \"all\"", "detial = \"all\"")),
        format!("engine.toml:{at}:1: unknown key \"detial\"; did you mean \"detail\"?")
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(std::path::Path::new("/nowhere/engine.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nowhere/engine.toml: no such file; without --config it is ./engine.toml, else the built-in one"
    );
}

#[test]
fn paper_says_how_far_away_its_venues_are() {
    let config = Config::parse("engine.toml", &with("mode = \"sim\"", "mode = \"paper\"")).unwrap();
    assert_eq!(config.mode, Mode::Paper);
    assert_eq!((config.paper.latency_ns, config.paper.jitter_ns), (2_000_000, 500_000));
    assert_eq!((config.paper.maker_fee, config.paper.taker_fee), (None, None));
    let table = |line: &str| with("[sim.flow]", &format!("[paper]\n{line}\n[sim.flow]"));
    let given = table("latency_us = 0\nmaker_fee_bps = -0.5\ntaker_fee_bps = \"4.5\"");
    let paper = Config::parse("engine.toml", &given).unwrap().paper;
    let fees = [paper.maker_fee, paper.taker_fee].map(|fee| fee.unwrap().to_string());
    assert_eq!((paper.latency_ns, fees), (0, ["-0.00005".to_owned(), "0.00045".to_owned()]));
    let at = line("[sim.flow]") + 1;
    for (line, column, what) in [
        ("latency_us = -1", 14, "latency_us = -1 must be from 0 to 10000000"),
        ("jitter_us = 10000001", 13, "jitter_us = 10000001 must be from 0 to 10000000"),
        ("taker_fee_bps = 101", 17, "taker_fee_bps = 101 must be from -100 to 100"),
        ("latency = 5", 1, "unknown key \"latency\"; did you mean \"latency_us\"?"),
    ] {
        assert_eq!(complaint(&table(line)), format!("engine.toml:{at}:{column}: {what}"));
    }
}

#[test]
fn wrong_values_say_what_is_allowed() {
    let at = line("mode = \"sim\"");
    assert_eq!(
        complaint(&with("mode = \"sim\"", "mode = \"simm\"")),
        format!(
            "engine.toml:{at}:8: mode = \"simm\" is not one of \"sim\", \"paper\", \"testnet\" \
             or \"live\"; did you mean \"sim\"?"
        )
    );
    let at = line("depth = 20");
    assert_eq!(
        complaint(&with("depth = 20", "depth = 65")),
        format!("engine.toml:{at}:9: depth = 65 must be from 1 to 64")
    );
    let at = line("order_notional_max");
    assert_eq!(
        complaint(&with("order_notional_max = \"5000\" ", "order_notional_max = \"-5\" ")),
        format!("engine.toml:{at}:22: order_notional_max = -5 must be greater than 0")
    );
    let at = line("order_connections = 2");
    assert_eq!(
        complaint(&with("order_connections = 2", "order_connections = 3")),
        format!("engine.toml:{at}:21: order_connections = 3 must be from 1 to 2")
    );
    let at = line("feed_connections = 1");
    assert_eq!(
        complaint(&with("feed_connections = 1", "feed_connections = 3")),
        format!("engine.toml:{at}:20: feed_connections = 3 must be from 1 to 2")
    );
    let at = line("qty = \"0.01\"");
    assert_eq!(
        complaint(&with("qty = \"0.01\"", "qty = \"-0.01\"")),
        format!("engine.toml:{at}:7: qty = -0.01 must be greater than 0")
    );
}

#[test]
fn wrong_limits_have_their_place() {
    let limits = "orders_open_max = 64\n";
    let at = line(limits) + 1;
    let cases = [
        ("daily_loss_max = \"0\"", 18, "daily_loss_max = 0 must be greater than 0"),
        ("drawdown_max = \"-1\"", 16, "drawdown_max = -1 must be greater than 0"),
        (
            "instrument_position_max = { \"BTC/USDT@bybi\" = \"1\" }",
            29,
            "\"BTC/USDT@bybi\" is not among the instruments; did you mean \"BTC/USDT@bybit\"?",
        ),
    ];
    for (text, column, message) in cases {
        let complaint = complaint(&with(limits, &format!("{limits}{text}\n")));
        assert_eq!(complaint, format!("engine.toml:{at}:{column}: {message}"));
    }
    let strategy = "cooldown_ms = 20 ";
    let cases = [
        ("budget = { binance = \"1\" }", "budget has no entry for \"bybit\""),
        ("orders_open_max = 0", "orders_open_max = 0 must be from 1 to 4096"),
        ("budget_rebalance = true", "budget_rebalance needs a budget at two venues or more"),
    ];
    for (text, message) in cases {
        let complaint = complaint(&with(strategy, &format!("{text}\n{strategy}")));
        assert!(complaint.starts_with(&format!("engine.toml:{}:", line(strategy))), "{complaint}");
        assert!(complaint.ends_with(message), "{complaint}");
    }
    let seed = "seed = 7 ";
    assert_eq!(
        complaint(&with(seed, &format!("funding_every_s = 0\n{seed}"))),
        format!("engine.toml:{}:19: funding_every_s = 0 must be from 1 to 86400", line(seed))
    );
    let not_limited = Config::embedded().unwrap().not_limited().unwrap();
    assert_eq!(
        not_limited,
        "not limited: loss of a day (daily_loss_max), drawdown (drawdown_max), capital of strategy \
         spread (budget)"
    );
}

#[test]
fn unknown_venues_and_instruments_are_named() {
    let at = line("instruments = [");
    assert_eq!(
        complaint(&with("\"BTC/USDT@bybit\"]", "\"BTC/USDT@bybitt\"]")),
        format!(
            "engine.toml:{at}:36: unknown venue \"bybitt\"; known: \"binance\", \"bybit\", \
             \"okx\" or \"hyperliquid\"; did you mean \"bybit\"?"
        )
    );
    assert_eq!(
        complaint(&with("[\"BTC/USDT@binance\"", "[\"BTCUSDT@binance\"")),
        format!(
            "engine.toml:{at}:16: \"BTCUSDT@binance\" is not an instrument; expected \
             BASE/QUOTE@venue, or BASE/QUOTE:SETTLE@venue for a perpetual"
        )
    );
    let text = DEFAULT_TOML.replace("cooldown_ms = 20", "cooldown_ms = 20 # x");
    let text = text.replacen(
        "kind = \"spread_arb\"     # buys where the ask is below the other venue's bid, sells there\n\
         instruments = [\"BTC/USDT@binance\"",
        "kind = \"spread_arb\"\ninstruments = [\"BTC/USDC@binance\"",
        1,
    );
    let at = line("kind = \"spread_arb\"") + 1;
    assert_eq!(
        complaint(&text),
        format!(
            "engine.toml:{at}:16: \"BTC/USDC@binance\" is not among the instruments; did you mean \
             \"BTC/USDT@binance\"?"
        )
    );
}

#[test]
fn broken_toml_has_a_place() {
    let error = complaint("mode = \"sim\"\ninstruments = [\n");
    assert!(error.starts_with("engine.toml:"), "{error}");
    let error = complaint(&with("depth = 20", "depth = \"many\""));
    let at = line("depth = 20");
    assert_eq!(error, format!("engine.toml:{at}:9: depth must be a whole number, not a text"));
    let error = complaint("mode = \"sim\"\ninstruments = []\n");
    assert_eq!(error, "engine.toml:1:1: engine is missing");
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_what_it_must_be() {
    for (from, to, said) in [
        ("depth = 20", "depth = 1.5", "depth must be a whole number"),
        ("depth = 20", "depth = 60000000000000000000", "depth must be a whole number"),
        ("seed = 7", "seed = -7", "seed must be a whole number, 0 or more"),
        ("qty = \"0.01\"", "qty = \"0,01\"", "qty must be a number such as 0.01 or \"0.01\""),
        ("{ BTC = \"2\"", "{ BTC = \"two\"", "BTC must be a number such as 0.01 or \"0.01\""),
        (
            "spreads_per_second = 18 ",
            "spreads_per_second = \"18\" ",
            "spreads_per_second must be a number, not a text",
        ),
        ("name = \"stoop\"", "name = 7", "name must be a text"),
        ("lag_ms = 40", "lag_ms = true", "lag_ms must be a whole number"),
        (
            "balances = { BTC = \"100\"",
            "balances = { BTC = \"-1\"",
            "balances.BTC = -1 must not be below 0",
        ),
        (
            "maker_fee_bps = 1 ",
            "maker_fee_bps = 101 ",
            "maker_fee_bps = 101 must be from -100 to 100",
        ),
    ] {
        let error = complaint(&with(from, to));
        let row = line(from);
        assert!(error.starts_with(&format!("engine.toml:{row}:")), "{error}");
        assert!(error.ends_with(&format!(": {said}")), "{error} for {to}");
    }
}

#[test]
fn every_agent_stands_in_exactly_one_thread() {
    let threads = |runs: &str| format!("{DEFAULT_TOML}\n[[thread]]\nruns = [{runs}]\n");
    let all = "\"feed:binance\", \"feed:bybit\", \"strategy:spread\", \"oms\", \"exec:binance\"";
    let last = DEFAULT_TOML.matches('\n').count() + 3;
    assert_eq!(
        complaint(&threads(all)),
        format!("engine.toml:{last}:8: agent \"exec:bybit\" stands in no [[thread]]")
    );
    assert_eq!(
        complaint(&threads(&format!("{all}, \"exec:bybit\", \"oms\""))),
        format!("engine.toml:{last}:95: agent \"oms\" stands in two threads")
    );
    let error = complaint(&threads(&format!("{all}, \"exec:bybitt\"")));
    assert!(error.ends_with("did you mean \"exec:bybit\"?"), "{error}");
    let config = Config::parse("x", &threads(&format!("{all}, \"exec:bybit\""))).unwrap();
    assert_eq!(config.threads.len(), 1);
}

#[test]
fn strategies_of_the_program_are_agents_too_and_keep_their_names() {
    let all = "\"feed:binance\", \"feed:bybit\", \"strategy:spread\", \"oms\", \"exec:binance\", \
               \"exec:bybit\"";
    let threads = |runs: &str| format!("{DEFAULT_TOML}\n[[thread]]\nruns = [{runs}]\n");
    let last = DEFAULT_TOML.matches('\n').count() + 3;
    let parse = |text: &str, own: &[&str]| Config::parse_with("engine.toml", text, own);
    assert_eq!(
        parse(&threads(all), &["mine"]).unwrap_err().to_string(),
        format!("engine.toml:{last}:8: agent \"strategy:mine\" stands in no [[thread]]")
    );
    let with_mine = threads(&format!("{all}, \"strategy:mine\""));
    assert_eq!(parse(&with_mine, &["mine"]).unwrap().threads.len(), 1);
    let error = parse(&with_mine, &[]).unwrap_err().to_string();
    assert!(error.contains("agent = \"strategy:mine\" is not one of"), "{error}");
    let at = line("name = \"spread\"");
    assert_eq!(
        parse(DEFAULT_TOML, &["spread"]).unwrap_err().to_string(),
        format!(
            "engine.toml:{at}:8: two strategies are named \"spread\": the program brings one, which \
             needs no kind"
        )
    );
}

#[test]
fn durations_are_read_with_their_unit() {
    assert_eq!(parse_duration("30s"), Ok(Nanos(30_000_000_000)));
    assert_eq!(parse_duration("500ms"), Ok(Nanos(500_000_000)));
    assert_eq!(
        parse_duration("30"),
        Err("\"30\" is not a duration such as 500ms, 30s, 5m or 1h".to_owned())
    );
}

#[test]
fn klines_are_of_intervals_that_there_are() {
    let head =
        "[[strategy]]\nname = \"rsi\"\nkind = \"rsi\"\ninstruments = [\"BTC/USDT@binance\"]\n";
    let good = "klines = [\"15m\"]\nqty = \"0.01\"\n";
    let file = |options: &str| with("[limits]\n", &format!("{head}{options}\n[limits]\n"));
    let config = Config::parse("engine.toml", &file(good)).unwrap();
    let StrategyKind::Rsi { interval, period, buy_below, sell_above, .. } =
        &config.strategies[1].kind
    else {
        panic!()
    };
    assert_eq!((*interval, *period), (Interval::M15, 14));
    assert_eq!([buy_below.to_string(), sell_above.to_string()], ["30", "70"]);
    let first = line("[limits]") + 4;
    let all = "\"1m\", \"3m\", \"5m\", \"15m\", \"30m\", \"1h\", \"4h\" or \"1d\"";
    let unknown = format!("klines = \"15min\" is not one of {all}; did you mean \"15m\"?");
    let levels = "buy_below must be below sell_above, and both from 0 to 100";
    for (options, row, column, what) in [
        ("klines = [\"15min\"]\nqty = \"0.01\"\n", first, 11, unknown.as_str()),
        (
            "klines = [\"1m\", \"5m\"]\nqty = \"1\"\n",
            first,
            10,
            "rsi needs klines of exactly one interval",
        ),
        ("qty = \"0.01\"\n", first - 2, 8, "rsi needs klines"),
        (
            "klines = [\"1m\"]\nqty = \"1\"\nrsi_period = 0\n",
            first + 2,
            14,
            "rsi_period = 0 must be",
        ),
        (
            "klines = [\"1m\"]\nqty = \"1\"\nrsi_period = 251\n",
            first + 2,
            14,
            "rsi_period = 251 must",
        ),
        ("klines = [\"1m\"]\nqty = \"1\"\nsell_above = \"30\"\n", first + 2, 14, levels),
        ("klines = [\"1m\"]\nqty = \"1\"\nbuy_below = \"-1\"\n", first + 2, 13, levels),
        (
            "klines = [\"1m\"]\nqty = \"1\"\nlegs = \"parallel\"\n",
            first + 2,
            8,
            "legs is not an option of rsi",
        ),
        (
            "klines = [\"1m\"]\nqty = \"1\"\ncooldown_ms = 5\n",
            first + 2,
            15,
            "cooldown_ms is not an option of rsi",
        ),
    ] {
        let place = format!("engine.toml:{row}:{column}: {what}");
        let complaint = complaint(&file(options));
        assert!(complaint.starts_with(&place), "{complaint}\n{place}");
    }
    let at = line("cooldown_ms");
    let foreign = complaint(&with("cooldown_ms", "klines = [\"1m\"]\ncooldown_ms"));
    assert_eq!(foreign, format!("engine.toml:{at}:10: klines is not an option of spread_arb"));
    let kind = line("kind = \"spread_arb\"");
    let missing = DEFAULT_TOML.lines().filter(|line| !line.starts_with("cooldown_ms"));
    let missing = complaint(&missing.collect::<Vec<_>>().join("\n"));
    assert_eq!(missing, format!("engine.toml:{kind}:8: spread_arb needs cooldown_ms"));
}

#[test]
fn a_process_its_rule_and_its_parameters_are_read() {
    let parse = |more: &str, own: &[&str]| {
        Config::parse_with("engine.toml", &format!("{DEFAULT_TOML}\n[[strategy]]\n{more}\n"), own)
    };
    let text = "name = \"mine\"\nrun = \"process\"\ncommand = [\"./mine\", \"x\"]\n\
                restart = \"on_crash\"\nrestart_after_ms = 250\nafter_restart = \"resume\"\n\
                [strategy.params]\nedge = 0.1\nbig = -9_000\non = true\nside = \"buy\"";
    let config = parse(text, &[]).unwrap();
    let mine = &config.strategies[1];
    let process = ProcessConfig {
        command: vec!["./mine".to_owned(), "x".to_owned()],
        restarts: true,
        restart_after_ns: 250_000_000,
        restarts_per_hour_max: 3,
        resumes: true,
    };
    assert_eq!((&mine.kind, &mine.run), (&StrategyKind::Foreign, &RunConfig::Process(process)));
    let of = |name: &str| mine.params.iter().find(|row| row.name.as_str() == name).unwrap().value;
    // As it stands in the file, not as a binary fraction.
    assert_eq!(of("edge"), ParamValue::Decimal(Decimal::new(1, 1)));
    assert_eq!((of("big"), of("on")), (ParamValue::Int(-9_000), ParamValue::Bool(true)));
    assert_eq!(of("side").to_string(), "buy");
    assert_eq!(config.text, format!("{DEFAULT_TOML}\n[[strategy]]\n{text}\n"));
    let own = parse("name = \"own\"\nrun = \"process\"", &["own"]).unwrap();
    assert_eq!(own.strategies[1].kind, StrategyKind::Own);
    assert_eq!(own.strategies[0].run, RunConfig::Thread);
    for (text, said) in [
        (
            "name = \"own\"",
            "\"own\" needs a kind (\"spread_arb\", \"basis\" or \"rsi\"), or a command",
        ),
        ("name = \"x\"\nkind = \"basis\"", "basis needs instruments"),
        ("name = \"x\"\nrun = \"process\"\ncommand = [\"\"]", "command names no program"),
        ("name = \"x\"\nrun = \"process\"\ncommand = [\"y\"]\nqty = 1", "qty is an option of"),
        (
            "name = \"x\"\nrun = \"process\"\ncommand = [\"y\"]\nbuy_below = 30",
            "buy_below is an option of the built-in kinds",
        ),
        (
            "name = \"x\"\nrun = \"process\"\ncommand = [\"y\"]\n\
             instruments = [\"BTC/USDT@binance\"]",
            "instruments is an option of the built-in kinds",
        ),
        ("name = \"x\"\ncommand = [\"y\"]", "command is about a process"),
        ("name = \"x\"\nafter_restart = \"resume\"", "after_restart is about a process"),
        (
            "name = \"x\"\nrun = \"process\"\ncommand = [\"y\"]\nafter_restart = \"resume\"",
            "after_restart is about a restart: say restart = \"on_crash\" too",
        ),
        (
            "name = \"x\"\nrun = \"process\"\ncommand = [\"y\"]\nrestart = \"never\"\n\
             restart_after_ms = 200",
            "restart_after_ms is about a restart",
        ),
        (
            "name = \"x\"\nrun = \"process\"\ncommand = [\"y\"]\n[strategy.params]\ne = inf",
            "e is no exact decimal number",
        ),
        (
            "name = \"x\"\nrun = \"process\"\ncommand = [\"y\"]\n[strategy.params]\ne = 1.5e3",
            "e is no exact decimal number",
        ),
    ] {
        let error = parse(text, &[]).unwrap_err().to_string();
        assert!(error.contains(said) && error.starts_with("engine.toml:"), "{error}");
    }
}
