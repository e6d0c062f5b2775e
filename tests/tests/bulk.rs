//! Batches through real processes: killed meanwhile, and in a standalone of their own.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use txid_tests::bulk::{self, Plan, packed_pictures};
use txid_tests::fleet::{Role, Space, binary};
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
    let remembered: Value = serde_json::from_str(&remembered).unwrap();
    let id = remembered["batch"].as_str().unwrap();
    // Other options are another batch.
    let other =
        run_local(&manifest, &out).arg("--verify-duplicates").stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && told.contains("other options: choose another --out"), "{told}");

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

/// A manifest beside pictures, one of them missing and one outside; its errors, mended by putting them there.
#[test]
fn the_errors_of_a_local_run_are_a_manifest_wherever_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let people = folder.path().join("people");
    std::fs::create_dir(&people).unwrap();
    let (manifest, out) = (people.join("people.jsonl"), folder.path().join("results"));
    std::fs::write(people.join("0.jpg"), pictures::jpeg(1280, 720)).unwrap();
    std::fs::write(folder.path().join("1.jpg"), pictures::jpeg(1281, 720)).unwrap();
    std::os::unix::fs::symlink(folder.path().join("1.jpg"), people.join("linked.jpg")).unwrap();
    let row = |custom_id: &str, picture: &str| {
        format!("{}\n", json!({ "custom_id": custom_id, "document_front": format!("file:{picture}") }))
    };
    let rows = [("good", "0.jpg"), ("missing", "2.jpg"), ("outside", "../1.jpg"), ("linked", "linked.jpg")];
    std::fs::write(&manifest, rows.map(|(custom_id, picture)| row(custom_id, picture)).concat()).unwrap();
    let checked = run_local(&manifest, &out).arg("--validate-only").stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(3), "{told}");
    assert_eq!(lines(&out.join("preflight.jsonl")).len(), 3, "{told}");
    assert!(!out.join(".txid").exists(), "what was only checked leaves nothing behind");

    let first = run_local(&manifest, &out).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&first.stderr);
    assert_eq!(first.status.code(), Some(3), "{told}");
    assert!(told.contains("errors.jsonl is a manifest"), "{told}");
    let errors = lines(&out.join("errors.jsonl"));
    let codes: Vec<(i64, &str)> = errors
        .iter()
        .map(|row| (row["_error"]["line"].as_i64().unwrap(), row["_error"]["code"].as_str().unwrap()))
        .collect();
    assert_eq!(codes, [(2, "not_found"), (3, "forbidden"), (4, "forbidden")]);

    std::fs::write(people.join("2.jpg"), pictures::jpeg(1282, 720)).unwrap();
    let (errors, again) = (out.join("errors.jsonl"), folder.path().join("again"));
    let second = run_local(&errors, &again)
        .args(["--verify-duplicates", "--files"])
        .arg(folder.path())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(lines(&again.join("results.jsonl")).len(), 3);
}

