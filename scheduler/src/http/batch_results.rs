//! What came of a batch: row by row while it runs, and its files once it has ended.

use super::Api;
use super::auth::Caller;
use super::batches::{find, lost};
use super::envelope::Refusal;
use super::query::{List, Parameters};
use super::verifications::{no_such, unreadable};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use txid_shared::api::{ApiError, BatchFault, ErrorBody, ErrorCode, Summary, Verification};
use txid_shared::blobs::BlobError;
use txid_shared::blobs::spool::SpoolReader;
use txid_shared::ids::{AccountId, VerificationId};
use txid_shared::present::present_row;
use txid_shared::store::BatchRow;
use txid_shared::words::{BatchFile, Check, Permission, RowState};
use utoipa::ToSchema;

const USUAL_LIMIT: i64 = 100;
const LARGEST_LIMIT: i64 = 1000;

/// A row of a batch with what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchResult {
    /// Absent where the line had none that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_id: Option<String>,
    /// In the manifest, from 1.
    line: i64,
    status: RowState,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "ver_01JDC3Z5V00000000000000000")]
    verification_id: Option<VerificationId>,
    /// Without personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Summary>,
    /// As its own `GET` shows it; absent where there is none, and after its erasure.
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Verification>,
    /// `custom_id` of the row that shows the same document.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<BatchFault>,
}

/// Rows of a batch with their results, in the order of the manifest
#[utoipa::path(get, path = "/v1/identity/batches/{id}/results", tag = "batches",
    params(
        ("id" = String, Path, description = "`batch_…`"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "Default 100"),
        ("status" = Option<RowState>, Query, description = "Only rows that stand so"),
        ("verifications" = Option<bool>, Query, description = "Default true; `false` leaves `verification` out"),
    ),
    responses(
        (status = 200, description = "A page", body = List<BatchResult>),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found", body = ErrorBody),
    ))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Json<List<BatchResult>>, Refusal> {
    caller.require(Permission::IdentityRead)?;
    parameters.only(&["cursor", "status", "verifications"], None)?;
    let status = parameters.parsed("status", "the status of a row")?;
    let whole = parameters.parsed("verifications", "true or false")?.unwrap_or(true);
    let first: i64 = parameters.parsed("cursor", "a cursor of this list")?.unwrap_or(1);
    let limit = parameters.parsed("limit", "a whole number from 1 to 1000")?.unwrap_or(USUAL_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(ApiError::invalid("limit", "`limit` must be a whole number from 1 to 1000").into());
    }
    let record = find(&api, &caller, &id).await?;
    let rows = api.store.rows_from(record.batch.id, first, status, limit + 1).await;
    let mut rows = rows.map_err(|error| lost(&error))?;
    let has_more = i64::try_from(rows.len()).is_ok_and(|found| found > limit);
    // Rows keep their place while the batch runs.
    let next_cursor = if has_more { rows.pop().map(|row| row.number.to_string()) } else { None };
    let (api, account) = (&api, caller.account_id);
    let shown = List::of_rows(rows, next_cursor).shown(|row: BatchRow| async move {
        let verification = match row.verification_id.filter(|_| whole) {
            Some(id) => verification(api, account, id).await?,
            None => None,
        };
        Ok::<_, Refusal>(Some(BatchResult {
            custom_id: row.custom_id,
            line: row.line,
            status: row.state,
            verification_id: row.verification_id,
            outcome: row.outcome,
            verification,
            duplicate_of: row.duplicate_custom_id,
            error: row.error,
        }))
    });
    Ok(Json(shown.await?))
}

async fn verification(
    api: &Api,
    account: AccountId,
    id: VerificationId,
) -> Result<Option<Verification>, Refusal> {
    let row = api.store.verification(account, id).await.map_err(|error| unreadable(&error))?;
    let Some(row) = row else { return Ok(None) };
    match present_row(&api.store, &row).await {
        Err(error) if error.is_destroyed() => Ok(None),
        shown => shown.map(Some).map_err(|error| unreadable(&error)),
    }
}

/// Fetch a file of a batch
///
/// `output`: a line for each row, JSON or with `format=csv` a table, without personal data (`results` has that).
/// `errors`: the rows without a verdict, as a manifest to submit again. `manifest`: what the two hold, with digests.
/// `preflight`: a line for each fault found before the start. `duplicates`: rows that show the same document, picture or
/// face, a line for each group, with verifications outside the batch that are alike.
#[utoipa::path(get, path = "/v1/identity/batches/{id}/files/{file}", tag = "batches",
    params(
        ("id" = String, Path, description = "`batch_…`"),
        ("file" = BatchFile, Path),
        ("format" = Option<String>, Query, description = "`jsonl` (default), and for `output` also `csv`"),
    ),
    responses(
        (status = 200, description = "The file", content(
            (String = "application/x-ndjson"), (String = "text/csv"), (String = "application/json"))),
        (status = 400, description = "invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:read`", body = ErrorBody),
        (status = 404, description = "not_found: no such batch, or no such file of it", body = ErrorBody),
        (status = 409, description = "invalid_state: it is not written yet", body = ErrorBody),
    ))]
