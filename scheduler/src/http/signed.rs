//! Addresses that carry their own permission: an expiry, sealed under the account key at the place of one thing.
//! Sealed bytes cannot be forged, and the place binds them to that thing.

use super::Api;
use super::envelope::Refusal;
use super::query::Parameters;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::ids::AccountId;

/// What is signed, and what is said where something goes wrong with it.
pub(super) struct Thing {
    pub(super) place: String,
    /// What to do once the address has expired.
    pub(super) instead: &'static str,
    /// It cannot be looked up at the moment.
    pub(super) lost: fn(&(dyn std::error::Error + 'static)) -> Refusal,
}

impl Thing {
    /// What stands behind `?` in the address.
    pub(super) async fn query(
        &self,
        api: &Api,
        account: AccountId,
        expires_at: Timestamp,
    ) -> Result<String, Refusal> {
        let key = api.store.account_key(account).await.map_err(|error| (self.lost)(&error))?;
        let sealed = key.seal(&self.place, &expires_at.as_second().to_be_bytes());
        let token = URL_SAFE_NO_PAD.encode(sealed.map_err(|error| (self.lost)(&error))?);
        Ok(format!("account={account}&token={token}"))
    }

    /// Whose thing it is, if the address was given out for it and its time is not over.
    pub(super) async fn account(&self, api: &Api, parameters: &Parameters) -> Result<AccountId, Refusal> {
        let forged = || ApiError::new(ErrorCode::Unauthorized, "the address is not one that was given out");
        let account: AccountId =
            parameters.text("account")?.and_then(|id| id.parse().ok()).ok_or_else(forged)?;
        let token = parameters.text("token")?.and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
        let token = token.ok_or_else(forged)?;
        let key = api.store.known_account_key(account).await.map_err(|error| (self.lost)(&error))?;
        let opened = key.and_then(|key| key.open(&self.place, &token).ok()).ok_or_else(forged)?;
        let expires = <[u8; 8]>::try_from(opened.as_slice()).map_err(|_| forged())?;
        if api.clock.now().as_second() >= i64::from_be_bytes(expires) {
            let message = format!("the address has expired; {}", self.instead);
            return Err(ApiError::new(ErrorCode::Forbidden, message).into());
        }
        Ok(account)
    }
}
