//! Where a manifest is and what each of its rows has: what the owner gave, sealed in the batch's row.

use crate::submission::web_address;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::blobs::crypto::{CryptoError, SealingKey};
use txid_shared::ids::{BatchId, UploadId};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) manifest: Location,
    /// What `zip:` points into; the manifest's own archive where that is one.
    pub(crate) archive: Option<Location>,
    /// Fields of rows that do not have them.
    pub(crate) defaults: Map<String, Value>,
}

/// Somewhere that bytes can be read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Location {
    Upload(UploadId),
    /// `s3://bucket/key`
    Bucket(String),
    /// `https://…`
    Web(String),
    /// `zip:entry`
    Archive(String),
    /// `file:/path`
    File(String),
}

impl Location {
    /// What a text refers to, `None` if it is no reference: then it is content. Errors name `param`.
    pub(crate) fn parse(param: &str, text: &str) -> Result<Option<Self>, ApiError> {
        let refused = |message: String| Err(ApiError::invalid(param, message));
        // Base64 has no colon, and `data:` is content as well.
        let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| *scheme != "data") else {
            return Ok(None);
        };
        let location = match scheme {
            "upload" => match rest.parse() {
                Ok(id) => Self::Upload(id),
                Err(_) => return refused(format!("`{param}` is not upload:upl_…")),
            },
            "s3" => Self::Bucket(text.to_owned()),
            "zip" => Self::Archive(rest.to_owned()),
            "https" => {
                web_address(param, text)?;
                Self::Web(text.to_owned())
            }
            "file" => Self::File(rest.strip_prefix("//").unwrap_or(rest).to_owned()),
            "http" => {
                return refused(format!(
                    "`{param}`: http: is not open, since it is read on the way; use https:"
                ));
            }
            _ => {
                return refused(format!(
                    "`{param}` refers to nothing known: use upload: s3: zip: https: or base64, and \
                     file: where a batch runs locally"
                ));
            }
        };
        Ok(Some(location))
    }
}

/// A reference that this installation does not follow.
pub(crate) fn not_open(param: &str, scheme: &str) -> ApiError {
    ApiError::new(ErrorCode::Forbidden, format!("`{param}`: {scheme} references are not open here"))
        .param(param)
}

impl Source {
    pub(crate) fn seal(&self, key: &SealingKey, id: BatchId) -> Result<Vec<u8>, CryptoError> {
        let plain = serde_json::to_vec(self).map_err(|_| CryptoError::Unreadable)?;
        key.seal(&place(id), &plain)
    }

    pub(crate) fn open(key: &SealingKey, id: BatchId, sealed: &[u8]) -> Result<Self, CryptoError> {
        serde_json::from_slice(&key.open(&place(id), sealed)?).map_err(|_| CryptoError::Unreadable)
    }
}

fn place(id: BatchId) -> String {
    format!("source/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_content() {
        let parse = |text: &str| Location::parse("selfie", text);
        assert_eq!(parse("/9j/4AAQ").unwrap(), None);
        assert_eq!(parse("data:image/jpeg;base64,/9j/").unwrap(), None);
        assert_eq!(parse("zip:a/b.jpg").unwrap(), Some(Location::Archive("a/b.jpg".to_owned())));
        assert_eq!(parse("file:///tmp/a.jpg").unwrap(), Some(Location::File("/tmp/a.jpg".to_owned())));
        assert_eq!(parse("file:a.jpg").unwrap(), Some(Location::File("a.jpg".to_owned())));
        let id = UploadId::generate();
        assert_eq!(parse(&format!("upload:{id}")).unwrap(), Some(Location::Upload(id)));
        for wrong in
            ["upload:x", "ftp://host/a.jpg", "http://host/a.jpg", "https://user@host/a.jpg", "https:"]
        {
            assert_eq!(parse(wrong).unwrap_err().param.as_deref(), Some("selfie"), "{wrong}");
        }
    }
}
