//! Variables, accounts and the file of their keys: what is read from where, and what no message says.

use super::{complaint, line, with};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use stoop::config::{Config, DEFAULT_TOML, KeySources, SecretSource};

/// What nobody may read in any message.
const SECRET: &str = "pl4in-s3cret";

fn parsed(text: &str) -> Config {
    Config::parse("engine.toml", text).unwrap()
}

#[test]
fn variables_stand_in_values_and_nowhere_else() {
    // Cargo says what this package is called.
    let text = with("name = \"stoop\" ", "name = \"${CARGO_PKG_NAME}-${STOOP_NONE:-x}\" ");
    let config = parsed(&text);
    assert_eq!(config.name, "stoop-x");
    assert_eq!(config.text, text, "processes read what stands in the file");
    assert_eq!(config.variables.used, ["CARGO_PKG_NAME"]);
    let config = parsed(&with("[limits]", "# ${STOOP_NONE}\n[limits]"));
    assert!(config.variables.used.is_empty());
    let folder = with("folder = \"journal\"", "folder = \"$${x}/${CARGO_PKG_NAME}\"");
    assert!(parsed(&folder).journal_folder().starts_with("${x}/stoop"));
    let amount = with("order_notional_max = \"5000\"", "order_notional_max = \"${STOOP_NONE:-7}\"");
    assert_eq!(parsed(&amount).limits.order_notional_max.to_string(), "7");
    let list =
        with("\"BTC/USDT@bybit\"]\n\n# Known", "\"BTC/USDT@${STOOP_NONE:-bybit}\"]\n\n# Known");
    assert_eq!(parsed(&list).instruments[1].name, "BTC/USDT@bybit");
}

/// Commands find the instance of a folder by it, whatever else somebody has written there since.
#[test]
fn the_name_of_an_instance_is_known_though_all_else_is_wrong() {
    let name_in =
        |text: &str| Config::name_in("engine.toml", text).map_err(|error| error.to_string());
    let named = |name: &str| Ok(name.to_owned());
    assert_eq!(name_in("[engine]\nname = \"desk\"\n"), named("desk"));
    let text =
        "mode = \"${STOOP_NONE}\"\n[engine]\nname = \"${CARGO_PKG_NAME}-${STOOP_NONE:-x}\"\n";
    assert_eq!(name_in(text), named("stoop-x"));
    // Never as if there were no file: then another instance would be meant.
    for text in ["", "[engine]", "engine = 1", "[engine]\nname = 1"] {
        let error = name_in(text).unwrap_err();
        assert!(error.starts_with("engine.toml: [engine] name, "), "{text}: {error}");
    }
    let error = name_in("[engine]\nname = \"desk\"\n[limits\n").unwrap_err();
    assert!(error.starts_with("engine.toml:3:"), "{error}");
    let unset = name_in("[engine]\nname = \"x${STOOP_NONE}\"\n").unwrap_err();
    let expected = "engine.toml:2:10: environment variable STOOP_NONE is not set; ";
    assert!(unset.starts_with(expected), "{unset}");
    // Messages repeat the name.
    let keys = "[venue.bybit]\napi_key = \"${CARGO_PKG_NAME}\"\n";
    let secret = name_in(&format!("{keys}[engine]\nname = \"${{CARGO_PKG_NAME}}\"\n"));
    assert!(secret.unwrap_err().contains("${CARGO_PKG_NAME} holds a key"));
    let hidden = "[venue.bybit]\napi_key = \"plain\"\n[engine]\nname = ";
    assert_eq!(name_in(&format!("{hidden}\"desk\"")), named("desk"));
    let unknown = name_in(&format!("{hidden}\"${{CARGO_PKG_NAME}}\"")).unwrap_err();
    assert!(unknown.contains("api_key never stands in this file"), "{unknown}");
}

