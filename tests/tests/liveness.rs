//! Active liveness over HTTP, RabbitMQ and the real worker with its models, on frames of a real recording. Skips,
//! and says so, where models or photographs were not fetched.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use txid_shared::words::Stage;
use txid_tests::fleet::{Role, Space};
use txid_worker::inference::ModelFiles;
use txid_worker::inference::manifest::{Manifest, default_cache_folder};

/// In the order they were taken; on the fourth the eyes are closed.
const BLINK: [&str; 5] = [
    "talking-face-01829",
    "talking-face-02045",
    "talking-face-02683",
    "talking-face-02888",
    "talking-face-04035",
];

fn photograph(name: &str) -> Option<String> {
    let path = default_cache_folder().join("photographs").join(format!("{name}.jpg"));
    std::fs::read(path).ok().map(|bytes| STANDARD.encode(bytes))
}

#[tokio::test]
async fn a_person_who_blinks_and_turns_is_told_from_one_who_does_not() {
    let blink: Option<Vec<String>> = BLINK.iter().map(|name| photograph(name)).collect();
    let turn: Option<Vec<String>> = ["obama", "obama2"].iter().map(|name| photograph(name)).collect();
    let models =
        ModelFiles::load(&Manifest::built_in().unwrap(), &default_cache_folder(), &[Stage::Liveness]);
    let (Some(blink), Some(turn), Ok(_)) = (blink, turn, models) else {
        eprintln!("skipped: models or photographs are not there");
        return;
    };
    let space = Space::new().await.unwrap();
    let (key, _) = space.account(None).await.unwrap();
    let scheduler = space.node(Role::Scheduler).unwrap();
    let _worker = space.node_with(Role::Worker, &[("TXID__WORKER__STAGES", "[\"liveness\"]")]).unwrap();
    let client = space.client(&scheduler, &key).unwrap();
    let asked = |frames: &[String], challenge: &str| {
        let body = json!({ "mode": "active", "frames": frames, "challenges": [challenge] });
        let client = client.clone();
        async move {
            let answer = client.post("/v1/identity/liveness", &body).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            println!("{:#}", answer.body["active"]);
            answer.body
        }
    };
    let status = |answer: &Value| answer["active"]["challenges"][0]["status"].as_str().unwrap().to_owned();

    let blinks = asked(&blink, "blink").await;
    assert_eq!(status(&blinks), "passed");
    assert_eq!(blinks["active"]["challenges"][0]["frames"], json!([2, 3, 4]));
    assert_eq!(blinks["active"]["same_face"]["status"], "passed");
    assert!(
        blinks["spoof_probability"].is_number(),
        "the best frame is judged passively as well: {blinks:#}"
    );

    let stares = asked(&[&blink[..3], &blink[4..]].concat(), "blink").await;
    assert_eq!((status(&stares).as_str(), &stares["is_live"]), ("failed", &json!(false)));

    let turns = asked(&turn, "turn_right").await;
    assert_eq!((status(&turns).as_str(), &turns["is_live"]), ("passed", &json!(true)), "{turns:#}");
    let other_way = asked(&turn, "turn_left").await;
    assert_eq!((status(&other_way).as_str(), &other_way["is_live"]), ("failed", &json!(false)));
    space.remove().await.unwrap();
}
