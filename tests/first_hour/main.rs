//! A new user's first hour: what README has typed there, typed as it stands there, in folders that are
//! empty at first, with the real binary; and what comes back is what `transcript.md` holds.
//!
//! What is not done is what whoever runs these tests has done already: building and installing. And the
//! project's instance gets another name than README's, since instances of one name exclude each other.

mod terminal;
mod transcript;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use terminal::Terminal;

/// What was done to build these tests.
const DONE: &[&str] = &["cargo install --path . --locked"];
/// Name of the project in README.
const NAME: &str = "falcon";
const SECOND: &str = "second terminal";

/// Commands of one fenced block.
struct Block {
    second: bool,
    commands: Vec<String>,
}

/// The blocks of a section that are to be typed.
fn blocks(readme: &str, section: &str) -> Vec<Block> {
    let from = readme.find(&format!("\n## {section}\n")).unwrap() + 1;
    let rest = &readme[from..];
    let text = &rest[..rest.find("\n## ").unwrap()];
    let fenced = text.split("\n```").skip(1).step_by(2);
    let block = |block: &str| {
        let mut lines = block.lines();
        let words = lines.next()?.strip_prefix("sh")?;
        Some(Block { second: words.trim() == SECOND, commands: lines.map(str::to_owned).collect() })
    };
    fenced.filter_map(block).collect()
}

/// An empty folder, and the name of the instance that runs in it: nobody else on this machine has either.
struct Place {
    folder: PathBuf,
    instance: String,
}

impl Place {
    fn new(what: &str) -> Self {
        let name = format!("first-hour-{what}-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join(".cargo")).unwrap();
        // Optimising the library once more takes minutes; nothing here is about its speed.
        let fast = "[profile.dev.package.stoop]\nopt-level = 0\n";
        std::fs::write(folder.join(".cargo/config.toml"), fast).unwrap();
        Self { folder, instance: format!("{NAME}-{}", std::process::id()) }
    }

    fn region(&self) -> PathBuf {
        Path::new("/dev/shm").join(format!("stoop-{}", self.instance))
    }

    fn project(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// Gives the project's instance a name that nobody else on this machine has.
    fn name_instance(&self) {
        let path = self.project().join("engine.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let line = format!("name = \"{NAME}\"");
        assert!(text.contains(&line), "{text}");
        let own = format!("name = \"{}\"", self.instance);
        std::fs::write(&path, text.replacen(&line, &own, 1)).unwrap();
    }

    /// A command of README as it is typed here.
    fn own(&self, command: &str) -> String {
        let folder = |name: &str| format!("journal/{name}-sim");
        command.replace(&folder(NAME), &folder(&self.instance))
    }

    /// What was said, as if of the instance of README.
    fn told(&self, command: &str, said: &[String]) -> Vec<String> {
        // Whoever else has instances here is listed too.
        let own = |line: &&String| {
            command != "stoop ps" || line.starts_with("name ") || line.contains(&self.instance)
        };
        said.iter().filter(own).map(|line| line.replace(&self.instance, NAME)).collect()
    }

    fn wait_until_it_trades(&self) {
        let begun = Instant::now();
        let orders = || {
            let view = stoop::shm::MarketView::attach(&self.region());
            view.map_or(0, |view| view.counters().orders_sent)
        };
        while orders() < 20 {
            assert!(begun.elapsed() < Duration::from_secs(300), "it does not trade");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = std::fs::remove_dir_all(self.region());
    }
}

/// The first run is of an instance whose name is the default; somebody else's may run here now.
fn wait_for_the_name() {
    let begun = Instant::now();
    while Path::new("/dev/shm/stoop-stoop").exists() && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What a command said, if it is not what the transcript's next step has.
fn differs(
    place: &Place,
    step: &transcript::Step,
    command: &str,
    said: (Vec<String>, i32),
) -> Option<String> {
    assert_eq!(step.command, command, "transcript.md has another command here");
    let mut lines = transcript::shown(&place.told(command, &said.0));
    if said.1 != 0 {
        lines.push(format!("[exit code {}]", said.1));
    }
    let (said, expected) = (lines.join("\n"), step.output.join("\n"));
    (!transcript::fits(&step.output, &lines))
        .then(|| format!("$ {command}\nsaid\n{said}\n\nwhere transcript.md has\n{expected}\n"))
}

#[test]
fn the_first_hour_goes_as_the_readme_says() {
    let readme = include_str!("../../README.md");
    let steps = transcript::read(include_str!("transcript.md"));
    let mut expected = steps.iter();
    let place = Place::new(NAME);
    let mut first = Terminal::open(&place.folder);
    // In the second terminal, and what runs in the first meanwhile.
    let mut second = None;
    let mut runs: Option<(&str, &transcript::Step)> = None;
    let mut problems = Vec::new();
    wait_for_the_name();
    let blocks = blocks(readme, "First hour");
    for (at, block) in blocks.iter().enumerate() {
        let goes_on = |last: bool| last && blocks.get(at + 1).is_some_and(|next| next.second);
        for (line, command) in block.commands.iter().enumerate() {
            if DONE.contains(&command.as_str()) {
                continue;
            }
            let step = expected.next().unwrap_or_else(|| panic!("transcript.md lacks {command}"));
            if block.second {
                let second = second.get_or_insert_with(|| Terminal::open(&place.project()));
                second.type_in(&place.own(command));
                problems.extend(differs(&place, step, command, second.wait(command)));
            } else if goes_on(line + 1 == block.commands.len()) {
                first.type_in(&place.own(command));
                place.wait_until_it_trades();
                runs = Some((command, step));
            } else {
                first.type_in(&place.own(command));
                problems.extend(differs(&place, step, command, first.wait(command)));
                if command.starts_with("stoop new ") {
                    place.name_instance();
                }
            }
        }
        if block.second
            && let Some((command, step)) = runs.take()
        {
            problems.extend(differs(&place, step, command, first.wait(command)));
        }
    }
    assert!(runs.is_none() && second.is_some(), "README has the engine stopped");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(expected.next().is_none(), "transcript.md has more than README");
}

#[test]
fn every_template_makes_a_project_that_builds() {
    for template in ["spread", "basis", "maker", "rsi"] {
        let place = Place::new(template);
        let mut terminal = Terminal::open(&place.folder);
        for command in [
            format!("stoop new {template} --template {template} > said"),
            format!("cd {template} && cargo build"),
            "cargo run -- check --offline".to_owned(),
        ] {
            terminal.type_in(&command);
            let (said, code) = terminal.wait(&command);
            assert_eq!(code, 0, "{command}: {said:#?}");
        }
    }
}