#[test]
fn what_a_variable_cannot_say_has_its_place() {
    let at = line("name = \"stoop\" ");
    for (value, column, what) in [
        (
            "ab ${STOOP_NONE}",
            12,
            "environment variable STOOP_NONE is not set; ${STOOP_NONE:-default} says what stands \
             there without it",
        ),
        ("${CARGO_PKG_NAME}${9}", 26, "${9} names no variable: ${NAME} or ${NAME:-default}"),
        ("${A", 9, "\"${\" without \"}\"; the characters themselves are written \"$${\""),
        ("$${x}${A:-${B}}", 14, "\"${\" cannot stand within another one"),
    ] {
        let said = complaint(&with("name = \"stoop\" ", &format!("name = \"{value}\" ")));
        assert_eq!(said, format!("engine.toml:{at}:{column}: {what}"));
    }
}

#[test]
fn a_variable_with_a_secret_stands_nowhere_else() {
    let text = with("{ env = \"BINANCE_API_SECRET\" }", "\"${CARGO_PKG_NAME}\"");
    let keys = &parsed(&text).venues[0].keys;
    assert_eq!(keys.api_secret, Some(SecretSource::Env("CARGO_PKG_NAME".to_owned())));
    let text = text.replace("name = \"stoop\" ", "name = \"${CARGO_PKG_NAME}\" ");
    assert_eq!(
        complaint(&text),
        format!(
            "engine.toml:{}:9: ${{CARGO_PKG_NAME}} holds a key or a secret and may stand nowhere else: \
             messages repeat other values",
            line("name = \"stoop\" ")
        )
    );
}

#[test]
fn where_a_secret_is_holds_no_variable_that_could_be_it() {
    let from = "api_secret = { env = \"BINANCE_API_SECRET\" }";
    let no_name = "env takes the name of a variable, of A-Z a-z 0-9 _ and without \"${\" and \"}\"";
    let no_place = "must be { env = \"NAME\" }, { file = \"PATH\" } or \"${NAME}\"";
    for (value, column, what) in [
        ("{ env = \"${CARGO_PKG_NAME}\" }", 22, format!("api_secret: {no_name}")),
        ("{ env = \"x${CARGO_PKG_NAME:-y}\" }", 22, format!("api_secret: {no_name}")),
        ("{ env = \"pl4in-s3cret\" }", 22, format!("api_secret: {no_name}")),
        ("{ pl4in-s3cret = \"x\" }", 14, format!("api_secret {no_place}")),
        ("{ file = \"a\", env = \"pl4in-s3cret\" }", 14, format!("api_secret {no_place}")),
        ("{ file = [\"pl4in-s3cret\"] }", 14, format!("api_secret {no_place}")),
        (
            "{ file = \"${A\" }",
            24,
            "\"${\" without \"}\"; the characters themselves are".to_owned(),
        ),
    ] {
        let said = complaint(&with(from, &format!("api_secret = {value}")));
        let place = format!("engine.toml:{}:{column}: {what}", line(from));
        assert!(said.starts_with(&place), "{said}\n{place}");
        assert!(!said.contains(SECRET), "{said}");
    }
}

#[test]
fn a_variable_in_the_path_of_a_secret_is_put_in_when_it_is_read_and_shown_as_it_is_written() {
    let from = "{ env = \"BINANCE_API_SECRET\" }";
    let folder = std::env::temp_dir();
    let name = |name: &str| folder.join(format!("keys-{name}-{}", std::process::id()));
    let written = name("${CARGO_PKG_NAME}");
    let text = with(from, &format!("{{ file = {written:?} }}"));
    let text = text.replace("BINANCE_API_KEY", "CARGO_PKG_VERSION");
    let config = parsed(&text);
    assert_eq!(config.venues[0].keys.api_secret, Some(SecretSource::File(written.clone())));
    assert!(config.variables.used.is_empty(), "strategies get none of it");
    let error = config.credentials(config.venues[0].venue).unwrap_err().to_string();
    assert!(error.contains(&format!("{}: No such file", written.display())), "{error}");
    let path = name("stoop");
    std::fs::write(&path, SECRET).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let read = config.credentials(config.venues[0].venue).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(read.secret.expose(), SECRET);
}

