//! What a recording has told so far, with which a file that goes on can begin: whoever plays it alone knows
//! what whoever plays all of them knows.

use super::super::frames::own;
use super::super::frames::{Frame, Marks, Parser};
use super::book::Book;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Known {
    parser: Parser,
    book: Book,
    marks: Marks,
    said: Vec<Frame>,
}

impl Known {
    /// Takes a line without its time, whoever has written it.
    pub fn take(&mut self, json: &str) {
        // A line that cannot be read tells nothing, as it does whoever plays it.
        let _ = self.parser.parse(json, &mut self.said);
        for frame in self.said.drain(..) {
            match frame {
                Frame::Marks(marks) => self.marks.apply(&marks),
                frame => drop(self.book.apply(frame)),
            }
        }
    }

    /// Lines that say it; `None` while the book is not known.
    #[must_use]
    pub fn lines(&self) -> Option<Vec<String>> {
        let book = self.book.line()?;
        let marks = (self.marks != Marks::default()).then(|| own::marks(&self.marks));
        Some([book].into_iter().chain(marks).collect())
    }

    /// Whether the book is known.
    #[must_use]
    pub fn has_book(&self) -> bool {
        self.book.is_synced
    }
}
