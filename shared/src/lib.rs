//! The words of the fleet as types, and the seams to RabbitMQ, Redis, Postgres and the object store.

pub mod allowance;
pub mod api;
pub mod arabic;
pub mod blobs;
pub mod clock;
pub mod conclude;
pub mod config;
pub mod crash;
pub mod documents;
pub mod files;
pub mod ids;
pub mod likeness;
pub mod network;
pub mod outbound;
pub mod partial;
pub mod partials;
pub mod policy;
pub mod present;
pub mod processor;
pub mod queue;
pub mod request;
pub mod sealed;
pub mod services;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod words;

use base64::Engine as _;
use ring::rand::{SecureRandom, SystemRandom};

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `prefix` followed by 256 random bits in base64url.
pub fn random_token(prefix: &str) -> Result<config::Secret, blobs::crypto::CryptoError> {
    let mut bytes = [0u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| blobs::crypto::CryptoError::NoRandomness)?;
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    Ok(config::Secret::new(format!("{prefix}{body}")))
}

/// A signing secret in the form of Standard Webhooks: `whsec_` and 256 random bits in base64.
pub fn webhook_secret() -> Result<config::Secret, blobs::crypto::CryptoError> {
    let mut bytes = [0u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| blobs::crypto::CryptoError::NoRandomness)?;
    Ok(config::Secret::new(format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(bytes))))
}

/// sha256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// sha256 of what is written into it, for what does not fit into memory.
pub struct Digest(ring::digest::Context);

impl Default for Digest {
    fn default() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl Digest {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Lower-case hexadecimal.
    pub fn hex(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

impl std::io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Tells rustls which cryptography to use; needed once before the first TLS client. Safe to repeat.
pub fn use_ring_for_tls() {
    // Fails where it was told before, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
