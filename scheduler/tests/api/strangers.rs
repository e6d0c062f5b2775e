//! No call of the API tells one account about another: every endpoint of the OpenAPI document that takes an
//! id is tried with the id of a thing of another account, so that a new endpoint is tried by itself.

use super::scene::{Scene, answer, base64, jpeg, passport};
use reqwest::Method;
use serde_json::{Map, Value, json};
use txid_shared::ids::{DocumentId, EventId};
use txid_shared::words::{ImageRole, Stage};

/// By prefix, a fresh thing of the first account. A new kind of id belongs here.
async fn thing(scene: &Scene, prefix: &str, made: &mut Map<String, Value>) -> String {
    let id = match prefix {
        "ver" => scene.accepted(&passport()).await.to_string(),
        "sess" => {
            created(scene, "/v1/identity/sessions", json!({ "country": "FR", "document_type": "passport" }))
                .await
        }
        "doc" if !made.contains_key("ver") => {
            scene.accepted(&passport()).await.document(ImageRole::DocumentFront).to_string()
        }
        "evt" => {
            let id = scene.accepted(&passport()).await;
            scene.stage_ends(id, Stage::Ocr).await;
            let select = "SELECT id FROM events WHERE verification_id = $1";
            let event = sqlx::query_scalar(select).bind(id.uuid()).fetch_one(&scene.database).await.unwrap();
            EventId::from_uuid(event).to_string()
        }
        // Evidence of the verification that stands before it in the path.
        "doc" => {
            let id = made["ver"].as_str().unwrap().parse().unwrap();
            let key = scene.services.context.store.data_key(&scene.case(id).await).await.unwrap();
            let crop = DocumentId::generate();
            let name = format!("{}/{id}/evidence/{crop}", scene.account);
            scene.services.blobs.put(&key, &name, b"a crop").await.unwrap();
            crop.to_string()
        }
        "key" => {
            created(scene, "/v1/developers/keys", json!({ "name": "k", "permissions": ["identity:read"] }))
                .await
        }
        "wh" => created(scene, "/v1/developers/webhooks", json!({ "url": "https://example.com/hook" })).await,
        "upl" => created(scene, "/v1/identity/uploads", json!({})).await,
        "batch" => created(scene, "/v1/identity/batches", json!({ "rows": [{ "custom_id": "a" }] })).await,
        "req" => {
            let called = scene.get("/v1/identity/supported-documents").await;
            let id = called.headers["x-request-id"].to_str().unwrap().to_owned();
            let path = format!("/v1/developers/logs/{id}");
            scene
                .until("the call is logged", async || (scene.get(&path).await.status == 200).then_some(()))
                .await;
            id
        }
        unknown => panic!("no way here to make a thing with an id `{unknown}_…`: teach this test"),
    };
    made.insert(prefix.to_owned(), json!(id));
    id
}

async fn created(scene: &Scene, path: &str, body: Value) -> String {
    let created = answer(scene.post(path).json(&body)).await;
    assert_eq!(created.status, 201, "{path}: {:#}", created.body);
    created.body["id"].as_str().unwrap().to_owned()
}

/// A body that a call accepts, from its schema: required fields only.
fn body(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return body(document, document.pointer(&reference[1..]).unwrap());
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(several) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let first = several.iter().find(|one| one["type"] != "null").unwrap();
        return body(document, first);
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    let kind = schema["type"].as_array().map_or(&schema["type"], |kinds| &kinds[0]);
    match (kind.as_str(), schema["format"].as_str()) {
        (Some("object"), _) => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields = required.iter().map(|name| name.as_str().unwrap().to_owned());
            let value = |name: &str| match name {
                // A range has an end after its beginning.
                "until" => json!("2026-04-02T00:00:00Z"),
                _ => body(document, &schema["properties"][name]),
            };
            fields.map(|name| (name.clone(), value(&name))).collect()
        }
        (Some("array"), _) => json!([body(document, &schema["items"])]),
        (Some("string"), Some("byte")) => base64(&jpeg(1280, 720)),
        (Some("string"), Some("uri")) => json!("https://example.com/hook"),
        (Some("string"), Some("date-time")) => json!("2026-04-01T00:00:00Z"),
        (Some("string"), _) => json!("text"),
        (Some("integer" | "number"), _) => json!(1),
        (Some("boolean"), _) => json!(true),
        other => panic!("no value for {other:?} in {schema}"),
    }
}

/// The prefix of each id in the path, in order, from the parameter's description.
fn prefixes(path: &str, call: &Value) -> Vec<String> {
    // A side of a document and a file's name are no ids.
    let names = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
    let names = names.filter(|name| !matches!(*name, "side" | "file"));
    let described = names.map(|name| {
        let parameters = call["parameters"].as_array().unwrap();
        let parameter = parameters.iter().find(|one| one["name"] == name && one["in"] == "path");
        let text = parameter.and_then(|one| one["description"].as_str()).unwrap_or_default();
        let prefix = text.strip_prefix('`').and_then(|text| text.split_once('_')).map(|(prefix, _)| prefix);
        prefix
            .unwrap_or_else(|| panic!("{path}: `{name}` is not described as an id such as `ver_…`"))
            .to_owned()
    });
    described.collect()
}

#[tokio::test]
async fn with_another_accounts_id_every_endpoint_answers_not_found() {
    // `retry` waits for a verdict where it is let in.
    let scene = Scene::with(&[("server.sync_wait_ms", "50")]).await;
    let stranger = scene.key_of_another_account().await;
    let document = serde_json::to_value(txid_scheduler::openapi()).unwrap();
    let mut tried = 0;
    for (template, item) in document["paths"].as_object().unwrap() {
        // A fixture is nobody's.
        if !template.starts_with("/v1/") || !template.contains('{') || template.contains("{fixture}") {
            continue;
        }
        for (method, call) in item.as_object().unwrap() {
            let mut made = Map::new();
            let mut path = template.replace("{side}", "front").replace("{file}", "output");
            // Whoever holds a signed address needs no key, and a key does not help him.
            if call["security"] == json!([{}]) {
                continue;
            }
            for prefix in prefixes(template, call) {
                let id = thing(&scene, &prefix, &mut made).await;
                let (before, rest) = path.split_once('{').unwrap();
                path = format!("{before}{id}{}", rest.split_once('}').unwrap().1);
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let takes = &call["requestBody"]["content"];
            let schema = &takes["application/json"]["schema"];
            let takes_picture = takes.get("image/jpeg").is_some();
            let send = |key: &str| {
                let request = scene.request(method.clone(), &path).bearer_auth(key);
                answer(match (schema.is_null(), takes_picture) {
                    (_, true) => request.body(jpeg(1280, 720)),
                    (true, false) => request,
                    (false, false) => request.json(&body(&document, schema)),
                })
            };
            let theirs = send(stranger.reveal()).await;
            assert_eq!(theirs.status, 404, "{method} {template}: {:#}", theirs.body);
            assert_eq!(theirs.body["error"]["code"], "not_found");
            for id in made.values() {
                assert!(!theirs.body.to_string().contains(id.as_str().unwrap()), "{method} {template}");
            }
            // The same call by the owner reaches the thing: it was an id, and the stranger left it there.
            let own = send(scene.key.reveal()).await;
            assert!(
                own.status < 300 || own.status == 409,
                "{method} {template}: {} {:#}",
                own.status,
                own.body
            );
            tried += 1;
        }
    }
    assert!(tried >= 11, "{tried} endpoints with ids were found");
    scene.end().await;
}
