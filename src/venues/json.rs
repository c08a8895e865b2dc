//! JSON of the venues, read in place: simd-json's tape with reused buffers, and a small cursor.
//!
//! This is the complete decoder and the reference for any faster one. It allocates only until its
//! buffers have seen the largest message. Not a general JSON library: no numbers beyond 64 bits,
//! no writing.

#![forbid(unsafe_code)]

use super::DecodeError;
use simd_json::{Buffers, Node, StaticNode, Tape};

/// Owns the buffers of one connection's decoder.
pub struct Parser {
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// Buffers for messages of a few kilobytes; they grow to the largest seen.
    #[must_use]
    pub fn new() -> Self {
        Self { buffers: Buffers::new(64 * 1024), tape: Tape(Vec::with_capacity(8 * 1024)) }
    }

    /// Parses `frame` (rewritten in place where strings are escaped) and hands the root to `read`.
    pub fn read<R>(
        &mut self,
        frame: &mut [u8],
        read: impl FnOnce(Value<'_>) -> Result<R, DecodeError>,
    ) -> Result<R, DecodeError> {
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let result = match simd_json::fill_tape(frame, &mut self.buffers, &mut tape) {
            Ok(()) => read(Value { nodes: &tape.0 }),
            Err(_) => Err(DecodeError::Json),
        };
        self.tape = tape.reset();
        result
    }
}

/// One value on the tape: its own node first, its children after it.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    nodes: &'a [Node<'a>],
}

impl<'a> Value<'a> {
    /// Text of a string.
    #[inline]
    #[must_use]
    pub fn str(self) -> Option<&'a str> {
        match self.nodes.first() {
            Some(Node::String(text)) => Some(text),
            _ => None,
        }
    }

    /// A number without fraction and sign.
    #[inline]
    #[must_use]
    pub fn u64(self) -> Option<u64> {
        match self.nodes.first() {
            Some(Node::Static(StaticNode::U64(number))) => Some(*number),
            Some(Node::Static(StaticNode::I64(number))) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A number without fraction.
    #[inline]
    #[must_use]
    pub fn i64(self) -> Option<i64> {
        match self.nodes.first() {
            Some(Node::Static(StaticNode::I64(number))) => Some(*number),
            Some(Node::Static(StaticNode::U64(number))) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// True or false.
    #[inline]
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        match self.nodes.first() {
            Some(Node::Static(StaticNode::Bool(flag))) => Some(*flag),
            _ => None,
        }
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        matches!(self.nodes.first(), Some(Node::Static(StaticNode::Null)))
    }

    /// Whether this is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        matches!(self.nodes.first(), Some(Node::Object { .. }))
    }

    /// Whether this is an array.
    #[must_use]
    pub fn is_array(self) -> bool {
        matches!(self.nodes.first(), Some(Node::Array { .. }))
    }

    /// Members of an object in order; none if it is not an object.
    #[inline]
    #[must_use]
    pub fn members(self) -> Members<'a> {
        match self.nodes.first() {
            Some(Node::Object { len, .. }) => Members { rest: &self.nodes[1..], left: *len },
            _ => Members { rest: &[], left: 0 },
        }
    }

    /// Items of an array in order; none if it is not an array.
    #[inline]
    #[must_use]
    pub fn items(self) -> Items<'a> {
        match self.nodes.first() {
            Some(Node::Array { len, .. }) => Items { rest: &self.nodes[1..], left: *len },
            _ => Items { rest: &[], left: 0 },
        }
    }

    /// First member with this key.
    #[inline]
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.members().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Member that must be there.
    #[inline]
    pub fn field(self, key: &'static str) -> Result<Value<'a>, DecodeError> {
        self.get(key).ok_or(DecodeError::Missing(key))
    }

    /// Text that must be there.
    #[inline]
    pub fn field_str(self, key: &'static str) -> Result<&'a str, DecodeError> {
        self.field(key)?.str().ok_or(DecodeError::Invalid(key))
    }

    /// Whole number that must be there.
    #[inline]
    pub fn field_u64(self, key: &'static str) -> Result<u64, DecodeError> {
        self.field(key)?.u64().ok_or(DecodeError::Invalid(key))
    }

    /// Signed whole number that must be there.
    #[inline]
    pub fn field_i64(self, key: &'static str) -> Result<i64, DecodeError> {
        self.field(key)?.i64().ok_or(DecodeError::Invalid(key))
    }

    /// Flag that must be there.
    #[inline]
    pub fn field_bool(self, key: &'static str) -> Result<bool, DecodeError> {
        self.field(key)?.bool().ok_or(DecodeError::Invalid(key))
    }
}

/// A value that needs no tape: what rows with keys in any order are read into, by whichever reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// A string.
    Text(&'a str),
    /// A number without fraction and sign.
    Whole(u64),
    /// A number without fraction, below zero.
    Negative(i64),
    /// True or false.
    Flag(bool),
    /// Null.
    Null,
    /// A container, or a number of another kind.
    Other,
}

impl<'a> From<Value<'a>> for Scalar<'a> {
    #[inline]
    fn from(value: Value<'a>) -> Self {
        match value.nodes.first() {
            Some(Node::String(text)) => Self::Text(text),
            Some(Node::Static(StaticNode::U64(number))) => Self::Whole(*number),
            Some(Node::Static(StaticNode::I64(number))) => match u64::try_from(*number) {
                Ok(number) => Self::Whole(number),
                Err(_) => Self::Negative(*number),
            },
            Some(Node::Static(StaticNode::Bool(flag))) => Self::Flag(*flag),
            Some(Node::Static(StaticNode::Null)) => Self::Null,
            _ => Self::Other,
        }
    }
}

