//! One row of a manifest: a line of JSON with the fields of a single call, a `custom_id`, and pictures that are
//! references or base64.

use super::source::Location;
use crate::form::{Form, Given, Members, shown};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::words::ImageRole;

pub(super) const LONGEST_CUSTOM_ID: usize = 200;
/// What a line may have besides the fields of a single call.
const CUSTOM_ID: &str = "custom_id";
/// What an errors file adds to a row; it is read over when that is submitted again.
pub(super) const FAULT: &str = "_error";
/// In it, the beginning of a line that is no row at all.
pub(super) const UNREAD: &str = "text";
/// Characters that are kept of such a line: enough for a person to find it.
const KEPT_UNREAD: usize = 1000;
/// Characters of base64 that every picture is longer than.
const LEAST_PICTURE: usize = 256;
/// Columns of a CSV manifest.
pub(crate) const HEADERS: [&str; 9] = [
    CUSTOM_ID,
    "document_front",
    "document_back",
    "selfie",
    "country",
    "document_type",
    "checks",
    "expected",
    "metadata",
];
/// A row of a batch has no say in how it is answered.
const NOT_OF_A_ROW: [&str; 2] = ["mode", "webhook_url"];

/// A line as it will be kept, and what it is called.
pub(super) struct Line {
    pub(super) custom_id: Option<String>,
    /// One line of JSON.
    pub(super) text: String,
}

/// A line that cannot be a row.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Where it could be read.
    pub(super) custom_id: Option<String>,
    /// One line of JSON: what the errors file gives back, to be mended.
    pub(super) text: String,
    pub(super) error: ApiError,
}

impl Wrong {
    /// The line has no members that could be given back.
    pub(super) fn unread(line: &[u8], error: ApiError) -> Self {
        let kept: String = String::from_utf8_lossy(line).chars().take(KEPT_UNREAD).collect();
        let text = json!({ FAULT: { UNREAD: kept.trim_end() } }).to_string();
        Self { custom_id: None, text, error }
    }
}

impl Line {
    pub(super) fn read(text: &str) -> Result<Self, Wrong> {
        let unread = |error: &serde_json::Error| {
            let message = format!("the line is not a JSON object: column {}", error.column());
            Wrong::unread(text.as_bytes(), ApiError::new(ErrorCode::InvalidRequest, message))
        };
        let Members(given) = serde_json::from_str(text).map_err(|error| unread(&error))?;
        let (mut members, mut repeated) = (Map::new(), None);
        for (name, value) in given {
            let value = serde_json::from_str(value.get()).map_err(|error| unread(&error))?;
            if members.insert(name.clone().into_owned(), value).is_some() {
                repeated.get_or_insert(name);
            }
        }
        match repeated {
            None => Self::of(members),
            // Which of the two is meant, nobody can tell.
            Some(name) => {
                let custom_id = Self::checked(&members).ok();
                let error = ApiError::invalid(&shown(&name), "the field is given twice");
                Err(Wrong { custom_id, ..Wrong::unread(text.as_bytes(), error) })
            }
        }
    }

    pub(super) fn of(mut members: Map<String, Value>) -> Result<Self, Wrong> {
        let fault = members.remove(FAULT);
        let (custom_id, error) = match Self::checked(&members) {
            Ok(custom_id) => {
                let text = Value::Object(members).to_string();
                return Ok(Self { custom_id: Some(custom_id), text });
            }
            Err(wrong) => wrong,
        };
        // From an errors file, and not mended: what could not be read then is still what it is about.
        if let Some(unread) = fault.and_then(|mut fault| fault.get_mut(UNREAD).map(Value::take)) {
            members.insert(FAULT.to_owned(), json!({ UNREAD: unread }));
        }
        Err(Wrong { custom_id, text: Value::Object(members).to_string(), error })
    }

    /// Its `custom_id`, or what is wrong, with the `custom_id` where that could be read.
    fn checked(members: &Map<String, Value>) -> Result<String, (Option<String>, ApiError)> {
        let custom_id = match members.get(CUSTOM_ID) {
            None | Some(Value::Null) => return Err((None, ApiError::missing(CUSTOM_ID))),
            Some(Value::String(id))
                if !id.is_empty() && id.len() <= LONGEST_CUSTOM_ID && !id.contains('\0') =>
            {
                id.clone()
            }
            Some(_) => {
                let message = "`custom_id` must be a text of 1 to 200 bytes";
                return Err((None, ApiError::invalid(CUSTOM_ID, message)));
            }
        };
        if let Some(name) = NOT_OF_A_ROW.iter().find(|name| members.contains_key(**name)) {
            let message = format!("`{name}` is of the whole batch, not of a row");
            return Err((Some(custom_id), ApiError::invalid(name, message)));
        }
        Ok(custom_id)
    }
}

