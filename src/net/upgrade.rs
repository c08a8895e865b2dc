//! The HTTP exchange that turns a connection into a WebSocket. Bytes that follow the reply stay in
//! the buffer: some servers send the first frames right behind it.

use super::buffer::Buffer;
use super::url::Target;
use super::{CloseReason, http};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tungstenite::handshake::derive_accept_key;

/// Largest reply head accepted.
const HEAD_MAX: usize = 16 * 1024;

/// One upgrade under way.
#[derive(Debug)]
pub(super) struct Upgrade {
    accept: String,
}

impl Upgrade {
    /// Appends the request to `out`. `headers` are whole lines, `nonce` is what no two have alike.
    pub(super) fn start(
        target: &Target,
        headers: &[u8],
        nonce: [u64; 2],
        out: &mut Vec<u8>,
    ) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&nonce[0].to_be_bytes());
        bytes[8..].copy_from_slice(&nonce[1].to_be_bytes());
        let key = STANDARD.encode(bytes);
        let path = if target.path.is_empty() { "/" } else { &target.path };
        for part in [
            "GET ",
            path,
            " HTTP/1.1\r\nHost: ",
            &target.authority,
            "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
            "Sec-WebSocket-Key: ",
            &key,
            "\r\nUser-Agent: ",
            http::USER_AGENT,
            "\r\n",
        ] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(headers);
        out.extend_from_slice(b"\r\n");
        Self { accept: derive_accept_key(key.as_bytes()) }
    }

    /// Looks at the reply: done, not yet whole, or why there will be no WebSocket.
    pub(super) fn finish(&self, buffer: &mut Buffer) -> Result<bool, CloseReason> {
        let mut headers = [httparse::EMPTY_HEADER; http::HEADERS_MAX];
        let mut reply = httparse::Response::new(&mut headers);
        let head = match reply.parse(buffer.data()) {
            Ok(httparse::Status::Complete(head)) if head <= HEAD_MAX => head,
            Ok(httparse::Status::Partial) if buffer.len() <= HEAD_MAX => return Ok(false),
            Ok(_) => return Err(CloseReason::UpgradeInvalid("its head is too long")),
            Err(_) => return Err(CloseReason::UpgradeInvalid("it is not HTTP")),
        };
        self.check(&reply)?;
        buffer.consume(head);
        Ok(true)
    }

    fn check(&self, reply: &httparse::Response<'_, '_>) -> Result<(), CloseReason> {
        let header = |name: &str| {
            let found = reply.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
        };
        let status = reply.code.unwrap_or(0);
        if status != 101 {
            let retry_after_s = header("Retry-After").and_then(|value| value.parse().ok());
            return Err(CloseReason::UpgradeStatus { status, retry_after_s });
        }
        let says = |name, token: &str| {
            header(name).is_some_and(|value| {
                value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
            })
        };
        if !says("Upgrade", "websocket") {
            return Err(CloseReason::UpgradeInvalid("no header Upgrade: websocket"));
        }
        if !says("Connection", "upgrade") {
            return Err(CloseReason::UpgradeInvalid("no header Connection: Upgrade"));
        }
        if header("Sec-WebSocket-Accept") != Some(&self.accept) {
            return Err(CloseReason::UpgradeInvalid("wrong Sec-WebSocket-Accept"));
        }
        if header("Sec-WebSocket-Extensions").is_some_and(|value| !value.is_empty()) {
            return Err(CloseReason::UpgradeInvalid("an extension that was not asked for"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgrade() -> Upgrade {
        // The example of RFC 6455 section 1.3.
        Upgrade { accept: derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") }
    }

    fn finish(reply: &str) -> (Result<bool, CloseReason>, Vec<u8>) {
        let mut buffer = Buffer::with_capacity(64);
        buffer.extend(reply.as_bytes());
        let result = upgrade().finish(&mut buffer);
        (result, buffer.data().to_vec())
    }

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    #[test]
    fn bytes_behind_the_reply_are_kept() {
        assert_eq!(finish(&format!("{GOOD}\u{1}rest")), (Ok(true), b"\x01rest".to_vec()));
        for cut in 0..GOOD.len() {
            let (result, kept) = finish(&GOOD[..cut]);
            assert_eq!((result, kept.len()), (Ok(false), cut));
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let refused = |reply: &str| finish(reply).0.unwrap_err();
        let invalid = CloseReason::UpgradeInvalid;
        assert_eq!(refused("SSH-2.0-OpenSSH\r\n"), invalid("it is not HTTP"));
        assert_eq!(
            refused("HTTP/1.1 429 Slow down\r\nRetry-After: 17\r\n\r\n"),
            CloseReason::UpgradeStatus { status: 429, retry_after_s: Some(17) }
        );
        assert_eq!(
            refused("HTTP/1.1 403 Forbidden\r\n\r\n"),
            CloseReason::UpgradeStatus { status: 403, retry_after_s: None }
        );
        let without = |text: &str| refused(&GOOD.replace(text, "nothing"));
        assert_eq!(without("WebSocket"), invalid("no header Upgrade: websocket"));
        assert_eq!(without("keep-alive, Upgrade"), invalid("no header Connection: Upgrade"));
        assert_eq!(without("s3pPLM"), invalid("wrong Sec-WebSocket-Accept"));
        let extended = GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n");
        assert_eq!(refused(&extended), invalid("an extension that was not asked for"));
        let long = format!("HTTP/1.1 101 S\r\nX: {}\r\n", "x".repeat(HEAD_MAX));
        assert_eq!(refused(&long), invalid("its head is too long"));
    }

    #[test]
    fn the_request_is_complete() {
        let target = Target::parse("wss://venue.example:9443/ws?x=1").unwrap();
        let mut out = Vec::new();
        let upgrade = Upgrade::start(&target, b"X-Key: k\r\n", [1, 2], &mut out);
        let text = String::from_utf8(out).unwrap();
        let (before, after) = text.split_once("Sec-WebSocket-Key: ").unwrap();
        let (key, after) = after.split_once("\r\n").unwrap();
        assert_eq!(
            before,
            "GET /ws?x=1 HTTP/1.1\r\nHost: venue.example:9443\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        );
        assert_eq!(after, "User-Agent: stoop/0.1.0\r\nX-Key: k\r\n\r\n");
        assert_eq!(upgrade.accept, derive_accept_key(key.as_bytes()));
    }
}
