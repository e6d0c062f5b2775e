//! Errors as the contract spells them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every code of the contract that an answer can carry, with its HTTP status and type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    Unauthorized,
    Forbidden,
    KeyRevoked,
    KeyExpired,
    IpNotAllowed,
    InvalidRequest,
    MissingParameter,
    InvalidParameter,
    InvalidDocument,
    UnsupportedCountry,
    UnsupportedDocument,
    ImageTooLarge,
    ImageTooSmall,
    UnsupportedMedia,
    DocumentUnreadable,
    FaceNotDetected,
    MultipleFaces,
    ImageQualityTooLow,
    IdempotencyKeyConflict,
    IdempotencyInProgress,
    NotFound,
    InvalidState,
    RateLimitExceeded,
    InternalError,
    ServiceUnavailable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    ValidationError,
    AuthenticationError,
    AuthorizationError,
    NotFoundError,
    RateLimitError,
    IdempotencyError,
    ApiError,
}

impl ErrorCode {
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::MissingParameter | Self::InvalidParameter => 400,
            Self::Unauthorized | Self::KeyRevoked | Self::KeyExpired => 401,
            Self::Forbidden | Self::IpNotAllowed => 403,
            Self::NotFound => 404,
            Self::InvalidState | Self::IdempotencyKeyConflict | Self::IdempotencyInProgress => 409,
            Self::InvalidDocument
            | Self::UnsupportedCountry
            | Self::UnsupportedDocument
            | Self::ImageTooLarge
            | Self::ImageTooSmall
            | Self::UnsupportedMedia
            | Self::DocumentUnreadable
            | Self::FaceNotDetected
            | Self::MultipleFaces
            | Self::ImageQualityTooLow => 422,
            Self::RateLimitExceeded => 429,
            Self::InternalError => 500,
            Self::ServiceUnavailable => 503,
        }
    }

    /// As it is written in answers.
    pub fn name(self) -> String {
        // A variant without fields is a string; nothing here can fail.
        serde_json::to_string(&self).unwrap_or_default().trim_matches('"').to_owned()
    }

    pub const fn error_type(self) -> ErrorType {
        match self {
            Self::Unauthorized | Self::KeyRevoked | Self::KeyExpired => ErrorType::AuthenticationError,
            Self::Forbidden | Self::IpNotAllowed => ErrorType::AuthorizationError,
            Self::NotFound => ErrorType::NotFoundError,
            Self::IdempotencyKeyConflict | Self::IdempotencyInProgress => ErrorType::IdempotencyError,
            Self::RateLimitExceeded => ErrorType::RateLimitError,
            Self::InternalError | Self::ServiceUnavailable => ErrorType::ApiError,
            _ => ErrorType::ValidationError,
        }
    }
}

/// What every refused call answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    pub code: ErrorCode,
    /// What is wrong and what to change; never an image's content or a person's data.
    pub message: String,
    #[serde(rename = "type")]
    pub error_type: ErrorType,
    /// The request field the error is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    #[schema(value_type = String, example = "req_01JDC3Z5V00000000000000000")]
    pub request_id: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// A refusal on its way to the client, without the request id that the HTTP layer adds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
    pub param: Option<String>,
    pub retry_after: Option<u32>,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), param: None, retry_after: None }
    }

    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub fn missing(param: &str) -> Self {
        Self::new(ErrorCode::MissingParameter, format!("`{param}` is required")).param(param)
    }

    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidParameter, message).param(param)
    }

    pub fn into_body(self, request_id: &str) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                error_type: self.code.error_type(),
                code: self.code,
                message: self.message,
                param: self.param,
                request_id: request_id.to_owned(),
                retry_after: self.retry_after,
            },
        }
    }
}
