//! What a batch leaves: a line for each row, what to submit again, and a manifest of both with digests. Written
//! under the batch's own key; nobody sees them before the row of the batch speaks of them.

use super::drive::{Drive, ROWS};
use super::groups::Groups;
use super::rows::{FAULT, UNREAD};
use super::source::Location;
use super::{Batches, DriveError};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tokio_util::sync::CancellationToken;
use txid_shared::api::{BatchFault, FileInfo, Summary};
use txid_shared::blobs::spool::{SpoolReader, SpoolWriter, Spooled};
use txid_shared::ids::VerificationId;
use txid_shared::store::{BatchRecord, BatchRow};
use txid_shared::words::{BatchFile, BatchStatus, ImageRole, RowState};

/// Rows that are read together.
const TOGETHER: i64 = 1000;

/// A line of the output. Nothing personal: what was read from a document is in `results`, and goes with an erasure.
#[derive(Serialize)]
struct OutputLine<'a> {
    custom_id: Option<&'a str>,
    /// In the manifest, from 1.
    line: i64,
    status: RowState,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_id: Option<VerificationId>,
    #[serde(flatten)]
    outcome: Option<&'a Summary>,
    /// `custom_id` of the row that shows the same document.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a BatchFault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
}

/// What was written, and whether the errors hold pictures and not only references to them.
pub(super) struct Written {
    pub(super) files: BTreeMap<BatchFile, FileInfo>,
    pub(super) has_pictures: bool,
}

pub(super) async fn write_files(
    batches: &Batches,
    drive: &Drive,
    record: &BatchRecord,
    ended: BatchStatus,
    stopping: &CancellationToken,
) -> Result<Written, DriveError> {
    let key = batches.store.batch_key(record).await?;
    let writer = |file: BatchFile| SpoolWriter::new(&batches.blobs, &key, &record.place(file.as_str()));
    let rows_of_manifest = SpoolReader::new(&batches.blobs, &key, &record.place(ROWS));
    let (mut output, mut errors) = (writer(BatchFile::Output), writer(BatchFile::Errors));
    let mut groups = Groups::of(batches, drive, record.batch.counts.total, stopping).await?;
    let (mut count, mut wrong, mut next, mut has_pictures) = (0, 0, 1, false);
    loop {
        if stopping.is_cancelled() {
            return Err(DriveError::Stopping);
        }
        batches.hold(drive.id, drive.token).await?;
        let rows = batches.store.rows_from(drive.id, next, None, TOGETHER).await?;
        let Some(last) = rows.last() else { break };
        next = last.number + 1;
        let mut lines = Vec::new();
        for row in &rows {
            count += 1;
            groups.place(row);
            push(&mut lines, &output_line(row));
            if matches!(row.state, RowState::Error | RowState::Cancelled | RowState::Expired) {
                wrong += 1;
                let text = rows_of_manifest.read(row.start_byte, row.size_bytes).await?;
                let mut line = Vec::new();
                let mut members = error_line(row, &text);
                has_pictures |= locate(&mut members, batches.references.local_files.as_deref());
                push(&mut line, &members);
                errors.write(&line).await?;
            }
        }
        output.write(&lines).await?;
    }
    let info = |rows, Spooled { size_bytes, sha256 }| FileInfo { rows, size_bytes, sha256 };
    let mut infos = BTreeMap::from([
        (BatchFile::Output, info(count, output.close().await?)),
        (BatchFile::Errors, info(wrong, errors.close().await?)),
    ]);
    let mut duplicates = writer(BatchFile::Duplicates);
    let groups = groups.lines();
    for line in &groups {
        let mut text = Vec::new();
        push(&mut text, line);
        duplicates.write(&text).await?;
    }
    let found = i64::try_from(groups.len()).unwrap_or(i64::MAX);
    infos.insert(BatchFile::Duplicates, info(found, duplicates.close().await?));
    let manifest = json!({
        "batch": record.batch.id,
        "name": record.batch.name,
        "status": ended,
        "counts": record.batch.counts,
        "files": infos,
    });
    let mut text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    text.push(b'\n');
    let mut writing = writer(BatchFile::Manifest);
    writing.write(&text).await?;
    infos.insert(BatchFile::Manifest, info(1, writing.close().await?));
    Ok(Written { files: infos, has_pictures })
}

fn output_line(row: &BatchRow) -> OutputLine<'_> {
    OutputLine {
        custom_id: row.custom_id.as_deref(),
        line: row.line,
        status: row.state,
        verification_id: row.verification_id,
        outcome: row.outcome.as_ref(),
        duplicate_of: row.duplicate_custom_id.as_deref(),
        error: row.error.as_ref(),
        completed_at: row.completed_at,
    }
}

/// The row as it was submitted, with what is the matter and where it stood.
fn error_line(row: &BatchRow, text: &[u8]) -> Map<String, Value> {
    let mut members: Map<String, Value> = serde_json::from_slice(text).unwrap_or_default();
    let unread = members.remove(FAULT).and_then(|mut fault| fault.get_mut(UNREAD).map(Value::take));
    if let Some(custom_id) = &row.custom_id {
        members.insert("custom_id".to_owned(), custom_id.as_str().into());
    }
    let mut fault = match &row.error {
        Some(error) => json!(error),
        None => match &row.outcome {
            Some(outcome) => json!({ "code": row.state, "reasons": outcome.reasons }),
            None => json!({ "code": row.state }),
        },
    };
    fault["line"] = row.line.into();
    if let Some(unread) = unread {
        fault[UNREAD] = unread;
    }
    members.insert(FAULT.to_owned(), fault);
    members
}

/// Makes `file:` paths absolute, which start from `folder`: the errors file lies elsewhere. Whether pictures stand in the
/// row themselves.
fn locate(members: &mut Map<String, Value>, folder: Option<&Path>) -> bool {
    let mut has_pictures = false;
    for role in ImageRole::ALL {
        let Some(Value::String(picture)) = members.get_mut(role.as_str()) else { continue };
        match (Location::parse(role.as_str(), picture), folder) {
            (Ok(None), _) => has_pictures = true,
            (Ok(Some(Location::File(path))), Some(folder)) => {
                *picture = format!("file:{}", folder.join(path).display());
            }
            _ => {}
        }
    }
    has_pictures
}

fn push(lines: &mut Vec<u8>, line: &impl Serialize) {
    // Our own types always serialise.
    lines.extend(serde_json::to_vec(line).unwrap_or_default());
    lines.push(b'\n');
}