impl<'a> Scalar<'a> {
    /// Text of a string.
    #[inline]
    #[must_use]
    pub fn str(self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A number without fraction and sign.
    #[inline]
    #[must_use]
    pub fn u64(self) -> Option<u64> {
        if let Self::Whole(number) = self { Some(number) } else { None }
    }

    /// A number without fraction.
    #[inline]
    #[must_use]
    pub fn i64(self) -> Option<i64> {
        match self {
            Self::Whole(number) => i64::try_from(number).ok(),
            Self::Negative(number) => Some(number),
            _ => None,
        }
    }

    /// True or false.
    #[inline]
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(flag) } else { None }
    }
}

/// Takes one value off the front of `nodes`.
#[inline]
fn take<'a>(nodes: &mut &'a [Node<'a>]) -> Option<Value<'a>> {
    let size = match nodes.first()? {
        Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
        _ => 1,
    };
    let (value, rest) = nodes.split_at_checked(size)?;
    *nodes = rest;
    Some(Value { nodes: value })
}

/// Iterator of [`Value::members`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    rest: &'a [Node<'a>],
    left: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = take(&mut self.rest)?.str()?;
        Some((key, take(&mut self.rest)?))
    }
}

/// Iterator of [`Value::items`].
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a [Node<'a>],
    left: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        take(&mut self.rest)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_are_walked_in_order() {
        let mut parser = Parser::new();
        for _ in 0..2 {
            let mut frame =
                br#"{"a":[["1","2"],["3","4"]],"b":{"c":true,"d":null},"e":-7,"f":8}"#.to_vec();
            parser
                .read(&mut frame, |root| {
                    let rows: Vec<Vec<&str>> = root
                        .field("a")?
                        .items()
                        .map(|row| row.items().filter_map(Value::str).collect())
                        .collect();
                    assert_eq!(rows, [["1", "2"], ["3", "4"]]);
                    assert!(root.field("b")?.field_bool("c")?);
                    assert!(root.field("b")?.field("d")?.is_null());
                    assert_eq!(root.field_i64("e"), Ok(-7));
                    assert_eq!(root.field_u64("e"), Err(DecodeError::Invalid("e")));
                    assert_eq!(root.field_u64("f"), Ok(8));
                    assert_eq!(root.field_str("g"), Err(DecodeError::Missing("g")));
                    Ok(())
                })
                .unwrap();
        }
    }

    #[test]
    fn broken_json_is_refused() {
        let mut parser = Parser::new();
        for text in ["", "{", "{\"a\":}", "[1,2", "nul", "{\"a\":1}x"] {
            let mut frame = text.as_bytes().to_vec();
            let result = parser.read(&mut frame, |_| Ok(()));
            assert_eq!(result, Err(DecodeError::Json), "{text:?}");
        }
    }
}
