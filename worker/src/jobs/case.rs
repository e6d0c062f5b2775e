//! The case behind a job: row, data key and images, opened once per process and shared by the stages
//! that run here.

use crate::stages::{Images, StageInput};
use futures_util::future::try_join_all;
use lru::LruCache;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;
use txid_imaging::SourceImage;
use txid_shared::api::ImageInfo;
use txid_shared::blobs::crypto::SealingKey;
use txid_shared::blobs::{BlobError, Blobs};
use txid_shared::ids::VerificationId;
use txid_shared::store::{Case, Store, StoreError};
use txid_shared::words::{Check, ImageRole, Stage};

/// Open cases kept besides the byte bound, so that stages without images are shared as well.
const OPEN_CASES: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum CaseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// A pending verification, ready to work on.
pub(super) struct OpenCase {
    pub case: Case,
    pub key: SealingKey,
    images: [OnceCell<Arc<SourceImage>>; 3],
}

impl OpenCase {
    fn held_bytes(&self) -> u64 {
        self.images.iter().filter_map(OnceCell::get).map(|image| image.held_bytes()).sum()
    }
}

/// Bounded by the memory that the images of its cases may take besides those that are in hand.
pub(super) struct Cases {
    store: Store,
    blobs: Blobs,
    limit_bytes: u64,
    open: Mutex<Kept>,
}

struct Kept {
    cases: LruCache<VerificationId, Arc<OnceCell<Option<Arc<OpenCase>>>>>,
}

impl Cases {
    pub(super) fn new(store: Store, blobs: Blobs, limit_bytes: u64) -> Self {
        let cases =
            LruCache::new(std::num::NonZeroUsize::new(OPEN_CASES).unwrap_or(std::num::NonZeroUsize::MIN));
        Self { store, blobs, limit_bytes, open: Mutex::new(Kept { cases }) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: there is nothing left to do (decided, cancelled, erased, or never was).
    pub(super) async fn open(&self, id: VerificationId) -> Result<Option<Arc<OpenCase>>, CaseError> {
        let cell = self.kept().cases.get_or_insert(id, Arc::default).clone();
        let opened = cell.get_or_try_init(|| self.load(id)).await?.clone();
        match &opened {
            None => self.forget(id),
            Some(_) => self.make_room(),
        }
        Ok(opened)
    }

    pub(super) fn forget(&self, id: VerificationId) {
        self.kept().cases.pop(&id);
    }

    async fn load(&self, id: VerificationId) -> Result<Option<Arc<OpenCase>>, CaseError> {
        let Some(case) = self.store.case(id).await? else { return Ok(None) };
        if case.status.is_terminal() {
            return Ok(None);
        }
        let key = match self.store.data_key(&case).await {
            // The sweeper ends what nobody can open.
            Err(error) if error.is_destroyed() => return Ok(None),
            key => key?,
        };
        Ok(Some(Arc::new(OpenCase { case, key, images: Default::default() })))
    }

    /// Drops the cases used longest ago until the rest fits. Those in hand stay: dropping them would free
    /// nothing, and the next stage would fetch and decode its images again.
    fn make_room(&self) {
        let mut kept = self.kept();
        // In hand is what somebody has besides the cache.
        let idle = kept.cases.iter().rev().filter_map(|(id, cell)| {
            let case = cell.get()?.as_ref()?;
            (Arc::strong_count(case) == 1).then(|| (*id, case.held_bytes()))
        });
        let idle: Vec<(VerificationId, u64)> = idle.collect();
        let mut total: u64 = idle.iter().map(|(_, bytes)| bytes).sum();
        for (id, bytes) in idle {
            if total <= self.limit_bytes {
                return;
            }
            kept.cases.pop(&id);
            total -= bytes;
        }
    }

    /// Fetches what `stage` looks at. Roles that were not sent are left out.
    pub(super) async fn input(
        &self,
        open: &OpenCase,
        stage: Stage,
        roles: &[ImageRole],
    ) -> Result<StageInput, CaseError> {
        let mut images = Images::default();
        for role in roles {
            if !open.case.images.iter().any(|info| info.plays(*role)) {
                continue;
            }
            let image = self.image(open, *role).await?;
            match role {
                ImageRole::DocumentFront => images.document_front = Some(image),
                ImageRole::DocumentBack => images.document_back = Some(image),
                ImageRole::Selfie => images.selfie = Some(image),
            }
        }
        if roles.contains(&ImageRole::Selfie) {
            images.frames = self.frames(open).await?;
        }
        tracing::trace!(%stage, "images at hand");
        let declared = open.case.declared.as_ref();
        Ok(StageInput {
            images,
            country: declared.map(|declared| declared.country.clone()),
            document_type: declared.map(|declared| declared.document_type),
            likeness: open.case.checks.contains(&Check::Duplicate),
        })
    }

    async fn image(&self, open: &OpenCase, role: ImageRole) -> Result<Arc<SourceImage>, CaseError> {
        let [front, back, selfie] = &open.images;
        let cell = match role {
            ImageRole::DocumentFront => front,
            ImageRole::DocumentBack => back,
            ImageRole::Selfie => selfie,
        };
        let image = cell
            .get_or_try_init(|| async {
                let name = format!("{}/{}/{role}", open.case.account_id, open.case.id);
                let bytes = self.blobs.get(&open.key, &name).await?;
                Ok::<_, CaseError>(Arc::new(SourceImage::new(bytes)))
            })
            .await?;
        Ok(image.clone())
    }

    /// The frames of a person who was asked to do something, in order. One stage looks at them, so
    /// they are not kept for others.
    async fn frames(&self, open: &OpenCase) -> Result<Vec<Arc<SourceImage>>, CaseError> {
        let mut infos: Vec<&ImageInfo> =
            open.case.images.iter().filter(|info| info.frame.is_some()).collect();
        infos.sort_by_key(|info| info.frame);
        let fetching = infos.into_iter().map(|info| async move {
            let name = format!("{}/{}/{}", open.case.account_id, open.case.id, info.name());
            let bytes = self.blobs.get(&open.key, &name).await?;
            Ok::<_, CaseError>(Arc::new(SourceImage::new(bytes)))
        });
        try_join_all(fetching).await
    }

    pub(super) const fn blobs(&self) -> &Blobs {
        &self.blobs
    }
}
