//! From what a row refers to, to bytes: only what its account may reach.

use super::source::{Location, Source, not_open};
use super::zipped::{Archive, ArchiveError};
use crate::images::LARGEST_BYTES;
use bytes::{Bytes, BytesMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::blobs::Blobs;
use txid_shared::blobs::sources::{SourceError, Sources};
use txid_shared::blobs::spool::SpoolReader;
use txid_shared::files::{FileError, read_picture};
use txid_shared::ids::AccountId;
use txid_shared::outbound::{Forbidden, Guard, allowed_url};
use txid_shared::store::{Store, Upload};

/// Something may be away for a moment: so often a picture is asked for.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub(super) struct References {
    pub(super) store: Store,
    pub(super) blobs: Blobs,
    pub(super) sources: Sources,
    /// `None`: `https:` is not open.
    pub(super) web: Option<(reqwest::Client, Arc<Guard>)>,
    /// Where `file:` paths of pictures start from and may not leave; `None`: they are not open.
    pub(super) local_files: Option<PathBuf>,
}

/// References of one batch: its account, its archive.
#[derive(Clone)]
pub(super) struct Reach {
    references: References,
    account: AccountId,
    account_name: String,
    archive: Option<Archive>,
}

impl References {
    /// Opens the archive, if there is one.
    pub(super) async fn of_batch(
        &self,
        account: AccountId,
        source: &Source,
    ) -> Result<Result<Reach, ApiError>, super::DriveError> {
        let account_name = self.store.account_name(account).await?.unwrap_or_default();
        let archive = match &source.archive {
            None => None,
            Some(location) => match self.archive(account, location).await? {
                Ok(archive) => Some(archive),
                Err(refused) => return Ok(Err(refused)),
            },
        };
        Ok(Ok(Reach { references: self.clone(), account, account_name, archive }))
    }

    async fn archive(
        &self,
        account: AccountId,
        location: &Location,
    ) -> Result<Result<Archive, ApiError>, super::DriveError> {
        let opening: Box<dyn FnOnce() -> Result<Archive, ArchiveError> + Send> = match location {
            Location::Upload(id) => match self.upload(account, *id).await? {
                Some((upload, reader)) => {
                    let size = upload.stored.map_or(0, |stored| stored.size_bytes);
                    let runtime = Handle::current();
                    Box::new(move || Archive::of_spool(reader, size, runtime))
                }
                None => {
                    return Ok(Err(
                        ApiError::new(ErrorCode::NotFound, "`archive`: no such upload").param("archive")
                    ));
                }
            },
            Location::File(path) => match self.local(path) {
                Some(path) => Box::new(move || Archive::of_file(&path)),
                None => return Ok(Err(no_archive())),
            },
            _ => return Ok(Err(no_archive())),
        };
        let opened = tokio::task::spawn_blocking(opening).await.map_err(|_| super::DriveError::Panicked)?;
        Ok(opened.map_err(|error| ApiError::invalid("archive", format!("`archive` {error}"))))
    }

    /// What a `file:` path names; `None`: such paths are not open.
    pub(super) fn local(&self, path: &str) -> Option<PathBuf> {
        self.local_files.as_ref().map(|folder| folder.join(path))
    }

    pub(super) async fn upload(
        &self,
        account: AccountId,
        id: txid_shared::ids::UploadId,
    ) -> Result<Option<(Upload, SpoolReader)>, super::DriveError> {
        let upload = self.store.upload_of(account, id).await?;
        let Some((upload, place)) = upload.and_then(|upload| upload.place().map(|place| (upload, place)))
        else {
            return Ok(None);
        };
        let key = self.store.upload_key(&upload).await?;
        let reader = SpoolReader::new(&self.blobs, &key, &place);
        Ok(Some((upload, reader)))
    }
}

fn no_archive() -> ApiError {
    ApiError::invalid("archive", "`archive` must be upload:upl_…")
}

/// Why a picture was not to be had.
enum Missing {
    /// For good; what the row's error says.
    Refused(ApiError),
    /// Perhaps not the next time.
    Unavailable(String),
}

impl Reach {
    pub(super) fn archive(&self) -> Option<&Archive> {
        self.archive.as_ref()
    }

    pub(super) fn account_name(&self) -> &str {
        &self.account_name
    }

    /// The picture that `param` of a row refers to.
    pub(super) async fn picture(&self, param: &str, location: &Location) -> Result<Bytes, ApiError> {
        let mut tries = 1;
        loop {
            match self.once(param, location).await {
                Ok(bytes) => return Ok(bytes),
                Err(Missing::Refused(error)) => return Err(error),
                Err(Missing::Unavailable(why)) if tries == TRIES => {
                    let message = format!("`{param}` could not be fetched: {why}");
                    return Err(ApiError::new(ErrorCode::ServiceUnavailable, message).param(param));
                }
                Err(Missing::Unavailable(_)) => {
                    tokio::time::sleep(PAUSE * tries).await;
                    tries += 1;
                }
            }
        }
    }

