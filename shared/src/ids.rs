//! Prefixed identifiers that sort by time: `ver_01J…` on the wire, a `uuid` in Postgres.

use crate::words::ImageRole;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};
use ulid::Ulid;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_…")]
pub struct MalformedId {
    prefix: &'static str,
}

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Ulid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            pub fn generate() -> Self {
                Self(Ulid::generate())
            }

            pub fn uuid(self) -> uuid::Uuid {
                uuid::Uuid::from_bytes(self.0.to_bytes())
            }

            pub fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(Ulid::from_bytes(*uuid.as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(given: &str) -> Result<Self, MalformedId> {
                given
                    .strip_prefix(concat!($prefix, "_"))
                    .and_then(|body| Ulid::from_string(body).ok())
                    .map(Self)
                    .ok_or(MalformedId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

id! {
    VerificationId = "ver";
    SessionId = "sess";
    AccountId = "acc";
    KeyId = "key";
    EventId = "evt";
    /// A webhook endpoint.
    EndpointId = "wh";
    DeliveryId = "dlv";
    DocumentId = "doc";
    BatchId = "batch";
    /// A file that batches refer to.
    UploadId = "upl";
    RequestId = "req";
}

impl VerificationId {
    /// The id of one of its pictures: its own with the picture's number in the last bits, so that
    /// either leads to the other and nobody keeps a list.
    pub fn document(self, role: ImageRole) -> DocumentId {
        DocumentId(Ulid(self.0.0 ^ number(role)))
    }
}

impl DocumentId {
    /// The verifications that this can be a picture of, with the role it then has. One exists at most.
    pub fn verifications(self) -> impl Iterator<Item = (VerificationId, ImageRole)> {
        ImageRole::ALL.iter().map(move |role| (VerificationId(Ulid(self.0.0 ^ number(*role))), *role))
    }
}

const fn number(role: ImageRole) -> u128 {
    match role {
        ImageRole::DocumentFront => 1,
        ImageRole::DocumentBack => 2,
        ImageRole::Selfie => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_uuid() {
        let id = VerificationId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(VerificationId::from_uuid(id.uuid()), id);
        assert!(id.to_string().starts_with("ver_"));
        assert!("doc_01J".parse::<VerificationId>().is_err());
    }

    #[test]
    fn a_picture_leads_to_its_verification_and_no_further() {
        let id = VerificationId::generate();
        for role in ImageRole::ALL {
            let document = id.document(*role);
            let found: Vec<_> = document.verifications().filter(|(other, _)| *other == id).collect();
            assert_eq!(found, [(id, *role)]);
            assert_ne!(document.to_string()[4..], id.to_string()[4..]);
        }
    }
}
