//! The parameters of one request: JSON for the socket, a query for REST, and the text that is
//! signed.
//!
//! On the socket the signed text is all parameters but the signature, sorted by name, raw UTF-8; on
//! REST it is the query exactly as sent. Both are had by writing parameters in the order of their
//! names, which is checked. Buffers are reused: nothing allocates once they have seen a request.

#![forbid(unsafe_code)]

use super::auth::{Signature, Signer, percent_encode};
use crate::types::{ClientOrderId, Price, Qty, Scale};
use crate::venues::decimal;

/// How a request travels and proves who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Socket, nothing to prove: logged on, or a public request.
    Session,
    /// Socket, each request carries key and signature.
    Signed,
    /// REST; the key is in a header, the signature last in the query.
    Rest,
}

/// Parameters of one request.
pub(super) struct Params {
    wire: Wire,
    query: Vec<u8>,
    json: Vec<u8>,
    last: &'static str,
}

impl Params {
    pub(super) fn new() -> Self {
        Self {
            wire: Wire::Session,
            query: Vec::with_capacity(512),
            json: Vec::with_capacity(512),
            last: "",
        }
    }

    /// Begins a request; `key` is the account's public key.
    pub(super) fn start(&mut self, wire: Wire, key: &str) {
        self.wire = wire;
        self.query.clear();
        self.json.clear();
        self.last = "";
        if wire == Wire::Signed {
            self.text("apiKey", key);
        }
    }

    /// Adds a text.
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.begin(name);
        match self.wire {
            Wire::Rest => percent_encode(value.as_bytes(), &mut self.query),
            Wire::Signed => {
                self.query.extend_from_slice(value.as_bytes());
                write_json_text(value, &mut self.json);
            }
            Wire::Session => write_json_text(value, &mut self.json),
        }
    }

    /// Adds a whole number.
    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(value).as_bytes();
        self.begin(name);
        if self.wire != Wire::Session {
            self.query.extend_from_slice(digits);
        }
        if self.wire != Wire::Rest {
            self.json.extend_from_slice(digits);
        }
    }

    /// Adds a client order id.
    pub(super) fn client_id(&mut self, name: &'static str, id: ClientOrderId) {
        self.plain(name, |out| out.extend_from_slice(&id.encode()));
    }

    /// Adds a price.
    pub(super) fn price(&mut self, name: &'static str, price: Price, scale: Scale) {
        self.plain(name, |out| decimal::write_price(out, price, scale));
    }

    /// Adds a quantity.
    pub(super) fn qty(&mut self, name: &'static str, qty: Qty, scale: Scale) {
        self.plain(name, |out| decimal::write_qty(out, qty, scale));
    }

    /// What a signature covers; empty where nothing is signed.
    pub(super) fn signed(&self) -> &[u8] {
        &self.query
    }

    /// Signs what was added, where this way of sending wants it.
    pub(super) fn sign(&self, signer: &Signer) -> Option<Signature> {
        (self.wire != Wire::Session).then(|| signer.sign(&self.query))
    }

    /// Appends the socket frame.
    pub(super) fn write_frame(
        &self,
        id: u64,
        method: &str,
        signature: Option<&Signature>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"{\"id\":");
        out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
        out.extend_from_slice(b",\"method\":\"");
        out.extend_from_slice(method.as_bytes());
        out.push(b'"');
        if !self.json.is_empty() {
            out.extend_from_slice(b",\"params\":{");
            out.extend_from_slice(&self.json);
            if let Some(signature) = signature {
                out.extend_from_slice(b",\"signature\":\"");
                out.extend_from_slice(signature.as_bytes());
                out.push(b'"');
            }
            out.push(b'}');
        }
        out.push(b'}');
    }

    /// Appends path and query for REST.
    pub(super) fn write_path(&self, path: &str, signature: Option<&Signature>, out: &mut Vec<u8>) {
        out.extend_from_slice(path.as_bytes());
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if let Some(signature) = signature {
            out.extend_from_slice(b"&signature=");
            percent_encode(signature.as_bytes(), out);
        }
    }

    /// Adds a text that needs no escaping anywhere.
    fn plain(&mut self, name: &'static str, write: impl Fn(&mut Vec<u8>)) {
        self.begin(name);
        if self.wire != Wire::Session {
            write(&mut self.query);
        }
        if self.wire != Wire::Rest {
            self.json.push(b'"');
            write(&mut self.json);
            self.json.push(b'"');
        }
    }

    fn begin(&mut self, name: &'static str) {
        debug_assert!(self.last < name, "parameters are written in the order of their names");
        self.last = name;
        if self.wire != Wire::Session {
            if !self.query.is_empty() {
                self.query.push(b'&');
            }
            self.query.extend_from_slice(name.as_bytes());
            self.query.push(b'=');
        }
        if self.wire != Wire::Rest {
            if !self.json.is_empty() {
                self.json.push(b',');
            }
            self.json.push(b'"');
            self.json.extend_from_slice(name.as_bytes());
            self.json.extend_from_slice(b"\":");
        }
    }
}

/// Appends a JSON string. Symbols may be any UTF-8.
pub(super) fn write_json_text(text: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => {
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(byte >> 4)]);
                out.push(DIGITS[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
