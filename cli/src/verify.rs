//! `txid verify`: one submission through a standalone of its own, or through a running API, and the
//! verdict in words.

use crate::admin;
use crate::up::Standalone;
use anyhow::Context as _;
use clap::Args;
use reqwest::multipart::{Form, Part};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use txid_shared::api::{CheckOutcome, ErrorBody, Verification};
use txid_shared::config::{LogFormat, Secret};
use txid_shared::files::read_picture;
use txid_shared::telemetry;
use txid_shared::words::{Check, DocumentType, Status};

#[derive(Args)]
pub struct Options {
    /// Photograph of the document's front (JPEG or PNG).
    #[arg(long)]
    front: PathBuf,
    /// Photograph of the back, where the document has one.
    #[arg(long)]
    back: Option<PathBuf>,
    #[arg(long)]
    selfie: Option<PathBuf>,
    /// ISO 3166-1 alpha-2, such as MA.
    #[arg(long)]
    country: String,
    /// national_id, passport, driving_license, residence_permit, voter_id
    #[arg(long = "type")]
    document_type: DocumentType,
    /// Comma-separated; default: ocr,face_match,liveness,fraud
    #[arg(long, value_delimiter = ',')]
    checks: Vec<Check>,
    /// Ask this API, such as http://127.0.0.1:8080, instead of starting a standalone. The key is taken
    /// from TXID_API_KEY. The submission stays there, under the id that is printed.
    #[arg(long)]
    api: Option<String>,
    /// Print the answer as the API gives it.
    #[arg(long)]
    json: bool,
    /// Show the log.
    #[arg(long, short)]
    verbose: bool,
}

/// Exit codes for scripts: checked and not good, or not decided.
const NOT_VERIFIED: u8 = 3;
const NOT_DECIDED: u8 = 4;

pub async fn run(config: Option<PathBuf>, options: Options) -> anyhow::Result<ExitCode> {
    let form = form(&options).await?;
    let (body, refused) = match &options.api {
        Some(api) => {
            let key = std::env::var("TXID_API_KEY").context("TXID_API_KEY: the key for --api is not set")?;
            submit(api, &Secret::new(key.trim()), form).await?
        }
        None => submit_to_own(config, &options, form).await?,
    };
    if options.json {
        println!("{body}");
    }
    if refused {
        let error: ErrorBody = serde_json::from_str(&body)?;
        let param = error.error.param.map(|param| format!(" ({param})")).unwrap_or_default();
        anyhow::bail!("{}{param}", error.error.message);
    }
    let verification: Verification =
        serde_json::from_str(&body).context("the answer is not a verification")?;
    if !options.json {
        print!("{}", readable(&verification));
    }
    Ok(match verification.status {
        Status::Verified => ExitCode::SUCCESS,
        Status::Failed => ExitCode::from(NOT_VERIFIED),
        _ => ExitCode::from(NOT_DECIDED),
    })
}

async fn form(options: &Options) -> anyhow::Result<Form> {
    let mut form = Form::new()
        .text("country", options.country.clone())
        .text("document_type", options.document_type.as_str())
        .text("mode", "sync");
    if !options.checks.is_empty() {
        let checks: Vec<&str> = options.checks.iter().map(|check| check.as_str()).collect();
        form = form.text("checks", checks.join(","));
    }
    let images = [
        ("document_front", Some(&options.front)),
        ("document_back", options.back.as_ref()),
        ("selfie", options.selfie.as_ref()),
    ];
    for (name, path) in images {
        if let Some(path) = path {
            form = form.part(name, part(path).await?);
        }
    }
    Ok(form)
}

async fn part(path: &Path) -> anyhow::Result<Part> {
    let bytes = read_picture(path.to_owned()).await;
    let bytes = bytes.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Part::bytes(bytes).file_name("image"))
}

async fn submit_to_own(
    config: Option<PathBuf>,
    options: &Options,
    form: Form,
) -> anyhow::Result<(String, bool)> {
    let mut config = admin::load(config)?;
    config.server.listen.set_port(0);
    config.telemetry.format = LogFormat::Text;
    if !options.verbose {
        config.telemetry.filter = "error".to_owned();
    }
    let _telemetry = telemetry::init("txid-verify", &config.telemetry)?;
    // Its own folder, gone afterwards: no image and no field stays behind.
    let data = tempfile::Builder::new().prefix("txid-verify-").tempdir()?;
    let standalone = Standalone::start(config, data.path()).await?;
    let answer = submit(&format!("http://{}", standalone.address), &standalone.api_key, form).await;
    standalone.stop().await?;
    answer
}

/// The body, and whether it is a refusal.
async fn submit(api: &str, key: &Secret, form: Form) -> anyhow::Result<(String, bool)> {
    let url = format!("{}/v1/identity/verify", api.trim_end_matches('/'));
    txid_shared::use_ring_for_tls();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let response = client.post(url).bearer_auth(key.reveal()).multipart(form).send().await?;
    let refused = !response.status().is_success();
    Ok((response.text().await?, refused))
}

fn readable(verification: &Verification) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_readable(&mut text, verification);
    text
}

fn write_readable(text: &mut String, verification: &Verification) -> std::fmt::Result {
    let Verification { id, status, country, document_type, verdict, .. } = verification;
    writeln!(text, "{}  {country} {document_type}  {id}", status.as_str().to_uppercase())?;
    let Some(verdict) = verdict else {
        return writeln!(text, "no verdict yet");
    };
    writeln!(text, "risk {} ({})", verdict.risk_score, verdict.risk_level)?;
    for factor in &verdict.risk_factors {
        writeln!(text, "  +{} {}", factor.weight, factor.code)?;
    }
    writeln!(text)?;
    for CheckOutcome { check, status, confidence, .. } in verdict.checks.outcomes() {
        let timing = verdict
            .timings
            .get(&check.stage())
            .map_or(String::new(), |timing| format!("{:>6.0} ms", timing.total_ms));
        let confidence = confidence.map_or("    ".to_owned(), |value| format!("{value:.2}"));
        writeln!(text, "  {:<18}{:<14}{confidence}{timing}", check.as_str(), status.as_str())?;
    }
    if let Some(face) =
        verdict.checks.face_match.as_ref().and_then(|face| Some((face.similarity?, face.threshold)))
    {
        writeln!(text, "\nsimilarity {:.3}, threshold {:.2}", face.0, face.1)?;
    }
    if !verdict.reasons.is_empty() {
        writeln!(text, "\nreasons")?;
    }
    for reason in &verdict.reasons {
        writeln!(
            text,
            "  {:<10}{} ({}): {}",
            reason.severity.as_str(),
            reason.code,
            reason.check,
            reason.message
        )?;
    }
    if let Some(data) = &verdict.extracted_data {
        writeln!(text, "\nread from the document")?;
        for (name, value) in &data.fields {
            let confidence = data.field_confidences.get(name).copied().unwrap_or_default();
            let source = data.field_sources.get(name).map_or("", |origin| origin.source.as_str());
            writeln!(text, "  {name:<20}{value:<40} {confidence:.2} {source}")?;
        }
        if let Some(mrz) = &data.mrz {
            for line in &mrz.lines {
                writeln!(text, "  {line}")?;
            }
            writeln!(
                text,
                "  check digits {}, {} corrected",
                if mrz.valid { "right" } else { "WRONG" },
                mrz.corrections.len()
            )?;
        }
    }
    Ok(())
}