/// Through a fleet: a check with faults, one of the mended manifest in the same folder, and the rows themselves.
#[tokio::test]
async fn what_was_only_checked_is_verified_by_the_same_command() {
    let mut space = Space::new().await.unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    space.set("server.listen", &format!("127.0.0.1:{port}"));
    let (key, _) = space.account(None).await.unwrap();
    let nodes = [space.node(Role::Scheduler).unwrap(), space.node(Role::StubWorker).unwrap()];
    let client = space.client(&nodes[0], &key).unwrap();

    let (archive, out) = (space.folder().join("pictures.zip"), space.folder().join("results"));
    packed_pictures(&archive).unwrap().finish().unwrap();
    let manifest = space.folder().join("people.csv");
    let write = |front: &str| {
        let rows: String = (0..120).map(|n| format!("{n},zip:{front},zip:selfie.png\n")).collect();
        std::fs::write(&manifest, format!("custom_id,document_front,selfie\n{rows}")).unwrap();
    };
    let txid = |api_port: u16, arguments: &[&str]| {
        let api = format!("http://127.0.0.1:{api_port}");
        let mut command = Command::new(binary("txid").unwrap());
        command.arg("batch").args(arguments).args(["--api", &api]).env("TXID_API_KEY", key.reveal());
        let ended = command.stdin(Stdio::null()).output().unwrap();
        (ended.status.code().unwrap(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    let options = ["--country", "MA", "--type", "passport", "--verify-duplicates"];
    let run = |api_port: u16, more: &[&str]| {
        let (manifest, archive, out) =
            (manifest.to_str().unwrap(), archive.to_str().unwrap(), out.to_str().unwrap());
        let given = ["run", manifest, "--archive", archive, "--out", out];
        txid(api_port, &[&given[..], &options[..], more].concat())
    };
    let batches = async || client.get("/v1/identity/batches").await.unwrap().body["data"].clone();

    write("front.png");
    let (code, told) = run(1, &[]);
    assert!(code == 1 && told.contains("refused"), "{told}");
    std::fs::write(&manifest, "name,country\na,MA\n").unwrap();
    let (code, told) = run(port, &[]);
    assert!(code == 4 && told.contains("custom_id"), "{told}");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0, "there is nothing to keep");

    write("missing.png");
    let (code, told) = run(port, &["--validate-only"]);
    assert!(code == 3 && told.contains("120 with faults (not_found 120)"), "{told}");
    assert_eq!(lines(&out.join("preflight.jsonl")).len(), 120);
    write("front.png");
    let (code, told) = run(port, &["--validate-only"]);
    assert!(code == 0 && told.contains("0 with faults"), "{told}");
    assert_eq!(lines(&out.join("preflight.jsonl")).len(), 0);
    let (code, told) = run(port, &[]);
    assert!(code == 0 && told.contains("120 verified"), "{told}");
    assert_eq!(lines(&out.join("results.jsonl")).len(), 120);
    for file in std::fs::read_dir(&out).unwrap().map(Result::unwrap) {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{} names people", file.path().display());
    }
    let told = batches().await;
    let statuses: Vec<&str> =
        told.as_array().unwrap().iter().map(|batch| batch["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["completed", "cancelled", "failed"]);

    let (completed, cancelled) = (told[0]["id"].as_str().unwrap(), told[1]["id"].as_str().unwrap());
    let (code, told) = txid(port, &["retry-failed", completed]);
    assert!(code == 1 && told.contains("every row of the batch has a verdict"), "{told}");
    let (code, told) = txid(port, &["retry-failed", cancelled]);
    assert_eq!(code, 0, "{told}");
    let (code, told) = txid(port, &["delete", completed]);
    assert_eq!(code, 0, "{told}");
    let gone = async || client.get(&format!("/v1/identity/batches/{completed}")).await.unwrap().status;
    assert_eq!(gone().await, 404);
    drop(nodes);
    space.remove().await.unwrap();
}

#[test]
fn a_second_interrupt_ends_a_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("people.jsonl");
    std::fs::write(&manifest, json!({ "custom_id": "a", "document_front": "file:a.jpg" }).to_string())
        .unwrap();
    let mut run =
        run_local(&manifest, &folder.path().join("results")).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(run.stderr.take().unwrap()).lines().map(Result::unwrap);
    let interrupt = |process: &Child| {
        assert!(Command::new("kill").arg("-INT").arg(process.id().to_string()).status().unwrap().success());
    };
    assert!(told.any(|line| line.starts_with("starting")));
    interrupt(&run);
    assert!(told.any(|line| line.contains("Ctrl-C again ends at once")));
    interrupt(&run);
    assert!(told.any(|line| line.starts_with("ended at once")));
    assert_eq!(run.wait().unwrap().code(), Some(5));
}

/// A pipe is no manifest, and waiting for one would look like work.
#[test]
fn a_manifest_is_a_regular_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let refused = run_local(&pipe, &folder.path().join("results")).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && told.contains("not a regular file"), "{told}");
}
