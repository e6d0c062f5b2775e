//! Callers that wait for a verdict. One task listens to what is finished and wakes only the one
//! concerned; if every caller listened, each verdict would wake all of them. Several may wait for the same one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use txid_shared::ids::VerificationId;

#[derive(Clone, Default)]
pub(crate) struct Waiters(Arc<Mutex<HashMap<VerificationId, Vec<oneshot::Sender<()>>>>>);

/// Removes itself when dropped.
pub(crate) struct Waiting {
    waiters: Waiters,
    id: VerificationId,
    /// `None` once it was answered.
    finished: Option<oneshot::Receiver<()>>,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn map(&self) -> MutexGuard<'_, HashMap<VerificationId, Vec<oneshot::Sender<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Register before the verification is enqueued, else its end may be missed.
    pub(crate) fn wait_for(&self, id: VerificationId) -> Waiting {
        let (sender, finished) = oneshot::channel();
        self.map().entry(id).or_default().push(sender);
        Waiting { waiters: self.clone(), id, finished: Some(finished) }
    }

    /// Ends when `stopping` does. A wake-up that was lost costs the caller one polling interval.
    pub(crate) async fn run(
        self,
        mut finished: broadcast::Receiver<VerificationId>,
        stopping: CancellationToken,
    ) {
        loop {
            let id = tokio::select! {
                () = stopping.cancelled() => return,
                id = finished.recv() => id,
            };
            match id {
                Ok(id) => {
                    for waiting in self.map().remove(&id).into_iter().flatten() {
                        // It may have given up in this moment.
                        let _ = waiting.send(());
                    }
                }
                Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "wake-ups missed; callers poll"),
                Err(RecvError::Closed) => return,
            }
        }
    }
}

impl Waiting {
    /// Resolves once when the verification is finished; never, if the wake-up was lost. Cancel-safe.
    pub(crate) async fn finished(&mut self) {
        let Some(finished) = &mut self.finished else { return std::future::pending().await };
        let answered = finished.await;
        self.finished = None;
        if answered.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Its own end of the channel goes first: that is what tells it from the others that wait.
        self.finished = None;
        let mut waiters = self.waiters.map();
        if let Some(waiting) = waiters.get_mut(&self.id) {
            waiting.retain(|sender| !sender.is_closed());
            if waiting.is_empty() {
                waiters.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_caller_of_the_finished_verification_is_woken() {
        let (sender, receiver) = broadcast::channel(8);
        let (waiters, stop) = (Waiters::new(), CancellationToken::new());
        let (mine, other) = (VerificationId::generate(), VerificationId::generate());
        let mut waiting = waiters.wait_for(mine);
        let mut others = waiters.wait_for(other);
        sender.send(mine).unwrap();
        let listening = waiters.clone().run(receiver, stop.clone());
        tokio::select! {
            () = listening => panic!("the listener ended"),
            () = others.finished() => panic!("the wrong one was woken"),
            () = waiting.finished() => {}
        }
        drop((waiting, others));
        assert!(waiters.map().is_empty());
    }

    #[tokio::test]
    async fn several_may_wait_for_the_same_verification_and_ask_again() {
        let (sender, receiver) = broadcast::channel(8);
        let (waiters, stop) = (Waiters::new(), CancellationToken::new());
        let id = VerificationId::generate();
        let mut waiting = [waiters.wait_for(id), waiters.wait_for(id), waiters.wait_for(id)];
        let [gone, first, second] = &mut waiting;
        gone.finished = None;
        sender.send(id).unwrap();
        let listening = waiters.clone().run(receiver, stop.clone());
        let both = async { tokio::join!(first.finished(), second.finished()) };
        tokio::select! {
            () = listening => panic!("the listener ended"),
            _ = both => {}
        }
        // Asked again, as a caller does whose row is not there yet, it waits and does not panic.
        tokio::select! {
            () = first.finished() => panic!("woken twice"),
            () = std::future::ready(()) => {}
        }
        drop(waiting);
        assert!(waiters.map().is_empty());
    }
}
