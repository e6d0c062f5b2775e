//! Envelope encryption: master key (configuration) → account key → data key of one verification. A data key is
//! made of two halves that are kept apart: one wrapped in the row, the other (its share) in the object store.
//! Destroying either makes everything sealed under it unreadable, whatever a backup of the other holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// Layout of sealed bytes: this version, 12 bytes of nonce, ciphertext, 16 bytes of tag.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const KEY_BYTES: usize = 32;
/// Leads the wrapped half of a data key; sealed bytes follow. Rows from before there were shares have the sealed
/// bytes alone, which begin with `VERSION`, and what they hold is the whole key.
const HALF: u8 = 2;

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

/// The half of a data key that stands in no database: 32 random bytes, of no use without the other half.
#[derive(Clone)]
pub struct KeyShare([u8; KEY_BYTES]);

impl std::fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyShare([redacted])")
    }
}

impl KeyShare {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self(bytes.try_into().map_err(|_| CryptoError::Unreadable)?))
    }

    pub(super) const fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A fresh data key with both of its halves. It may be used once the share is stored.
#[derive(Debug, Clone)]
pub struct DataKey {
    pub key: SealingKey,
    /// For the row.
    pub wrapped: Vec<u8>,
    /// For the object store.
    pub share: KeyShare,
}

/// Whether the wrapped bytes are half a key, or a whole one from before there were shares.
pub fn needs_share(wrapped: &[u8]) -> bool {
    wrapped.first() == Some(&HALF)
}

/// AES-256-GCM with a random nonce. `place` (associated data) binds the bytes to where they belong,
/// so that one row's ciphertext cannot be passed off as another's.
#[derive(Clone)]
pub struct SealingKey(std::sync::Arc<Purposes>);

/// One key for each purpose, all from the same bytes.
struct Purposes {
    sealing: LessSafeKey,
    hashing: hmac::Key,
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey([redacted])")
    }
}

impl SealingKey {
    fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        let sealing = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| CryptoError::Unreadable)?;
        let hashing = hashing_key(&Prk::new_less_safe(HKDF_SHA256, bytes))?;
        Ok(Self(std::sync::Arc::new(Purposes { sealing: LessSafeKey::new(sealing), hashing })))
    }

    /// Tells whether two texts are the same to whoever has the key, and nothing to others.
    pub fn keyed_hash(&self, place: &str, text: &str) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.0.hashing);
        context.update(place.as_bytes());
        context.update(b"/");
        context.update(text.as_bytes());
        let tag = context.sign();
        let mut hash = [0; 16];
        for (to, from) in hash.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        hash
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
            .sealing
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
            .sealing
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

    /// A fresh key in two halves, one of them wrapped under this one.
    pub fn generate_data_key(&self, place: &str) -> Result<DataKey, CryptoError> {
        let (mut half, mut share) = ([0u8; KEY_BYTES], [0u8; KEY_BYTES]);
        let random = SystemRandom::new();
        random
            .fill(&mut half)
            .and_then(|()| random.fill(&mut share))
            .map_err(|_| CryptoError::NoRandomness)?;
        let share = KeyShare(share);
        let mut wrapped = vec![HALF];
        wrapped.extend(self.seal(&half_place(place), &half)?);
        Ok(DataKey { key: Self::of_halves(place, &half, &share)?, wrapped, share })
    }

    /// The key of which `wrapped` is one half and `share` the other.
    pub fn unwrap_data_key(
        &self,
        place: &str,
        wrapped: &[u8],
        share: &KeyShare,
    ) -> Result<Self, CryptoError> {
        let half = wrapped.strip_prefix(&[HALF]).ok_or(CryptoError::Unreadable)?;
        Self::of_halves(place, &self.open(&half_place(place), half)?, share)
    }

    fn of_halves(place: &str, half: &[u8], share: &KeyShare) -> Result<Self, CryptoError> {
        let secret = Salt::new(HKDF_SHA256, share.bytes()).extract(half);
        let info = [b"txid data key/".as_slice(), place.as_bytes()];
        let key = secret.expand(&info, &AES_256_GCM).map_err(|_| CryptoError::Unreadable)?;
        let (sealing, hashing) = (LessSafeKey::new(UnboundKey::from(key)), hashing_key(&secret)?);
        Ok(Self(std::sync::Arc::new(Purposes { sealing, hashing })))
    }
}

fn hashing_key(secret: &Prk) -> Result<hmac::Key, CryptoError> {
    let key = secret.expand(&[b"txid keyed hash"], hmac::HMAC_SHA256).map_err(|_| CryptoError::Unreadable)?;
    Ok(hmac::Key::from(key))
}

/// Not the place of a whole key: neither passes for the other when somebody changes the first byte.
fn half_place(place: &str) -> String {
    format!("half/{place}")
}

