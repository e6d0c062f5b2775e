//! The galleries of this process: one for each account that asks for the `duplicate` check, filled from Postgres at
//! first use and brought up to date before every search.

use super::{Gallery, Limits, Lookalike, Probe};
use crate::ids::{AccountId, VerificationId};
use crate::sealed::open_likeness;
use crate::store::{Store, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::RwLock;

/// Likenesses that are read together.
const TOGETHER: i64 = 10_000;
/// From here on a search takes long enough to leave the thread to others.
const LONG_SEARCH: usize = 5_000;
/// A gallery is dropped and read again after this time, so that what was erased stays in no memory for longer, and
/// an account that asks no more takes none.
const KEPT: Duration = Duration::from_secs(3600);

/// Cheap to clone.
#[derive(Clone)]
pub struct Lookalikes {
    store: Store,
    galleries: Arc<Mutex<Galleries>>,
}

/// Each with the time at which it began.
type Galleries = HashMap<AccountId, (Instant, Arc<RwLock<Held>>)>;

#[derive(Default)]
struct Held {
    gallery: Gallery,
    /// All rows up to it are in the gallery, and no transaction can still add one before it.
    settled: i64,
    /// Rows after it that are in the gallery.
    unsettled: HashSet<i64>,
}

impl Lookalikes {
    pub fn new(store: Store) -> Self {
        Self { store, galleries: Arc::default() }
    }

    /// Remembers the probe under `id` and says what else of the account is like it. Of two that do so at once at
    /// least one hears of the other. What `id` tries again is left out. The number: how many it was compared with.
    pub async fn look(
        &self,
        account: AccountId,
        id: VerificationId,
        probe: Probe,
        limits: Limits,
    ) -> Result<(Vec<Lookalike>, usize), StoreError> {
        self.store.remember(account, id, &probe).await?;
        let held = self.held(account);
        self.bring_up_to_date(account, &held).await?;
        let (found, size) = search(held.clone(), id, probe, limits).await;
        let ids: Vec<_> = found.iter().map(|lookalike| lookalike.verification_id).collect();
        let others = self.store.others(id, &ids).await?;
        let gone: Vec<_> = ids.iter().filter(|id| !others.known.contains(id)).collect();
        if !gone.is_empty() {
            let mut held = held.write().await;
            gone.into_iter().for_each(|id| held.gallery.remove(*id));
        }
        let found = found.into_iter().filter(|lookalike| {
            let id = &lookalike.verification_id;
            others.known.contains(id) && !others.retried.contains(id)
        });
        Ok((found.collect(), size.saturating_sub(1)))
    }

    fn held(&self, account: AccountId) -> Arc<RwLock<Held>> {
        let mut galleries = self.galleries.lock().unwrap_or_else(PoisonError::into_inner);
        galleries.retain(|_, (since, _)| since.elapsed() < KEPT);
        galleries.entry(account).or_insert_with(|| (Instant::now(), Arc::default())).1.clone()
    }

    /// Reads what the gallery does not have. Young rows are looked for each time, since one may appear between them.
    async fn bring_up_to_date(&self, account: AccountId, held: &RwLock<Held>) -> Result<(), StoreError> {
        let mut held = held.write().await;
        let key = self.store.account_key(account).await?;
        let mut after = held.settled;
        loop {
            let rows = self.store.likenesses_after(account, after, TOGETHER).await?;
            let new: Vec<i64> = rows
                .iter()
                .map(|(number, _)| *number)
                .filter(|number| !held.unsettled.contains(number))
                .collect();
            for row in self.store.likenesses(&new).await? {
                // What cannot be opened is damaged: no reason to decide nothing any more.
                match open_likeness(&key, row.verification_id, &row.sealed) {
                    Ok(likeness) => held.gallery.add(row.verification_id, row.document, &likeness),
                    Err(error) => {
                        tracing::error!(verification.id = %row.verification_id, %error, "likeness cannot be read");
                    }
                }
            }
            for (number, settled) in &rows {
                if *settled {
                    held.settled = *number;
                    held.unsettled.remove(number);
                } else {
                    held.unsettled.insert(*number);
                }
            }
            match rows.last() {
                Some((last, _)) if i64::try_from(rows.len()).is_ok_and(|count| count == TOGETHER) => {
                    after = *last
                }
                _ => return Ok(()),
            }
        }
    }
}

async fn search(
    held: Arc<RwLock<Held>>,
    own: VerificationId,
    probe: Probe,
    limits: Limits,
) -> (Vec<Lookalike>, usize) {
    let guard = held.read_owned().await;
    let size = guard.gallery.len();
    // The probe itself is in there, too.
    let wider = Limits { most: limits.most + 1, ..limits };
    let searching = move || guard.gallery.search(&probe, &wider);
    let mut found = if size < LONG_SEARCH {
        searching()
    } else {
        // It panics on nothing; if it did, nothing would have been found.
        tokio::task::spawn_blocking(searching).await.unwrap_or_default()
    };
    found.retain(|lookalike| lookalike.verification_id != own);
    found.truncate(limits.most);
    (found, size)
}
