//! The keys that verifications and their uploads are sealed under: one half in the row, the share in the object
//! store, and neither opens anything alone.

use super::{Case, Session, Store, StoreError};
use crate::blobs::Blobs;
use crate::blobs::crypto::{DataKey, SealingKey, needs_share};
use crate::ids::{AccountId, VerificationId};

impl Store {
    /// Where key shares are. Without it nothing opens that was accepted with one.
    pub fn with_shares(mut self, blobs: Blobs) -> Self {
        self.shares = Some(blobs);
        self
    }

    /// A fresh data key for `id`. Its share is to be stored before a row refers to it.
    pub async fn new_data_key(&self, account: AccountId, id: VerificationId) -> Result<DataKey, StoreError> {
        Ok(self.account_key(account).await?.generate_data_key(&id.to_string())?)
    }

    /// The key that images, partials, verdict and events of this case are sealed under.
    pub async fn data_key(&self, case: &Case) -> Result<SealingKey, StoreError> {
        self.open_data_key(case.account_id, case.id, case.wrapped_key.as_deref()).await
    }

    /// The key that the uploads of an open session are sealed under.
    pub async fn session_key(&self, session: &Session) -> Result<SealingKey, StoreError> {
        self.open_data_key(session.account_id, session.verification_id, session.wrapped_key.as_deref()).await
    }

    /// Nothing is kept: a share that another process destroyed must not live on in this one.
    pub async fn open_data_key(
        &self,
        account: AccountId,
        id: VerificationId,
        wrapped: Option<&[u8]>,
    ) -> Result<SealingKey, StoreError> {
        let wrapped = wrapped.ok_or(StoreError::Erased)?;
        let (account_key, place) = (self.account_key(account).await?, id.to_string());
        if !needs_share(wrapped) {
            return Ok(account_key.unwrap_key(&place, wrapped)?);
        }
        let shares = self.shares.as_ref().ok_or(StoreError::NoShares)?;
        let Some(share) = shares.share(account, id).await? else {
            tracing::error!(
                verification.id = %id,
                "its key share is gone and its row is not: the database was restored, or blobs.url is another"
            );
            return Err(StoreError::ShareGone);
        };
        Ok(account_key.unwrap_data_key(&place, wrapped, &share)?)
    }
}
