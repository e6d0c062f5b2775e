//! Limits over processes that die.

use std::time::Duration;
use txid_shared::task::Tasks;
use txid_shared::words::Plan;
use txid_tests::fleet::{Client, Role, Space};

const DOCUMENTS: &str = "/v1/identity/supported-documents";

#[tokio::test]
async fn calls_of_a_killed_scheduler_make_room_when_their_lease_ends() {
    let mut space = Space::new().await.unwrap();
    space.set("server.sync_wait_ms", "3000");
    space.set("server.request_timeout_ms", "4000");
    let (key, _) = space.account(None).await.unwrap();
    let store = space.services().await.unwrap().context.store;
    let account = store.accounts().await.unwrap().remove(0).name;
    assert!(store.set_plan(&account, Plan::Free, "test", jiff::Timestamp::now()).await.unwrap());
    let (dying, other) = (space.node(Role::Scheduler).unwrap(), space.node(Role::Scheduler).unwrap());
    let (caller, survivor) = (space.client(&dying, &key).unwrap(), space.client(&other, &key).unwrap());

    // Nobody works: all ten that the plan allows wait for their verdicts.
    let callers = Tasks::new();
    let mut body = Client::submission();
    body.as_object_mut().unwrap().remove("mode");
    for _ in 0..10 {
        let (caller, body) = (caller.clone(), body.clone());
        callers.spawn(async move { caller.post("/v1/identity/verify", &body).await });
    }
    let database = space.database().await.unwrap();
    let accepted = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM verifications").fetch_one(&database).await.unwrap()
    };
    while accepted().await < 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    dying.kill();
    assert_eq!(survivor.get(DOCUMENTS).await.unwrap().status, 429, "their slots are still taken");
    while survivor.get(DOCUMENTS).await.unwrap().status != 200 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    space.remove().await.unwrap();
}
