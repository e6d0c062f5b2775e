//! Every fixture of the sandbox through a standalone on real models, by the addresses that the API gives out: the
//! verdict is the one that the list promises.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use txid::up::Standalone;
use txid_shared::config::Config;
use txid_shared::words::ReasonCode;
use txid_tests::fleet::Client;

/// No picture keeps a check from running, and to be seen before takes two.
const NOT_BY_A_PICTURE: [ReasonCode; 2] = [ReasonCode::CheckError, ReasonCode::DuplicateDetected];

fn strings(values: &Value) -> BTreeSet<String> {
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

async fn submission(http: &reqwest::Client, key: &str, fixture: &Value) -> Value {
    let mut body = json!({
        "country": fixture["country"], "document_type": fixture["document_type"], "checks": fixture["checks"],
    });
    for image in fixture["images"].as_array().unwrap() {
        let picture = http.get(image["url"].as_str().unwrap()).bearer_auth(key).send().await.unwrap();
        assert_eq!(picture.status(), 200);
        body[image["side"].as_str().unwrap()] = json!(STANDARD.encode(picture.bytes().await.unwrap()));
    }
    body
}

#[tokio::test]
async fn every_fixture_comes_to_what_the_list_promises_and_every_reason_has_one() {
    let mut config = Config::load(None, []).unwrap();
    config.server.listen.set_port(0);
    let data = tempfile::tempdir().unwrap();
    let standalone = Standalone::start(config, data.path()).await.unwrap();
    let live = Client::new(standalone.address, &standalone.api_key).unwrap();
    let new = json!({ "name": "sandbox", "mode": "test",
        "permissions": ["identity:read", "identity:write", "developers:read"] });
    let created = live.post("/v1/developers/keys", &new).await.unwrap();
    let key = created.body["key"].as_str().unwrap_or_else(|| panic!("{created:?}")).to_owned();
    let client = Client::new(standalone.address, &txid_shared::config::Secret::new(key.as_str())).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    let list = client.get("/v1/developers/sandbox/fixtures").await.unwrap();
    assert_eq!(list.status, 200, "`make models` draws them: {list:?}");
    let mut provoked = BTreeSet::new();
    let mut wrong = Vec::new();
    for fixture in list.body["data"].as_array().unwrap() {
        let body = submission(&http, &key, fixture).await;
        let answer = client.post("/v1/identity/verify", &body).await.unwrap();
        // On a busy machine a synchronous call may be answered before its verdict.
        assert!([200, 202].contains(&answer.status), "{answer:?}");
        let verdict = client.decided(answer.body["id"].as_str().unwrap()).await.unwrap();
        let codes = verdict["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].clone());
        let got = (verdict["status"].clone(), strings(&codes.collect()));
        let promised = (fixture["expected"]["status"].clone(), strings(&fixture["expected"]["reasons"]));
        if got != promised {
            wrong.push(format!("{}: {got:?} and not {promised:?}: {:#}", fixture["id"], verdict["reasons"]));
        }
        provoked.extend(got.1);
    }
    standalone.stop().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for reason in ReasonCode::ALL.iter().filter(|reason| !NOT_BY_A_PICTURE.contains(reason)) {
        assert!(provoked.contains(reason.as_str()), "no fixture brings about `{reason}`");
    }
}
