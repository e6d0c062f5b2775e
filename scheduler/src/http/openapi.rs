//! OpenAPI 3.1, generated from the types that the handlers use.

use super::{deliveries, documents, health, lifecycle, verifications, verify, webhooks};
use txid_shared::api::{Event, ThinEvent};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
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
        verifications::list,
        verifications::show,
        lifecycle::delete,
        lifecycle::cancel,
        lifecycle::retry,
        lifecycle::review,
        lifecycle::audit,
        verifications::evidence,
        documents::list,
        webhooks::create,
        webhooks::list,
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
        health::alive,
        health::ready,
        health::metrics,
    ),
    components(schemas(Event, ThinEvent)),
    security(("api_key" = [])),
    modifiers(&ApiKey),
    tags(
        (name = "identity", description = "Verifications"),
        (name = "developers", description = "Webhook endpoints, their deliveries, events"),
        (name = "operations", description = "For orchestrators and dashboards"),
    )
)]
struct Document;

struct ApiKey;

impl Modify for ApiKey {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key: `txc_live_…`. Create one with `txid keys create`."))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
    }
}

/// The document served at `/openapi.json` and printed by `txid openapi`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_ours_documents_its_refusals_and_needs_a_key() {
        let document = serde_json::to_value(openapi()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, item) in document["paths"].as_object().unwrap() {
            if !path.starts_with("/v1/") {
                continue;
            }
            for (method, call) in item.as_object().unwrap() {
                for status in ["401", "403"] {
                    assert!(call["responses"].get(status).is_some(), "{method} {path} lacks {status}");
                }
            }
        }
        assert_eq!(document["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
        let takes = &document["paths"]["/v1/identity/verify"]["post"]["requestBody"]["content"];
        assert!(takes.get("application/json").is_some() && takes.get("multipart/form-data").is_some());
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
