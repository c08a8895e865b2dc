//! `stoop new`: a small Cargo project with a strategy of one's own, a configuration, and a test that
//! rehearses it. The templates are strategies that this repository compiles and tests.

#![forbid(unsafe_code)]

use super::{EXIT_OK, Failure};
use crate::config::DEFAULT_TOML;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What the strategy begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Buys where an ask is below another venue's bid, and sells there
    Spread,
    /// Cash and carry: spot against a perpetual
    Basis,
    /// Quotes both sides of one book
    Maker,
    /// Buys when the relative strength index is below 30, sells when it is above 70
    Rsi,
}

/// Language of the strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust
    Rust,
}

/// What the command line asked for.
#[derive(clap::Args, Debug)]
pub(super) struct Wanted {
    /// Name of the project, its strategy and its folder: small letters, digits and dashes
    name: String,
    /// What the strategy begins with
    #[arg(long, value_enum, default_value = "spread")]
    template: Template,
    /// Language of the strategy
    #[arg(long, value_enum, default_value = "rust")]
    lang: Language,
    /// Folder of Stoop's own source, which the project depends on; where this program was built from
    /// without it
    #[arg(long, value_name = "FOLDER")]
    library: Option<PathBuf>,
}

/// Longest name.
const NAME_MAX: usize = 32;
/// Words of Rust, those kept for later too: no crate can be named so.
const WORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// Names that are taken, and by what.
const TAKEN: [(&str, &str); 11] = [
    ("stoop", "the library itself"),
    ("test", "Rust's own library"),
    ("core", "Rust's own library"),
    ("std", "Rust's own library"),
    ("alloc", "Rust's own library"),
    ("proc-macro", "Rust's own library"),
    ("deps", "a folder of Cargo's"),
    ("build", "a folder of Cargo's"),
    ("examples", "a folder of Cargo's"),
    ("incremental", "a folder of Cargo's"),
    ("operator", "whoever types commands: orders and events have it in place of a strategy"),
];

/// What a project keeps to itself: what is built, keys, and the folders of `engine.toml` and of `record`.
const IGNORED: &str =
    "/target\n/secrets.toml\n/*.pem\n/journal\n/crash\n/output\n/log\n/recorded\n";

struct Kind {
    source: &'static str,
    /// Type of the strategy.
    strategy: &'static str,
    instruments: &'static [&'static str],
    /// After so many minutes it has traded.
    minutes: u64,
    what: &'static str,
}

impl Template {
    fn kind(self) -> Kind {
        match self {
            Self::Spread => Kind {
                source: include_str!("templates/spread.rs"),
                strategy: "Spread",
                instruments: &["BTC/USDT@binance", "BTC/USDT@bybit"],
                minutes: 1,
                what: "buys where an ask is below another venue's bid and sells there at the same moment",
            },
            Self::Basis => Kind {
                source: include_str!("templates/basis.rs"),
                strategy: "Carry",
                instruments: &["BTC/USDT@binance", "BTC/USDT:USDT@okx"],
                minutes: 1,
                what: "buys spot and sells the perpetual while that is dearer, and leaves when it is not",
            },
            Self::Maker => Kind {
                source: include_str!("templates/maker.rs"),
                strategy: "Maker",
                instruments: &["BTC/USDT@binance"],
                minutes: 1,
                what: "quotes both sides of one book a little away from its best prices",
            },
            Self::Rsi => Kind {
                source: include_str!("templates/rsi.rs"),
                strategy: "Strength",
                instruments: &["BTC/USDT@binance"],
                minutes: 60,
                what: "buys when the relative strength index of the minutes is below 30 and sells above 70",
            },
        }
    }
}

/// Makes the project.
pub(super) fn new(wanted: &Wanted) -> Result<u8, Failure> {
    check_name(&wanted.name).map_err(Failure::usage)?;
    let Language::Rust = wanted.lang;
    let library = library(wanted.library.as_deref()).map_err(Failure::usage)?;
    let folder = Path::new(&wanted.name);
    let failed =
        |path: &Path, error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    if let Err(error) = std::fs::create_dir(folder) {
        let taken = error.kind() == std::io::ErrorKind::AlreadyExists;
        return Err(match taken {
            true => Failure::usage(format!(
                "{}: there is something of that name already",
                folder.display()
            )),
            false => failed(folder, error),
        });
    }
    for (name, text) in files(&wanted.name, wanted.template, &library) {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        }
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    take_versions(&library, folder).map_err(|error| failed(folder, error))?;
    let name = &wanted.name;
    let text = format!(
        "{name}: src/lib.rs {}.\n\n  cd {name}\n  cargo run -- run --for 30s   # trades against \
         embedded venues: no keys, no network\n  cargo test                   # rehearses a minute of it \
         in virtual time\n\nThe first build takes a few minutes.\n",
        wanted.template.kind().what
    );
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(EXIT_OK)
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || name.len() > NAME_MAX || !name.bytes().all(plain) || name.ends_with('-') {
        return Err(format!(
            "{name:?} is no name for a project: take at most {NAME_MAX} small letters, digits and dashes, \
             a letter first"
        ));
    }
    if WORDS.contains(&name) {
        return Err(format!("{name:?} is a word of Rust, and no crate's name: take another one"));
    }
    if let Some((_, by)) = TAKEN.iter().find(|(taken, _)| *taken == name) {
        return Err(format!("{name:?} is the name of {by}: take another one"));
    }
    Ok(())
}

