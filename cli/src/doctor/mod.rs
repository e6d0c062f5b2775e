//! `txid doctor`: every dependency that the configuration names, each with what is wrong and what to do. Nothing is
//! changed but probes that are removed again. One that is broken or does not answer holds up no other.

mod machine;
mod services;

use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use txid_shared::config::Config;

/// The longest that one dependency is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Options {
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Judgement {
    Ok,
    Warning,
    Problem,
}

/// What was looked at, how it is, and what to do about it.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    judgement: Judgement,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

fn ok(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, judgement: Judgement::Ok, found: found.into(), advice: None }
}

fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, judgement: Judgement::Warning, found: found.into(), advice: Some(advice.into()) }
}

fn problem(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, judgement: Judgement::Problem, found: found.into(), advice: Some(advice.into()) }
}

/// Exit status: 0 all is well, 1 warnings, 2 problems.
pub async fn run(file: Option<PathBuf>, options: Options) -> anyhow::Result<ExitCode> {
    let findings = match Config::load(file.as_deref(), std::env::vars()) {
        Ok(config) => everything(&config).await,
        Err(error) => {
            vec![problem("config", error.to_string(), "every process refuses to start with it: put it right")]
        }
    };
    let worst = findings.iter().map(|finding| finding.judgement).max().unwrap_or(Judgement::Ok);
    if options.json {
        println!("{}", serde_json::json!({ "judgement": worst, "findings": findings }));
    } else {
        for finding in &findings {
            let judgement = format!("{:?}", finding.judgement).to_lowercase();
            println!("{judgement:<8} {:<15} {}", finding.check, finding.found);
            if let Some(advice) = &finding.advice {
                println!("{:<24} -> {advice}", "");
            }
        }
    }
    Ok(match worst {
        Judgement::Ok => ExitCode::SUCCESS,
        Judgement::Warning => ExitCode::from(1),
        Judgement::Problem => ExitCode::from(2),
    })
}

async fn everything(config: &Config) -> Vec<Finding> {
    let (database, keys, redis, broker, objects, collector) = tokio::join!(
        patiently("database", services::database(config)),
        patiently("keys", services::keys(config)),
        patiently("redis", services::redis(config)),
        patiently("broker", services::broker(config)),
        patiently("object store", services::objects(config)),
        patiently("telemetry", services::collector(config)),
    );
    let here = [machine::policy(config), machine::models(config), machine::runtime(config)];
    let machine = [machine::disk(config), machine::open_files()];
    let config = [ok("config", "keys and times are as a process would start with them")];
    let services = [database, keys, redis, broker, objects, collector].into_iter().flatten();
    config.into_iter().chain(services).chain(here).chain(machine).collect()
}

async fn patiently(check: &'static str, looking: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    let late = |_| {
        vec![problem(
            check,
            format!("no answer within {PATIENCE:?}"),
            "look at the service and the way to it",
        )]
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(late)
}
