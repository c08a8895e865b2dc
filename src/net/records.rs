//! TLS records in memory, as our connections encrypt and decrypt them: for benches. Opens nothing.

use super::buffer::Buffer;
use super::stream::Tls;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;

/// The client's half of a TLS connection whose bytes the caller carries.
pub struct Records {
    tls: Tls,
    out: Buffer,
}

impl Records {
    /// Begins the handshake; the hello is in [`Records::take_outgoing`].
    pub fn new(config: &Arc<ClientConfig>, host: &str) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let tls = Tls::new(config, name, 64 * 1024).map_err(|error| error.to_string())?;
        let mut records = Self { tls, out: Buffer::with_capacity(64 * 1024) };
        records.decrypt(|_| {})?;
        Ok(records)
    }

    /// Bytes that the peer sent.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.tls.incoming.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.tls.incoming.advance(bytes.len());
    }

    /// Decrypts every whole record that was received.
    #[inline]
    pub fn decrypt(&mut self, plaintext: impl FnMut(&[u8])) -> Result<(), String> {
        self.tls.process(&mut self.out, plaintext).map_err(|error| error.to_string())
    }

    /// Encrypts behind what is on its way out.
    #[inline]
    pub fn encrypt(&mut self, plaintext: &[u8]) -> Result<(), String> {
        self.tls.encrypt(plaintext, &mut self.out).map_err(|reason| format!("{reason:?}"))
    }

    /// What is to be carried to the peer.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        let bytes = self.out.data_mut().to_vec();
        self.out.consume(bytes.len());
        bytes
    }

    /// Whether the handshake has ended.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.tls.established
    }
}
