//! The four kinds of address that a connection can have. Not a general URL parser: no user names,
//! no fragments, no percent-decoding.

use std::fmt;
use std::net::IpAddr;

/// Why a URL cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Not `wss://`, `https://`, `ws://` or `http://`.
    Scheme(String),
    /// No host, or one with characters that no host has.
    Host(String),
    /// Not a port number.
    Port(String),
    /// Control character or space.
    Character(String),
    /// `ws://` or `http://` to another machine would send everything readable by all.
    NotEncrypted(String),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(url) => write!(f, "{url:?} must start with wss:// or https://"),
            Self::Host(url) => write!(f, "{url:?} has no valid host name"),
            Self::Port(url) => write!(f, "{url:?} has no valid port number"),
            Self::Character(url) => write!(f, "{url:?} contains a space or control character"),
            Self::NotEncrypted(url) => {
                write!(f, "{url:?} is not encrypted; ws:// and http:// are for loopback only")
            }
        }
    }
}

impl std::error::Error for UrlError {}

/// A parsed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// WebSocket, else plain HTTP requests.
    pub(super) websocket: bool,
    /// TLS, else bare TCP.
    pub(super) encrypted: bool,
    /// Host name or IP literal, without brackets.
    pub(super) host: String,
    /// Port, explicit or the scheme's own.
    pub(super) port: u16,
    /// Value of the Host header.
    pub(super) authority: String,
    /// Path and query; empty if the URL ends after the host.
    pub(super) path: String,
}

impl Target {
    /// That of a WebSocket which is not known yet.
    pub(super) fn none() -> Self {
        Self {
            websocket: true,
            encrypted: true,
            host: String::new(),
            port: 443,
            authority: String::new(),
            path: String::new(),
        }
    }

    pub(super) fn parse(url: &str) -> Result<Self, UrlError> {
        let fail = |error: fn(String) -> UrlError| error(url.to_owned());
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(fail(UrlError::Character));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| fail(UrlError::Scheme))?;
        let (websocket, encrypted) = match scheme {
            "wss" => (true, true),
            "https" => (false, true),
            "ws" => (true, false),
            "http" => (false, false),
            _ => return Err(fail(UrlError::Scheme)),
        };
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(split);
        let (host, port) = split_port(authority).ok_or_else(|| fail(UrlError::Host))?;
        if !is_host(host) {
            return Err(fail(UrlError::Host));
        }
        let default = if encrypted { 443 } else { 80 };
        let port = match port {
            None => default,
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return Err(fail(UrlError::Port)),
            },
        };
        let path = if tail.starts_with('?') { format!("/{tail}") } else { tail.to_owned() };
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let authority = if port == default { bracketed } else { format!("{bracketed}:{port}") };
        let target = Self { websocket, encrypted, host: host.to_owned(), port, authority, path };
        if !encrypted && !target.is_loopback() {
            return Err(fail(UrlError::NotEncrypted));
        }
        Ok(target)
    }

    /// The address, if no resolver is needed to know it.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        if self.host.eq_ignore_ascii_case("localhost") {
            return Some(IpAddr::from([127, 0, 0, 1]));
        }
        self.host.parse().ok()
    }

    fn is_loopback(&self) -> bool {
        self.literal().is_some_and(|address| address.is_loopback())
    }
}

/// Host without brackets, and the digits after the colon if there is one.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let target = Target::parse("wss://stream.example.com:9443/ws/x?y=1").unwrap();
        assert!(target.websocket && target.encrypted);
        assert_eq!((target.host.as_str(), target.port), ("stream.example.com", 9443));
        assert_eq!(target.authority, "stream.example.com:9443");
        assert_eq!(target.path, "/ws/x?y=1");
        let target = Target::parse("https://example.com").unwrap();
        assert!(!target.websocket);
        assert_eq!(
            (target.port, target.authority.as_str(), target.path.as_str()),
            (443, "example.com", "")
        );
        let target = Target::parse("http://[::1]:80/?a").unwrap();
        assert_eq!((target.host.as_str(), target.authority.as_str()), ("::1", "[::1]"));
        assert_eq!(Target::parse("wss://h?a=b").unwrap().path, "/?a=b");
        assert_eq!(
            Target::parse("ws://127.0.0.9:1").unwrap().literal().unwrap().to_string(),
            "127.0.0.9"
        );
        assert_eq!(
            Target::parse("ws://LocalHost:1").unwrap().literal().unwrap().to_string(),
            "127.0.0.1"
        );
        assert_eq!(Target::parse("wss://localhost.example").unwrap().literal(), None);
    }

    #[test]
    fn what_cannot_be_opened_is_refused_by_name() {
        let error = |url: &str| Target::parse(url).unwrap_err();
        for url in ["", "example.com", "ftp://example.com", "WSS//x"] {
            assert_eq!(error(url), UrlError::Scheme(url.to_owned()));
        }
        for url in [
            "wss://",
            "wss:///x",
            "wss://:1",
            "wss://a@b",
            "wss://[::1",
            "wss://[::1]x",
            "wss://a#b",
        ] {
            assert_eq!(error(url), UrlError::Host(url.to_owned()), "{url}");
        }
        for url in ["wss://a:", "wss://a:0", "wss://a:65536", "wss://a:1:2", "wss://a:-1"] {
            assert_eq!(error(url), UrlError::Port(url.to_owned()), "{url}");
        }
        for url in ["wss://a/ b", "wss://a\r\n/", "wss://a/\u{7f}"] {
            assert_eq!(error(url), UrlError::Character(url.to_owned()));
        }
        for url in [
            "ws://example.com",
            "http://10.0.0.1:8080",
            "http://128.0.0.1",
            "ws://localhost.example",
        ] {
            assert_eq!(error(url), UrlError::NotEncrypted(url.to_owned()));
        }
        assert_eq!(
            error("http://venue.example/").to_string(),
            "\"http://venue.example/\" is not encrypted; ws:// and http:// are for loopback only"
        );
    }
}
