//! Objects whose keys come in any order: their members one by one, checked as JSON on the way.

#![forbid(unsafe_code)]

use super::cursor::Cursor;
use crate::venues::Scalar;

/// Deepest nesting of a member that is stepped over.
const DEPTH_MAX: u32 = 8;

impl<'a> Cursor<'a> {
    /// An object: each member goes to `take`, containers as [`Scalar::Other`].
    #[inline(always)]
    pub fn members(
        &mut self,
        mut take: impl FnMut(&'a str, Scalar<'a>) -> Option<()>,
    ) -> Option<()> {
        self.eat(b"{")?;
        if self.eat_if(b"}") {
            return Some(());
        }
        loop {
            self.eat(b"\"")?;
            let key = self.text()?;
            self.eat(b":")?;
            take(key, self.scalar(DEPTH_MAX)?)?;
            match self.byte()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A value: text without escapes, a whole number of at most 19 digits, a flag or null.
    #[inline(always)]
    pub fn scalar(&mut self, depth: u32) -> Option<Scalar<'a>> {
        match *self.rest.first()? {
            b'"' => {
                self.skip(1)?;
                self.text().map(Scalar::Text)
            }
            b'0'..=b'9' => self.whole().map(Scalar::Whole),
            b'-' => {
                self.skip(1)?;
                let number = i64::try_from(self.whole()?).ok().filter(|number| *number != 0)?;
                Some(Scalar::Negative(-number))
            }
            b't' => self.eat(b"true").map(|()| Scalar::Flag(true)),
            b'f' => self.eat(b"false").map(|()| Scalar::Flag(false)),
            b'n' => self.eat(b"null").map(|()| Scalar::Null),
            b'{' | b'[' => self.step_over(depth.checked_sub(1)?).map(|()| Scalar::Other),
            _ => None,
        }
    }

    /// A container, checked but not read.
    #[cold]
    fn step_over(&mut self, depth: u32) -> Option<()> {
        let object = self.byte()? == b'{';
        let close = if object { b'}' } else { b']' };
        if self.rest.first() == Some(&close) {
            return self.skip(1);
        }
        loop {
            if object {
                self.eat(b"\"")?;
                self.text()?;
                self.eat(b":")?;
            }
            self.scalar(depth)?;
            match self.byte()? {
                b',' => {}
                byte if byte == close => return Some(()),
                _ => return None,
            }
        }
    }
}
