//! Buckets of the customers' that batches may read from: only what the operator named, and nothing is written.

use super::BlobError;
use crate::config::Bucket;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;

#[derive(Clone, Default)]
pub struct Sources(Arc<Vec<Source>>);

struct Source {
    bucket: String,
    prefix: String,
    account: Option<String>,
    store: Box<dyn ObjectStore>,
}

/// Why something is not to be had from a bucket.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operator opened no such bucket or prefix to this account.
    #[error("is not in a bucket that this account may read")]
    NotOpen,
    #[error("does not exist")]
    NotFound,
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    /// It may work later.
    #[error("object store: {0}")]
    Store(object_store::Error),
}

impl Sources {
    pub fn open(buckets: &[Bucket]) -> Result<Self, BlobError> {
        let sources = buckets.iter().map(|settings| {
            let rest =
                settings.url.strip_prefix("s3://").filter(|rest| !rest.is_empty()).ok_or_else(|| {
                    BlobError::Configuration(format!(
                        "batches.buckets: `{}` is not s3://bucket/prefix",
                        settings.url
                    ))
                })?;
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let region = if settings.region.is_empty() { "us-east-1" } else { &settings.region };
            let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_region(region);
            if let Some(endpoint) = &settings.endpoint {
                builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
            }
            if !settings.access_key_id.reveal().is_empty() {
                builder = builder
                    .with_access_key_id(settings.access_key_id.reveal())
                    .with_secret_access_key(settings.secret_access_key.reveal());
            }
            Ok(Source {
                bucket: bucket.to_owned(),
                prefix: prefix.trim_matches('/').to_owned(),
                account: settings.account.clone(),
                store: Box::new(builder.build()?),
            })
        });
        Ok(Self(Arc::new(sources.collect::<Result<_, BlobError>>()?)))
    }

    /// The object at `s3://bucket/key`, for the account of that name.
    pub async fn get(&self, account: &str, url: &str, largest_bytes: u64) -> Result<Bytes, SourceError> {
        let (source, path) = self.find(account, url)?;
        let found = source.store.get(&path).await.map_err(missing)?;
        if found.meta.size > largest_bytes {
            return Err(SourceError::TooLarge(largest_bytes));
        }
        let mut collected = BytesMut::new();
        let mut stream = found.into_stream();
        while let Some(part) = stream.try_next().await.map_err(SourceError::Store)? {
            collected.extend_from_slice(&part);
        }
        Ok(collected.freeze())
    }

    /// Whether it is there and may be read.
    pub async fn look(&self, account: &str, url: &str) -> Result<(), SourceError> {
        let (source, path) = self.find(account, url)?;
        source.store.head(&path).await.map(drop).map_err(missing)
    }

    /// The same as a stream, for what does not fit into memory.
    pub async fn stream(
        &self,
        account: &str,
        url: &str,
    ) -> Result<impl futures_util::Stream<Item = Result<Bytes, SourceError>> + use<>, SourceError> {
        let (source, path) = self.find(account, url)?;
        let found = source.store.get(&path).await.map_err(missing)?;
        Ok(found.into_stream().map(|part| part.map_err(SourceError::Store)))
    }

    fn find(&self, account: &str, url: &str) -> Result<(&Source, Path), SourceError> {
        let rest = url.strip_prefix("s3://").ok_or(SourceError::NotOpen)?;
        let (bucket, key) = rest.split_once('/').ok_or(SourceError::NotFound)?;
        // Keys that a parser would take for a way up are none that we hand on.
        let path = Path::parse(key).map_err(|_| SourceError::NotFound)?;
        let opened = |source: &&Source| {
            source.bucket == bucket
                && source.account.as_deref().is_none_or(|of| of == account)
                && path.prefix_matches(&Path::from(source.prefix.as_str()))
        };
        self.0.iter().find(opened).map(|source| (source, path.clone())).ok_or(SourceError::NotOpen)
    }
}

fn missing(error: object_store::Error) -> SourceError {
    match error {
        object_store::Error::NotFound { .. } => SourceError::NotFound,
        other => SourceError::Store(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_opened_to_the_account_is_read() {
        crate::use_ring_for_tls();
        let bucket = |url: &str, account: Option<&str>| Bucket {
            url: url.to_owned(),
            account: account.map(str::to_owned),
            ..Bucket::default()
        };
        let sources =
            Sources::open(&[bucket("s3://shared/kyc", None), bucket("s3://own", Some("bank"))]).unwrap();
        let open = |account: &str, url: &str| sources.find(account, url).is_ok();
        assert!(open("bank", "s3://shared/kyc/a.jpg") && open("other", "s3://shared/kyc/a.jpg"));
        assert!(open("bank", "s3://own/deep/a.jpg") && !open("other", "s3://own/deep/a.jpg"));
        for url in [
            "s3://shared/other/a.jpg",
            "s3://shared/kycx/a.jpg",
            "s3://shared/kyc/../other/a.jpg",
            "s3://elsewhere/kyc/a.jpg",
            "s3://shared",
            "https://shared/kyc/a.jpg",
        ] {
            assert!(!open("bank", url), "{url}");
        }
        assert!(Sources::open(&[bucket("file:///etc", None)]).is_err());
    }
}
