//! What a connector wants sent: frames and HTTP requests, in one reused buffer.

#![forbid(unsafe_code)]

use crate::types::Channel;
use std::ops::Range;

/// Number of a request, chosen by the connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

/// HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
}

impl Method {
    /// As it stands in the request line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// An HTTP request, borrowed from the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Its number.
    pub id: RequestId,
    /// Method.
    pub method: Method,
    /// Path and query, percent-encoded.
    pub path: &'a str,
    /// Whole header lines, each ending in CR LF, without Host and Content-Length.
    pub headers: &'a [u8],
    /// Body, may be empty.
    pub body: &'a [u8],
}

/// One thing to do for the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send a text frame.
    Frame(Channel, &'a [u8]),
    /// Send a request on [`Channel::Rest`].
    Request(Request<'a>),
    /// Close the channel and open it anew.
    Reconnect(Channel),
    /// Close the channel and open it anew at this address, from now on.
    Connect(Channel, &'a str),
}

/// The outbox is full; the caller did not drain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxFull;

enum Item {
    Frame {
        channel: Channel,
        payload: Range<usize>,
    },
    Request {
        id: RequestId,
        method: Method,
        path: Range<usize>,
        headers: Range<usize>,
        body: Range<usize>,
    },
    Reconnect(Channel),
    Connect(Channel, Range<usize>),
}

/// Bounded buffer of outputs. Filled by a connector, drained by its agent after every input.
pub struct Outbox {
    bytes: Vec<u8>,
    items: Vec<Item>,
    scratch: Vec<u8>,
}

/// Free bytes before the payload of each frame, where its sender puts a header: room for the longest
/// of a masked WebSocket frame.
pub const HEADROOM: usize = 14;

impl Outbox {
    /// Room for so many outputs and bytes; the bytes grow once if a message needs it.
    #[must_use]
    pub fn with_capacity(items: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            items: Vec::with_capacity(items),
            scratch: Vec::with_capacity(512),
        }
    }

    /// Appends a text frame that `write` writes. `write` must only append.
    pub fn frame(
        &mut self,
        channel: Channel,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), OutboxFull> {
        self.room()?;
        self.bytes.extend_from_slice(&[0; HEADROOM]);
        let payload = self.append(write);
        self.items.push(Item::Frame { channel, payload });
        Ok(())
    }

    /// Appends a request. `head` writes whole header lines, each ending in CR LF; it gets path and
    /// body, already written, for venues whose headers sign them.
    pub fn request(
        &mut self,
        id: RequestId,
        method: Method,
        path: impl FnOnce(&mut Vec<u8>),
        body: impl FnOnce(&mut Vec<u8>),
        head: impl FnOnce(&str, &[u8], &mut Vec<u8>),
    ) -> Result<(), OutboxFull> {
        self.room()?;
        let path = self.append(path);
        let body = self.append(body);
        let mut lines = std::mem::take(&mut self.scratch);
        lines.clear();
        head(utf8(&self.bytes[path.clone()]), &self.bytes[body.clone()], &mut lines);
        let headers = self.append(|bytes| bytes.extend_from_slice(&lines));
        self.scratch = lines;
        self.items.push(Item::Request { id, method, path, headers, body });
        Ok(())
    }

    /// Asks for the channel to be closed and opened anew.
    pub fn reconnect(&mut self, channel: Channel) -> Result<(), OutboxFull> {
        self.room()?;
        self.items.push(Item::Reconnect(channel));
        Ok(())
    }

    /// The same at another address, which `write` writes: one that the venue names as it goes.
    pub fn connect(
        &mut self,
        channel: Channel,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), OutboxFull> {
        self.room()?;
        let url = self.append(write);
        self.items.push(Item::Connect(channel, url));
        Ok(())
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> impl Iterator<Item = Output<'_>> {
        self.items.iter().map(|item| self.output(item))
    }

    /// The output at this place, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Output<'_>> {
        self.items.get(index).map(|item| self.output(item))
    }

    /// If the output at this place is a frame: [`HEADROOM`] free bytes and its payload, for a sender
    /// that works in place. What it leaves there is sent, never read again.
    pub fn frame_room(&mut self, index: usize) -> Option<(Channel, &mut [u8])> {
        match self.items.get(index)? {
            Item::Frame { channel, payload } => {
                Some((*channel, &mut self.bytes[payload.start - HEADROOM..payload.end]))
            }
            _ => None,
        }
    }

    fn output(&self, item: &Item) -> Output<'_> {
        match item {
            Item::Frame { channel, payload } => {
                Output::Frame(*channel, &self.bytes[payload.clone()])
            }
            Item::Request { id, method, path, headers, body } => Output::Request(Request {
                id: *id,
                method: *method,
                path: utf8(&self.bytes[path.clone()]),
                headers: &self.bytes[headers.clone()],
                body: &self.bytes[body.clone()],
            }),
            Item::Reconnect(channel) => Output::Reconnect(*channel),
            Item::Connect(channel, url) => {
                Output::Connect(*channel, utf8(&self.bytes[url.clone()]))
            }
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    fn room(&self) -> Result<(), OutboxFull> {
        if self.items.len() == self.items.capacity() { Err(OutboxFull) } else { Ok(()) }
    }

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        debug_assert!(self.bytes.len() >= start, "outputs are only appended");
        start..self.bytes.len()
    }
}

/// Connectors write ASCII; anything else would be a bug and becomes an empty path.
fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_come_back_in_order() {
        let mut out = Outbox::with_capacity(4, 64);
        out.frame(Channel::Trade, |bytes| bytes.extend_from_slice(b"one")).unwrap();
        out.request(
            RequestId(7),
            Method::Get,
            |path| path.extend_from_slice(b"/p?q=1"),
            |_| {},
            |path, _, head| head.extend_from_slice(format!("X: {path}\r\n").as_bytes()),
        )
        .unwrap();
        out.reconnect(Channel::Public).unwrap();
        out.connect(Channel::Private, |url| url.extend_from_slice(b"wss://a/b")).unwrap();
        assert_eq!(out.reconnect(Channel::Public), Err(OutboxFull));
        let outputs: Vec<_> = out.outputs().collect();
        assert_eq!(outputs[0], Output::Frame(Channel::Trade, b"one"));
        let request = Request {
            id: RequestId(7),
            method: Method::Get,
            path: "/p?q=1",
            headers: b"X: /p?q=1\r\n",
            body: b"",
        };
        assert_eq!(outputs[1], Output::Request(request));
        assert_eq!(outputs[2], Output::Reconnect(Channel::Public));
        assert_eq!(outputs[3], Output::Connect(Channel::Private, "wss://a/b"));
        let (channel, room) = out.frame_room(0).unwrap();
        assert_eq!((channel, room.len()), (Channel::Trade, HEADROOM + 3));
        assert_eq!(&room[HEADROOM..], b"one");
        room.fill(b'x');
        assert_eq!(out.get(1), Some(Output::Request(request)), "untouched");
        assert!(out.frame_room(1).is_none() && out.frame_room(3).is_none());
        assert_eq!(out.get(4), None);
    }
}
