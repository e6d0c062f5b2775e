//! Relay, sweeper and dead letters: what brings a verification to its end when something is lost.

use super::scene::{Scene, card, passport};
use jiff::SignedDuration;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Notify;
use txid_scheduler::Sweeper;
use txid_shared::ids::VerificationId;
use txid_shared::queue::{Consumer, Received, Source};
use txid_shared::words::{Lane, Stage, Status};

impl Scene {
    pub(crate) fn sweeper(&self) -> Sweeper {
        Sweeper::new(&self.services, self.config.sweeper.clone(), Arc::new(Notify::new()))
    }

    async fn jobs(&self, stage: Stage) -> Consumer {
        self.services.queue.consume(Source::Jobs(stage, Lane::Interactive), 1).await.unwrap()
    }

    /// The next job of a stage, taken off the queue.
    async fn take(&self, stage: Stage) -> VerificationId {
        let received = self.jobs(stage).await.next().await.unwrap();
        let id = received.job.as_ref().unwrap().verification_id;
        received.acknowledge().await;
        id
    }

    async fn take_all(&self, id: VerificationId) {
        for stage in Stage::ALL {
            assert_eq!(self.take(*stage).await, id);
        }
    }

    /// The relay has removed what it published.
    pub(crate) async fn outbox_is_empty(&self) {
        while self.count("outbox").await > 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn sweep_after(&self, seconds: i64) -> usize {
        self.outbox_is_empty().await;
        self.clock.advance(SignedDuration::from_secs(seconds));
        self.sweeper().sweep().await.unwrap()
    }

    async fn dies(&self, received: Received, reason: &str) {
        received.dead_letter(reason).await;
        // The consumer of dead letters records each one last.
        while self.count("dead_letters").await == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn every_stage_of_an_accepted_verification_is_published_and_the_outbox_is_empty() {
    let scene = Scene::new().await;
    let id = scene.accepted(&card()).await;
    scene.take_all(id).await;
    scene.outbox_is_empty().await;
    scene.end().await;
}

#[tokio::test]
async fn a_row_left_by_a_scheduler_that_died_is_published_by_the_next() {
    let scene = Scene::new().await;
    let id = scene.accepted(&passport()).await;
    assert_eq!(scene.take(Stage::Ocr).await, id);
    scene.outbox_is_empty().await;
    // Claimed by a relay that is gone: its lease ended.
    sqlx::query(
        "INSERT INTO outbox (verification_id, stages, lane, created_at, not_before, lease_token, lease_until)
         SELECT id, stages, lane, created_at, created_at, gen_random_uuid(), created_at - interval '1 s'
         FROM verifications",
    )
    .execute(&scene.database)
    .await
    .unwrap();
    assert_eq!(scene.take(Stage::Ocr).await, id);
    scene.end().await;
}

#[tokio::test]
async fn only_the_stages_without_a_partial_run_again() {
    let scene = Scene::new().await;
    let id = scene.accepted(&card()).await;
    scene.take_all(id).await;
    scene.partial_is_in(id, Stage::Ocr).await;
    scene.partial_is_in(id, Stage::Fraud).await;
    assert_eq!(scene.sweep_after(119).await, 0, "not overdue yet");
    assert_eq!(scene.sweep_after(1).await, 1);
    assert_eq!(scene.take(Stage::FaceMatch).await, id);
    assert_eq!(scene.take(Stage::Liveness).await, id);
    for done in [Stage::Ocr, Stage::Fraud] {
        let mut jobs = scene.jobs(done).await;
        let nothing = std::future::poll_fn(|context| {
            let next = std::pin::pin!(jobs.next());
            std::task::Poll::Ready(next.poll(context).is_pending())
        });
        assert!(nothing.await, "{done} was done and runs again");
    }
    assert_eq!(scene.sweep_after(120).await, 0, "the second round waits twice as long");
    assert_eq!(scene.sweep_after(120).await, 1);
    scene.end().await;
}

/// Behind interactive work a job of a batch may stand for hours; a lost one still ends.
#[tokio::test]
async fn a_row_that_waits_in_the_batch_lane_is_not_given_up_before_its_queue_was_empty() {
    let scene = Scene::new().await;
    let batch = super::batches::open(&scene, json!({ "rows": [super::batches::row("a", 1280)] })).await;
    let accepted = "it is accepted";
    scene.until(accepted, async || (scene.count("verifications").await == 1).then_some(())).await;
    let (id,): (uuid::Uuid,) =
        sqlx::query_as("SELECT id FROM verifications").fetch_one(&scene.database).await.unwrap();
    let id = VerificationId::from_uuid(id);
    let queue = &scene.services.queue;
    let lane = Source::Jobs(Stage::Ocr, Lane::Batch);
    let empty = async || {
        scene.outbox_is_empty().await;
        let mut jobs = queue.consume(lane, 1).await.unwrap();
        while queue.has_waiting(lane).await.unwrap() {
            jobs.next().await.unwrap().acknowledge().await;
        }
    };
    let rounds = scene.config.sweeper.rounds;
    for _ in 0..3 * rounds {
        scene.sweep_after(1000).await;
    }
    assert_eq!(scene.case(id).await.status, Status::Pending, "its job was in the queue all the time");

    // Now it is lost: found once more, and then given up.
    empty().await;
    assert_eq!(scene.sweep_after(1000).await, 1);
    assert_eq!(scene.case(id).await.status, Status::Pending);
    empty().await;
    assert_eq!(scene.sweep_after(1000).await, 1);
    assert_eq!(scene.case(id).await.status, Status::Error);
    super::batches::until(&scene, &batch, "completed").await;
    scene.end().await;
}

#[tokio::test]
async fn a_full_set_that_nobody_decided_on_is_decided() {
    let scene = Scene::new().await;
    let id = scene.accepted(&card()).await;
    scene.take_all(id).await;
    for stage in Stage::ALL {
        scene.partial_is_in(id, *stage).await;
    }
    assert_eq!(scene.sweep_after(120).await, 1);
    assert_ne!(scene.case(id).await.status, Status::Pending);
    assert_eq!(scene.count("events").await, 1);
    assert_eq!(scene.sweep_after(3600).await, 0);
    scene.end().await;
}

#[tokio::test]
async fn after_the_last_round_a_verification_ends_as_error_and_is_told() {
    let scene = Scene::with(&[("sweeper.rounds", "2")]).await;
    let id = scene.accepted(&passport()).await;
    for _ in 0..2 {
        assert_eq!(scene.take(Stage::Ocr).await, id);
        assert_eq!(scene.sweep_after(1000).await, 1);
    }
    assert_eq!(scene.case(id).await.status, Status::Pending);
    assert_eq!(scene.take(Stage::Ocr).await, id);
    assert_eq!(scene.sweep_after(1000).await, 1);
    let verification = scene.get(&format!("/v1/identity/verifications/{id}")).await.body;
    assert_eq!(verification["status"], "error");
    assert_eq!(verification["checks"]["ocr"]["reasons"][0]["code"], "check_error");
    assert_eq!(scene.count("events").await, 1);
    scene.end().await;
}

#[tokio::test]
async fn rounds_do_not_burn_while_nothing_reaches_the_broker() {
    let scene = Scene::new().await;
    let id = scene.accepted(&passport()).await;
    assert_eq!(scene.take(Stage::Ocr).await, id);
    scene.outbox_is_empty().await;
    // A row that was tried in vain and is due far in the future: the relay leaves it alone here.
    sqlx::query(
        "INSERT INTO outbox (verification_id, stages, lane, created_at, not_before, attempts)
         SELECT id, stages, lane, created_at, created_at + interval '1 year', 3 FROM verifications",
    )
    .execute(&scene.database)
    .await
    .unwrap();
    scene.clock.advance(SignedDuration::from_secs(3600));
    assert_eq!(scene.sweeper().sweep().await.unwrap(), 0);
    scene.end().await;
}

#[tokio::test]
async fn what_was_pending_when_the_process_ended_is_enqueued_at_the_next_start() {
    let scene = Scene::new().await;
    let first = scene.accepted(&passport()).await;
    let second = scene.accepted(&passport()).await;
    for expected in [first, second] {
        assert_eq!(scene.take(Stage::Ocr).await, expected);
    }
    scene.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(scene.sweeper().recover().await.unwrap(), 2);
    let mut again = [scene.take(Stage::Ocr).await, scene.take(Stage::Ocr).await];
    again.sort();
    assert_eq!(again, [first, second]);
    scene.end().await;
}

#[tokio::test]
async fn a_job_that_was_rejected_ends_its_check_as_error() {
    let scene = Scene::new().await;
    let id = scene.accepted(&passport()).await;
    let received = scene.jobs(Stage::Ocr).await.next().await.unwrap();
    scene.dies(received, "rejected").await;
    assert_eq!(scene.case(id).await.status, Status::Error);
    assert_eq!(scene.count("events").await, 1);
    scene.end().await;
}

#[tokio::test]
async fn a_job_that_kills_its_process_ends_as_error_and_the_other_stages_count() {
    let scene = Scene::new().await;
    let id = scene.accepted(&card()).await;
    for stage in [Stage::Ocr, Stage::FaceMatch, Stage::Liveness] {
        scene.partial_is_in(id, stage).await;
    }
    for _ in 0..2 {
        scene
            .services
            .context
            .store
            .suspect(id, Stage::Fraud, scene.services.context.clock.now())
            .await
            .unwrap();
    }
    let received = scene.jobs(Stage::Fraud).await.next().await.unwrap();
    scene.dies(received, "delivery_limit").await;
    let checks = &scene.get(&format!("/v1/identity/verifications/{id}")).await.body["checks"];
    assert_eq!(checks["fraud"]["status"], "error");
    assert!(checks["fraud"]["reasons"][0]["message"].as_str().unwrap().contains("crashed"));
    assert_eq!(checks["ocr"]["status"], "failed", "what the others found stands");
    scene.end().await;
}

#[tokio::test]
async fn an_innocent_job_runs_again() {
    let scene = Scene::new().await;
    let id = scene.accepted(&passport()).await;
    let received = scene.jobs(Stage::Ocr).await.next().await.unwrap();
    scene.dies(received, "delivery_limit").await;
    assert_eq!(scene.case(id).await.status, Status::Pending);
    scene.clock.advance(SignedDuration::from_secs(5));
    assert_eq!(scene.take(Stage::Ocr).await, id);
    scene.end().await;
}
