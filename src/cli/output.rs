//! What commands print: tables for people, one object for programs, and errors of journals.

#![forbid(unsafe_code)]

use super::{EXIT_JOURNAL, EXIT_OK, Failure};
use crate::show::WalkError;
use crate::show::table::{self, Column, Row};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// A closed pipe is the reader's wish, not a failure.
pub(super) fn end_of(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a text as it is.
pub(super) fn print(text: &str) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    end_of(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(EXIT_OK)
}

/// Rows under a name.
pub(super) struct List<'a> {
    /// Name of the array for programs.
    pub(super) name: &'static str,
    /// What they are of: comes before them for programs.
    pub(super) head: Vec<(&'static str, Value)>,
    /// Their columns.
    pub(super) columns: &'a [Column],
    /// Themselves.
    pub(super) rows: &'a [Row],
    /// What people read if there are none.
    pub(super) none: &'a str,
}

impl List<'_> {
    /// Prints it.
    pub(super) fn print(self, json: bool) -> Result<u8, Failure> {
        print(&if json { format!("{}\n", self.object()) } else { self.text() })
    }

    /// For programs.
    pub(super) fn object(&self) -> Value {
        let head = self.head.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let mut object: Map<String, Value> = head.collect();
        object.insert(self.name.to_owned(), table::objects(self.columns, self.rows));
        Value::Object(object)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        match self.rows.is_empty() {
            true => format!("{}\n", self.none),
            false => table::text(self.columns, self.rows),
        }
    }
}

/// A journal that cannot be read, or is of another version.
pub(super) fn read_error(error: WalkError) -> Failure {
    Failure { code: EXIT_JOURNAL, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::table::{Cell, Kind};

    #[test]
    fn a_list_is_a_table_or_an_object() {
        let columns = [Column::new("name", Kind::Text), Column::new("count", Kind::Count)];
        let rows = [vec!["a".into(), Cell::Count(3)]];
        let list = |rows| List {
            name: "things",
            head: vec![("instance", "test".into())],
            columns: &columns,
            rows,
            none: "there are none",
        };
        assert_eq!(list(&rows).text(), "name  count\na         3\n");
        assert_eq!(list(&[]).text(), "there are none\n");
        let object = serde_json::json!({"instance": "test", "things": [{"name": "a", "count": 3}]});
        assert_eq!(list(&rows).object(), object);
    }
}
