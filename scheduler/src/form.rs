//! The fields of a request, as they came: JSON members or multipart parts under one roof.
//! Nothing is copied here: JSON strings are borrowed from the body, file parts share its memory.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use txid_shared::api::{ApiError, ErrorCode};

/// One value of one field.
#[derive(Debug)]
pub(crate) enum Given<'a> {
    Json(&'a RawValue),
    /// A multipart part without a file name.
    Text(String),
    File(Bytes),
}

/// Field name → its values (several only where a multipart name repeats).
#[derive(Debug, Default)]
pub(crate) struct Form<'a>(BTreeMap<Cow<'a, str>, Vec<Given<'a>>>);

/// A JSON string, borrowed from the body where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Form<'a> {
    /// Errors tell the place, never the content.
    pub(crate) fn from_json(body: &'a [u8]) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(body)
            .map_err(|_| ApiError::new(ErrorCode::InvalidRequest, "the body is not UTF-8"))?;
        let Members(members) = serde_json::from_str(text).map_err(|error| {
            let message = if error.is_data() && error.line() <= 1 && !text.trim_start().starts_with('{') {
                "the body must be a JSON object".to_owned()
            } else {
                format!("the body is not valid JSON: line {}, column {}", error.line(), error.column())
            };
            ApiError::new(ErrorCode::InvalidRequest, message)
        })?;
        let mut form = Self::default();
        for (name, value) in members {
            if form.0.contains_key(&name) {
                return Err(ApiError::invalid(&shown(&name), "the field is given twice"));
            }
            if value.get() != "null" {
                form.add(name, Given::Json(value));
            }
        }
        Ok(form)
    }

    pub(crate) fn add(&mut self, name: Cow<'a, str>, value: Given<'a>) {
        self.0.entry(name).or_default().push(value);
    }

    /// Refuses fields that are not in `known`, naming all of them: a misspelt option must not be
    /// silently ignored.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let unknown: Vec<String> =
            self.0.keys().filter(|name| !known.contains(&name.as_ref())).map(|name| shown(name)).collect();
        let Some(first) = unknown.first() else { return Ok(()) };
        let message = format!("unknown field: {}; known: {}", unknown.join(", "), known.join(", "));
        Err(ApiError::invalid(first, message))
    }

    /// sha256 over all fields and values: of two forms with the same one, one may stand for the other.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        // Each part with its length, so that no two forms run together to the same bytes.
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        for (name, values) in &self.0 {
            part(name.as_bytes());
            part(&(values.len() as u64).to_be_bytes());
            for value in values {
                match value {
                    Given::Json(raw) => part(raw.get().as_bytes()),
                    Given::Text(text) => part(text.as_bytes()),
                    Given::File(bytes) => part(bytes),
                }
            }
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }

    /// All values of a field; empty where it is absent.
    pub(crate) fn all(&self, name: &str) -> &[Given<'a>] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn one(&self, name: &str) -> Result<Option<&Given<'a>>, ApiError> {
        match self.all(name) {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(ApiError::invalid(name, format!("`{name}` is given several times"))),
        }
    }

    /// A string; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'_, str>>, ApiError> {
        let text = match self.one(name)? {
            None => return Ok(None),
            Some(given) => given.text(name)?,
        };
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// A string that stands for something else. `wanted` says what it should have been.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, ApiError> {
        let refused = |_| ApiError::invalid(name, format!("`{name}` must be {wanted}"));
        self.text(name)?.map(|text| text.parse().map_err(refused)).transpose()
    }

    /// A value within `bounds`, which `wanted` says in words.
    pub(crate) fn within<T: DeserializeOwned + PartialOrd>(
        &self,
        name: &str,
        bounds: RangeInclusive<T>,
        wanted: &str,
    ) -> Result<Option<T>, ApiError> {
        match self.structure(name, wanted)? {
            Some(value) if !bounds.contains(&value) => {
                Err(ApiError::invalid(name, format!("`{name}` must be {wanted}")))
            }
            given => Ok(given),
        }
    }

    /// A structure; in multipart as JSON text. `wanted` says what it should have been.
    pub(crate) fn structure<T: DeserializeOwned>(
        &self,
        name: &str,
        wanted: &str,
    ) -> Result<Option<T>, ApiError> {
        let parsed = match self.one(name)? {
            None => return Ok(None),
            Some(Given::Json(raw)) => serde_json::from_str(raw.get()),
            Some(Given::Text(text)) => serde_json::from_str(text),
            Some(Given::File(bytes)) => serde_json::from_slice(bytes),
        };
        // serde's own message may quote the value.
        parsed.map(Some).map_err(|_| ApiError::invalid(name, format!("`{name}` must be {wanted}")))
    }
}

impl Given<'_> {
    pub(crate) fn text(&self, name: &str) -> Result<Cow<'_, str>, ApiError> {
        let refused = || ApiError::invalid(name, format!("`{name}` must be a string"));
        match self {
            Self::Json(raw) => {
                serde_json::from_str::<Text<'_>>(raw.get()).map(|text| text.0).map_err(|_| refused())
            }
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::File(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| refused()),
        }
    }
}

/// Field names come from outside: bounded before they are shown.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The members of the outermost object in order, repetitions included.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_string_is_borrowed_from_the_body() {
        let body = br#"{"country":"MA"}"#;
        let form = Form::from_json(body).unwrap();
        assert!(matches!(form.text("country").unwrap(), Some(Cow::Borrowed("MA"))));
    }

    #[test]
    fn escaped_slashes_of_base64_are_understood() {
        let form = Form::from_json(br#"{"selfie":"\/9j\/"}"#).unwrap();
        assert_eq!(form.text("selfie").unwrap().as_deref(), Some("/9j/"));
    }

    #[test]
    fn malformed_json_tells_the_place_and_not_the_content() {
        let error = Form::from_json(b"{\"country\": \"MA\",\n \"name\": Mohammed}").unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert!(error.message.contains("line 2") && !error.message.contains("Mohammed"), "{error}");
        assert!(Form::from_json(b"[1]").unwrap_err().message.contains("object"));
        assert!(Form::from_json(b"").is_err());
    }

    #[test]
    fn unknown_and_repeated_fields_are_named() {
        let form = Form::from_json(br#"{"country":"MA","webhok_url":"x"}"#).unwrap();
        let error = form.only(&["country"]).unwrap_err();
        assert_eq!((error.code, error.param.as_deref()), (ErrorCode::InvalidParameter, Some("webhok_url")));
        let error = Form::from_json(br#"{"country":"MA","country":"FR"}"#).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("country"));
    }

    #[test]
    fn a_wrong_type_is_refused_without_quoting_the_value() {
        let form = Form::from_json(br#"{"metadata":"secret","country":5}"#).unwrap();
        let wanted = "an object";
        let error =
            form.structure::<serde_json::Map<String, serde_json::Value>>("metadata", wanted).unwrap_err();
        assert!(!error.message.contains("secret"), "{error}");
        assert_eq!(form.text("country").unwrap_err().param.as_deref(), Some("country"));
    }
}
