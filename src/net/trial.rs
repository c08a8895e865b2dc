//! Trials of the way to a venue and of what the kernel does with a socket's options: for a person who
//! asks whether a host is fit. Nothing is sent but handshakes. Never on an agent's loop.

#![forbid(unsafe_code)]

use super::options::NetOptions;
use super::sockopt;
use super::url::Target;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Attempts for each address.
const ATTEMPTS: u32 = 3;
/// Addresses that are tried; names of venues have many.
const ADDRESSES_MAX: usize = 4;

/// How a venue was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Addresses that the name has.
    pub addresses: usize,
    /// Looking the name up.
    pub look_up: Duration,
    /// Fastest connect: one round trip and a little.
    pub connect_min: Duration,
    /// Slowest.
    pub connect_max: Duration,
    /// TLS handshake at the address that connected last; `None` without TLS.
    pub handshake: Option<Duration>,
}

/// Connects to where `url` leads and goes away again. Each step has `timeout`.
pub fn reach(tls: &Arc<ClientConfig>, url: &str, timeout: Duration) -> Result<Reached, String> {
    let target = Target::parse(url).map_err(|error| error.to_string())?;
    let start = Instant::now();
    let found = (target.host.as_str(), target.port).to_socket_addrs();
    let found = found.map_err(|error| format!("{}: {error}", target.host))?;
    let look_up = start.elapsed();
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.sort();
    addresses.dedup();
    let (mut min, mut max, mut last) = (Duration::MAX, Duration::ZERO, None);
    for address in addresses.iter().take(ADDRESSES_MAX) {
        for _ in 0..ATTEMPTS {
            let start = Instant::now();
            let stream = TcpStream::connect_timeout(address, timeout)
                .map_err(|error| format!("{address}: {error}"))?;
            let took = start.elapsed();
            (min, max, last) = (min.min(took), max.max(took), Some(stream));
        }
    }
    let stream = last.ok_or_else(|| format!("{}: it has no address", target.host))?;
    let handshake = match target.encrypted {
        true => Some(handshake(tls, &target.host, stream, timeout)?),
        false => None,
    };
    let addresses = addresses.len();
    Ok(Reached { addresses, look_up, connect_min: min, connect_max: max, handshake })
}

fn handshake(
    tls: &Arc<ClientConfig>,
    host: &str,
    mut stream: TcpStream,
    timeout: Duration,
) -> Result<Duration, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{host}: TLS: {error}");
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
    let start = Instant::now();
    let mut client = ClientConnection::new(tls.clone(), name).map_err(|error| failed(&error))?;
    stream.set_read_timeout(Some(timeout)).map_err(|error| failed(&error))?;
    while client.is_handshaking() {
        client.complete_io(&mut stream).map_err(|error| failed(&error))?;
        if start.elapsed() > timeout {
            return Err(failed(&"no answer in time"));
        }
    }
    Ok(start.elapsed())
}

/// Sets the options of a venue's socket on one over loopback and reads back what the kernel kept.
pub fn try_options(options: &NetOptions) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    let socket = socket2::SockRef::from(&stream);
    socket.set_tcp_nodelay(true)?;
    let mut text = format!("no delay {}", if socket.tcp_nodelay()? { "on" } else { "off" });
    if let Some(on) = options.quick_ack {
        socket.set_tcp_quickack(on)?;
        text += if socket.tcp_quickack()? { ", quick ack on" } else { ", quick ack off" };
    }
    if options.busy_poll_us > 0 {
        sockopt::set_busy_poll(&stream, options.busy_poll_us)?;
        text += &format!(", busy poll {} us", options.busy_poll_us);
    }
    text += &format!(", receive buffer {} KiB", socket.recv_buffer_size()? / 1024);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::tls::client_config;
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(500);

    #[test]
    fn a_way_is_timed_and_a_missing_one_told() {
        let tls = client_config(&[]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let reached = reach(&tls, &format!("http://127.0.0.1:{port}"), TIMEOUT).unwrap();
        assert_eq!((reached.addresses, reached.handshake), (1, None));
        assert!(reached.connect_min <= reached.connect_max && reached.connect_max < TIMEOUT);
        // It takes connections and never answers the handshake.
        let error = reach(&tls, &format!("https://127.0.0.1:{port}"), TIMEOUT).unwrap_err();
        assert!(error.starts_with("127.0.0.1: TLS: "), "{error}");
        drop(listener);
        let error = reach(&tls, &format!("https://127.0.0.1:{port}"), TIMEOUT).unwrap_err();
        assert!(error.contains("refused"), "{error}");
        assert!(reach(&tls, "https://nobody.invalid", TIMEOUT).unwrap_err().contains("nobody"));
        assert!(reach(&tls, "ftp://x", TIMEOUT).unwrap_err().contains("must start with"));
    }

    #[test]
    fn options_are_read_back() {
        let options = NetOptions { quick_ack: Some(true), ..NetOptions::default() };
        let text = try_options(&options).unwrap();
        assert!(text.starts_with("no delay on, quick ack on, receive buffer "), "{text}");
        let text = try_options(&NetOptions::default()).unwrap();
        assert!(text.starts_with("no delay on, receive buffer "), "{text}");
    }
}
