//! The server's certificate.

use crate::edge::{Failure, small_file};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// TLS 1.2 and 1.3 with the certificate chain and key of these files. Errors: they do not read, or do not fit.
pub(super) fn configuration(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Failure> {
    let wrong = |file: &Path, what: String| {
        Failure::new(
            format!("{}: {what}", file.display()),
            "give PEM files: the whole chain in cert_file, the unencrypted key in key_file",
        )
    };
    let chain_bytes = small_file(certificate, "the certificate")?;
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(&chain_bytes).collect();
    let chain = chain.map_err(|error| wrong(certificate, error.to_string()))?;
    let key_bytes = small_file(key, "the certificate's key")?;
    let own =
        PrivateKeyDer::from_pem_slice(&key_bytes).map_err(|error| wrong(key, error.to_string()))?;
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, own))
            .map_err(|error| wrong(certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
