//! What TLS trusts and prefers. Verification is never turned off: a CA that is not among the
//! well-known ones (a simulator's, a company proxy's) is added, nothing else changes.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CipherSuite, ClientConfig, RootCertStore};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A CA to trust beside the well-known ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtraCa {
    /// PEM file, one or more certificates.
    File(PathBuf),
    /// The same text, already here.
    Pem(Vec<u8>),
}

/// Why a configuration could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The file cannot be read.
    Unreadable(String, String),
    /// No certificate in it.
    Empty(String),
    /// A certificate in it cannot be used.
    Invalid(String, String),
    /// The crypto library offers no usable protocol version.
    Provider(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(source, why) => write!(f, "CA {source} cannot be read: {why}"),
            Self::Empty(source) => write!(f, "CA {source} holds no PEM certificate"),
            Self::Invalid(source, why) => write!(f, "CA {source} cannot be used: {why}"),
            Self::Provider(why) => write!(f, "TLS cannot be set up: {why}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// Client configuration: well-known roots plus `extra`, AES-128-GCM preferred, sessions resumed.
pub fn client_config(extra: &[ExtraCa]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for ca in extra {
        add(&mut roots, ca)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Provider(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// AES-128 costs less per record than AES-256 and is no weaker in practice.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    });
    provider
}

fn add(roots: &mut RootCertStore, ca: &ExtraCa) -> Result<(), TlsError> {
    let (name, pem) = match ca {
        ExtraCa::File(path) => {
            let name = format!("file {}", path.display());
            match std::fs::read(path) {
                Ok(pem) => (name, pem),
                Err(error) => return Err(TlsError::Unreadable(name, error.to_string())),
            }
        }
        ExtraCa::Pem(pem) => ("given as text".to_owned(), pem.clone()),
    };
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let invalid = |why: String| TlsError::Invalid(name.clone(), why);
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        found += 1;
    }
    if found == 0 { Err(TlsError::Empty(name)) } else { Ok(()) }
}
