//! Lists of rows: all checked to the closing bracket before the first of them counts.

#![forbid(unsafe_code)]

use super::cursor::Cursor;

/// Rows of one list, at least one; the first was read, the others were checked.
#[derive(Clone, Debug)]
pub struct Rows<'a, R> {
    /// The first row.
    pub first: R,
    /// Behind the first row.
    more: Cursor<'a>,
    read: fn(&mut Cursor<'a>) -> Option<R>,
}

impl<'a, R> Rows<'a, R> {
    /// Behind the opening bracket of a list; leaves the cursor behind the closing one.
    #[inline]
    pub fn new(cursor: &mut Cursor<'a>, read: fn(&mut Cursor<'a>) -> Option<R>) -> Option<Self> {
        let first = read(cursor)?;
        let more = *cursor;
        while cursor.eat_if(b",") {
            read(cursor)?;
        }
        cursor.eat(b"]")?;
        Some(Self { first, more, read })
    }

    /// The rows behind the first.
    pub fn rest(&self) -> impl Iterator<Item = R> {
        let (mut cursor, read) = (self.more, self.read);
        std::iter::from_fn(move || {
            cursor.eat(b",")?;
            read(&mut cursor)
        })
    }
}
