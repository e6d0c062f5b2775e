//! Faults that a test account asks for, kept with the account: what looks up a key or claims a delivery has that
//! row in hand anyway.

use super::time::Time;
use super::{Store, StoreError};
use crate::ids::AccountId;
use jiff::Timestamp;
use serde_json::json;

/// Faults of the transport alone: a verdict is never made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simulation {
    pub until: Timestamp,
    /// Before each answer.
    pub delay_ms: Option<u32>,
    /// 5xx in the place of each answer.
    pub status: Option<u16>,
    /// What a consumer takes is sent to it once more.
    pub duplicates: bool,
}

impl Simulation {
    /// From the columns `simulated_…` of the account.
    pub(super) fn of(
        until: Option<Time>,
        delay_ms: Option<i32>,
        status: Option<i32>,
        duplicates: bool,
    ) -> Option<Self> {
        let delay_ms = delay_ms.and_then(|delay| u32::try_from(delay).ok());
        let status = status.and_then(|status| u16::try_from(status).ok());
        until.map(|until| Self { until: until.0, delay_ms, status, duplicates })
    }
}

impl Store {
    /// In the place of what the account asked for before; `None` ends that. False: it holds live data.
    pub async fn simulate(
        &self,
        account: AccountId,
        simulation: Option<Simulation>,
        (actor, now): (&str, Timestamp),
    ) -> Result<bool, StoreError> {
        let (set,): (i64,) = sqlx::query_as(
            "/* simulate */ WITH set AS (
               UPDATE accounts SET simulated_until = $2, simulated_delay_ms = $3, simulated_status = $4,
                 simulated_duplicates = $5
               WHERE id = $1 AND live_account_id IS NOT NULL RETURNING id
             ), audited AS (
               INSERT INTO audit (account_id, at, actor, action, details)
               SELECT id, $6, $7, 'sandbox.simulated', $8 FROM set
             )
             SELECT count(*) FROM set",
        )
        .bind(account.uuid())
        .bind(simulation.map(|simulation| Time(simulation.until)))
        .bind(simulation.and_then(|simulation| simulation.delay_ms).map(|delay| delay as i32))
        .bind(simulation.and_then(|simulation| simulation.status).map(i32::from))
        .bind(simulation.is_some_and(|simulation| simulation.duplicates))
        .bind(Time(now))
        .bind(actor)
        .bind(simulation.map_or(json!({}), |simulation| {
            json!({ "until": simulation.until, "delay_ms": simulation.delay_ms, "status": simulation.status,
                "duplicates": simulation.duplicates })
        }))
        .fetch_one(&self.pool)
        .await?;
        Ok(set == 1)
    }
}
