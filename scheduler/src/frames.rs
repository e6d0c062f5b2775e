//! The frames of an active liveness call: how many, how large, and all of them pictures.

use crate::form::{Form, Given};
use crate::images::LowResolution;
use crate::submission::{self, Picture, decode, inspected};
use bytes::Bytes;
use serde_json::value::RawValue;
use txid_imaging::MAX_PIXELS;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::words::{Challenge, ImageRole};

pub(crate) const FIELD: &str = "frames";
/// With one there is no movement. More cost time and say little more.
pub(crate) const COUNT: std::ops::RangeInclusive<usize> = 2..=16;

/// In the order they were sent; empty where the field is absent. Together they have as many pixels as one picture
/// may have, so that an active call takes no more memory than any other.
pub(crate) fn frames(form: &Form<'_>) -> Result<Vec<Picture>, ApiError> {
    let given = given(form)?;
    if !given.is_empty() && !COUNT.contains(&given.len()) {
        let message = format!("`{FIELD}` must hold {} to {} images", COUNT.start(), COUNT.end());
        return Err(ApiError::invalid(FIELD, message));
    }
    let mut pictures = Vec::with_capacity(given.len());
    let mut pixels = 0u64;
    for (number, value) in given.iter().enumerate() {
        let field = format!("{FIELD}[{number}]");
        let bytes = match value {
            Given::File(bytes) => bytes.clone(),
            text => decode(&field, &text.text(&field)?)?,
        };
        let mut picture = inspected(&field, ImageRole::Selfie, bytes, LowResolution::Note)?;
        picture.info.frame = u8::try_from(number).ok();
        pixels += u64::from(picture.info.width_px) * u64::from(picture.info.height_px);
        pictures.push(picture);
    }
    if pixels > MAX_PIXELS {
        let message = format!("`{FIELD}` have more than 50 megapixels together");
        return Err(ApiError::new(ErrorCode::ImageTooLarge, message).param(FIELD));
    }
    Ok(pictures)
}

/// A JSON array, or a part that repeats.
fn given<'a>(form: &'a Form<'_>) -> Result<Vec<Given<'a>>, ApiError> {
    let mut given = Vec::new();
    for value in form.all(FIELD) {
        match value {
            Given::Json(raw) => {
                let refused = |_| ApiError::invalid(FIELD, format!("`{FIELD}` must be a list of images"));
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(refused)?;
                if items.is_empty() {
                    return Err(ApiError::new(ErrorCode::MissingParameter, format!("`{FIELD}` is empty"))
                        .param(FIELD));
                }
                given.extend(items.into_iter().map(Given::Json));
            }
            Given::Text(text) => given.push(Given::Text(text.clone())),
            Given::File(bytes) => given.push(Given::File(Bytes::clone(bytes))),
        }
    }
    Ok(given)
}

/// What the person was asked to do; a blink where nobody says.
pub(crate) fn challenges(form: &Form<'_>) -> Result<Vec<Challenge>, ApiError> {
    let mut challenges: Vec<Challenge> = Vec::new();
    for name in submission::names(form, "challenges")? {
        let challenge = name.parse().map_err(|_| {
            let known: Vec<&str> = Challenge::ALL.iter().map(|challenge| challenge.as_str()).collect();
            ApiError::invalid("challenges", format!("`challenges` may hold {}", known.join(", ")))
        })?;
        if !challenges.contains(&challenge) {
            challenges.push(challenge);
        }
    }
    if challenges.is_empty() {
        if !form.all("challenges").is_empty() {
            return Err(ApiError::invalid("challenges", "`challenges` must name at least one challenge"));
        }
        challenges.push(Challenge::Blink);
    }
    Ok(challenges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(form: &Form<'_>) -> (ErrorCode, Option<String>) {
        let error = frames(form).unwrap_err();
        (error.code, error.param)
    }

    #[test]
    fn frames_are_counted_before_any_is_decoded() {
        let many = format!("{{\"frames\":[{}]}}", vec!["\"!\""; 17].join(","));
        for body in ["{\"frames\":[\"!\"]}", many.as_str()] {
            let form = Form::from_json(body.as_bytes()).unwrap();
            assert_eq!(refusal(&form), (ErrorCode::InvalidParameter, Some("frames".to_owned())), "{body}");
        }
        let form = Form::from_json(b"{\"frames\":[\"!\",\"!\"]}").unwrap();
        assert_eq!(refusal(&form).1.as_deref(), Some("frames[0]"));
        for body in ["{\"frames\":\"!\"}", "{\"frames\":{\"a\":1}}", "{\"frames\":[1,2]}"] {
            let form = Form::from_json(body.as_bytes()).unwrap();
            assert_eq!(refusal(&form).0, ErrorCode::InvalidParameter, "{body}");
        }
        let form = Form::from_json(b"{\"frames\":[]}").unwrap();
        assert_eq!(refusal(&form).0, ErrorCode::MissingParameter);
    }

    #[test]
    fn challenges_are_words_that_are_known_and_a_blink_where_nobody_says() {
        let of = |body: &'static str| challenges(&Form::from_json(body.as_bytes()).unwrap());
        assert_eq!(of("{}").unwrap(), [Challenge::Blink]);
        let both = of("{\"challenges\":[\"turn_left\",\"blink\",\"turn_left\"]}").unwrap();
        assert_eq!(both, [Challenge::TurnLeft, Challenge::Blink]);
        for body in ["{\"challenges\":[]}", "{\"challenges\":[\"smile\"]}", "{\"challenges\":[1]}"] {
            let error = of(body).unwrap_err();
            assert_eq!(
                (error.code, error.param.as_deref()),
                (ErrorCode::InvalidParameter, Some("challenges"))
            );
        }
    }
}