pub(super) async fn file(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, file)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    caller.require(Permission::IdentityRead)?;
    parameters.only(&["format"], None)?;
    let record = find(&api, &caller, &id).await?;
    let file: BatchFile = file.parse().map_err(|_| no_such("file of a batch"))?;
    let as_table = match parameters.text("format")? {
        None | Some("jsonl") => false,
        Some("csv") if file == BatchFile::Output => true,
        Some(_) => {
            return Err(ApiError::invalid("format", "`format` must be `jsonl`, or for `output` `csv`").into());
        }
    };
    if !record.batch.files.as_ref().is_some_and(|files| files.contains_key(&file)) {
        let message = format!("`{file}` is not written: the batch is {}", record.batch.status);
        return Err(ApiError::new(ErrorCode::InvalidState, message).into());
    }
    let reader = api.drivers.file_of(&record, file).await.map_err(|error| lost(&error))?;
    let kind = match (file, as_table) {
        (_, true) => "text/csv; charset=utf-8",
        (BatchFile::Manifest, _) => "application/json",
        _ => "application/x-ndjson",
    };
    let body = if as_table { table(reader) } else { Body::from_stream(pieces(reader)) };
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], body).into_response())
}

fn pieces(reader: SpoolReader) -> impl futures_util::Stream<Item = Result<Bytes, BlobError>> {
    stream::try_unfold((reader, 0), |(reader, number)| async move {
        Ok(reader.piece_or_end(number).await?.map(|piece| (piece, (reader, number + 1))))
    })
}

const COLUMNS: [&str; 10] = [
    "custom_id",
    "line",
    "status",
    "verification_id",
    "risk_score",
    "reasons",
    "similarity",
    "duplicate_of",
    "error_code",
    "error_message",
];

/// The lines of the output, each as a line of a table. Pieces end within lines: the rest waits for the next.
fn table(reader: SpoolReader) -> Body {
    let mut head: Vec<&str> = COLUMNS.to_vec();
    head.extend(Check::ALL.iter().map(|check| check.as_str()));
    head.push("completed_at");
    let mut first = csv_line(head.into_iter().map(str::to_owned));
    // So that spreadsheets take it for UTF-8.
    first.splice(0..0, *b"\xef\xbb\xbf");
    let state = (reader, 0, Vec::new(), Some(first));
    Body::from_stream(stream::try_unfold(state, |(reader, number, mut rest, mut first)| async move {
        let Some(piece) = reader.piece_or_end(number).await? else {
            return Ok::<_, BlobError>(
                first.take().map(|head| (Bytes::from(head), (reader, number, rest, None))),
            );
        };
        rest.extend_from_slice(&piece);
        let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let behind = rest.split_off(end);
        let mut lines = first.take().unwrap_or_default();
        for line in rest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            lines.extend(cells(&serde_json::from_slice(line).unwrap_or_default()));
        }
        Ok(Some((Bytes::from(lines), (reader, number + 1, behind, None))))
    }))
}

fn cells(line: &Value) -> Vec<u8> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    };
    let of_column = |name: &&str| match name.strip_prefix("error_") {
        Some(member) => text(&line["error"][member]),
        None => text(&line[*name]),
    };
    let checks = Check::ALL.iter().map(|check| text(&line["checks"][check.as_str()]));
    csv_line(COLUMNS.iter().map(of_column).chain(checks).chain([text(&line["completed_at"])]))
}

fn csv_line(cells: impl Iterator<Item = String>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // A spreadsheet would compute what begins like a formula, and a custom_id comes from anywhere.
    let inert = |cell: String| {
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
    };
    // Writing to a Vec cannot fail.
    let _ = writer.write_record(cells.map(inert));
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_of_the_table_is_inert_and_in_its_columns() {
        let line = json!({ "custom_id": "=HYPERLINK(\"x\")", "line": 3, "status": "failed", "risk_score": 400,
            "reasons": ["fraud_detected", "face_mismatch"], "checks": { "ocr": "passed", "fraud": "failed" },
            "error": { "code": "not_found", "message": "a, b" } });
        let text = String::from_utf8(cells(&line)).unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let record = reader.records().next().unwrap().unwrap();
        assert_eq!(&record[0], "'=HYPERLINK(\"x\")");
        assert_eq!(
            (&record[5], &record[8], &record[9]),
            ("fraud_detected;face_mismatch", "not_found", "a, b")
        );
        assert_eq!(record.len(), COLUMNS.len() + Check::ALL.len() + 1);
        let fraud = Check::ALL.iter().position(|check| *check == Check::Fraud).unwrap();
        assert_eq!(&record[COLUMNS.len() + fraud], "failed");
    }
}
