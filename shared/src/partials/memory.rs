//! The standalone's meeting place.

use super::Sealed;
use crate::ids::VerificationId;
use crate::words::Stage;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

#[derive(Clone)]
pub struct MemoryPartials {
    sets: Arc<Mutex<HashMap<VerificationId, Sealed>>>,
    finished: broadcast::Sender<VerificationId>,
}

impl Default for MemoryPartials {
    fn default() -> Self {
        Self { sets: Arc::default(), finished: broadcast::channel(super::redis::WAKE_UPS).0 }
    }
}

impl MemoryPartials {
    fn sets(&self) -> MutexGuard<'_, HashMap<VerificationId, Sealed>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn join(
        &self,
        id: VerificationId,
        stage: Stage,
        sealed: Vec<u8>,
        expected: usize,
    ) -> Option<Sealed> {
        let mut sets = self.sets();
        let set = sets.entry(id).or_default();
        set.insert(stage, sealed);
        (set.len() >= expected).then(|| set.clone())
    }

    pub(super) fn get(&self, id: VerificationId) -> Sealed {
        self.sets().get(&id).cloned().unwrap_or_default()
    }

    pub(super) fn forget(&self, id: VerificationId, stage: Stage) {
        if let Some(set) = self.sets().get_mut(&id) {
            set.remove(&stage);
        }
    }

    pub(super) fn finish(&self, id: VerificationId) {
        self.sets().remove(&id);
        // Nobody listening is fine.
        let _ = self.finished.send(id);
    }

    pub(super) fn finished(&self) -> broadcast::Receiver<VerificationId> {
        self.finished.subscribe()
    }
}
