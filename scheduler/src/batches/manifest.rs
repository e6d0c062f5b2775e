//! Reads a manifest from the first line to the last, whatever its size and form: JSONL, CSV, or one of them in a ZIP
//! archive. Each line becomes a row, also one that is wrong; only a manifest that cannot be read at all is refused.

use super::lines::{Group, Parsed, Part, parse};
use super::rows::{Line, Wrong};
use super::source::Location;
use super::zipped::Archive;
use super::{Batches, DriveError};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use txid_shared::api::{ApiError, BatchFault, ErrorCode};
use txid_shared::blobs::spool::SpoolWriter;
use txid_shared::ids::BatchId;
use txid_shared::store::NewRow;
use uuid::Uuid;

/// Parts and groups of lines that wait for each other.
const AHEAD: usize = 4;
/// What a manifest in an archive is called, if there are several that it could be.
const NAMES: [&str; 2] = ["manifest.jsonl", "manifest.csv"];

/// Who holds the batch that is read.
pub(super) struct Holding<'a> {
    pub(super) id: BatchId,
    pub(super) token: Uuid,
    pub(super) until: jiff::SignedDuration,
    pub(super) rows: SpoolWriter,
    pub(super) batches: &'a Batches,
}

impl Holding<'_> {
    /// `Err` inside: the manifest as a whole cannot be used.
    pub(super) async fn read(
        mut self,
        location: &Location,
        archive: Option<&Archive>,
        account_name: &str,
        account: txid_shared::ids::AccountId,
    ) -> Result<Result<(), ApiError>, DriveError> {
        if !self.batches.store.reset_rows((self.id, self.token)).await? {
            return Err(DriveError::LeaseLost);
        }
        let (parts, incoming) = channel::<Part>(AHEAD);
        let (groups, mut lines) = channel::<Group>(AHEAD);
        let feeding =
            feed(self.batches, location.clone(), archive.cloned(), account_name.to_owned(), account, parts);
        let parsing = tokio::task::spawn_blocking(move || parse(incoming, &groups));
        let writing = self.write(&mut lines);
        let (fed, written) = tokio::join!(feeding, writing);
        fed?;
        let written = written?;
        drop(lines);
        parsing.await.map_err(|_| DriveError::Panicked)?;
        if let Err(refused) = written {
            return Ok(Err(refused));
        }
        self.rows.close().await?;
        Ok(Ok(()))
    }

    async fn write(&mut self, lines: &mut Receiver<Group>) -> Result<Result<(), ApiError>, DriveError> {
        let (mut number, most) = (0, self.batches.settings.most_rows);
        while let Some(group) = lines.recv().await {
            let group = match group {
                Ok(group) => group,
                Err(refused) => return Ok(Err(refused)),
            };
            let held = self.batches.clock.now() + self.until;
            if self.batches.store.hold_batch(self.id, self.token, held).await?.is_none() {
                return Err(DriveError::LeaseLost);
            }
            let mut rows = Vec::with_capacity(group.len());
            for Parsed { line, read } in group {
                number += 1;
                let start_byte = i64::try_from(self.rows.size_bytes()).unwrap_or(i64::MAX);
                let (custom_id, text, fault) = match read {
                    Ok(Line { custom_id, text }) => (custom_id, text, None),
                    Err(Wrong { custom_id, text, error }) => (custom_id, text, Some(error.into())),
                };
                self.rows.write(text.as_bytes()).await?;
                let size_bytes = i32::try_from(text.len()).unwrap_or(i32::MAX);
                rows.push(NewRow { number, line, custom_id, start_byte, size_bytes, fault });
            }
            if number > most {
                let message = format!("the manifest has more than {most} rows");
                return Ok(Err(ApiError::invalid("manifest", message)));
            }
            self.append(rows).await?;
        }
        if number == 0 {
            return Ok(Err(ApiError::invalid("manifest", "the manifest has no rows")));
        }
        Ok(Ok(()))
    }

    /// Rows whose `custom_id` stands earlier as well are kept with the fault that they have.
    async fn append(&self, rows: Vec<NewRow>) -> Result<(), DriveError> {
        let (store, held) = (&self.batches.store, (self.id, self.token));
        let taken = store.append_rows(held, &rows).await?.ok_or(DriveError::LeaseLost)?;
        if taken.len() == rows.len() {
            return Ok(());
        }
        let taken: std::collections::HashSet<i64> = taken.into_iter().collect();
        let mut repeated = Vec::new();
        for mut row in rows.into_iter().filter(|row| !taken.contains(&row.number)) {
            let first = match &row.custom_id {
                Some(custom_id) => store.line_of(self.id, custom_id).await?.unwrap_or_default(),
                None => 0,
            };
            row.fault = Some(BatchFault {
                code: ErrorCode::InvalidParameter.name(),
                message: format!("`custom_id` stands on line {first} already"),
                param: Some("custom_id".to_owned()),
            });
            repeated.push(row);
        }
        store.append_rows(held, &repeated).await?.ok_or(DriveError::LeaseLost)?;
        Ok(())
    }
}

