//! The pages of `docs::commands`, made of the commands themselves. The test holds them to that; after a
//! change of a command they are written anew by
//! `STOOP_WRITE_PAGES=1 cargo test --lib cli::pages`.

#![forbid(unsafe_code)]

use clap::Command;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const VARIABLE: &str = "STOOP_WRITE_PAGES";

/// Files below `src/docs`, by their names.
fn files() -> BTreeMap<String, String> {
    let mut root = super::command();
    root.build();
    let mut index = format!(
        "//! Every command, a page each, as its `--help` says it.\n//!\n\
         //! Made of the commands by `{VARIABLE}=1 cargo test --lib cli::pages`.\n//!\n"
    );
    let (mut rows, mut modules, mut files) = (String::new(), String::new(), BTreeMap::new());
    for command in shown(&root) {
        let (name, module) = (command.get_name(), command.get_name().replace('-', "_"));
        let _ = writeln!(rows, "//! | [`{name}`](mod@{module}) | {} |", about(command));
        let _ = write!(
            modules,
            "\n#[doc = include_str!(\"commands/{name}.md\")]\npub mod {module} {{}}\n"
        );
        files.insert(format!("commands/{name}.md"), page(command, 1));
    }
    let _ = write!(index, "//! | command | what it does |\n//! |---|---|\n{rows}//!\n");
    let ends = root.get_after_help().map(ToString::to_string).unwrap_or_default();
    let ends = ends.lines().map(|line| format!("//! {line}\n")).collect::<String>();
    let _ = write!(index, "//! ```text\n{ends}//! ```\n\n#![forbid(unsafe_code)]\n{modules}");
    files.insert("commands.rs".to_owned(), index);
    files
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set())
}

/// What it does, as Markdown.
fn about(command: &Command) -> String {
    markdown(&command.get_about().map(ToString::to_string).unwrap_or_default())
}

/// The same with all that its help says of it.
fn long_about(command: &Command) -> String {
    let text = command.get_long_about().or(command.get_about());
    let text = text.map(ToString::to_string).unwrap_or_default();
    // The first line has no full stop, for lists of commands.
    let text = text.trim_end_matches('.').replacen("\n\n", ".\n\n", 1);
    markdown(&text)
}

/// A table of the configuration is no link.
fn markdown(text: &str) -> String {
    text.replace('[', "\\[").replace(']', "\\]").replace('|', "\\|")
}

/// A command with those below it.
fn page(command: &Command, depth: usize) -> String {
    let mut command = command.clone();
    let help = command.render_long_help().to_string();
    let usage = help.find("Usage:").map_or(help.as_str(), |from| &help[from..]);
    let lines = usage.trim_end().lines().map(|line| format!("{}\n", line.trim_end()));
    let usage = lines.collect::<String>();
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut text = format!(
        "{} `{name}`\n\n{}.\n\n```text\n{usage}```\n",
        "#".repeat(depth),
        long_about(&command)
    );
    for below in shown(&command) {
        let _ = write!(text, "\n{}", page(below, depth + 1));
    }
    text
}

#[test]
fn pages_are_what_the_commands_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs");
    let files = files();
    let mut there = vec!["commands.rs".to_owned()];
    for entry in std::fs::read_dir(folder.join("commands")).unwrap() {
        there.push(format!("commands/{}", entry.unwrap().file_name().to_str().unwrap()));
    }
    if std::env::var_os(VARIABLE).is_some() {
        for name in there.iter().filter(|name| !files.contains_key(*name)) {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        for (name, text) in &files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        return;
    }
    there.retain(|name| !files.contains_key(name));
    let differs = |(name, text): (String, String)| {
        let found = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        (found != text).then_some(name)
    };
    let wrong: Vec<String> = files.into_iter().filter_map(differs).chain(there).collect();
    assert!(
        wrong.is_empty(),
        "src/docs differs from what the commands say: {wrong:?}; write it anew:\n  \
         {VARIABLE}=1 cargo test --lib cli::pages"
    );
}

/// Every command that a page has typed, in a line of its own or in backquotes, without what a shell makes
/// of its output.
fn typed(page: &str) -> impl Iterator<Item = &str> {
    let code = page.split('`').skip(1).step_by(2).flat_map(str::lines).chain(page.lines());
    code.filter_map(|line| {
        let line = line.trim_start_matches("sudo ");
        let end = [" #", " > "].iter().filter_map(|mark| line.find(mark)).min();
        line.starts_with("stoop ").then(|| line[..end.unwrap_or(line.len())].trim())
    })
}

#[test]
fn what_pages_have_typed_is_what_the_commands_take() {
    for page in [include_str!("../docs/tuning.md"), include_str!("../docs/runbook.md")] {
        assert!(typed(page).count() > 10);
        for line in typed(page) {
            let parsed = super::command().try_get_matches_from(line.split_whitespace());
            parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
