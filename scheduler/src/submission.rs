//! From the fields of a request to a submission that is worth queueing, or the first thing that is
//! wrong with it. Order: words and countries, which pictures there must be, then the pictures.

use crate::form::{Form, Given};
use crate::images::{self, LARGEST_BYTES, LowResolution};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use txid_shared::api::{ApiError, ErrorCode, ImageInfo, Mode};
use txid_shared::documents::{SUPPORTED, required_images, supported_country};
use txid_shared::ids::VerificationId;
use txid_shared::policy::Thresholds;
use txid_shared::request::SealedRequest;
use txid_shared::sha256_hex;
use txid_shared::store::Declared;
use txid_shared::words::{Check, DocumentType, ImageRole, Purpose, Stage};

const FIELDS: [&str; 11] = [
    "document_front",
    "document_back",
    "selfie",
    "country",
    "document_type",
    "checks",
    "mode",
    "webhook_url",
    "metadata",
    "thresholds",
    "expected",
];
const MOST_METADATA_KEYS: usize = 50;
const LARGEST_METADATA_BYTES: usize = 16 * 1024;
const MOST_EXPECTED: usize = 50;
const LONGEST_EXPECTED_BYTES: usize = 500;
const LONGEST_URL_BYTES: usize = 2048;

/// Some encoders leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A request that was checked as far as it can be without decoding pixels.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) purpose: Purpose,
    /// Always there for a [`Purpose::Verification`].
    pub(crate) declared: Option<Declared>,
    pub(crate) checks: Vec<Check>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) mode: Mode,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) request: SealedRequest,
    pub(crate) images: Vec<Picture>,
    pub(crate) retry_of: Option<VerificationId>,
}

#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) info: ImageInfo,
    pub(crate) bytes: Bytes,
}