/// Where the library's source is.
fn library(given: Option<&Path>) -> Result<PathBuf, String> {
    let folder = given.unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR")));
    let wrong = |what: &str| {
        format!("{}: {what}: name the folder of Stoop's source with --library", folder.display())
    };
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml"))
        .map_err(|error| wrong(&format!("Cargo.toml in it cannot be read ({error})")))?;
    let package = manifest.parse::<toml::Table>().ok();
    let package = package.as_ref().and_then(|table| table.get("package")?.get("name")?.as_str());
    if package != Some("stoop") {
        let found = package.map_or("no package".to_owned(), |name| format!("package {name:?}"));
        return Err(wrong(&format!("Cargo.toml in it is that of {found}, not of \"stoop\"")));
    }
    let folder = folder.canonicalize().map_err(|error| wrong(&error.to_string()))?;
    match folder.to_str() {
        Some(_) => Ok(folder),
        None => Err(wrong("this path is not UTF-8, and no Cargo.toml can hold it")),
    }
}

/// Puts the library's own versions of what it depends on into the project: those that it was tested
/// with, and, once they have been fetched for it, no network is needed.
fn take_versions(library: &Path, folder: &Path) -> std::io::Result<()> {
    let from = library.join("Cargo.lock");
    if from.is_file() {
        std::fs::copy(from, folder.join("Cargo.lock"))?;
    }
    Ok(())
}

/// Files of the project, by their place in it.
fn files(name: &str, template: Template, library: &Path) -> Vec<(&'static str, String)> {
    let kind = template.kind();
    vec![
        ("Cargo.toml", manifest(name, library, &kind)),
        (".gitignore", IGNORED.to_owned()),
        ("README.md", readme(name, &kind)),
        ("engine.toml", configuration(name, &kind)),
        ("src/lib.rs", library_file(&kind)),
        ("src/main.rs", main_file(name)),
        ("tests/rehearsal.rs", test_file(name, kind.minutes)),
    ]
}

/// Name of the crate in the code.
fn identifier(name: &str) -> String {
    name.replace('-', "_")
}

/// A rehearsal of an hour is worth the minutes that it takes to optimise the library.
fn manifest(name: &str, library: &Path, kind: &Kind) -> String {
    let library = toml::Value::from(library.to_string_lossy().into_owned());
    let level = u8::from(kind.minutes > 1);
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         # Also within the folder of another workspace this one stands alone.\n[workspace]\n\n\
         [dependencies]\nstoop = {{ path = {library} }}\n\n\
         # For trying: 0 for stoop is built in a minute, 1 or 2 take some and run several times faster.\n\
         # What trades for money is built with --release.\n\
         [profile.dev]\nopt-level = 1\ndebug = \"line-tables-only\"\n\n\
         [profile.dev.package.\"*\"]\nopt-level = 1\ndebug = false\n\n\
         [profile.dev.package.stoop]\nopt-level = {level}\ndebug = \"line-tables-only\"\n\n\
         [profile.release]\nlto = \"thin\"\ncodegen-units = 1\ndebug = \"line-tables-only\"\n"
    )
}

fn library_file(kind: &Kind) -> String {
    let strategy = kind.strategy;
    let source = kind.source;
    format!(
        "{source}\n/// The strategy, for the program and its tests.\n#[must_use]\n\
         pub fn strategy() -> {strategy} {{\n    {strategy}::default()\n}}\n"
    )
}

fn main_file(name: &str) -> String {
    let krate = identifier(name);
    format!(
        "//! The whole engine with the strategy in it: every command of `stoop`.\n\n\
         use std::process::ExitCode;\n\n\
         fn main() -> ExitCode {{\n    \
         stoop::cli::main_with(vec![(\"{name}\".to_owned(), Box::new({krate}::strategy()))])\n}}\n"
    )
}

