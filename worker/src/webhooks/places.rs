//! Who has how many requests under way: in all, and to each consumer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use txid_shared::telemetry::Metrics;
use uuid::Uuid;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    by_consumer: Arc<Mutex<HashMap<Uuid, i64>>>,
    freed: Arc<Notify>,
}

/// A request under way; free again when it is dropped.
pub(super) struct Place {
    places: Places,
    consumer: Uuid,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(all: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), by_consumer: Arc::default(), freed: Arc::default() }
    }

    /// All that are free: at least one, so that nothing is leased that cannot start.
    pub(super) async fn free(&self) -> Vec<OwnedSemaphorePermit> {
        // Fails only if closed, and nobody closes it.
        let Ok(first) = self.all.clone().acquire_owned().await else { return Vec::new() };
        let more = self.all.available_permits();
        let mut permits = vec![first];
        permits.extend((0..more).map_while(|_| self.all.clone().try_acquire_owned().ok()));
        permits
    }

    pub(super) fn take(&self, consumer: Uuid, permit: OwnedSemaphorePermit) -> Place {
        *self.lock().entry(consumer).or_default() += 1;
        Metrics::get().deliveries_under_way(1);
        Place { places: self.clone(), consumer, _permit: permit }
    }

    /// Consumers with requests under way, and how many.
    pub(super) fn busy(&self) -> Vec<(Uuid, i64)> {
        self.lock().iter().map(|(consumer, requests)| (*consumer, *requests)).collect()
    }

    /// Returns when a place was freed since the last call.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, i64>> {
        self.by_consumer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_consumer = self.places.lock();
        if let Some(requests) = by_consumer.get_mut(&self.consumer) {
            *requests -= 1;
            if *requests == 0 {
                by_consumer.remove(&self.consumer);
            }
        }
        drop(by_consumer);
        Metrics::get().deliveries_under_way(-1);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_counted_by_consumer_and_come_back() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let places = Places::new(3);
        let mut permits = places.free().await;
        assert_eq!(permits.len(), 3);
        let first = places.take(one, permits.remove(0));
        let second = places.take(one, permits.remove(0));
        let third = places.take(other, permits.remove(0));
        let mut busy = places.busy();
        busy.sort();
        assert_eq!(busy, [(one, 2), (other, 1)]);
        drop((first, third));
        places.freed().await;
        assert_eq!(places.busy(), [(one, 1)]);
        assert_eq!(places.free().await.len(), 2);
        drop(second);
        assert!(places.busy().is_empty());
    }
}