impl Submission {
    pub(crate) fn parse(form: &Form<'_>) -> Result<Self, ApiError> {
        form.only(&FIELDS)?;
        let declared = declared(form)?;
        let thresholds = thresholds(form)?;
        let expected = expected(form)?;
        let checks = checks(form, &thresholds, &expected)?;
        let mode = mode(form)?;
        let webhook_url = webhook_url(form)?;
        let low = LowResolution::of(&thresholds);
        let metadata = metadata(form)?;
        required_pictures(form, declared.document_type, &checks)?;
        let images = ImageRole::ALL
            .iter()
            .filter_map(|role| picture(form, *role, low).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let selfie = images.iter().any(|image| image.info.plays(ImageRole::Selfie));
        let stages = stages(&checks, selfie);
        let request = SealedRequest { thresholds, expected, webhook_url, ..SealedRequest::default() };
        let (purpose, declared, retry_of) = (Purpose::Verification, Some(declared), None);
        Ok(Self { purpose, declared, checks, stages, mode, metadata, request, images, retry_of })
    }
}

pub(crate) fn mode(form: &Form<'_>) -> Result<Mode, ApiError> {
    match form.text("mode")?.as_deref() {
        None | Some("sync") => Ok(Mode::Sync),
        Some("async") => Ok(Mode::Async),
        Some(_) => Err(ApiError::invalid("mode", "`mode` must be `sync` or `async`")),
    }
}

/// What has to run for `checks`. Who was seen before is told by the face as well, where there is one to compare.
pub(crate) fn stages(checks: &[Check], selfie: bool) -> Vec<Stage> {
    let mut stages: Vec<Stage> = checks.iter().map(|check| check.stage()).collect();
    if selfie && checks.contains(&Check::Duplicate) {
        stages.push(Stage::FaceMatch);
    }
    stages.sort();
    stages.dedup();
    stages
}

pub(crate) fn declared(form: &Form<'_>) -> Result<Declared, ApiError> {
    let given = form.text("country")?.ok_or_else(|| ApiError::missing("country"))?;
    let named = form.text("document_type")?.ok_or_else(|| ApiError::missing("document_type"))?;
    let country = supported_country(&given.to_ascii_uppercase()).ok_or_else(|| {
        let known: Vec<&str> = SUPPORTED.iter().map(|country| country.code).collect();
        let message = format!("`country` must be one of {}", known.join(", "));
        ApiError::new(ErrorCode::UnsupportedCountry, message).param("country")
    })?;
    let document_type = named.parse().ok().filter(|document| country.takes(*document)).ok_or_else(|| {
        let known: Vec<&str> = country.documents.iter().map(|document| document.as_str()).collect();
        let message = format!("`document_type` must be one of {} for {}", known.join(", "), country.code);
        ApiError::new(ErrorCode::UnsupportedDocument, message).param("document_type")
    })?;
    Ok(Declared { country: country.code.to_owned(), document_type })
}

/// What is asked for, and what follows from it: who says what to compare with asks for the comparison.
pub(crate) fn checks(
    form: &Form<'_>,
    thresholds: &Thresholds,
    expected: &BTreeMap<String, String>,
) -> Result<Vec<Check>, ApiError> {
    let mut checks = named_checks(form)?;
    let implied = [
        (Check::DataValidation, !expected.is_empty()),
        (Check::AgeVerification, thresholds.minimum_age.is_some()),
    ];
    for (check, asked) in implied {
        if asked && !checks.contains(&check) {
            checks.push(check);
        }
    }
    Ok(checks)
}

pub(crate) fn webhook_url(form: &Form<'_>) -> Result<Option<String>, ApiError> {
    let url = form.text("webhook_url")?.map(Cow::into_owned);
    if let Some(url) = &url {
        web_address("webhook_url", url)?;
    }
    Ok(url)
}

/// A list of words: a JSON array, or text separated by commas, or a field that repeats.
pub(crate) fn names(form: &Form<'_>, field: &str) -> Result<Vec<String>, ApiError> {
    let refused = || ApiError::invalid(field, format!("`{field}` must be a list of strings"));
    let mut named: Vec<String> = Vec::new();
    for given in form.all(field) {
        match given {
            Given::Json(raw) => {
                named.extend(serde_json::from_str::<Vec<String>>(raw.get()).map_err(|_| refused())?);
            }
            other => {
                let text = other.text(field)?;
                if text.trim_start().starts_with('[') {
                    named.extend(serde_json::from_str::<Vec<String>>(&text).map_err(|_| refused())?);
                } else {
                    named.extend(text.split(',').map(|name| name.trim().to_owned()));
                }
            }
        }
    }
    Ok(named)
}

fn named_checks(form: &Form<'_>) -> Result<Vec<Check>, ApiError> {
    let named = names(form, "checks")?;
    if form.all("checks").is_empty() {
        return Ok(Check::DEFAULT.to_vec());
    }
    let mut checks: Vec<Check> = Vec::new();
    for name in named {
        let check = name.parse().map_err(|_| {
            let known: Vec<&str> = Check::ALL.iter().map(|check| check.as_str()).collect();
            ApiError::invalid("checks", format!("`checks` may hold {}", known.join(", ")))
        })?;
        if !checks.contains(&check) {
            checks.push(check);
        }
    }
    if checks.is_empty() {
        return Err(ApiError::invalid("checks", "`checks` must name at least one check"));
    }
    Ok(checks)
}

/// Absolute, http or https, without credentials (they would end in logs and lists).
/// Where it may point to is judged when it is called, by address.
pub(crate) fn web_address(param: &str, url: &str) -> Result<(), ApiError> {
    let refused = |why: &str| Err(ApiError::invalid(param, format!("`{param}` {why}")));
    if url.len() > LONGEST_URL_BYTES {
        return refused("is longer than 2048 bytes");
    }
    let Ok(uri) = url.parse::<axum::http::Uri>() else { return refused("is not a valid URL") };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return refused("must be an absolute http or https URL");
    };
    if !matches!(scheme, "http" | "https") || authority.host().is_empty() {
        return refused("must be an absolute http or https URL");
    }
    if authority.as_str().contains('@') {
        return refused("must not hold credentials");
    }
    Ok(())
}

pub(crate) fn thresholds(form: &Form<'_>) -> Result<Thresholds, ApiError> {
    let Some(given) = form.structure::<Map<String, Value>>("thresholds", "an object")? else {
        return Ok(Thresholds::default());
    };
    let mut thresholds = Thresholds::default();
    for (name, value) in given {
        let param = format!("thresholds.{}", name.chars().take(64).collect::<String>());
        let refused = |wanted: &str| ApiError::invalid(&param, format!("`{param}` must be {wanted}"));
        if value.is_null() {
            continue;
        }
        let probability = || {
            let number = value.as_f64().filter(|number| (0.0..=1.0).contains(number));
            number.map(|number| number as f32).ok_or_else(|| refused("a number from 0 to 1"))
        };
        match name.as_str() {
            "face_match" => thresholds.face_match = Some(probability()?),
            "liveness" => thresholds.liveness = Some(probability()?),
            "minimum_age" => {
                let age = value.as_i64().filter(|age| (0..=150).contains(age));
                let age = age.and_then(|age| i16::try_from(age).ok());
                thresholds.minimum_age =
                    Some(age.ok_or_else(|| refused("a whole number of years from 0 to 150"))?);
            }
            "reject_low_resolution" => {
                let reject = value.as_bool().ok_or_else(|| refused("true or false"))?;
                thresholds.reject_low_resolution = Some(reject);
            }
            _ => {
                let message = format!(
                    "unknown field `{param}`; known: face_match, liveness, minimum_age, reject_low_resolution"
                );
                return Err(ApiError::invalid(&param, message));
            }
        }
    }
    Ok(thresholds)
}