/// Hands on the manifest's bytes. What is wrong with its place goes the same way.
async fn feed(
    batches: &Batches,
    location: Location,
    archive: Option<Archive>,
    account_name: String,
    account: txid_shared::ids::AccountId,
    parts: Sender<Part>,
) -> Result<(), DriveError> {
    let refuse = |error: ApiError| async {
        // Nobody listens any more where the parser stopped first.
        let _ = parts.send(Err(error)).await;
    };
    match location {
        Location::Upload(id) => {
            let Some((_, reader)) = batches.references.upload(account, id).await? else {
                refuse(ApiError::new(ErrorCode::NotFound, "`manifest`: no such upload").param("manifest"))
                    .await;
                return Ok(());
            };
            let mut number = 0;
            while let Some(piece) = reader.piece_or_end(number).await? {
                if parts.send(Ok(piece)).await.is_err() {
                    break;
                }
                number += 1;
            }
        }
        Location::Bucket(url) => match batches.references.sources.stream(&account_name, &url).await {
            Err(error) => refuse(unreachable("manifest", &error)).await,
            Ok(stream) => {
                let mut stream = std::pin::pin!(stream);
                while let Some(part) = stream.next().await {
                    let part = part.map_err(|error| unreachable("manifest", &error));
                    let broken = part.is_err();
                    if parts.send(part).await.is_err() || broken {
                        break;
                    }
                }
            }
        },
        Location::Archive(name) => {
            let Some(archive) = archive else {
                refuse(ApiError::missing("archive")).await;
                return Ok(());
            };
            let reading = tokio::task::spawn_blocking(move || {
                let read = named(&archive, &name).and_then(|name| {
                    let each = archive.each_part(&name, |part| {
                        parts.blocking_send(Ok(Bytes::copy_from_slice(part))).is_ok()
                    });
                    each.map_err(|error| {
                        ApiError::invalid("manifest", format!("the manifest in the archive {error}"))
                    })
                });
                if let Err(error) = read {
                    let _ = parts.blocking_send(Err(error));
                }
            });
            reading.await.map_err(|_| DriveError::Panicked)?;
        }
        Location::File(path) => {
            use tokio::io::AsyncReadExt as _;
            let Some(path) = batches.references.local(&path) else {
                refuse(super::source::not_open("manifest", "such")).await;
                return Ok(());
            };
            let mut file = match tokio::fs::File::open(&path).await {
                Ok(file) => file,
                Err(error) => {
                    refuse(ApiError::invalid("manifest", format!("`manifest`: {error}"))).await;
                    return Ok(());
                }
            };
            loop {
                let mut part = vec![0; 256 * 1024];
                let read = file.read(&mut part).await.map_err(txid_shared::blobs::BlobError::from)?;
                part.truncate(read);
                if read == 0 || parts.send(Ok(part.into())).await.is_err() {
                    break;
                }
            }
        }
        Location::Web(_) => {
            refuse(super::source::not_open("manifest", "such")).await;
        }
    }
    Ok(())
}

pub(super) fn unreachable(param: &str, error: &txid_shared::blobs::sources::SourceError) -> ApiError {
    use txid_shared::blobs::sources::SourceError;
    let (code, what) = match error {
        SourceError::NotOpen => (ErrorCode::Forbidden, "is not in a bucket that this account may read"),
        SourceError::NotFound => (ErrorCode::NotFound, "does not exist"),
        SourceError::TooLarge(_) => (ErrorCode::InvalidParameter, "is too large"),
        SourceError::Store(_) => (ErrorCode::ServiceUnavailable, "could not be fetched"),
    };
    ApiError::new(code, format!("`{param}` {what}")).param(param)
}

/// The entry that is the manifest, where none is named.
fn named(archive: &Archive, name: &str) -> Result<String, ApiError> {
    if !name.is_empty() {
        return Ok(name.to_owned());
    }
    let found = archive.names(&[".jsonl", ".csv"]);
    let is_usual = |name: &&String| NAMES.contains(&name.rsplit('/').next().unwrap_or_default());
    let usual: Vec<&String> = found.iter().filter(is_usual).collect();
    match (usual.as_slice(), found.as_slice()) {
        ([only], _) => Ok((*only).clone()),
        ([], [only]) => Ok(only.clone()),
        ([], []) => Err(ApiError::invalid(
            "manifest",
            "the archive has no manifest: put manifest.jsonl or manifest.csv into it",
        )),
        ([], _) => {
            Err(ApiError::invalid("manifest", "the archive has several manifests; name one manifest.jsonl"))
        }
        ([first, second, ..], _) => {
            let message = format!("the archive has the manifests {first} and {second}; leave one");
            Err(ApiError::invalid("manifest", message))
        }
    }
}
