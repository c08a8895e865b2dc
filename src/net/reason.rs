//! Why a connection ended and why something was not sent, in words for the person who must act.

use super::url::Target;
use std::fmt;
use std::net::SocketAddr;

/// How far an attempt to connect had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the host name.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// TLS handshake.
    Tls,
    /// WebSocket upgrade.
    Upgrade,
}

/// What is wrong with the peer's TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsProblem {
    /// The certificate is signed by a CA that is not trusted here.
    UnknownCa {
        /// Host that was called.
        host: String,
    },
    /// The certificate is for another name.
    WrongName {
        /// Host that was called.
        host: String,
    },
    /// The certificate has expired, or this machine's clock is wrong.
    Expired {
        /// Host that was called.
        host: String,
    },
    /// The certificate is not valid yet, or this machine's clock is wrong.
    NotYetValid {
        /// Host that was called.
        host: String,
    },
    /// Anything else, as the TLS library says it.
    Other(String),
}

/// Why a connection ended, or did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// We closed it: [`super::Net::close`] or [`super::Net::reconnect`].
    Requested,
    /// The name could not be resolved.
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        error: String,
    },
    /// Nothing listens there.
    Refused(SocketAddr),
    /// The TCP connection could not be made for another reason.
    Connect(SocketAddr, String),
    /// The attempt took longer than [`super::LinkOptions::connect_timeout`].
    ConnectTimeout(Stage),
    /// The TLS handshake or a record failed.
    Tls(TlsProblem),
    /// The server answered the WebSocket upgrade with this HTTP status.
    UpgradeStatus {
        /// HTTP status.
        status: u16,
        /// Seconds that its Retry-After header asks for.
        retry_after_s: Option<u32>,
    },
    /// The reply to the WebSocket upgrade was not one.
    UpgradeInvalid(&'static str),
    /// The server closed the WebSocket with a close frame.
    ServerClosed {
        /// Its code; 1005 when it gave none.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// The server ended the connection.
    Eof,
    /// The server ended a keep-alive connection in an orderly way, between replies.
    KeepAliveEnded,
    /// The connection broke.
    Io(String),
    /// The server broke the WebSocket or HTTP protocol.
    Protocol(&'static str),
    /// A message was larger than [`super::LinkOptions::message_max`].
    TooLarge,
    /// Silent for longer than [`super::LinkOptions::idle_timeout`].
    Idle,
    /// The server did not read what was sent, up to [`super::LinkOptions::unsent_max`].
    Backlog,
    /// An HTTP reply took longer than [`super::LinkOptions::reply_timeout`].
    ReplyTimeout,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection is not open; nothing was sent.
    NotOpen,
    /// A frame for an HTTP connection, or a request for a WebSocket.
    WrongKind,
    /// Too many requests wait already; nothing was sent.
    QueueFull,
    /// A control character in method, path or headers; nothing was sent.
    Malformed,
    /// The connection broke while sending and is being closed. Part of it may have left.
    Broken,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "the name to be resolved",
            Self::Connect => "the TCP connection",
            Self::Tls => "the TLS handshake",
            Self::Upgrade => "the WebSocket upgrade",
        })
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCa { host } => write!(
                f,
                "unknown CA: the certificate of {host} is signed by a CA that is not trusted; if \
                 that is expected (a simulator, a company proxy), name its CA file in extra_ca"
            ),
            Self::WrongName { host } => write!(
                f,
                "wrong name: the certificate is not for {host}; check the host in the URL"
            ),
            Self::Expired { host } => write!(
                f,
                "the certificate of {host} has expired; check the date of this machine first"
            ),
            Self::NotYetValid { host } => write!(
                f,
                "the certificate of {host} is not valid yet; check the date of this machine first"
            ),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("closed by us"),
            Self::Dns { host, error } => write!(f, "cannot resolve {host}: {error}"),
            Self::Refused(address) => {
                write!(f, "connection refused by {address}: nothing listens there")
            }
            Self::Connect(address, error) => write!(f, "cannot connect to {address}: {error}"),
            Self::ConnectTimeout(stage) => write!(f, "no answer in time while waiting for {stage}"),
            Self::Tls(problem) => write!(f, "TLS: {problem}"),
            Self::UpgradeStatus { status, retry_after_s } => {
                write!(f, "the server answered the WebSocket upgrade with HTTP {status}")?;
                match retry_after_s {
                    Some(seconds) => write!(f, ", retry after {seconds} s"),
                    None => Ok(()),
                }
            }
            Self::UpgradeInvalid(why) => write!(f, "invalid reply to the WebSocket upgrade: {why}"),
            Self::ServerClosed { code, reason } if reason.is_empty() => {
                write!(f, "closed by the server with code {code}")
            }
            Self::ServerClosed { code, reason } => {
                write!(f, "closed by the server with code {code}: {reason}")
            }
            Self::Eof => f.write_str("the server ended the connection without saying why"),
            Self::KeepAliveEnded => f.write_str("the server ended the idle connection"),
            Self::Io(error) => write!(f, "connection broken: {error}"),
            Self::Protocol(what) => write!(f, "the server broke the protocol: {what}"),
            Self::TooLarge => f.write_str("a message is larger than the limit"),
            Self::Idle => f.write_str("silent for too long"),
            Self::Backlog => f.write_str("the server does not read what is sent to it"),
            Self::ReplyTimeout => f.write_str("no reply to a request in time"),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "the connection is not open",
            Self::WrongKind => "the connection does not carry this kind of message",
            Self::QueueFull => "too many requests wait already",
            Self::Malformed => "a control character in method, path or headers",
            Self::Broken => "the connection broke while sending",
        })
    }
}

impl std::error::Error for CloseReason {}
impl std::error::Error for SendError {}

/// Names the part of a TLS error that a person can act on.
pub(super) fn tls_problem(error: &rustls::Error, target: &Target) -> TlsProblem {
    use rustls::{CertificateError as Bad, Error};
    let host = target.host.clone();
    match error {
        Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            TlsProblem::UnknownCa { host }
        }
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            TlsProblem::WrongName { host }
        }
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            TlsProblem::Expired { host }
        }
        Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            TlsProblem::NotYetValid { host }
        }
        other => TlsProblem::Other(other.to_string()),
    }
}