fn test_file(name: &str, minutes: u64) -> String {
    let krate = identifier(name);
    format!(
        "//! The strategy with the whole engine against the embedded venues, in virtual time.\n\n\
         use stoop::config::{{Config, Mode}};\n\
         use stoop::rehearsal::{{Rehearsal, rehearse}};\n\n\
         const MINUTE_NS: u64 = 60_000_000_000;\n\n\
         #[test]\n\
         fn it_trades_and_the_venues_agree_with_us() {{\n    \
         let config = Config::load_with(\"engine.toml\".as_ref(), &[\"{name}\"]).unwrap();\n    \
         // Whatever it is that the program trades against.\n    \
         let config = Config {{ mode: Mode::Sim, ..config }};\n    \
         let own = vec![(\"{name}\".to_owned(), Box::new({krate}::strategy()) as _)];\n    \
         let how = Rehearsal {{ trading_ns: {minutes} * MINUTE_NS, ..Rehearsal::default() }};\n    \
         let run = rehearse(&config, own, &how).unwrap();\n    \
         assert!(run.last.counters.fills > 0, \"{{:#?}}\", run.lines);\n    \
         assert_eq!(run.differences, [\"\"; 0]);\n    \
         assert_eq!(run.last.unconfirmed, [\"\"; 0]);\n}}\n"
    )
}

/// The default configuration over the instruments of the template. In place of its strategy stands what
/// may be said of one's own; the other built-in ones, which run beside it, stay in comments.
fn configuration(name: &str, kind: &Kind) -> String {
    let names: Vec<String> = kind.instruments.iter().map(|name| format!("{name:?}")).collect();
    let mut text = String::new();
    let mut skipped = false;
    for line in DEFAULT_TOML.lines() {
        skipped = match line {
            _ if line.starts_with("[[strategy]]") || line.starts_with(PARAMS) => true,
            _ if line.starts_with(LIMITS) || line.starts_with("# [[strategy]]") => false,
            _ => skipped,
        };
        if line.starts_with(LIMITS) {
            let _ = write!(
                text,
                "# The strategy of src/lib.rs runs without this: it is for what follows.\n\
                 # [[strategy]]\n# name = {name:?}\n"
            );
        }
        if line.starts_with(PARAMS) {
            let _ = writeln!(text, "{line}\n");
        }
        if skipped {
            continue;
        }
        let line = match line {
            _ if line.starts_with("instruments = ") => {
                format!("instruments = [{}]", names.join(", "))
            }
            _ if line.starts_with("watchlist = ") => "watchlist = []".to_owned(),
            _ if line.starts_with("name = \"stoop\"") => {
                line.replacen("\"stoop\"", &format!("{name:?}"), 1)
            }
            _ => line.to_owned(),
        };
        let _ = writeln!(text, "{line}");
    }
    text.replacen(
        "# Stoop's configuration, and the default when no file is given.",
        &format!("# The engine of {name}; its strategy is in src/lib.rs."),
        1,
    )
}

/// Where that begins in the default configuration which any strategy may have.
const LIMITS: &str = "# Limits of this strategy alone";
/// Where the parameters of the built-in one begin.
const PARAMS: &str = "# [strategy.params]       #";

