//! What people read beside the README: a page for each command and each venue, how a host is tuned from
//! nothing, and what to do when an alert fires. Nothing here runs; tests hold the pages to the code.

#![forbid(unsafe_code)]

pub mod commands;

#[doc(inline)]
pub use crate::venues::pages as venues;

#[doc = include_str!("tuning.md")]
pub mod tuning {}

#[doc = include_str!("runbook.md")]
pub mod runbook {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    const TUNING: &str = include_str!("tuning.md");
    const RUNBOOK: &str = include_str!("runbook.md");
    const RULES: &str = include_str!("../../tools/deploy/prometheus/stoop.rules.yml");
    const README: &str = include_str!("../../README.md");

    /// What stands in backquotes.
    fn quoted(text: &str) -> impl Iterator<Item = &str> {
        text.split('`').skip(1).step_by(2)
    }

    #[test]
    fn the_tuning_guide_names_every_check_of_doctor() {
        let named: BTreeSet<&str> = quoted(TUNING).collect();
        let missing: Vec<_> = crate::doctor::names().filter(|name| !named.contains(name)).collect();
        assert!(missing.is_empty(), "src/docs/tuning.md lacks {missing:?}");
    }

    #[test]
    fn every_alert_has_a_section_of_the_runbook_and_no_other_has_one() {
        let rules = RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        let rules: Vec<String> = rules.map(|name| format!("## `{name}`")).collect();
        let rows: String = README.lines().filter(|line| line.starts_with("| `Stoop")).collect();
        for name in &rules {
            assert!(rows.contains(&name[3..]), "README has no row for {name}");
        }
        let sections = RUNBOOK.lines().filter(|line| line.starts_with("## `"));
        assert_eq!(sections.collect::<Vec<_>>(), rules);
        for section in RUNBOOK.split("\n## `").skip(1) {
            assert!(section.contains("Escalate:"), "{section}");
            assert!(section.contains("`stoop "), "{section}");
        }
    }

    #[test]
    fn the_readme_leads_to_every_page() {
        for page in ["tuning.md", "runbook.md", "commands"] {
            assert!(
                README.contains(&format!("(src/docs/{page})")),
                "README does not lead to {page}"
            );
        }
        for row in crate::venues::VENUES {
            assert!(README.contains(&format!("[`{}`](src/venues/", row.name)), "{}", row.name);
        }
    }
}
