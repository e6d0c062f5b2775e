//! What an operator does by hand, with the command itself.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use std::process::{Command, Output};
use txid_shared::ids::KeyId;
use txid_tests::fleet::{Space, binary};

fn txid(space: &Space, arguments: &[&str]) -> Output {
    let command = binary("txid").unwrap();
    Command::new(command).args(arguments).envs(space.environment()).output().unwrap()
}

/// What a command that succeeds prints.
fn said(space: &Space, arguments: &[&str]) -> (String, String) {
    let output = txid(space, arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}\n{err}");
    (out, err)
}

/// The key's id in what `create` and `rotate` say beside the key.
fn id(said: &str) -> KeyId {
    said.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn keys_are_made_listed_rotated_and_revoked_by_command() {
    let space = Space::new().await.unwrap();
    let store = space.services().await.unwrap().context.store;
    let create = ["keys", "create", "--account", "shop", "--name", "till", "--permissions", "identity:read"];
    let bound = ["--allow-ips", "192.0.2.0/24,::1", "--rate-limit", "30"];
    let (live, beside) = said(&space, &[&create[..], &bound[..]].concat());
    assert!(live.starts_with("txc_live_"), "{live}");
    let live_id = id(&beside);
    let (test, _) = said(&space, &[&create[..], &["--test"]].concat());
    assert!(test.starts_with("txc_test_"), "{test}");
    let (listed, _) = said(&space, &["keys", "list", "--account", "shop"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[0].contains("  test  ") && lines[0].contains(&test[..14]), "{listed}");
    assert!(lines[1].contains("from 192.0.2.0/24,::1") && lines[1].contains("30/min"), "{listed}");
    assert!(!listed.contains(&live), "a key is shown once");

    let (rotated, _) = said(&space, &["keys", "rotate", &live_id.to_string(), "--grace-hours", "1"]);
    let old = store.api_key(&live).await.unwrap().unwrap();
    let new = store.api_key(&rotated).await.unwrap().unwrap();
    assert!(old.expires_at.is_some() && new.expires_at.is_none());
    assert_eq!(
        (new.account_id, new.rate_limit, new.allowed_ips),
        (old.account_id, old.rate_limit, old.allowed_ips)
    );
    let again = txid(&space, &["keys", "rotate", &live_id.to_string()]);
    assert!(!again.status.success(), "it has a successor");
    said(&space, &["keys", "revoke", &new.id.to_string()]);
    assert!(store.api_key(&rotated).await.unwrap().unwrap().revoked_at.is_some());
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit WHERE actor = 'operator' ORDER BY id")
            .fetch_all(&space.database().await.unwrap())
            .await
            .unwrap();
    assert_eq!(actions, ["key.created", "key.created", "key.rotated", "key.revoked"]);
    space.remove().await.unwrap();
}

#[tokio::test]
async fn accounts_are_made_and_put_on_a_plan_by_command() {
    let space = Space::new().await.unwrap();
    said(&space, &["accounts", "create", "shop"]);
    said(&space, &["accounts", "create", "kiosk", "--plan", "free"]);
    assert!(!txid(&space, &["accounts", "create", "shop"]).status.success(), "it is there already");
    said(&space, &["keys", "create", "--account", "shop", "--test"]);
    said(&space, &["accounts", "set-plan", "shop", "growth"]);
    let (listed, _) = said(&space, &["accounts", "list"]);
    let plans: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    let plans: Vec<(&str, &str)> = plans.iter().map(|words| (words[5], words[1])).collect();
    // The account of test data goes along.
    assert_eq!(plans, [("shop", "growth"), ("kiosk", "free"), ("shop", "growth")], "{listed}");
    said(&space, &["accounts", "set-batch-weight", "shop", "3"]);
    let (listed, _) = said(&space, &["accounts", "list"]);
    assert_eq!(listed.matches("weight 3 ").count(), 2, "{listed}");
    let (_, told) = said(&space, &["accounts", "set-retention", "shop", "--images-days", "30"]);
    assert!(told.contains("pictures 30 days, the rest as configured"), "{told}");
    let pool = space.database().await.unwrap();
    let beyond = sqlx::query("UPDATE accounts SET batch_weight = 1001").execute(&pool).await;
    assert!(beyond.is_err(), "the column has the bounds of the command");
    let kept: Vec<(String, Option<i64>)> =
        sqlx::query_as("SELECT name, retain_images_s FROM accounts ORDER BY id")
            .fetch_all(&pool)
            .await
            .unwrap();
    pool.close().await;
    let days = Some(30 * 86_400);
    assert_eq!(
        kept,
        [("shop".to_owned(), days), ("kiosk".to_owned(), None), ("shop (test)".to_owned(), days)]
    );
    for wrong in [
        ["accounts", "set-plan", "nobody", "free"],
        ["accounts", "set-plan", "shop", "gold"],
        ["accounts", "set-retention", "nobody", "--data-days=1"],
        ["accounts", "set-batch-weight", "nobody", "1"],
        ["accounts", "set-batch-weight", "shop", "0"],
        ["accounts", "set-batch-weight", "shop", "1001"],
    ] {
        assert!(!txid(&space, &wrong).status.success());
    }
    space.remove().await.unwrap();
}

#[tokio::test]
async fn the_audit_trail_is_verified_by_command() {
    let space = Space::new().await.unwrap();
    let store = space.services().await.unwrap().context.store;
    for _ in 0..3 {
        said(&space, &["keys", "create"]);
    }
    store.link_audit().await.unwrap();
    said(&space, &["keys", "create"]);
    let (whole, _) = said(&space, &["audit", "verify"]);
    assert!(whole.starts_with("3 entries are linked") && whole.contains("1 newer"), "{whole}");
    let database = space.database().await.unwrap();
    for (tampering, expected) in [
        ("UPDATE audit SET actor = 'nobody' WHERE link = 3", "broken at link 3: an entry was changed"),
        ("DELETE FROM audit WHERE link = 2", "broken at link 2: an entry is missing"),
    ] {
        let silenced = format!("ALTER TABLE audit DISABLE TRIGGER ALL; {tampering}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(silenced)).execute(&database).await.unwrap();
        let output = txid(&space, &["audit", "verify"]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), expected);
    }
    space.remove().await.unwrap();
}
