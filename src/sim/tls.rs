//! Certificates that live as long as one start of the simulator, and TLS over a non-blocking socket.

use super::SimError;
use mio::net::TcpStream;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

/// A throw-away authority and what a server needs to prove itself under it. The authority's key is
/// forgotten at once.
pub(super) struct Identity {
    pub(super) ca_pem: String,
    pub(super) config: Arc<ServerConfig>,
}

impl Identity {
    /// For `localhost` and 127.0.0.1, with the extensions that strict clients insist on.
    pub(super) fn generate() -> Result<Self, SimError> {
        let tls = |error: &dyn std::fmt::Display| SimError::Tls(error.to_string());
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.distinguished_name.push(DnType::CommonName, "Stoop simulator CA");
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Wide, so that no clock of a test machine falls outside.
        authority.not_before = date_time_ymd(2020, 1, 1);
        authority.not_after = date_time_ymd(2049, 12, 31);
        let authority_key = KeyPair::generate().map_err(|error| tls(&error))?;
        let root = authority.self_signed(&authority_key).map_err(|error| tls(&error))?;
        let issuer = Issuer::new(authority, authority_key);

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut server = CertificateParams::new(names).map_err(|error| tls(&error))?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        server.not_before = date_time_ymd(2020, 1, 1);
        server.not_after = date_time_ymd(2049, 12, 31);
        let key = KeyPair::generate().map_err(|error| tls(&error))?;
        let leaf = server.signed_by(&key, &issuer).map_err(|error| tls(&error))?;

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&error))?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone(), root.der().clone()], key)
            .map_err(|error| tls(&error))?;
        Ok(Self { ca_pem: root.pem(), config: Arc::new(config) })
    }
}

/// The server side of TLS over a non-blocking socket; reads and writes plaintext, and drives the
/// handshake on the way.
#[derive(Debug)]
pub(super) struct TlsStream {
    socket: TcpStream,
    tls: ServerConnection,
    /// When bytes last came from the socket, and when they were last about to go to it.
    pub(super) last_read: Option<Instant>,
    pub(super) last_write: Option<Instant>,
}

impl TlsStream {
    pub(super) fn new(socket: TcpStream, config: &Arc<ServerConfig>) -> Result<Self, SimError> {
        let tls = ServerConnection::new(Arc::clone(config))
            .map_err(|error| SimError::Tls(error.to_string()))?;
        Ok(Self { socket, tls, last_read: None, last_write: None })
    }

    /// Sends what is encrypted; what the socket does not take stays for the next call.
    pub(super) fn flush_tls(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.last_write = Some(Instant::now());
            match self.tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says goodbye in TLS and on the socket; errors no longer matter.
    pub(super) fn shut_down(&mut self) {
        self.tls.send_close_notify();
        let _ = self.flush_tls();
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

impl Read for TlsStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Ok(0),
                Ok(_) => {
                    self.last_read = Some(Instant::now());
                    let processed = self.tls.process_new_packets();
                    // Also after an error: the alert tells the client what was wrong.
                    self.flush_tls()?;
                    processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush_tls()?;
        let taken = self.tls.writer().write(bytes)?;
        self.flush_tls()?;
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_tls()?;
        if self.tls.wants_write() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }
}