    async fn once(&self, param: &str, location: &Location) -> Result<Bytes, Missing> {
        let absent = |what: &str| {
            let message = format!("`{param}`: {what}");
            Missing::Refused(ApiError::new(ErrorCode::NotFound, message).param(param))
        };
        match location {
            Location::Upload(id) => {
                let found = self.references.upload(self.account, *id).await;
                let found = found.map_err(|error| Missing::Unavailable(error.to_string()))?;
                let (upload, reader) = found.ok_or_else(|| absent("no such upload"))?;
                let size = upload.stored.map_or(0, |stored| stored.size_bytes);
                let size = usize::try_from(size).ok().filter(|size| *size <= LARGEST_BYTES);
                let size = size.ok_or_else(|| Missing::Refused(crate::images::too_large(param)))?;
                reader.read(0, size).await.map_err(|error| Missing::Unavailable(error.to_string()))
            }
            Location::Bucket(url) => {
                let found = self.references.sources.get(&self.account_name, url, LARGEST_BYTES as u64).await;
                found.map_err(|error| match error {
                    SourceError::NotFound => absent("no such object"),
                    SourceError::NotOpen => Missing::Refused(not_open(param, "such s3:")),
                    SourceError::TooLarge(_) => Missing::Refused(crate::images::too_large(param)),
                    // The client's own words may hold addresses and tokens.
                    SourceError::Store(_) => {
                        Missing::Unavailable("the object store did not answer".to_owned())
                    }
                })
            }
            Location::Archive(name) => {
                let archive = self.archive.clone().ok_or_else(|| absent("the batch has no archive"))?;
                let name = name.clone();
                let reading = tokio::task::spawn_blocking(move || archive.read(&name, LARGEST_BYTES as u64));
                let read =
                    reading.await.map_err(|_| Missing::Unavailable("reading it panicked".to_owned()))?;
                read.map(Bytes::from).map_err(|error| match error {
                    ArchiveError::NoEntry => absent("the archive has no entry of that name"),
                    ArchiveError::TooLarge(_) => Missing::Refused(crate::images::too_large(param)),
                    other => {
                        let message = format!("`{param}`: its entry {other}");
                        Missing::Refused(ApiError::new(ErrorCode::InvalidDocument, message).param(param))
                    }
                })
            }
            Location::File(path) => {
                let folder = self.references.local_files.as_ref();
                let folder = folder.ok_or_else(|| Missing::Refused(not_open(param, "file:")))?;
                // Also links are followed first: a manifest may come from elsewhere, and must not read what it names.
                let path = tokio::fs::canonicalize(folder.join(path)).await;
                let path = path.map_err(|error| absent(&error.to_string()))?;
                if !path.starts_with(folder) {
                    let message =
                        format!("`{param}` leads out of the manifest's folder; --files names another");
                    return Err(Missing::Refused(ApiError::new(ErrorCode::Forbidden, message).param(param)));
                }
                read_picture(path).await.map(Bytes::from).map_err(|error| match error {
                    FileError::TooLarge => Missing::Refused(crate::images::too_large(param)),
                    other => absent(&other.to_string()),
                })
            }
            Location::Web(url) => self.over_https(param, url).await,
        }
    }

    async fn over_https(&self, param: &str, url: &str) -> Result<Bytes, Missing> {
        let refused = |code, message: String| Missing::Refused(ApiError::new(code, message).param(param));
        let Some((client, guard)) = &self.references.web else {
            return Err(Missing::Refused(not_open(param, "https:")));
        };
        let url = allowed_url(url, guard)
            .map_err(|why| refused(ErrorCode::Forbidden, format!("`{param}`: {why}")))?;
        let answer = client.get(url).send().await.map_err(|error| match innermost(&error) {
            // What its name resolves to.
            why if why.is::<Forbidden>() => refused(ErrorCode::Forbidden, format!("`{param}`: {why}")),
            _ => Missing::Unavailable(cause(&error)),
        })?;
        let status = answer.status();
        if status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS {
            return Err(Missing::Unavailable(format!("its server answered {}", status.as_u16())));
        }
        if !status.is_success() {
            let message = format!("`{param}`: its server answered {}", status.as_u16());
            return Err(refused(ErrorCode::NotFound, message));
        }
        let (mut answer, mut bytes) = (answer, BytesMut::new());
        while let Some(part) = answer.chunk().await.map_err(|error| Missing::Unavailable(cause(&error)))? {
            if bytes.len() + part.len() > LARGEST_BYTES {
                return Err(Missing::Refused(crate::images::too_large(param)));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes.freeze())
    }
}

/// The innermost cause, which has no address in it.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    innermost(error).to_string()
}

fn innermost(error: &reqwest::Error) -> &(dyn std::error::Error + 'static) {
    let mut innermost: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}
