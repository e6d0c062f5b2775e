//! One statement and one commit for the rows of several callers. Whoever comes while a statement is under
//! way goes into the next one together with everybody else who came meanwhile: load makes batches, and an
//! idle system makes none. Each caller hears about its own row, and only after the commit.

use super::StoreError;
use futures_util::future::BoxFuture;
use sqlx::PgPool;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Rows of one statement at most.
const LARGEST: usize = 64;
/// Behind a batch of several: time for the next one to gather.
const GATHER: Duration = Duration::from_millis(4);

/// A statement over all rows; answers for each of them, in order.
type Statement<I, O> = fn(PgPool, Vec<Arc<I>>) -> BoxFuture<'static, Result<Vec<O>, StoreError>>;

pub(super) struct Batch<I, O> {
    pool: PgPool,
    statement: Statement<I, O>,
    waiting: Arc<Mutex<Waiting<I, O>>>,
}

struct Waiting<I, O> {
    rows: VecDeque<Row<I, O>>,
    /// A task is writing and will look again before it ends.
    writing: bool,
}

struct Row<I, O> {
    row: Arc<I>,
    answer: oneshot::Sender<Result<O, StoreError>>,
}

impl<I: Send + Sync + 'static, O: Send + 'static> Batch<I, O> {
    pub(super) fn new(pool: PgPool, statement: Statement<I, O>) -> Self {
        let waiting = Waiting { rows: VecDeque::new(), writing: false };
        Self { pool, statement, waiting: Arc::new(Mutex::new(waiting)) }
    }

    pub(super) async fn run(&self, row: I) -> Result<O, StoreError> {
        let (answer, answered) = oneshot::channel();
        let start = {
            let mut waiting = lock(&self.waiting);
            waiting.rows.push_back(Row { row: Arc::new(row), answer });
            !std::mem::replace(&mut waiting.writing, true)
        };
        if start {
            let writer =
                Writer { pool: self.pool.clone(), statement: self.statement, waiting: self.waiting.clone() };
            // Of its own, so that a caller who gives up does not take the others' rows along.
            #[expect(
                clippy::disallowed_methods,
                reason = "ends with its rows, and their callers are counted"
            )]
            tokio::spawn(writer.write_all());
        }
        // Its sender goes only with a writer that panicked or a runtime that ended.
        answered.await.unwrap_or(Err(StoreError::Database(sqlx::Error::WorkerCrashed)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer<I, O> {
    pool: PgPool,
    statement: Statement<I, O>,
    waiting: Arc<Mutex<Waiting<I, O>>>,
}

impl<I, O> Writer<I, O> {
    async fn write_all(self) {
        let mut unfinished = Unfinished { waiting: self.waiting.clone(), ended: false };
        while let Some(rows) = unfinished.next() {
            let several = rows.len() > 1;
            self.write(rows).await;
            if several {
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    async fn write(&self, rows: Vec<Row<I, O>>) {
        let (rows, answers): (Vec<_>, Vec<_>) = rows.into_iter().map(|row| (row.row, row.answer)).unzip();
        match (self.statement)(self.pool.clone(), rows.clone()).await {
            Ok(outcomes) => {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    // A caller who gave up hears nothing.
                    drop(answer.send(Ok(outcome)));
                }
            }
            // One row may be what the database refuses: the others must not fail with it.
            Err(StoreError::Database(sqlx::Error::Database(_))) if rows.len() > 1 => {
                for (row, answer) in rows.into_iter().zip(answers) {
                    drop(answer.send(self.write_alone(row).await));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for answer in answers {
                    drop(answer.send(Err(StoreError::Together(error.clone()))));
                }
            }
        }
    }

    async fn write_alone(&self, row: Arc<I>) -> Result<O, StoreError> {
        let outcome = (self.statement)(self.pool.clone(), vec![row]).await?.pop();
        outcome.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }
}

/// What still waits when the writer ends other than by finding nothing: it is told, and the next caller
/// starts a new writer.
struct Unfinished<I, O> {
    waiting: Arc<Mutex<Waiting<I, O>>>,
    ended: bool,
}

impl<I, O> Unfinished<I, O> {
    /// `None` once nobody waits; from then on the next caller starts a writer.
    fn next(&mut self) -> Option<Vec<Row<I, O>>> {
        let mut waiting = lock(&self.waiting);
        if waiting.rows.is_empty() {
            waiting.writing = false;
            self.ended = true;
            return None;
        }
        let count = waiting.rows.len().min(LARGEST);
        Some(waiting.rows.drain(..count).collect())
    }
}

impl<I, O> Drop for Unfinished<I, O> {
    fn drop(&mut self) {
        if !self.ended {
            let mut waiting = lock(&self.waiting);
            waiting.rows.clear();
            waiting.writing = false;
        }
    }
}

/// One column of all rows, as Postgres' `unnest` takes it.
pub(super) fn column<'a, I, T>(rows: &'a [Arc<I>], value: impl Fn(&'a I) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::postgres::PgPoolOptions;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

    /// Never asks the pool: what is tested is who goes with whom.
    fn double(_: PgPool, rows: Vec<Arc<u32>>) -> BoxFuture<'static, Result<Vec<u32>, StoreError>> {
        Box::pin(async move {
            STATEMENTS.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(rows.iter().map(|row| **row * 2).collect())
        })
    }

    fn lost(_: PgPool, _: Vec<Arc<u32>>) -> BoxFuture<'static, Result<Vec<u32>, StoreError>> {
        Box::pin(async { Err(StoreError::Database(sqlx::Error::PoolTimedOut)) })
    }

    fn pool() -> PgPool {
        PgPoolOptions::new().connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap()
    }

    #[tokio::test]
    async fn who_comes_meanwhile_goes_together_and_hears_of_its_own_row() {
        let batch = Batch::new(pool(), double);
        let answers = futures_util::future::join_all((0..40).map(|row| batch.run(row))).await;
        for (row, answer) in (0..40).zip(answers) {
            assert_eq!(answer.unwrap(), row * 2);
        }
        assert!(STATEMENTS.load(Ordering::Relaxed) <= 2);
        assert_eq!(batch.run(21).await.unwrap(), 42);
    }

    #[tokio::test]
    async fn an_error_reaches_everyone_and_ends_nothing() {
        let batch = Batch::new(pool(), lost);
        for answer in futures_util::future::join_all((0..3).map(|row| batch.run(row))).await {
            assert!(matches!(answer, Err(StoreError::Together(_))));
        }
        assert!(batch.run(1).await.is_err());
    }
}
