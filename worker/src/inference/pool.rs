//! The inference threads and the queue in front of them.

use super::{Engine, ModelError, ModelFiles};
use crate::stages::{Outcome, Stage, StageInput};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use txid_shared::ids::VerificationId;
use txid_shared::telemetry::Metrics;
use txid_shared::words::{ImageRole, Lane, Stage as StageName};

/// One thread per processor that this process may use. The standard library counts the affinity mask and the
/// quota of the cgroup, not the processors of the host.
pub fn threads_of_this_machine() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Owns the threads; dropping it lets running stages finish and then ends them.
pub struct InferencePool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stages: Vec<Arc<dyn Stage>>,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    lanes: [BTreeMap<Turn, Job>; 2],
    arrived: u64,
    closed: bool,
}

/// The oldest verification first: its stages follow each other, and its pictures are decoded once.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    verification: VerificationId,
    arrival: u64,
}

struct Job {
    stage: StageName,
    input: StageInput,
    started: oneshot::Sender<()>,
    reply: oneshot::Sender<Outcome>,
}

/// Counted as waiting for a thread until it is dropped, also with a caller that gave up.
struct WaitingRun(Lane);

impl WaitingRun {
    fn counted(lane: Lane) -> Self {
        Metrics::get().waiting_for_thread(lane, 1);
        Self(lane)
    }
}

impl Drop for WaitingRun {
    fn drop(&mut self) {
        Metrics::get().waiting_for_thread(self.0, -1);
    }
}

impl InferencePool {
    /// Builds an engine per thread from verified model files and starts the threads.
    pub fn start(
        files: &ModelFiles,
        threads: usize,
        stages: Vec<Arc<dyn Stage>>,
    ) -> Result<Self, ModelError> {
        let engines = (0..threads.max(1)).map(|_| files.engine()).collect::<Result<Vec<_>, _>>()?;
        Self::with_engines(engines, stages)
    }