#[test]
fn keys_at_a_wrong_depth_are_refused_and_not_repeated() {
    let what = "stands in [venue.VENUE] or [credentials.ACCOUNT.VENUE] alone";
    let limits = line("[limits]\n");
    for value in
        ["\"${CARGO_PKG_NAME}\"", "\"pl4in-s3cret\"", "{ env = \"KEY\" }", "[\"pl4in-s3cret\"]"]
    {
        for (table, key, place) in [
            ("[credentials.main]", "api_key", limits + 1),
            ("[credentials]", "api_secret", limits + 1),
            ("[credentials.main.binance.more]", "passphrase", limits + 1),
            ("[venue.okx.more]", "api_key", limits + 1),
            ("[strategy.params]", "api_secret", limits + 1),
            ("[[thread]]", "api_key", limits + 1),
            ("[nowhere]", "passphrase", limits + 1),
        ] {
            let said =
                complaint(&with("[limits]\n", &format!("{table}\n{key} = {value}\n[limits]\n")));
            assert_eq!(said, format!("engine.toml:{place}:1: {key} {what}"), "{table}");
        }
        let said = complaint(&format!("api_key = {value}\n{DEFAULT_TOML}"));
        assert_eq!(said, format!("engine.toml:1:1: api_key {what}"));
        let said = complaint(&with(
            "[venue.binance]\n",
            &format!("[venue]\napi_key = {value}\n[venue.binance]\n"),
        ));
        assert_eq!(
            said,
            format!("engine.toml:{}:1: api_key {what}", line("[venue.binance]\n") + 1)
        );
    }
    // Not even where a text stands in place of a table, or without quotes.
    for table in
        ["[credentials]\nmain = \"pl4in-s3cret\"", "[credentials.main]\nokx = \"pl4in-s3cret\""]
    {
        let said = complaint(&with("[limits]\n", &format!("{table}\n[limits]\n")));
        assert!(said.ends_with(" must be a table, not a text"), "{said}");
    }
    for value in ["pl4in-s3cret", "\"pl4in-s3cret", "\"\\pl4in-s3cret\"", "\"a\" pl4in-s3cret"] {
        let said = complaint(&with("{ env = \"BINANCE_API_SECRET\" }", value));
        assert!(said.starts_with("engine.toml:") && !said.contains(SECRET), "{said}");
    }
}

#[test]
fn a_variable_gives_text_and_is_not_repeated_where_something_else_must_stand() {
    for (from, key, must) in [
        ("depth = 20", "depth", "a whole number"),
        ("order_notional_max = \"5000\"", "order_notional_max", "a number"),
        ("lock_memory = false", "lock_memory", "true or false"),
        ("watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]", "watchlist", "a list"),
    ] {
        let said = complaint(&with(from, &format!("{key} = \"${{CARGO_PKG_NAME}}\"")));
        let (at, column) = (line(from), key.len() + 4);
        let what = format!("a variable gives text, and {key} must be {must}");
        assert_eq!(said, format!("engine.toml:{at}:{column}: {what}"));
    }
}

#[test]
fn plain_secrets_are_refused_and_not_repeated() {
    let from = "api_secret = { env = \"BINANCE_API_SECRET\" }";
    let what = |key: &str| {
        format!(
            "{key} never stands in this file: name where it is, as {{ env = \"NAME\" }}, {{ file = \
             \"PATH\" }} or \"${{NAME}}\", or keep it in a credentials_file"
        )
    };
    for value in [
        format!("\"{SECRET}\""),
        format!("\"${{STOOP_NONE:-{SECRET}}}\""),
        format!("[\"{SECRET}\"]"),
        "12345".to_owned(),
    ] {
        let said = complaint(&with(from, &format!("api_secret = {value}")));
        assert_eq!(said, format!("engine.toml:{}:14: {}", line(from), what("api_secret")));
        let table = format!("[credentials.main.okx]\npassphrase = {value}\n[limits]\n");
        let said = complaint(&with("[limits]\n", &table));
        let at = line("[limits]\n") + 1;
        assert_eq!(said, format!("engine.toml:{at}:14: {}", what("passphrase")));
    }
}

const TWO: &str = "[credentials.main.binance]\napi_key = { env = \"MAIN_KEY\" }\n\
    api_secret = \"${MAIN_SECRET}\"\n[credentials.main.bybit]\napi_key = { file = \"bybit.key\" }\n\
    [credentials.hedge.bybit]\napi_key = { env = \"HEDGE_KEY\" }\n[limits]\n";

