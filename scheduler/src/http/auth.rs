//! Who calls. Keys are looked up on every call: a revoked key stops working at once, everywhere.

use super::Api;
use super::envelope::Refusal;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::sync::Arc;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::ids::AccountId;
use txid_shared::ids::KeyId;
use txid_shared::words::Permission;

#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) account_id: AccountId,
    pub(super) key_id: KeyId,
    permissions: Vec<Permission>,
}

impl Caller {
    pub(super) fn require(&self, permission: Permission) -> Result<(), ApiError> {
        if self.permissions.contains(&permission) {
            return Ok(());
        }
        let message = format!("this API key lacks the permission `{permission}`");
        Err(ApiError::new(ErrorCode::Forbidden, message))
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        let unauthorized = |message: &str| ApiError::new(ErrorCode::Unauthorized, message);
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .ok_or_else(|| unauthorized("send `Authorization: Bearer txc_…`"))?;
        let presented = header
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, key)| key.trim())
            .ok_or_else(|| unauthorized("`Authorization` must be `Bearer txc_…`"))?;
        let key = api
            .store
            .api_key(presented)
            .await
            .map_err(|error| Refusal::unavailable("an API key cannot be looked up", &error))?
            .ok_or_else(|| unauthorized("no such API key"))?;
        if key.revoked_at.is_some() {
            return Err(ApiError::new(ErrorCode::KeyRevoked, "this API key was revoked").into());
        }
        if key.expires_at.is_some_and(|expiry| expiry <= api.clock.now()) {
            return Err(ApiError::new(ErrorCode::KeyExpired, "this API key has expired").into());
        }
        Ok(Self { account_id: key.account_id, key_id: key.id, permissions: key.permissions })
    }
}
