//! `POST /v1/identity/batches`: what a batch is opened with.

use super::Api;
use super::auth::Caller;
use super::batches::lost;
use super::envelope::Refusal;
use super::files::keep;
use super::idempotency::{Begun, IdempotencyHeader, Key, begin, made, replay};
use super::verifications::no_such;
use super::verify::parsed;
use crate::batches::{Location, Source, row_form};
use crate::form::{Form, Given};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::Arc;
use txid_shared::api::{ApiError, Batch, ErrorBody, ErrorCode};
use txid_shared::ids::BatchId;
use txid_shared::store::{BatchOptions, Claim, NewBatch};
use txid_shared::words::{Check, DocumentType, Permission};
use utoipa::ToSchema;

const ENDPOINT: &str = "POST /v1/identity/batches";
const USUAL_LIFE_S: i64 = 7 * 86_400;
const LIFE_S: std::ops::RangeInclusive<i64> = 60..=30 * 86_400;
const LONGEST_NAME: usize = 200;
const FIELDS: [&str; 11] = [
    "name",
    "metadata",
    "manifest",
    "rows",
    "archive",
    "defaults",
    "validate_only",
    "failure_threshold_percent",
    "row_events",
    "verify_duplicates",
    "expires_in",
];
/// What rows may inherit.
const DEFAULTS: [&str; 5] = ["country", "document_type", "checks", "thresholds", "metadata"];

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the body; its fields are read one by one to name the wrong one")]
pub(super) struct BatchRequest {
    /// Shown in lists, at most 200 bytes.
    name: Option<String>,
    /// Where the manifest is: `upload:upl_…`, or `s3://bucket/key` in a bucket that the operator opened. JSONL, one
    /// row a line; CSV with a column `custom_id`; or a ZIP archive with `manifest.jsonl` or `manifest.csv`. In
    /// multipart the file itself.
    #[schema(example = "upload:upl_01JDC3Z5V00000000000000000")]
    manifest: Option<String>,
    /// The rows themselves, in place of a manifest.
    rows: Option<Vec<BatchRowRequest>>,
    /// A ZIP archive that `zip:` references point into: `upload:upl_…`. In multipart the file itself.
    archive: Option<String>,
    /// Fields of rows that do not have them.
    defaults: Option<BatchDefaults>,
    /// Check every row, verify none, and wait for `confirm`.
    validate_only: Option<bool>,
    /// The batch fails when more than so many percent of the rows that ended are `failed` or `error`.
    #[schema(minimum = 0, maximum = 100)]
    failure_threshold_percent: Option<f64>,
    /// Tell the account's endpoints each row's verdict as well.
    row_events: Option<bool>,
    /// Verify a row although an earlier one shows the same document.
    verify_duplicates: Option<bool>,
    /// Seconds until rows that are still open end as `expired`, 60 to 2,592,000; default seven days.
    #[schema(minimum = 60, maximum = 2592000)]
    expires_in: Option<i64>,
    /// Given back as it came: at most 50 keys and 16 KB, no personal data.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents a row; its fields are read one by one to name the wrong one")]
pub(super) struct BatchRowRequest {
    /// Yours, unique within the batch: what results are joined by.
    #[schema(min_length = 1, max_length = 200)]
    custom_id: String,
    /// `upload:upl_…`, `s3://bucket/key`, `zip:entry`, `https://…`, or base64. So with the other two.
    document_front: String,
    document_back: Option<String>,
    selfie: Option<String>,
    /// ISO 3166-1 alpha-2
    country: Option<String>,
    document_type: Option<DocumentType>,
    checks: Option<Vec<Check>>,
    /// Field name → the value expected on the document.
    #[schema(value_type = Option<Object>)]
    expected: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents the defaults")]
pub(super) struct BatchDefaults {
    country: Option<String>,
    document_type: Option<DocumentType>,
    checks: Option<Vec<Check>>,
    thresholds: Option<txid_shared::policy::Thresholds>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// A batch as it was asked for.
struct Asked {
    name: Option<String>,
    metadata: Map<String, Value>,
    manifest: FileGiven,
    archive: FileGiven,
    defaults: Map<String, Value>,
    options: BatchOptions,
    life_s: i64,
}

/// A file that came along, or where it is.
enum FileGiven {
    Nothing,
    Bytes(Bytes),
    At(Location),
}

fn asked(form: &Form<'_>) -> Result<Asked, ApiError> {
    form.only(&FIELDS)?;
    let name = form.text("name")?.map(std::borrow::Cow::into_owned);
    if name.as_ref().is_some_and(|name| name.len() > LONGEST_NAME || name.contains('\0')) {
        return Err(ApiError::invalid("name", "`name` may have 200 bytes"));
    }
    let flag = |name: &str| Ok::<_, ApiError>(form.structure(name, "true or false")?.unwrap_or(false));
    let wanted = "a number from 0 to 100";
    let options = BatchOptions {
        validate_only: flag("validate_only")?,
        failure_threshold_percent: form.within("failure_threshold_percent", 0.0..=100.0, wanted)?,
        row_events: flag("row_events")?,
        verify_duplicates: flag("verify_duplicates")?,
    };
    let wanted = "a whole number of seconds from 60 to 2592000";
    let life_s = form.within("expires_in", LIFE_S, wanted)?.unwrap_or(USUAL_LIFE_S);
    let defaults: Map<String, Value> = form.structure("defaults", "an object")?.unwrap_or_default();
    if let Some(unknown) = defaults.keys().find(|name| !DEFAULTS.contains(&name.as_str())) {
        let param = format!("defaults.{}", unknown.chars().take(64).collect::<String>());
        let message = format!("unknown field `{param}`; known: {}", DEFAULTS.join(", "));
        return Err(ApiError::invalid(&param, message));
    }
    // What stands in them is looked at as in a row, so that a mistake is not repeated in a million rows.
    let (inherited, _) = row_form("{}", &defaults)?;
    crate::submission::thresholds(&inherited)?;
    let manifest = match rows(form)? {
        Some(bytes) if form.all("manifest").is_empty() => FileGiven::Bytes(bytes),
        Some(_) => return Err(ApiError::invalid("rows", "give `manifest` or `rows`, not both")),
        None => given(form, "manifest")?,
    };
    let archive = given(form, "archive")?;
    if matches!((&manifest, &archive), (FileGiven::Nothing, FileGiven::Nothing)) {
        return Err(ApiError::missing("manifest"));
    }
    Ok(Asked {
        name,
        metadata: crate::submission::metadata(form)?,
        manifest,
        archive,
        defaults,
        options,
        life_s,
    })
}

/// Rows in the request itself, as a manifest.
fn rows(form: &Form<'_>) -> Result<Option<Bytes>, ApiError> {
    let Some(rows) = form.structure::<Vec<Box<RawValue>>>("rows", "a list of objects")? else {
        return Ok(None);
    };
    if rows.iter().any(|row| !row.get().starts_with('{')) {
        return Err(ApiError::invalid("rows", "`rows` must be a list of objects"));
    }
    // Within JSON the ends of lines are blanks: in texts they are escaped.
    let lines = rows.iter().map(|row| row.get().replace(['\n', '\r'], " "));
    Ok(Some(lines.collect::<Vec<_>>().join("\n").into()))
}

fn given(form: &Form<'_>, name: &str) -> Result<FileGiven, ApiError> {
    if let Some(Given::File(bytes)) = form.one(name)? {
        return Ok(FileGiven::Bytes(bytes.clone()));
    }
    let Some(text) = form.text(name)? else { return Ok(FileGiven::Nothing) };
    match Location::parse(name, &text)? {
        Some(location @ (Location::Upload(_) | Location::Bucket(_) | Location::File(_))) => {
            Ok(FileGiven::At(location))
        }
        _ => Err(ApiError::invalid(name, format!("`{name}` must be upload:upl_… or s3://bucket/key"))),
    }
}

/// Open a batch
///
/// The manifest is read after this call has answered; each of its lines becomes a row, also a wrong one. Its
/// columns and fields are those of a single call, with `custom_id`.
#[utoipa::path(post, path = "/v1/identity/batches", tag = "batches", params(IdempotencyHeader),
    request_body(content((BatchRequest = "application/json"), (BatchRequest = "multipart/form-data"))),
    responses(
        (status = 201, description = "Opened", body = Batch),
        (status = 400, description = "invalid_request, missing_parameter, invalid_parameter", body = ErrorBody),
        (status = 401, description = "unauthorized, key_revoked, key_expired", body = ErrorBody),
        (status = 403, description = "forbidden: the key lacks `identity:write`, or the reference is not open",
            body = ErrorBody),
        (status = 404, description = "not_found: no such upload, or nothing at that place of a bucket",
            body = ErrorBody),
        (status = 409, description = "invalid_state: the upload is not stored yet; idempotency_key_conflict, \
            idempotency_in_progress", body = ErrorBody),
        (status = 413, description = "image_too_large: the whole request; larger ones go by upload", body = ErrorBody),
        (status = 415, description = "invalid_request: neither JSON nor multipart", body = ErrorBody),
    ))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    caller.require(Permission::IdentityWrite)?;
    let (head, body) = request.into_parts();
    let room = api.room.take(&head.headers).await;
    let key = Key::of(&head)?;
    let (asked, claim) = {
        let (api, caller) = (api.clone(), caller.clone());
        parsed(head, body, move |form| Ok((asked(form)?, key.claim(&api, &caller, ENDPOINT, form)))).await?
    };
    if let Some(answer) = replay(&api, &caller, claim.as_ref()).await? {
        return Ok(answer);
    }
    let Asked { name, metadata, manifest, archive, defaults, options, life_s } = asked;
    let expires_at = api.clock.now() + jiff::SignedDuration::from_secs(life_s);
    let mut archive = at(&api, &caller, archive, "archive").await?;
    let manifest = match at(&api, &caller, manifest, "manifest").await? {
        // The manifest is in the archive, or is one.
        None => Location::Archive(String::new()),
        Some(location) if archive.is_none() && is_zip(&api, &caller, &location).await? => {
            archive = Some(location);
            Location::Archive(String::new())
        }
        Some(location) => location,
    };
    drop(room);
    let source = Source { manifest, archive, defaults };
    open(&api, &caller, source, (name, metadata, options), (None, claim), expires_at).await
}

/// What came along becomes an upload; what is referred to has to be there.
async fn at(api: &Api, caller: &Caller, given: FileGiven, param: &str) -> Result<Option<Location>, Refusal> {
    let location = match given {
        FileGiven::Nothing => return Ok(None),
        FileGiven::Bytes(bytes) if bytes.is_empty() => {
            return Err(ApiError::invalid(param, format!("`{param}` is empty")).into());
        }
        FileGiven::Bytes(bytes) => {
            return Ok(Some(Location::Upload(keep(api, caller.account_id, bytes).await?)));
        }
        FileGiven::At(location) => location,
    };
    match &location {
        Location::Upload(id) => {
            let upload = api.store.upload_of(caller.account_id, *id).await.map_err(|error| lost(&error))?;
            let upload = upload.ok_or_else(|| no_such("upload").param(param))?;
            if upload.stored.is_none() {
                let message = format!("`{param}`: the upload's content has not arrived");
                return Err(ApiError::new(ErrorCode::InvalidState, message).param(param).into());
            }
        }
        Location::Bucket(_) if param == "archive" => {
            return Err(ApiError::invalid(param, "`archive` must be upload:upl_…").into());
        }
        Location::Bucket(url) => {
            let refusal = api.drivers.refusal_of_bucket(caller.account_id, param, url).await;
            if let Some(refusal) = refusal.map_err(|error| lost(&error))? {
                return Err(refusal.into());
            }
        }
        Location::File(_) if api.batches.local_files.is_none() => {
            return Err(crate::batches::not_open(param, "file:").into());
        }
        _ => {}
    }
    Ok(Some(location))
}

async fn is_zip(api: &Api, caller: &Caller, location: &Location) -> Result<bool, Refusal> {
    const MAGIC: &[u8] = b"PK\x03\x04";
    match location {
        Location::Upload(id) => {
            let start = api.drivers.start_of_upload(caller.account_id, *id, MAGIC.len()).await;
            Ok(start.map_err(|error| lost(&error))?.is_some_and(|start| start == MAGIC))
        }
        Location::File(path) => Ok(path.ends_with(".zip")),
        _ => Ok(false),
    }
}

pub(super) type Described = (Option<String>, Map<String, Value>, BatchOptions);

pub(super) async fn open(
    api: &Api,
    caller: &Caller,
    source: Source,
    (name, metadata, options): Described,
    (retry_of, claim): (Option<BatchId>, Option<Claim>),
    expires_at: jiff::Timestamp,
) -> Result<Response, Refusal> {
    let (id, account_id, created_at) = (BatchId::generate(), caller.account_id, api.clock.now());
    let account_key = api.store.account_key(account_id).await.map_err(|error| lost(&error))?;
    let wrapped = account_key.generate_wrapped(&id.to_string()).map_err(|error| lost(&error))?;
    let sealed_source = source.seal(&account_key, id).map_err(|error| lost(&error))?;
    for location in [Some(&source.manifest), source.archive.as_ref()].into_iter().flatten() {
        if let Location::Upload(upload) = location {
            // Somebody may want to submit its errors again.
            let until = expires_at + jiff::SignedDuration::from_hours(24 * 7);
            api.store.keep_upload(*upload, until).await.map_err(|error| lost(&error))?;
        }
    }
    let new = NewBatch {
        id,
        account_id,
        key_id: caller.key_id,
        name,
        metadata,
        options,
        sealed_source,
        wrapped_key: wrapped.1,
        retry_of,
        created_at,
        expires_at,
    };
    let mut making = match begin(api, caller, claim).await? {
        Begun::Now(making) => making,
        Begun::Before(answer) => return Ok(answer),
    };
    let record = making.create_batch(&new).await.map_err(|error| lost(&error))?;
    let answer = made(making, StatusCode::CREATED, &record.batch).await?;
    tracing::info!(batch.id = %id, "batch opened");
    Ok(answer)
}