/// The default file without keys, with accounts and these lines at its head and at `[venue.bybit]`.
fn accounts(head: &str, bybit: &str) -> String {
    let lines = DEFAULT_TOML.lines();
    let keys = ["api_key", "api_secret", "passphrase"];
    let lines = lines.filter(|line| !keys.iter().any(|key| line.starts_with(key)));
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text.replacen("[limits]\n", TWO, 1);
    let text = text.replacen("[venue.bybit]\n", &format!("[venue.bybit]\n{bybit}"), 1);
    format!("{head}{text}")
}

#[test]
fn an_account_is_chosen_for_all_venues_or_for_one() {
    let env = |name: &str| Some(SecretSource::Env(name.to_owned()));
    let config = parsed(&accounts("account = \"main\"\n", "account = \"hedge\"\n"));
    let [binance, bybit] = &config.venues[..] else { panic!() };
    assert_eq!(binance.account.as_deref(), Some("main"));
    assert_eq!(
        (&binance.keys.api_key, &binance.keys.api_secret),
        (&env("MAIN_KEY"), &env("MAIN_SECRET"))
    );
    assert_eq!(bybit.account.as_deref(), Some("hedge"));
    assert_eq!(bybit.keys, KeySources { api_key: env("HEDGE_KEY"), ..KeySources::default() });
    assert_eq!(config.variables.secret, ["HEDGE_KEY", "MAIN_KEY", "MAIN_SECRET"]);
    let config = parsed(&accounts("account = \"${STOOP_NONE:-main}\"\n", ""));
    assert_eq!(config.venues[1].account.as_deref(), Some("main"));
    // Without a choice none is taken.
    assert!(parsed(&accounts("", "")).venues.iter().all(|venue| venue.keys.is_empty()));
}

#[test]
fn an_account_that_is_not_there_is_named() {
    for (head, bybit, place, what) in [
        (
            "account = \"mian\"\n",
            "",
            "1:11",
            "there is no account \"mian\": no [credentials.mian]; did you mean \"main\"?",
        ),
        (
            "account = \"hedge\"\n",
            "",
            "1:11",
            "account \"hedge\" has no keys at binance: there is no [credentials.hedge.binance]",
        ),
        (
            "account = \"main\"\n",
            "api_key = { env = \"X\" }\n",
            "1:11",
            "account = \"main\", but keys stand in [venue.bybit] itself: keep one of the two",
        ),
    ] {
        let said = complaint(&accounts(head, bybit));
        assert_eq!(said, format!("engine.toml:{place}: {what}"));
    }
    let said =
        complaint(&accounts("", "").replace("credentials.hedge.bybit", "credentials.hedge.bibyt"));
    assert!(said.contains("unknown venue \"bibyt\""), "{said}");
    assert!(said.ends_with("did you mean \"bybit\"?"), "{said}");
}

/// A file of keys with this text and mode, and the configuration that names it.
fn with_file(name: &str, text: &str, mode: u32) -> (PathBuf, Config) {
    let path = std::env::temp_dir().join(format!("stoop-keys-{name}-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    let head = format!("account = \"paper\"\ncredentials_file = {:?}\n", path.to_str().unwrap());
    let config = parsed(&accounts(&head, ""));
    (path, config)
}

fn refused(name: &str, text: &str, mode: u32) -> String {
    let (path, config) = with_file(name, text, mode);
    let error = config.credentials(config.venues[0].venue).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert!(!error.contains(SECRET) && !error.contains("12345"), "{error}");
    error.replace(path.to_str().unwrap(), "FILE")
}

#[test]
fn keys_of_accounts_stand_plainly_in_a_file_of_their_own() {
    let text = format!(
        "[credentials.paper.binance]\napi_key = \"key\"\napi_secret = \"s\\u0065cret\"\n\
         [credentials.paper.okx]\napi_key = \"${{X}}\"\napi_secret = {{ env = \"X\" }}\n\
         [credentials.main.binance]\napi_key = \"{SECRET}\"\napi_secret = \"{SECRET}\"\n"
    );
    let (path, config) = with_file("good", &text, 0o600);
    let read = config.credentials(config.venues[0].venue).unwrap();
    assert_eq!((read.key.as_str(), read.secret.expose()), ("key", "secret"));
    assert!(!format!("{config:?}").contains(SECRET), "read when they are needed, never kept");
    let error = config.credentials(config.venues[1].venue).unwrap_err().to_string();
    assert_eq!(
        error.replace(path.to_str().unwrap(), "FILE"),
        "keys of bybit: account \"paper\" has no keys there: [credentials.paper.bybit] stands neither \
         in FILE nor in the configuration"
    );
    std::fs::remove_file(&path).unwrap();
    let error = config.credentials(config.venues[0].venue).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("keys of binance: {}: No such file", path.display())),
        "{error}"
    );
}

