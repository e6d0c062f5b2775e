//! The standalone's counters.

use super::{Counted, Slot, Terms};
use crate::ids::{AccountId, RequestId};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Clone)]
pub struct MemoryAllowance {
    lease: SignedDuration,
    counters: Arc<Mutex<Counters>>,
}

/// A counter's next window takes the place of the one before, so there are never more than there are
/// keys, accounts and limited endpoints.
#[derive(Default)]
struct Counters {
    /// Window and calls in it, by account and limit.
    windows: HashMap<(AccountId, String), (i64, u32)>,
    /// Calls under way and when their lease ends.
    under_way: HashMap<AccountId, HashMap<RequestId, Timestamp>>,
}

impl MemoryAllowance {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            lease: SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX),
            counters: Arc::default(),
        }
    }

    /// Without a `call` it only looks.
    pub(super) fn take(&self, terms: &Terms, call: Option<RequestId>, now: Timestamp) -> Counted {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<_> = terms.limits.iter().map(|limit| (terms.account, limit.name())).collect();
        let used = |counters: &Counters| -> Vec<u32> {
            let windows = names.iter().zip(&terms.limits).map(|(name, limit)| {
                let counter = counters.windows.get(name);
                counter.filter(|(window, _)| *window == limit.per.window(now)).map_or(0, |(_, used)| *used)
            });
            windows.collect()
        };
        let mut counted = Counted { refused: None, under_way: 0, used: used(&counters) };
        if terms.concurrent.is_some() {
            let calls = counters.under_way.entry(terms.account).or_default();
            calls.retain(|_, lease_until| *lease_until > now);
            counted.under_way = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        }
        let full = terms.limits.iter().zip(&counted.used).position(|(limit, used)| *used >= limit.calls);
        counted.refused = match (full, terms.concurrent) {
            (Some(full), _) => Some(Some(full)),
            (None, Some(most)) if counted.under_way >= most => Some(None),
            (None, _) => None,
        };
        let Some(call) = call.filter(|_| counted.refused.is_none()) else { return counted };
        for ((name, limit), used) in names.into_iter().zip(&terms.limits).zip(&mut counted.used) {
            *used += 1;
            counters.windows.insert(name, (limit.per.window(now), *used));
        }
        if terms.concurrent.is_some() {
            let lease_until = now.saturating_add(self.lease).unwrap_or(Timestamp::MAX);
            counters.under_way.entry(terms.account).or_default().insert(call, lease_until);
            counted.under_way += 1;
        }
        counted
    }

    pub(super) fn give_back(&self, slot: &Slot) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(calls) = counters.under_way.get_mut(&slot.account) {
            calls.remove(&slot.call);
        }
    }
}
