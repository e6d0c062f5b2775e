//! A Prometheus of one test's own: it scrapes nodes and evaluates the alerts of deploy/prometheus without their delays.

use crate::fleet::Node;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take until something is seen.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

pub struct Prometheus {
    child: Child,
    folder: tempfile::TempDir,
    http: reqwest::Client,
    pub url: String,
}

impl Prometheus {
    /// `rules` is the text of a rules file.
    pub async fn start(rules: &str) -> anyhow::Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring/prometheus.sh");
        let found = Command::new("bash").arg(script).stderr(Stdio::inherit()).output()?;
        anyhow::ensure!(found.status.success(), "no Prometheus: see above");
        let program = Path::new(String::from_utf8(found.stdout)?.trim()).join("prometheus");

        let folder = tempfile::Builder::new().prefix("txid-prometheus-").tempdir()?;
        std::fs::write(folder.path().join("rules.yaml"), at_once(rules))?;
        let targets = folder.path().join("targets.json");
        std::fs::write(&targets, "[]")?;
        // JSON is YAML.
        let config = json!({
            "global": { "scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "500ms" },
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{ "job_name": "txid", "file_sd_configs": [{ "files": [targets] }] }],
        });
        let config_file = folder.path().join("prometheus.yml");
        std::fs::write(&config_file, config.to_string())?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(&program)
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=warn")
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log"))?)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        txid_shared::use_ring_for_tls();
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut prometheus = Self { child, folder, http, url: format!("http://127.0.0.1:{port}") };
        prometheus.wait_until_ready().await?;
        Ok(prometheus)
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let asked = self.http.get(format!("{}/-/ready", self.url)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            anyhow::ensure!(ended.is_none(), "Prometheus ended with {ended:?}:\n{}", log());
            anyhow::ensure!(started.elapsed() < SEEN_WITHIN, "Prometheus is not ready:\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Scrapes these from now on, and nothing else.
    pub async fn watch(&self, nodes: &[&Node]) -> anyhow::Result<()> {
        let mut addresses = Vec::new();
        for node in nodes {
            let started = Instant::now();
            // A worker tells where it listens a moment after it takes jobs.
            let address = loop {
                if let Some(address) = node.address() {
                    break address;
                }
                anyhow::ensure!(started.elapsed() < SEEN_WITHIN, "{:?} listens nowhere", node.role);
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            addresses.push(address.to_string());
        }
        let (targets, new) =
            (self.folder.path().join("targets.json"), self.folder.path().join("targets.new"));
        std::fs::write(&new, json!([{ "targets": addresses }]).to_string())?;
        std::fs::rename(new, targets)?;
        Ok(())
    }

    /// The samples that an expression has now.
    pub async fn query(&self, expression: &str) -> anyhow::Result<Vec<Value>> {
        let url =
            reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.url), [("query", expression)])?;
        let answer: Value = serde_json::from_slice(&self.http.get(url).send().await?.bytes().await?)?;
        anyhow::ensure!(answer["status"] == "success", "{expression}: {answer}");
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until an expression has samples.
    pub async fn until(&self, expression: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        while self.query(expression).await?.is_empty() {
            anyhow::ensure!(started.elapsed() < SEEN_WITHIN, "never true: {expression}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// The names of the alerts that fire, as evaluated from now on.
    pub async fn firing(&self) -> anyhow::Result<BTreeSet<String>> {
        let asked_at = jiff::Timestamp::now();
        loop {
            let url = format!("{}/api/v1/rules?type=alert", self.url);
            let answer: Value = serde_json::from_slice(&self.http.get(url).send().await?.bytes().await?)?;
            let groups = answer["data"]["groups"].as_array().context("no groups")?;
            let rules: Vec<&Value> =
                groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
            for rule in &rules {
                anyhow::ensure!(rule["health"] != "err", "a rule cannot be evaluated: {rule}");
            }
            let since = |rule: &&Value| {
                rule["lastEvaluation"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok())
                    > Some(asked_at)
            };
            if !rules.is_empty() && rules.iter().all(since) {
                let fire = rules.iter().filter(|rule| rule["state"] == "firing");
                return Ok(fire.filter_map(|rule| rule["name"].as_str().map(str::to_owned)).collect());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until all of these fire.
    pub async fn until_firing(&self, alerts: &[&str]) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let firing = self.firing().await?;
            if alerts.iter().all(|alert| firing.contains(*alert)) {
                return Ok(());
            }
            anyhow::ensure!(started.elapsed() < SEEN_WITHIN, "{alerts:?} do not all fire: {firing:?}");
        }
    }
}

/// Rules without what they wait for: `for`, and the hour over which something has to hold.
fn at_once(rules: &str) -> String {
    let lines = rules.lines().filter(|line| !line.trim_start().starts_with("for: "));
    lines.map(|line| line.replace("[1h:5m]", "[2s:500ms]") + "\n").collect()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