#[test]
fn a_variable_may_name_a_key_of_the_file_if_nothing_else_does() {
    let text = "[credentials.paper.binance]\napi_key = \"${CARGO_PKG_NAME}\"\napi_secret = \"s\"\n";
    let (path, mut config) = with_file("variable", text, 0o600);
    let venue = config.venues[0].venue;
    assert_eq!(config.credentials(venue).unwrap().key, "stoop");
    config.variables.used = vec!["CARGO_PKG_NAME".to_owned()];
    let error = config.credentials(venue).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "keys of binance: ${{CARGO_PKG_NAME}} holds a key or a secret of {} and stands in \
             engine.toml as well, where messages repeat it",
            path.display()
        )
    );
    std::fs::remove_file(path).unwrap();
}

#[test]
fn variables_of_all_accounts_of_the_file_are_secret() {
    let text = "[credentials.other.okx]\napi_key = \"${CARGO_PKG_NAME}\"\n\
                passphrase = { env = \"OTHER\" }\napi_secret = { file = \"${DIR}/x\" }\n\
                [credentials.paper.binance]\napi_key = \"k\"\napi_secret = \"s\"\n";
    let (path, mut config) = with_file("others", text, 0o600);
    let mut all = config.secret_variables().unwrap();
    all.sort();
    let here = ["HEDGE_KEY", "MAIN_KEY", "MAIN_SECRET"];
    assert_eq!(all, [&["CARGO_PKG_NAME"], &here[..], &["OTHER"]].concat());
    config.variables.used = vec!["CARGO_PKG_NAME".to_owned()];
    let at = path.display();
    let what = format!(
        "${{CARGO_PKG_NAME}} holds a key or a secret of {at} and stands in engine.toml as well, where \
         messages repeat it"
    );
    let of_file = format!("credentials_file: {what}");
    assert_eq!(config.secret_variables().unwrap_err().to_string(), of_file);
    assert_eq!(config.check_credentials().unwrap_err().to_string(), of_file);
    let read = config.credentials(config.venues[0].venue);
    assert_eq!(read.unwrap_err().to_string(), format!("keys of binance: {what}"));
    std::fs::remove_file(&path).unwrap();
    // Without it nothing is secret but what stands here; who trades needs it.
    assert_eq!(config.mode, stoop::config::Mode::Sim);
    assert_eq!(config.secret_variables().unwrap(), here);
    config.mode = stoop::config::Mode::Testnet;
    let error = config.secret_variables().unwrap_err().to_string();
    assert_eq!(error, format!("credentials_file: {at}: No such file or directory (os error 2)"));
}