/// The operator's keys. The first wraps account keys; the others still open those that they wrapped.
#[derive(Debug, Clone)]
pub struct MasterKeys(Vec<(String, SealingKey)>);

impl MasterKeys {
    /// Each entry `id:base64 of 32 bytes`.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, CryptoError> {
        let mut keys = Vec::new();
        for entry in entries {
            let (id, encoded) = entry
                .split_once(':')
                .filter(|(id, _)| !id.is_empty())
                .ok_or(CryptoError::MalformedMasterKey("expected `id:base64`"))?;
            let bytes = STANDARD
                .decode(encoded)
                .map_err(|_| CryptoError::MalformedMasterKey("not base64 after the id"))?;
            if bytes.len() != KEY_BYTES {
                return Err(CryptoError::MalformedMasterKey("expected 32 bytes after the id"));
            }
            if keys.iter().any(|(known, _)| known == id) {
                return Err(CryptoError::MalformedMasterKey(
                    "ids must differ: `txid keys master --id k2` prints an entry of another id",
                ));
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

    /// The key that is wrapped under the master key of the id `under`, wrapped under the current one.
    pub fn rewrap(&self, place: &str, under: &str, wrapped: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.current()?.1.seal(place, &self.by_id(under)?.open(place, wrapped)?)
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
    fn a_data_key_opens_with_both_of_its_halves_and_with_neither_alone() {
        let keys = master();
        let (_, account) = keys.current().unwrap();
        let (made, other) =
            (account.generate_data_key("ver_1").unwrap(), account.generate_data_key("ver_1").unwrap());
        let sealed = made.key.seal("p", b"x").unwrap();
        let opened = |place: &str, wrapped: &[u8], share: &KeyShare| {
            account.unwrap_data_key(place, wrapped, share)?.open("p", &sealed)
        };
        assert_eq!(opened("ver_1", &made.wrapped, &made.share).unwrap(), b"x");
        for (place, wrapped, share) in [
            ("ver_1", &made.wrapped, &other.share),
            ("ver_1", &other.wrapped, &made.share),
            ("ver_2", &made.wrapped, &made.share),
        ] {
            assert_eq!(opened(place, wrapped, share), Err(CryptoError::Unreadable));
        }
        // Nor does it pass for a whole key of the format before, and the share is in neither.
        let mut relabelled = made.wrapped.clone();
        relabelled.remove(0);
        for wrapped in [&made.wrapped, &relabelled] {
            assert!(account.unwrap_key("ver_1", wrapped).is_err());
            assert!(!wrapped.windows(KEY_BYTES).any(|window| window == made.share.bytes()));
        }
    }

    #[test]
    fn the_first_byte_tells_half_a_key_from_a_whole_one() {
        let keys = master();
        let (_, account) = keys.current().unwrap();
        let (_, whole) = account.generate_wrapped("ver_1").unwrap();
        assert!(needs_share(&account.generate_data_key("ver_1").unwrap().wrapped));
        assert!(!needs_share(&whole) && !needs_share(&[]));
    }

    #[test]
    fn a_key_that_is_wrapped_anew_stays_the_same_and_the_old_master_key_is_needed_no_more() {
        let entries = ["k2", "k1"].map(|id| MasterKeys::generate_entry(id).unwrap());
        let before = MasterKeys::parse([entries[1].as_str()]).unwrap();
        let both = MasterKeys::parse(entries.iter().map(String::as_str)).unwrap();
        let after = MasterKeys::parse([entries[0].as_str()]).unwrap();
        let (key, wrapped) = before.current().unwrap().1.generate_wrapped("acc_1").unwrap();
        let sealed = key.seal("p", b"x").unwrap();
        let anew = both.rewrap("acc_1", "k1", &wrapped).unwrap();
        let opened = after.current().unwrap().1.unwrap_key("acc_1", &anew).unwrap();
        assert_eq!(opened.open("p", &sealed).unwrap(), b"x");
        assert!(after.current().unwrap().1.unwrap_key("acc_1", &wrapped).is_err());
        assert!(both.rewrap("acc_2", "k1", &wrapped).is_err(), "of another account");
        let unknown = after.rewrap("acc_1", "k1", &wrapped).unwrap_err();
        assert_eq!(unknown, CryptoError::UnknownMasterKey("k1".to_owned()));
    }

    #[test]
    fn two_master_keys_with_one_id_are_refused() {
        let entries = ["k1", "k1"].map(|id| MasterKeys::generate_entry(id).unwrap());
        assert!(MasterKeys::parse(entries.iter().map(String::as_str)).is_err());
    }

    #[test]
    fn a_malformed_master_key_says_what_is_expected() {
        assert!(MasterKeys::parse(["k1:AAAA"]).unwrap_err().to_string().contains("32 bytes"));
        assert!(MasterKeys::parse([]).unwrap_err().to_string().contains("txid keys master"));
    }
}
