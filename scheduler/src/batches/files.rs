//! What a batch leaves: a line for each row, what to submit again, and a manifest of both with digests. Written
//! under the batch's own key; nobody sees them before the row of the batch speaks of them.

use super::drive::{Drive, ROWS};
use super::groups::Groups;
use super::rows::FAULT;
use super::{Batches, DriveError};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;
use txid_shared::api::{BatchFault, FileInfo, Summary};
use txid_shared::blobs::spool::{SpoolReader, SpoolWriter, Spooled};
use txid_shared::ids::VerificationId;
use txid_shared::store::{BatchRecord, BatchRow};
use txid_shared::words::{BatchFile, BatchStatus, RowState};

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

pub(super) async fn write_files(
    batches: &Batches,
    drive: &Drive,
    record: &BatchRecord,
    ended: BatchStatus,
    stopping: &CancellationToken,
) -> Result<BTreeMap<BatchFile, FileInfo>, DriveError> {
    let key = batches.store.batch_key(record).await?;
    let writer = |file: BatchFile| SpoolWriter::new(&batches.blobs, &key, &record.place(file.as_str()));
    let rows_of_manifest = SpoolReader::new(&batches.blobs, &key, &record.place(ROWS));
    let (mut output, mut errors) = (writer(BatchFile::Output), writer(BatchFile::Errors));
    let mut groups = Groups::of(batches, drive, record.batch.counts.total, stopping).await?;
    let (mut count, mut wrong, mut next) = (0, 0, 1);
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
                push(&mut line, &error_line(row, &text));
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
    Ok(infos)
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

/// The row as it was submitted, with what is the matter.
fn error_line(row: &BatchRow, text: &[u8]) -> Map<String, Value> {
    let mut members: Map<String, Value> = serde_json::from_slice(text).unwrap_or_default();
    if let Some(custom_id) = &row.custom_id {
        members.insert("custom_id".to_owned(), custom_id.as_str().into());
    }
    let fault = match &row.error {
        Some(error) => json!(error),
        None => {
            let reasons = row.outcome.as_ref().map(|outcome| &outcome.reasons);
            json!({ "code": row.state, "reasons": reasons })
        }
    };
    members.insert(FAULT.to_owned(), fault);
    members
}

fn push(lines: &mut Vec<u8>, line: &impl Serialize) {
    // Our own types always serialise.
    lines.extend(serde_json::to_vec(line).unwrap_or_default());
    lines.push(b'\n');
}