#[test]
fn the_file_of_keys_is_checked_before_anybody_needs_it() {
    let good = "[credentials.paper.binance]\napi_key = \"${STOOP_NONE}\"\napi_secret = \"s\"\n\
                [credentials.paper.bybit]\napi_key = \"k\"\napi_secret = { file = \"none\" }\n";
    let check = |name: &str, text: &str, mode: u32| {
        let (path, config) = with_file(name, text, mode);
        let checked = config.check_credentials().map_err(|error| error.to_string());
        std::fs::remove_file(&path).unwrap();
        checked.map_err(|error| error.replace(path.to_str().unwrap(), "FILE"))
    };
    assert_eq!(check("check", good, 0o600), Ok(()));
    for (text, mode, what) in [
        (good.to_owned(), 0o644, "credentials_file: FILE has mode 0644 and others may read it;"),
        (format!("{good}x = 1\n"), 0o600, "credentials_file: FILE:7:1: unknown key \"x\"; known: "),
        (
            good.replace("\"${STOOP_NONE}\"", "{ env = \"${STOOP_NONE}\" }"),
            0o600,
            "credentials_file: FILE:2:11: api_key must be a text, ",
        ),
        (
            good.replace("paper.bybit", "papr.bybit"),
            0o600,
            "keys of bybit: account \"paper\" has no keys there: [credentials.paper.bybit] stands \
             neither in FILE nor in the configuration; did you mean \"papr\"?",
        ),
        (
            good.replace("api_secret = \"s\"\n", ""),
            0o600,
            "keys of binance: api_key and api_secret are not set in [credentials.paper.binance]",
        ),
    ] {
        let error = check("check", &text, mode).unwrap_err();
        assert!(error.starts_with(what), "{error}\n{what}");
    }
}

#[test]
fn mistakes_in_the_file_of_keys_have_their_place_and_repeat_nothing() {
    let table = "[credentials.paper.binance]\n";
    let good = format!("{table}api_key = \"key\"\napi_secret = \"{SECRET}\"\n");
    let said = refused("mode", &good, 0o640);
    assert_eq!(
        said,
        "keys of binance: FILE has mode 0640 and others may read it; run: chmod 600 FILE"
    );
    for (name, text, what) in [
        ("toml", format!("{table}api_secret = {SECRET}\n"), "FILE:2:14: this is not TOML"),
        (
            "type",
            format!("{table}api_key = 12345\n"),
            "FILE:2:11: api_key must be a text, { env = \"NAME\" } or { file = \"PATH\" }, and not empty",
        ),
        (
            "nested",
            format!("{table}api_key = {{ value = \"{SECRET}\" }}\n"),
            "FILE:2:11: api_key must be a text, { env = \"NAME\" } or { file = \"PATH\" }, and not empty",
        ),
        (
            "empty",
            format!("{table}api_key = \" \"\n"),
            "FILE:2:11: api_key must be a text, { env = \"NAME\" } or { file = \"PATH\" }, and not empty",
        ),
        (
            "key",
            format!("{table}api_secert = \"{SECRET}\"\n"),
            "FILE:2:1: unknown key \"api_secert\"; known: \"api_key\", \"api_secret\" or \"passphrase\"",
        ),
        (
            "head",
            format!("[paper.binance]\napi_key = \"{SECRET}\"\n"),
            "FILE:1:2: unknown key \"paper\"; known: \"credentials\"",
        ),
        (
            "shape",
            format!("[credentials]\npaper = \"{SECRET}\"\n"),
            "FILE:2:9: paper is no table: [credentials.ACCOUNT.VENUE]",
        ),
        (
            "half",
            format!("{table}api_key = \"key\"\n"),
            "api_key and api_secret are not set in [credentials.paper.binance]",
        ),
    ] {
        assert_eq!(refused(name, &text, 0o600), format!("keys of binance: {what}"));
    }
    let said = refused("venue", "[credentials.paper.binace]\n", 0o600);
    assert!(
        said.starts_with("keys of binance: FILE:1:20: unknown venue \"binace\"; known: "),
        "{said}"
    );
}

#[test]
fn one_account_stands_in_one_place() {
    let path = std::env::temp_dir().join(format!("stoop-keys-twice-{}", std::process::id()));
    std::fs::write(&path, "[credentials.main.binance]\napi_key = \"k\"\napi_secret = \"s\"\n")
        .unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let head = format!("account = \"main\"\ncredentials_file = {:?}\n", path.to_str().unwrap());
    let config = parsed(&accounts(&head, ""));
    let error = config.credentials(config.venues[0].venue).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        error,
        format!(
            "keys of binance: [credentials.main.binance] stands in {} and in the configuration: keep \
             one of the two",
            path.display()
        )
    );
}