fn readme(name: &str, kind: &Kind) -> String {
    let (what, strategy) = (kind.what, kind.strategy);
    format!(
        "# {name}\n\nA strategy for Stoop: `{strategy}` in `src/lib.rs` {what}.\n\n\
         ```sh\n\
         cargo run -- run --for 30s     # trades against embedded venues: no keys, no network\n\
         cargo run -- check             # says what is wrong with engine.toml\n\
         cargo test                     # rehearses a minute in virtual time, and compares with the venues\n\
         ```\n\n\
         While it runs, in another terminal: `cargo run -- status`, `latency`, `pause`, `flatten`,\n\
         `stop`; `cargo run -- help` lists all. `engine.toml` says what is traded and within which limits.\n\n\
         With `mode = \"paper\"` it sees the venues' own market, and its orders never leave this machine.\n\
         With `mode = \"testnet\"` and the venues' keys in the environment the same program trades there;\n\
         real money needs `mode = \"live\"`, `armed = true` and `--live`, and is for what `cargo run --release`\n\
         builds: without it the library is hardly optimised.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const ALL: [Template; 4] = [Template::Spread, Template::Basis, Template::Maker, Template::Rsi];

    #[test]
    fn every_configuration_is_valid_and_holds_what_the_strategy_trades() {
        for template in ALL {
            let kind = template.kind();
            let text = configuration("falcon", &kind);
            let config = Config::parse_with("engine.toml", &text, &["falcon"]).unwrap();
            let names: Vec<&str> = config.instruments.iter().map(|row| row.name.as_str()).collect();
            assert_eq!(names, kind.instruments, "{template:?}");
            assert_eq!((config.name.as_str(), config.strategies.len()), ("falcon", 0));
            // One's own, another program's, and the built-in ones but the first.
            let strategies = text.lines().filter(|line| line.starts_with("# [[strategy]]"));
            assert_eq!(strategies.count(), 4, "{text}");
            assert!(!text.contains("kind = \"spread_arb\"") && !text.contains("of spread_arb"));
            for name in kind.instruments {
                assert!(kind.source.contains(name), "{template:?} does not trade {name}");
            }
        }
    }

    #[test]
    fn what_is_said_of_ones_own_strategy_in_comments_is_understood() {
        let text = configuration("falcon", &Template::Maker.kind());
        let own = text.split("# [[strategy]]\n").nth(1).unwrap();
        let own = own.split("# [strategy.params]").next().unwrap();
        let keys = own.lines().filter_map(|line| line.strip_prefix("# "));
        let keys = keys.filter(|line| line.contains(" = ") && !line.starts_with(' '));
        // Of one venue, as the template is.
        let keys: Vec<&str> = keys.filter(|line| !line.starts_with("budget")).collect();
        assert!(keys.len() >= 8, "{keys:?}");
        let text =
            text.replace("[limits]\n", &format!("[[strategy]]\n{}\n[limits]\n", keys.join("\n")));
        let config = Config::parse_with("engine.toml", &text, &["falcon"]).unwrap();
        assert_eq!(config.strategies[0].name, "falcon");
        assert_eq!(config.strategies[0].limits.orders_open_max, Some(16));
    }

    #[test]
    fn what_the_engine_writes_is_ignored() {
        let text = configuration("falcon", &Template::Maker.kind());
        let text =
            text.replace("# [log]", "[log]").replace("# folder = \"log\"", "folder = \"log\"");
        let config = Config::parse_with("engine.toml", &text, &["falcon"]).unwrap();
        let (journal, log) = (config.journal.folder, config.log.unwrap().folder);
        for folder in [journal, log, config.crash_folder, config.output_folder, "recorded".into()] {
            let line = format!("/{}", folder.display());
            assert!(IGNORED.lines().any(|ignored| ignored == line), "{line}");
        }
    }

    #[test]
    fn strategies_are_short() {
        for template in ALL {
            let lines = template.kind().source.lines().filter(|line| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with("//")
            });
            assert!(lines.count() < 60, "{template:?}");
        }
    }

    #[test]
    fn names_are_those_of_crates_and_strategies() {
        for good in ["falcon", "my-first", "a1"] {
            assert_eq!(check_name(good), Ok(()));
        }
        let long = "a".repeat(NAME_MAX + 1);
        for bad in
            ["", "Falcon", "1st", "a b", "../x", "x/", "-a", "a-", "ä", long.as_str(), "stoop"]
        {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        for (bad, why) in [
            ("type", "a word of Rust"),
            ("gen", "a word of Rust"),
            ("std", "Rust's own library"),
            ("proc-macro", "Rust's own library"),
            ("deps", "a folder of Cargo's"),
            ("operator", "whoever types commands"),
        ] {
            let error = check_name(bad).unwrap_err();
            assert!(error.contains(why) && error.ends_with("take another one"), "{error}");
        }
    }

    #[test]
    fn a_library_that_is_not_there_or_another_one_is_named() {
        let error = library(Some(Path::new("/nowhere"))).unwrap_err();
        assert!(error.starts_with("/nowhere: ") && error.contains("--library"), "{error}");
        let folder = std::env::temp_dir().join(format!("stoop-other-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("Cargo.toml"), "[package]\nname = \"other\"\n").unwrap();
        let error = library(Some(&folder)).unwrap_err();
        assert!(error.contains("package \"other\", not of \"stoop\""), "{error}");
        std::fs::write(folder.join("Cargo.toml"), "[workspace]\n").unwrap();
        let error = library(Some(&folder)).unwrap_err();
        assert!(error.contains("no package, not of \"stoop\""), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(library(None), library(Some(Path::new(env!("CARGO_MANIFEST_DIR")))));
    }

    #[test]
    fn a_project_stands_alone_and_names_the_library_whatever_its_path() {
        let kind = Template::Maker.kind();
        let text = manifest("falcon", Path::new("/a \"b\"\\c\u{301}"), &kind);
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["dependencies"]["stoop"]["path"].as_str(), Some("/a \"b\"\\c\u{301}"));
        assert!(table["workspace"].as_table().unwrap().is_empty());
    }
}
