//! The master key is exchanged under a running fleet: nothing is lost, and the old key is needed no more.

use super::{asked, txid};
use serde_json::json;
use std::process::Command;
use txid_shared::blobs::crypto::MasterKeys;
use txid_shared::ids::VerificationId;
use txid_tests::fleet::{Client, Node, Role, Space, binary};
use txid_tests::receiver::Receiver;

const ACCOUNTS: usize = 5;

struct Customer {
    key: txid_shared::config::Secret,
    secret: txid_shared::config::Secret,
    ids: Vec<String>,
}

fn path(id: &str) -> String {
    format!("/v1/identity/verifications/{id}")
}

/// What `txid doctor` says about account keys.
fn doctor(space: &Space) -> (String, String) {
    let (_, report) = asked(space, &["doctor", "--json"]);
    let findings = report["findings"].as_array().unwrap();
    let line = findings.iter().find(|finding| finding["check"] == "master key").unwrap();
    let text = |name: &str| line[name].as_str().unwrap().to_owned();
    (text("judgement"), text("found"))
}

fn fleet(space: &Space) -> [Node; 3] {
    [Role::Scheduler, Role::StubWorker, Role::Webhooks].map(|role| space.node(role).unwrap())
}

fn stop(nodes: [Node; 3]) {
    for node in nodes {
        assert_eq!(node.terminate().unwrap(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_is_rotated_under_a_running_fleet_and_the_old_one_is_needed_no_more() {
    let mut space = Space::new().await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let old = space.config().unwrap().keys.master[0].reveal().to_owned();
    let new = MasterKeys::generate_entry("k2").unwrap();

    // Before: every account has a verification, and one of the first was erased.
    let nodes = fleet(&space);
    let mut customers = Vec::new();
    for _ in 0..ACCOUNTS {
        let (key, secret) = space.account(Some(&receiver.url)).await.unwrap();
        let client = space.client(&nodes[0], &key).unwrap();
        let id = client.submit(&Client::submission()).await.unwrap();
        client.decided(&id).await.unwrap();
        customers.push(Customer { key, secret, ids: vec![id] });
    }
    let client = space.client(&nodes[0], &customers[0].key).unwrap();
    let erased = client.submit(&Client::submission()).await.unwrap();
    client.decided(&erased).await.unwrap();
    assert_eq!(client.delete(&path(&erased)).await.unwrap().status, 200);

    // Every process can read the new one before any writes under it.
    stop(nodes);
    space.set("keys.master", &format!("[\"{old}\", \"{new}\"]"));
    let nodes = fleet(&space);
    space.set("keys.master", &format!("[\"{new}\", \"{old}\"]"));
    assert_eq!(
        doctor(&space),
        (
            "warning".to_owned(),
            format!("0 account keys are under the first master key, {ACCOUNTS} under `k1`")
        )
    );

    // Killed behind the second of five; work goes on meanwhile.
    let killed = Command::new(binary("txid").unwrap())
        .args(["keys", "rewrap", "--at-once", "2"])
        .envs(space.environment())
        .env("TXID_CRASH_AT", "keys.rewrapped_some")
        .output()
        .unwrap();
    assert!(!killed.status.success());
    assert_eq!(
        doctor(&space),
        ("warning".to_owned(), "2 account keys are under the first master key, 3 under `k1`".to_owned())
    );
    for customer in &mut customers {
        let client = space.client(&nodes[0], &customer.key).unwrap();
        customer.ids.push(client.submit(&Client::submission()).await.unwrap());
    }
    let rewrapped = txid(&space, &["keys", "rewrap", "--at-once", "2"]);
    let said = String::from_utf8(rewrapped.stdout).unwrap();
    assert!(
        rewrapped.status.success() && said.starts_with("3 account keys are wrapped anew; 5 of all"),
        "{said}"
    );
    let again = txid(&space, &["keys", "rewrap"]);
    assert!(String::from_utf8(again.stdout).unwrap().starts_with("0 account keys are wrapped anew"));
    for customer in &customers {
        let client = space.client(&nodes[0], &customer.key).unwrap();
        for id in &customer.ids {
            assert_eq!(client.decided(id).await.unwrap()["status"], "verified");
        }
    }
    stop(nodes);

    // Without the old one everything opens, and what was erased does not.
    space.set("keys.master", &format!("[\"{new}\"]"));
    assert_eq!(
        doctor(&space),
        ("ok".to_owned(), "5 account keys open, all under the first master key".to_owned())
    );
    let nodes = fleet(&space);
    for customer in &customers {
        let client = space.client(&nodes[0], &customer.key).unwrap();
        let fresh = client.submit(&Client::submission()).await.unwrap();
        assert_eq!(client.decided(&fresh).await.unwrap()["status"], "verified");
        for id in &customer.ids {
            let shown = client.verification(id).await.unwrap();
            assert_eq!(shown["extracted_data"]["document_number"], "AE123456", "{shown:#}");
        }
    }
    let client = space.client(&nodes[0], &customers[0].key).unwrap();
    assert_eq!(client.get(&path(&erased)).await.unwrap().status, 404);
    let id: VerificationId = erased.parse().unwrap();
    let store = space.services().await.unwrap().context.store;
    let case = store.case(id).await.unwrap().unwrap();
    assert!(case.wrapped_key.is_none() && store.data_key(&case).await.is_err());
    // One verdict before, one meanwhile and one after, for each: all were told under the same secrets.
    let delivered = receiver.wait_for(3 * ACCOUNTS).await;
    let signed = |body: &txid_tests::receiver::Delivered| {
        customers.iter().any(|customer| body.signatures_are_valid(customer.secret.reveal()))
    };
    assert!(delivered.iter().all(signed));

    // With the old one alone nothing opens, and the doctor says so.
    space.set("keys.master", &format!("[\"{old}\"]"));
    let (judgement, found) = doctor(&space);
    assert_eq!(judgement, "problem");
    assert!(found.contains("5 under `k2`, not in keys.master"), "{found}");
    let lost = txid(&space, &["keys", "rewrap"]);
    assert_eq!(lost.status.code(), Some(1));
    // Nobody says that he is ready, and no account is made that the fleet could not open.
    let refused = "keys.master opens none of the 5 account keys";
    for role in [Role::Scheduler, Role::StubWorker, Role::Webhooks] {
        let error = space.node(role).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(refused), "{role:?}: {error}");
    }
    let created = txid(&space, &["accounts", "create", "one-more"]);
    let said = String::from_utf8(created.stderr).unwrap();
    assert!(!created.status.success() && said.contains(refused), "{said}");
    let audit: Vec<serde_json::Value> =
        sqlx::query_scalar("SELECT details FROM audit WHERE action = 'account.key_rewrapped'")
            .fetch_all(&space.database().await.unwrap())
            .await
            .unwrap();
    assert_eq!(audit, vec![json!({ "master_key": "k2" }); ACCOUNTS]);
    stop(nodes);
    store.close().await;
    space.remove().await.unwrap();
}