/// The row's own fields over those of the batch, ready for its pictures.
pub(crate) fn row_form(
    text: &str,
    defaults: &Map<String, Value>,
) -> Result<(Form<'static>, Pictures), ApiError> {
    let own: Map<String, Value> = serde_json::from_str(text)
        .map_err(|_| ApiError::new(ErrorCode::InvalidRequest, "the row is not a JSON object"))?;
    let mut form = Form::default();
    let mut pictures = Pictures::new();
    let inherited = defaults.iter().filter(|(name, _)| !own.contains_key(*name));
    for (name, value) in own.iter().chain(inherited) {
        if name == CUSTOM_ID || value.is_null() {
            continue;
        }
        let role = ImageRole::ALL.iter().find(|role| role.as_str() == name);
        if let (Some(role), Value::String(text)) = (role, value) {
            if let Some(location) = Location::parse(name, text)? {
                pictures.push((*role, location));
                continue;
            }
            if is_path(text) {
                return Err(path_without_scheme(name));
            }
        }
        let given = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        form.add(Cow::Owned(name.clone()), Given::Text(given));
    }
    Ok((form, pictures))
}

/// Base64 has no dot, and no picture is so short.
fn is_path(text: &str) -> bool {
    text.len() < LEAST_PICTURE && (text.contains('.') || text.starts_with('/'))
}

fn path_without_scheme(name: &str) -> ApiError {
    let message = format!(
        "`{name}` looks like a path: references begin with upload: s3: zip: https:, and with file: where a batch \
         runs locally"
    );
    ApiError::invalid(name, message)
}

/// What is still to be fetched.
pub(crate) type Pictures = Vec<(ImageRole, Location)>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submission::Submission;

    fn fault(text: &str) -> (Option<String>, Option<String>) {
        let Err(Wrong { custom_id, error, .. }) = Line::read(text) else { panic!("{text} was taken") };
        (custom_id, error.param)
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        assert_eq!(fault("not json"), (None, None));
        assert_eq!(fault("[1]"), (None, None));
        assert_eq!(fault(r#"{"country":"MA"}"#), (None, Some("custom_id".to_owned())));
        assert_eq!(fault(r#"{"custom_id":7}"#), (None, Some("custom_id".to_owned())));
        let twice = fault(r#"{"custom_id":"a","country":"MA","country":"FR"}"#);
        assert_eq!(twice, (Some("a".to_owned()), Some("country".to_owned())));
        let (custom_id, param) = fault(r#"{"custom_id":"a","mode":"sync"}"#);
        assert_eq!((custom_id.as_deref(), param.as_deref()), (Some("a"), Some("mode")));
    }

    #[test]
    fn an_errors_file_is_a_manifest() {
        let line = Line::read(r#"{"custom_id":"a","country":"MA","_error":{"code":"not_found"}}"#);
        assert_eq!(line.unwrap().text, r#"{"country":"MA","custom_id":"a"}"#);
    }

    #[test]
    fn what_is_wrong_is_given_back_until_it_is_mended() {
        let Err(wrong) = Line::read(r#"{"country":"MA","custom_id":7}"#) else { panic!("taken") };
        assert_eq!(wrong.text, r#"{"country":"MA","custom_id":7}"#);
        let Err(unread) = Line::read(r#"{"custom_id":"a""#) else { panic!("taken") };
        assert_eq!(unread.text, r#"{"_error":{"text":"{\"custom_id\":\"a\""}}"#);
        let Err(again) = Line::read(&unread.text) else { panic!("taken") };
        assert_eq!((again.error.param.as_deref(), again.text), (Some("custom_id"), unread.text));
        let Err(long) = Line::read(&"x".repeat(1_000_000)) else { panic!("taken") };
        assert!(long.text.len() < KEPT_UNREAD + 50);
    }

    #[test]
    fn a_row_wins_over_the_defaults_and_its_pictures_wait() {
        let defaults =
            serde_json::from_str(r#"{"country":"FR","document_type":"passport","checks":["ocr"]}"#);
        let text = r#"{"custom_id":"a","country":"MA","document_front":"zip:a.jpg"}"#;
        let (form, pictures) = row_form(text, &defaults.unwrap()).unwrap();
        assert_eq!(form.text("country").unwrap().as_deref(), Some("MA"));
        assert_eq!(pictures, [(ImageRole::DocumentFront, Location::Archive("a.jpg".to_owned()))]);
        // Without its picture it is refused as a single call would be.
        let error = Submission::parse(&form).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("document_front"));
    }
}