pub(crate) fn metadata(form: &Form<'_>) -> Result<Map<String, Value>, ApiError> {
    let metadata: Map<String, Value> = form.structure("metadata", "an object")?.unwrap_or_default();
    let size_bytes = serde_json::to_vec(&metadata).map_or(usize::MAX, |text| text.len());
    if metadata.len() > MOST_METADATA_KEYS || size_bytes > LARGEST_METADATA_BYTES {
        return Err(ApiError::invalid("metadata", "`metadata` may hold at most 50 keys and 16 KB"));
    }
    if metadata.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)) {
        return Err(ApiError::invalid("metadata", "`metadata` must not hold the character U+0000"));
    }
    Ok(metadata)
}

/// Postgres cannot keep it in JSON.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

pub(crate) fn expected(form: &Form<'_>) -> Result<BTreeMap<String, String>, ApiError> {
    let expected: BTreeMap<String, String> =
        form.structure("expected", "an object of strings")?.unwrap_or_default();
    let too_long = |text: &String| text.len() > LONGEST_EXPECTED_BYTES;
    if expected.len() > MOST_EXPECTED
        || expected.iter().any(|(name, value)| too_long(name) || too_long(value))
    {
        let message = "`expected` may hold at most 50 fields of 500 bytes each";
        return Err(ApiError::invalid("expected", message));
    }
    Ok(expected)
}

fn required_pictures(form: &Form<'_>, document: DocumentType, checks: &[Check]) -> Result<(), ApiError> {
    let absent = |role: &ImageRole| form.all(role.as_str()).is_empty();
    let Some(role) = required_images(document, checks).into_iter().find(absent) else { return Ok(()) };
    let why = match role {
        ImageRole::DocumentFront => "always".to_owned(),
        ImageRole::DocumentBack => format!("for a {document}"),
        ImageRole::Selfie => {
            let check = checks.iter().find(|check| check.needs_selfie());
            format!("for the check {}", check.map_or("asked for", |check| check.as_str()))
        }
    };
    let message = format!("`{role}` is required {why}");
    Err(ApiError::new(ErrorCode::MissingParameter, message).param(role.as_str()))
}

/// The picture in the field that is named like its role.
pub(crate) fn picture(
    form: &Form<'_>,
    role: ImageRole,
    low: LowResolution,
) -> Result<Option<Picture>, ApiError> {
    picture_in(role.as_str(), form, role, low)
}

pub(crate) fn picture_in(
    field: &str,
    form: &Form<'_>,
    role: ImageRole,
    low: LowResolution,
) -> Result<Option<Picture>, ApiError> {
    let bytes = match form.one(field)? {
        None => return Ok(None),
        Some(Given::File(bytes)) => bytes.clone(),
        Some(text) => decode(field, &text.text(field)?)?,
    };
    inspected(field, role, bytes, low).map(Some)
}

/// A picture as it came, if it is one that can be worked with. Errors name `field`.
pub(crate) fn inspected(
    field: &str,
    role: ImageRole,
    bytes: Bytes,
    low: LowResolution,
) -> Result<Picture, ApiError> {
    if bytes.is_empty() {
        return Err(ApiError::new(ErrorCode::MissingParameter, format!("`{field}` is empty")).param(field));
    }
    let dimensions = images::inspect(field, role, &bytes, low)?;
    let info = ImageInfo {
        image: role,
        frame: None,
        sha256: sha256_hex(&bytes),
        size_bytes: bytes.len() as u64,
        width_px: dimensions.width_px,
        height_px: dimensions.height_px,
    };
    Ok(Picture { info, bytes })
}

/// Bare base64 or a `data:` URL; line breaks are forgiven.
pub(crate) fn decode(field: &str, text: &str) -> Result<Bytes, ApiError> {
    let encoded = match text.strip_prefix("data:") {
        None => text,
        Some(rest) => rest.split_once(";base64,").map(|(_, encoded)| encoded).ok_or_else(|| {
            ApiError::invalid(field, format!("`{field}` is a data: URL without `;base64,`"))
        })?,
    };
    // Before decoding: 4 characters are 3 bytes, and line breaks add 1 in 64 at most.
    if encoded.len() / 4 * 3 > LARGEST_BYTES / 64 * 66 {
        return Err(images::too_large(field));
    }
    let decoded = BASE64.decode(encoded).or_else(|_| {
        let compact: Vec<u8> = encoded.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        BASE64.decode(compact)
    });
    decoded.map(Bytes::from).map_err(|_| ApiError::invalid(field, format!("`{field}` is not base64")))
}

#[cfg(test)]
#[path = "submission_tests.rs"]
mod tests;
