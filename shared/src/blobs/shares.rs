//! Key shares: the halves of data keys that a backup of the database lacks. They stand apart from the images, since
//! pictures may go earlier than what was read from them, and since whoever backs up images must be able to leave
//! the keys out: one prefix, `keys/`, for rules of replication, versions and backups.

use super::crypto::KeyShare;
use super::{BlobError, Blobs, local};
use crate::ids::{AccountId, VerificationId};
use object_store::{ObjectStoreExt, PutPayload};
use std::fs;
use std::io::{Error, ErrorKind};

const PREFIX: &str = "keys";

impl Blobs {
    /// Durable when this returns: what is sealed under the key is lost without it.
    pub async fn put_share(
        &self,
        account: AccountId,
        id: VerificationId,
        share: &KeyShare,
    ) -> Result<(), BlobError> {
        let bytes = share.bytes().to_vec();
        let Some(root) = &self.folder else {
            self.store.put(&self.path(&share_name(account, id)), PutPayload::from(bytes)).await?;
            return Ok(());
        };
        let folder = root.join(PREFIX).join(account.to_string());
        let files = [(id.to_string(), bytes)];
        let writing = tokio::task::spawn_blocking(move || local::write_new(&folder, &files));
        Ok(writing.await.map_err(Error::other)??)
    }

    /// `None`: it was destroyed, or never was.
    pub async fn share(&self, account: AccountId, id: VerificationId) -> Result<Option<KeyShare>, BlobError> {
        let name = share_name(account, id);
        if let Some(root) = &self.folder {
            // In one go: the object store's own reading takes three.
            let file = root.join(name);
            return match tokio::task::spawn_blocking(move || fs::read(&file)).await.map_err(Error::other)? {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                found => Ok(Some(KeyShare::from_bytes(&found?)?)),
            };
        }
        let found = match self.store.get(&self.path(&name)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found?.bytes().await?,
        };
        Ok(Some(KeyShare::from_bytes(&found)?))
    }

    /// Destroys what opens a verification or an open session, then removes what it opened. Safe to repeat: on an
    /// error some of it may be left, and the share is the first to go.
    pub async fn erase(&self, account: AccountId, id: VerificationId) -> Result<(), BlobError> {
        self.remove_share(account, id).await?;
        self.remove_all(&format!("{account}/{id}")).await?;
        Ok(())
    }

    async fn remove_share(&self, account: AccountId, id: VerificationId) -> Result<(), BlobError> {
        let name = share_name(account, id);
        let Some(root) = &self.folder else {
            return match self.store.delete(&self.path(&name)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            };
        };
        let file = root.join(name);
        // On disk as well: a power cut must not bring back what was called erased.
        let removing = tokio::task::spawn_blocking(move || local::remove(&file));
        Ok(removing.await.map_err(Error::other)??)
    }
}

fn share_name(account: AccountId, id: VerificationId) -> String {
    format!("{PREFIX}/{account}/{id}")
}

#[cfg(test)]
mod tests {
    use super::super::crypto::MasterKeys;
    use super::*;
    use crate::config;
    use std::sync::Arc;

    async fn a_share_outlives_the_pictures_and_goes_with_the_rest(blobs: Blobs) {
        let master = MasterKeys::parse([MasterKeys::generate_entry("k1").unwrap().as_str()]).unwrap();
        let (account, id) = (AccountId::generate(), VerificationId::generate());
        let (_, wrapping) = master.current().unwrap();
        let made = wrapping.generate_data_key("ver_1").unwrap();
        assert!(blobs.share(account, id).await.unwrap().is_none());

        blobs.put_share(account, id, &made.share).await.unwrap();
        let prefix = format!("{account}/{id}");
        blobs.put_new(&made.key, &prefix, &[("selfie".to_owned(), b"a face")]).await.unwrap();
        assert_eq!(blobs.remove_all(&prefix).await.unwrap(), 1);
        let share = blobs.share(account, id).await.unwrap().unwrap();
        assert_eq!(share.bytes(), made.share.bytes());

        for _ in 0..2 {
            blobs.erase(account, id).await.unwrap();
            assert!(blobs.share(account, id).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = config::Config::default().blobs;
        settings.url = format!("file://{}", folder.path().display());
        a_share_outlives_the_pictures_and_goes_with_the_rest(Blobs::open(&settings).unwrap()).await;
    }

    #[tokio::test]
    async fn in_an_object_store() {
        let store = Arc::new(object_store::memory::InMemory::new());
        let blobs = Blobs { store, prefix: "installation/".to_owned(), folder: None };
        a_share_outlives_the_pictures_and_goes_with_the_rest(blobs).await;
    }
}
