//! A server on loopback whose behaviour a test writes down as a closure, one thread a connection.
//! Its certificates come from a CA that lives as long as the test.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use stoop::net::tls::ExtraCa;
use tungstenite::WebSocket;

/// Years in which a certificate is valid.
pub const VALID: (i32, i32) = (2000, 4000);

/// A throw-away certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub fn extra_ca(&self) -> ExtraCa {
        ExtraCa::Pem(self.pem.clone().into_bytes())
    }

    /// What a server for these names, valid in these years, shows.
    pub fn server_config(&self, names: &[&str], years: (i32, i32)) -> Arc<ServerConfig> {
        self.config(names, years, rustls::DEFAULT_VERSIONS)
    }

    /// The same with a choice of TLS versions.
    pub fn config(
        &self,
        names: &[&str],
        years: (i32, i32),
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        Arc::new(config)
    }
}

/// One connection, seen by the server.
pub enum Connection {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Connection {
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Ends it without a word on the TLS level.
    pub fn cut(&self) {
        let _ = self.socket().shutdown(Shutdown::Both);
    }

    /// Ends it as TLS wants it ended.
    pub fn end(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Waits until the client ends it.
    pub fn wait_for_end(&mut self) {
        let mut bytes = [0; 4096];
        while matches!(self.read(&mut bytes), Ok(1..)) {}
    }

    /// One HTTP request with its body, or nothing if the client is gone.
    pub fn request(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            let mut byte = [0];
            match self.read(&mut byte) {
                Ok(1) => text.push(byte[0]),
                _ => return None,
            }
            if text.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let mut text = String::from_utf8(text).unwrap();
        let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        if let Some(length) = length {
            let mut body = vec![0; length.parse().unwrap()];
            self.read_exact(&mut body).ok()?;
            text.push_str(std::str::from_utf8(&body).unwrap());
        }
        Some(text)
    }

    /// Sends text at once.
    pub fn say(&mut self, text: impl AsRef<[u8]>) {
        let _ = self.write_all(text.as_ref()).and_then(|()| self.flush());
    }

    /// Answers the upgrade by the book.
    pub fn accept(self) -> WebSocket<Self> {
        tungstenite::accept(self).expect("a valid upgrade request")
    }

    /// Answers the upgrade and goes on with raw bytes; `more` follows the reply in one write.
    pub fn accept_raw(mut self, more: &[u8]) -> Self {
        let request = self.request().unwrap();
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let accept = tungstenite::handshake::derive_accept_key(key.unwrap().as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.say([head.as_bytes(), more].concat());
        self
    }
}

impl Read for Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Listens until it is dropped.
pub struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// `handle` gets the number of the connection, from 0, and the connection.
    pub fn start(
        config: Option<Arc<ServerConfig>>,
        handle: impl Fn(usize, Connection) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let server = Self { address, accepted: accepted.clone(), stopped: stopped.clone() };
        let handle = Arc::new(handle);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(socket) = socket else { continue };
                socket.set_nodelay(true).unwrap();
                // No test lasts this long: a thread that hangs must not outlive it by much.
                socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                let (handle, config) = (handle.clone(), config.clone());
                std::thread::spawn(move || {
                    let connection = match config {
                        None => Connection::Plain(socket),
                        Some(config) => {
                            let tls = ServerConnection::new(config).unwrap();
                            let mut stream = StreamOwned::new(tls, socket);
                            while stream.conn.is_handshaking() {
                                if stream.conn.complete_io(&mut stream.sock).is_err() {
                                    return;
                                }
                            }
                            Connection::Tls(Box::new(stream))
                        }
                    };
                    handle(number, connection);
                });
            }
        });
        server
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there have been.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// A port where nothing listens.
pub fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
