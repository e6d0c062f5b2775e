//! Batches through real processes: killed meanwhile, and in a standalone of their own.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use txid_tests::bulk::{self, Plan};
use txid_tests::fleet::binary;
use txid_tests::pictures;

#[tokio::test]
async fn no_row_is_lost_or_double_while_workers_and_schedulers_die() {
    let plan = Plan { rows: 1500, kill_worker_every: Duration::from_secs(1), kill_scheduler_at: [0.2, 0.6] };
    let report = bulk::run(plan).await.unwrap();
    assert_eq!(report.schedulers_killed, 2, "{report:?}");
    assert!(report.workers_killed > 0 && report.polls > 5, "{report:?}");
}

fn run_local(manifest: &Path, out: &Path) -> Command {
    let mut command = Command::new(binary("txid").unwrap());
    command.args(["batch", "run", "--local", "--country", "FR", "--type", "passport", "--checks", "ocr"]);
    command.arg(manifest).arg("--out").arg(out).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// On the real models: killed as soon as rows were submitted, resumed by the same command.
#[test]
fn a_local_run_that_was_killed_goes_on_and_verifies_no_row_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, out) = (folder.path().join("people.jsonl"), folder.path().join("results"));
    let mut rows = String::new();
    for number in 0..12 {
        let name = format!("{number}.jpg");
        std::fs::write(folder.path().join(&name), pictures::jpeg(1280 + number, 720)).unwrap();
        rows += &format!(
            "{}\n",
            json!({ "custom_id": number.to_string(), "document_front": format!("file:{name}") })
        );
    }
    std::fs::write(&manifest, rows).unwrap();
    let log = folder.path().join("first.log");
    let mut first = run_local(&manifest, &out).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let started = Instant::now();
    while !out.join(".txid/batch").exists() {
        assert!(first.try_wait().unwrap().is_none(), "{}", std::fs::read_to_string(&log).unwrap());
        assert!(started.elapsed() < Duration::from_secs(120), "{}", std::fs::read_to_string(&log).unwrap());
        std::thread::sleep(Duration::from_millis(10));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let remembered = std::fs::read_to_string(out.join(".txid/batch")).unwrap();
    let id = remembered.split(' ').next().unwrap();
    // Other options are another batch.
    let other =
        run_local(&manifest, &out).arg("--verify-duplicates").stderr(Stdio::piped()).output().unwrap();
    assert!(
        !other.status.success() && String::from_utf8_lossy(&other.stderr).contains("choose another --out")
    );

    let second = run_local(&manifest, &out).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.success() && told.contains(&format!("going on with {id}")), "{told}");
    let results = lines(&out.join("results.jsonl"));
    assert_eq!(results.len(), 12, "{told}");
    let verified: std::collections::HashSet<&str> =
        results.iter().map(|row| row["verification_id"].as_str().unwrap()).collect();
    assert_eq!(verified.len(), 12);
    // A picture without a document: looked at, and nothing invented.
    assert!(results.iter().all(|row| row["verification"]["status"] == "failed"), "{results:#?}");
    assert_eq!(lines(&out.join("output.jsonl")).len(), 12);
    assert!(out.join("output.csv").exists() && !out.join(".txid").exists());
    // Nothing is verified again by mistake.
    let again = run_local(&manifest, &out).stderr(Stdio::piped()).output().unwrap();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("results already"));
}