    /// One thread per engine.
    pub fn with_engines(engines: Vec<Engine>, stages: Vec<Arc<dyn Stage>>) -> Result<Self, ModelError> {
        let shared =
            Arc::new(Shared { stages, waiting: Mutex::new(Waiting::default()), arrived: Condvar::new() });
        let mut pool = Self { shared, threads: Vec::new() };
        for (number, engine) in engines.into_iter().enumerate() {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new()
                .name(format!("inference-{number}"))
                .spawn(move || shared.work(engine))
                .map_err(ModelError::Thread)?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// The pictures that a stage of this pool looks at; none for a stage that it does not run.
    pub fn images_of(&self, stage: StageName) -> &'static [ImageRole] {
        self.shared.stages.iter().find(|known| known.name() == stage).map_or(&[], |known| known.images())
    }

    /// Runs a stage on the next free thread: interactive before batch, then the oldest verification first. Callers
    /// bound how many wait. When the returned future is dropped before the stage starts, it never starts; one that
    /// has started runs to its end, but its outcome is void once it took `limit`. Waiting does not count: a busy
    /// machine must not burn attempts.
    pub async fn run(
        &self,
        verification: VerificationId,
        stage: StageName,
        input: StageInput,
        lane: Lane,
        limit: Duration,
    ) -> Outcome {
        let closed =
            || Outcome::Retry { class: "shutting_down", message: "the worker is stopping".to_owned() };
        let arrived = Instant::now();
        let waits = WaitingRun::counted(lane);
        let ((started, start), (reply, answer)) = (oneshot::channel(), oneshot::channel());
        {
            let mut waiting = self.shared.lock();
            if waiting.closed {
                return closed();
            }
            waiting.arrived += 1;
            let turn = Turn { verification, arrival: waiting.arrived };
            let [interactive, batch] = &mut waiting.lanes;
            let queue = match lane {
                Lane::Interactive => interactive,
                Lane::Batch => batch,
            };
            queue.insert(turn, Job { stage, input, started, reply });
        }
        self.shared.arrived.notify_one();
        if start.await.is_err() {
            return closed();
        }
        drop(waits);
        Metrics::get().stage_phase(stage, "wait", arrived.elapsed().as_secs_f64());
        match tokio::time::timeout(limit, answer).await {
            Ok(outcome) => outcome.unwrap_or_else(|_| closed()),
            Err(_) => {
                Outcome::Retry { class: "deadline_exceeded", message: format!("longer than {limit:?}") }
            }
        }
    }
}

impl Drop for InferencePool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.arrived.notify_all();
        for thread in self.threads.drain(..) {
            // A thread can only have panicked outside of a stage; there is nobody left to tell.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // No stage code runs under this lock, so its contents are whole even if it is poisoned.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut engine: Engine) {
        while let Some(Job { stage, input, started, reply }) = self.next() {
            // Nobody waits any more.
            if started.send(()).is_err() {
                continue;
            }
            Metrics::get().threads_busy(1);
            let outcome = self.run(stage, &input, &mut engine);
            Metrics::get().threads_busy(-1);
            // Nobody waits any more when the deadline has passed meanwhile: the outcome is void.
            drop(reply.send(outcome));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some((_, job)) = waiting.lanes.iter_mut().find_map(BTreeMap::pop_first) {
                return Some(job);
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, name: StageName, input: &StageInput, engine: &mut Engine) -> Outcome {
        let Some(stage) = self.stages.iter().find(|stage| stage.name() == name) else {
            return Outcome::Retry {
                class: "not_served",
                message: format!("this worker does not run {name}"),
            };
        };
        engine.take_models_ms();
        catch_unwind(AssertUnwindSafe(|| stage.run(input, engine))).unwrap_or_else(|_| {
            // The panic's own text may hold values read from an image: it is not passed on.
            Outcome::Retry { class: "crashed", message: format!("{name} panicked") }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use txid_shared::partial::{FraudResult, StageResult, Timing};

    /// Tells when it starts and then does what it is told.
    struct Fake {
        started: Mutex<mpsc::Sender<Option<String>>>,
        orders: Mutex<mpsc::Receiver<Order>>,
    }

    enum Order {
        Finish,
        Panic,
    }

    impl Stage for Fake {
        fn name(&self) -> StageName {
            StageName::Fraud
        }

        fn run(&self, input: &StageInput, _engine: &mut Engine) -> Outcome {
            self.started.lock().unwrap().send(input.country.clone()).unwrap();
            // Taken out first: a panic must not poison the lock.
            let order = self.orders.lock().unwrap().recv().unwrap();
            match order {
                Order::Finish => {
                    Outcome::completed(StageResult::Fraud(FraudResult::default()), Timing::default())
                }
                Order::Panic => panic!("on purpose"),
            }
        }
    }

    const LIMIT: Duration = Duration::from_secs(60);

    fn one_thread() -> (Arc<InferencePool>, mpsc::Receiver<Option<String>>, mpsc::Sender<Order>) {
        let (started, starts) = mpsc::channel();
        let (orders, taken) = mpsc::channel();
        let fake = Fake { started: Mutex::new(started), orders: Mutex::new(taken) };
        let pool = InferencePool::with_engines(vec![Engine::empty()], vec![Arc::new(fake)]).unwrap();
        (Arc::new(pool), starts, orders)
    }

    fn input(label: &str) -> StageInput {
        StageInput { country: Some(label.to_owned()), ..StageInput::default() }
    }

    fn queued(pool: &InferencePool) -> usize {
        pool.shared.lock().lanes.iter().map(BTreeMap::len).sum()
    }

    async fn until_queued(pool: &InferencePool, count: usize) {
        while queued(pool) != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn interactive_work_overtakes_waiting_batch_work() {
        let (pool, starts, orders) = one_thread();
        let submit = |label: &str, lane| {
            let (pool, input) = (Arc::clone(&pool), input(label));
            async move { pool.run(VerificationId::generate(), StageName::Fraud, input, lane, LIMIT).await }
        };
        let order = async {
            assert_eq!(starts.recv().unwrap().as_deref(), Some("first"));
            until_queued(&pool, 2).await;
            for label in ["person", "bulk"] {
                orders.send(Order::Finish).unwrap();
                assert_eq!(starts.recv().unwrap().as_deref(), Some(label));
            }
            orders.send(Order::Finish).unwrap();
        };
        let first = submit("first", Lane::Batch);
        let later = async {
            until_queued(&pool, 0).await;
            tokio::join!(submit("bulk", Lane::Batch), submit("person", Lane::Interactive))
        };
        let (first, (bulk, person), ()) = tokio::join!(first, later, order);
        for outcome in [first, bulk, person] {
            assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_costs_one_attempt_and_the_thread_goes_on() {
        let (pool, _starts, orders) = one_thread();
        orders.send(Order::Panic).unwrap();
        orders.send(Order::Finish).unwrap();
        let crashed = pool
            .run(VerificationId::generate(), StageName::Fraud, input("a"), Lane::Interactive, LIMIT)
            .await;
        assert!(matches!(crashed, Outcome::Retry { class: "crashed", .. }), "{crashed:?}");
        let fine = pool
            .run(VerificationId::generate(), StageName::Fraud, input("b"), Lane::Interactive, LIMIT)
            .await;
        assert!(matches!(fine, Outcome::Completed(_)), "{fine:?}");
    }

    #[tokio::test]
    async fn the_oldest_verification_is_first_and_its_stages_follow_in_the_order_they_came() {
        let (pool, starts, orders) = one_thread();
        let [older, newer] = ["ver_01JAAAAAAAAAAAAAAAAAAAAAAA", "ver_01JBBBBBBBBBBBBBBBBBBBBBBB"]
            .map(|id| id.parse::<VerificationId>().unwrap());
        let submit = |id: VerificationId, label: &str| {
            let (pool, input) = (Arc::clone(&pool), input(label));
            async move { pool.run(id, StageName::Fraud, input, Lane::Batch, LIMIT).await }
        };
        let order = async {
            until_started(&starts).await;
            until_queued(&pool, 3).await;
            for label in ["older", "older too", "newer"] {
                orders.send(Order::Finish).unwrap();
                assert_eq!(starts.recv().unwrap().as_deref(), Some(label));
            }
            orders.send(Order::Finish).unwrap();
        };
        let running = submit(newer, "running");
        let waiting = async {
            until_queued(&pool, 0).await;
            tokio::join!(submit(newer, "newer"), submit(older, "older"), submit(older, "older too"))
        };
        let (running, (newer, older, too), ()) = tokio::join!(running, waiting, order);
        for outcome in [running, newer, older, too] {
            assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_not_started() {
        let (pool, starts, orders) = one_thread();
        let abandoned = async {
            let late =
                pool.run(VerificationId::generate(), StageName::Fraud, input("late"), Lane::Batch, LIMIT);
            tokio::select! { biased; _ = late => panic!("ran"), () = until_queued(&pool, 1) => {} }
            orders.send(Order::Finish).unwrap();
        };
        let first = async {
            let (outcome, ()) = tokio::join!(
                pool.run(VerificationId::generate(), StageName::Fraud, input("first"), Lane::Batch, LIMIT),
                async {
                    until_started(&starts).await;
                    abandoned.await;
                }
            );
            outcome
        };
        assert!(matches!(first.await, Outcome::Completed(_)));
        orders.send(Order::Finish).unwrap();
        let next =
            pool.run(VerificationId::generate(), StageName::Fraud, input("next"), Lane::Batch, LIMIT).await;
        assert!(matches!(next, Outcome::Completed(_)));
        assert_eq!(starts.recv().unwrap().as_deref(), Some("next"));
    }

    async fn until_started(starts: &mpsc::Receiver<Option<String>>) {
        while starts.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn waiting_for_a_thread_does_not_count_and_running_does() {
        let (pool, _starts, orders) = one_thread();
        let (short, shorter) = (Duration::from_millis(600), Duration::from_millis(500));
        let waiting =
            pool.run(VerificationId::generate(), StageName::Fraud, input("waiting"), Lane::Batch, shorter);
        let held = async {
            // Interactive, so that it is first; nobody lets it finish in time.
            let held = pool
                .run(VerificationId::generate(), StageName::Fraud, input("held"), Lane::Interactive, short)
                .await;
            assert!(matches!(held, Outcome::Retry { class: "deadline_exceeded", .. }), "{held:?}");
            orders.send(Order::Finish).unwrap();
            orders.send(Order::Finish).unwrap();
        };
        let ((), outcome) = tokio::join!(held, waiting);
        assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_stage_that_is_not_served_here_is_retried_elsewhere() {
        let (pool, _starts, _orders) = one_thread();
        let outcome =
            pool.run(VerificationId::generate(), StageName::Ocr, input("a"), Lane::Batch, LIMIT).await;
        assert!(matches!(outcome, Outcome::Retry { class: "not_served", .. }), "{outcome:?}");
    }
}
