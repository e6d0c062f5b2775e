//! OpenAPI 3.1, generated from the types that the handlers use.

use super::{
    batch_opening, batch_results, batches, deliveries, documents, files, health, keys, lifecycle, limits,
    liveness, oneshots, requests, sandbox, sessions, uploads, usage, validate, verifications, verify,
    webhooks,
};
use txid_shared::api::{Event, ThinEvent};
use txid_shared::words::BatchFile;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayItems, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "TXCloud Identity",
        version = "2025-01-01",
        description = "Identity verification: a document and a selfie go in, a verdict with its reasons comes out."
    ),
    paths(
        verify::verify,
        oneshots::extract,
        oneshots::face_match,
        liveness::liveness,
        verifications::list,
        verifications::show,
        lifecycle::delete,
        lifecycle::cancel,
        lifecycle::retry,
        lifecycle::review,
        lifecycle::audit,
        verifications::evidence,
        validate::validate,
        sessions::create,
        sessions::show,
        uploads::upload,
        uploads::put,
        sessions::complete,
        documents::show,
        documents::download,
        documents::content,
        documents::list,
        documents::countries,
        files::create,
        files::content,
        files::show,
        batch_opening::create,
        batches::list,
        batches::show,
        batches::delete,
        batches::confirm,
        batches::pause,
        batches::resume,
        batches::cancel,
        batches::retry_failed,
        batch_results::list,
        batch_results::file,
        webhooks::create,
        webhooks::list,
        keys::create,
        keys::list,
        keys::show,
        keys::revoke,
        keys::rotate,
        limits::show,
        usage::show,
        usage::daily,
        usage::by_endpoint,
        requests::list,
        requests::show,
        webhooks::show,
        webhooks::change,
        webhooks::delete,
        webhooks::rotate_secret,
        deliveries::test,
        deliveries::logs,
        deliveries::deliveries,
        deliveries::replay,
        deliveries::show_event,
        deliveries::resend,
        sandbox::fixtures,
        sandbox::fixture_image,
        sandbox::simulate,
        health::alive,
        health::ready,
        health::metrics,
    ),
    components(schemas(BatchFile, Event, ThinEvent)),
    security(("api_key" = [])),
    modifiers(&ApiKey, &Allowance, &Undecided),
    tags(
        (name = "identity", description = "Verifications"),
        (name = "batches", description = "Bulk work: from one row to a million; uploads"),
        (name = "developers", description = "Webhook endpoints and deliveries, events, API keys, limits, usage, logs"),
        (name = "operations", description = "For orchestrators and dashboards"),
    )
)]
struct Document;

struct ApiKey;

impl Modify for ApiKey {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An API key: `txc_live_…`, or `txc_test_…` for data apart. Create one with `txid keys create`.",
            ))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The client token of a session: `cst_…`, for its uploads alone."))
            .build();
        components.add_security_scheme("client_token", SecurityScheme::Http(scheme));
    }
}

/// A verification has the fields of a verdict once it is decided, and none of them before. What serde flattens
/// from an `Option` is described as a verdict or null, and an object is neither.
struct Undecided;

impl Modify for Undecided {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.schemas.values_mut().for_each(undecided);
    }
}

fn undecided(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => object.properties.values_mut().for_each(undecided),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                undecided(items);
            }
        }
        Schema::AllOf(parts) => {
            for part in &mut parts.items {
                if let RefOr::T(Schema::OneOf(choice)) = part {
                    let verdict = choice.items.iter().find(|item| matches!(item, RefOr::Ref(_))).cloned();
                    let either = AnyOfBuilder::new().item(ObjectBuilder::new());
                    *part = verdict.into_iter().fold(either, AnyOfBuilder::item).into();
                }
            }
        }
        _ => {}
    }
}

/// What every call that needs a key has in common.
struct Allowance;

impl Modify for Allowance {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let header = |text: &str| {
            let whole = ObjectBuilder::new().schema_type(Type::Integer);
            HeaderBuilder::new().schema(Some(whole)).description(Some(text)).build()
        };
        let headers = [
            (
                "X-RateLimit-Limit",
                header("Calls in the window that ends the soonest by use; 2147483647: not limited"),
            ),
            ("X-RateLimit-Remaining", header("Calls left in it")),
            ("X-RateLimit-Reset", header("When it begins anew, in seconds since 1970")),
            ("X-RateLimit-Window", header("Its length in seconds")),
        ];
        for (path, item) in &mut openapi.paths.paths {
            if !path.starts_with("/v1/") {
                continue;
            }
            for (_, operation) in operations(item) {
                let body = Content::new(Some(Ref::from_schema_name("ErrorBody")));
                let limited = ResponseBuilder::new()
                    .description("rate_limit_exceeded")
                    .content("application/json", body)
                    .header("Retry-After", header("Seconds"))
                    .build();
                operation.responses.responses.insert("429".to_owned(), RefOr::T(limited));
                for (status, response) in &mut operation.responses.responses {
                    let RefOr::T(response) = response else { continue };
                    if status == "403" {
                        response.description.push_str("; ip_not_allowed");
                    }
                    let headers =
                        headers.iter().map(|(name, header)| ((*name).to_owned(), RefOr::T(header.clone())));
                    response.headers.extend(headers);
                }
            }
        }
    }
}

/// Each with its method.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Method and route of all calls.
pub(super) fn endpoints(document: &utoipa::openapi::OpenApi) -> Vec<String> {
    let mut paths = document.paths.paths.clone();
    let paths = paths.iter_mut().flat_map(|(path, item)| {
        operations(item).map(move |(method, _)| format!("{method} {path}")).collect::<Vec<_>>()
    });
    paths.collect()
}

/// The document served at `/openapi.json` and printed by `txid openapi`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_call_of_ours_documents_its_refusals_and_needs_a_key() {
        let document = serde_json::to_value(openapi()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, item) in document["paths"].as_object().unwrap() {
            if !path.starts_with("/v1/") {
                continue;
            }
            for (method, call) in item.as_object().unwrap() {
                for status in ["401", "403", "429"] {
                    assert!(call["responses"].get(status).is_some(), "{method} {path} lacks {status}");
                }
            }
        }
        assert_eq!(document["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
        let takes = &document["paths"]["/v1/identity/verify"]["post"]["requestBody"]["content"];
        assert!(takes.get("application/json").is_some() && takes.get("multipart/form-data").is_some());
    }

    #[test]
    fn words_are_spelt_as_on_the_wire() {
        use txid_shared::words::{Permission, Status};
        let document = serde_json::to_value(openapi()).unwrap();
        for (name, words) in [("Status", json!(Status::ALL)), ("Permission", json!(Permission::ALL))] {
            assert_eq!(document["components"]["schemas"][name]["enum"], words);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = serde_json::to_value(openapi()).unwrap();
        let text = document.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name} is not described");
        }
    }
}
