//! Envelope encryption: master key (configuration) → account key → data key of one verification.
//! Destroying a data key's wrapped form makes everything sealed under it unreadable, backups included.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

/// Layout of sealed bytes: this version, 12 bytes of nonce, ciphertext, 16 bytes of tag.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const KEY_BYTES: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    #[error("sealed bytes cannot be opened: wrong key, wrong place or damaged")]
    Unreadable,
    #[error("the system's random source failed")]
    NoRandomness,
    #[error("no master key has the id `{0}`: add it to `keys.master`")]
    UnknownMasterKey(String),
    #[error("keys.master: {0}")]
    MalformedMasterKey(&'static str),
}

/// AES-256-GCM with a random nonce. `place` (associated data) binds the bytes to where they belong,
/// so that one row's ciphertext cannot be passed off as another's.
#[derive(Clone)]
pub struct SealingKey(std::sync::Arc<LessSafeKey>);

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey([redacted])")
    }
}

impl SealingKey {
    fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| CryptoError::Unreadable)?;
        Ok(Self(std::sync::Arc::new(LessSafeKey::new(key))))
    }

    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0u8; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| CryptoError::NoRandomness)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + plain.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                sealed.get_mut(1 + NONCE_BYTES..).unwrap_or_default(),
            )
            .map_err(|_| CryptoError::Unreadable)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (VERSION, rest) = sealed.split_first().ok_or(CryptoError::Unreadable).map(|(v, r)| (*v, r))?
        else {
            return Err(CryptoError::Unreadable);
        };
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(CryptoError::Unreadable)?;
        let mut buffer = ciphertext.to_vec();
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.as_bytes()), &mut buffer)
            .map_err(|_| CryptoError::Unreadable)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }

    /// A fresh key and its form wrapped under this one.
    pub fn generate_wrapped(&self, place: &str) -> Result<(Self, Vec<u8>), CryptoError> {
        let mut bytes = [0u8; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| CryptoError::NoRandomness)?;
        Ok((Self::from_bytes(&bytes)?, self.seal(place, &bytes)?))
    }

    pub fn unwrap_key(&self, place: &str, wrapped: &[u8]) -> Result<Self, CryptoError> {
        Self::from_bytes(&self.open(place, wrapped)?)
    }
}

/// The operator's keys. The first wraps new account keys; the others still open old ones.
#[derive(Debug, Clone)]
pub struct MasterKeys(Vec<(String, SealingKey)>);

impl MasterKeys {
    /// Each entry `id:base64 of 32 bytes`.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, CryptoError> {
        let mut keys = Vec::new();
        for entry in entries {
            let (id, encoded) =
                entry.split_once(':').ok_or(CryptoError::MalformedMasterKey("expected `id:base64`"))?;
            let bytes = STANDARD
                .decode(encoded)
                .map_err(|_| CryptoError::MalformedMasterKey("not base64 after the id"))?;
            if bytes.len() != KEY_BYTES {
                return Err(CryptoError::MalformedMasterKey("expected 32 bytes after the id"));
            }
            keys.push((id.to_owned(), SealingKey::from_bytes(&bytes)?));
        }
        if keys.is_empty() {
            return Err(CryptoError::MalformedMasterKey(
                "set at least one; `txid keys master` prints a fresh one",
            ));
        }
        Ok(Self(keys))
    }

    /// A fresh entry for the configuration file.
    pub fn generate_entry(id: &str) -> Result<String, CryptoError> {
        let mut bytes = [0u8; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| CryptoError::NoRandomness)?;
        Ok(format!("{id}:{}", STANDARD.encode(bytes)))
    }

    pub fn current(&self) -> Result<(&str, &SealingKey), CryptoError> {
        self.0
            .first()
            .map(|(id, key)| (id.as_str(), key))
            .ok_or(CryptoError::MalformedMasterKey("none is set"))
    }

    pub fn by_id(&self, id: &str) -> Result<&SealingKey, CryptoError> {
        self.0
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, key)| key)
            .ok_or_else(|| CryptoError::UnknownMasterKey(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master() -> MasterKeys {
        MasterKeys::parse([MasterKeys::generate_entry("k1").unwrap().as_str()]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_with_its_key_and_place() {
        let keys = master();
        let (_, key) = keys.current().unwrap();
        let sealed = key.seal("ver_1/front", b"passport").unwrap();
        assert!(!sealed.windows(8).any(|window| window == b"passport"));
        assert_eq!(key.open("ver_1/front", &sealed).unwrap(), b"passport");
        assert_eq!(key.open("ver_2/front", &sealed), Err(CryptoError::Unreadable));
        let (other, _) = key.generate_wrapped("x").unwrap();
        assert_eq!(other.open("ver_1/front", &sealed), Err(CryptoError::Unreadable));
        let mut damaged = sealed.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(key.open("ver_1/front", &damaged), Err(CryptoError::Unreadable));
        assert_eq!(key.open("ver_1/front", &[]), Err(CryptoError::Unreadable));
    }

    #[test]
    fn a_wrapped_key_comes_back_the_same() {
        let keys = master();
        let (_, key) = keys.current().unwrap();
        let (data_key, wrapped) = key.generate_wrapped("ver_1").unwrap();
        let sealed = data_key.seal("p", b"x").unwrap();
        assert_eq!(key.unwrap_key("ver_1", &wrapped).unwrap().open("p", &sealed).unwrap(), b"x");
        assert!(key.unwrap_key("ver_2", &wrapped).is_err());
    }

    #[test]
    fn a_malformed_master_key_says_what_is_expected() {
        assert!(MasterKeys::parse(["k1:AAAA"]).unwrap_err().to_string().contains("32 bytes"));
        assert!(MasterKeys::parse([]).unwrap_err().to_string().contains("txid keys master"));
    }
}
