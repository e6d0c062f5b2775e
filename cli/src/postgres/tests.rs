use super::*;
use std::os::unix::fs::PermissionsExt as _;
use txid_shared::blobs::crypto::MasterKeys;
use txid_shared::config::{Database, Secret};
use txid_shared::store::Store;

async fn store(postgres: &PrivatePostgres) -> Store {
    let settings = Database { url: Secret::new(postgres.url()), ..Default::default() };
    Store::migrate(&settings).await.unwrap();
    let entry = MasterKeys::generate_entry("k1").unwrap();
    Store::connect(&settings, MasterKeys::parse([entry.as_str()]).unwrap()).await.unwrap()
}

fn is_running(pid: u32) -> bool {
    // A zombie has no working directory any more.
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok()
}

#[tokio::test]
async fn it_serves_queries_and_keeps_the_data_over_a_restart() {
    // Blanks, commas and quotes in the path must not break anything.
    let folder = tempfile::tempdir().unwrap();
    // Where the tests run as root, the server's user has to get through.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let data = folder.path().join("a, \"b\" %41 é");
    let postgres = start(claim(&data).unwrap()).await.unwrap();
    let first = store(&postgres).await;
    first.ping().await.unwrap();
    first.close().await;
    postgres.stop().await.unwrap();
    let again = start(claim(&data).unwrap()).await.unwrap();
    let settings = Database { url: Secret::new(again.url()), ..Default::default() };
    let entry = MasterKeys::generate_entry("k1").unwrap();
    let second = Store::connect(&settings, MasterKeys::parse([entry.as_str()]).unwrap()).await.unwrap();
    assert!(second.is_migrated().await.unwrap(), "the schema of the first run");
    second.close().await;
    again.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_one_on_the_same_folder_is_refused_and_names_the_first() {
    let data = tempfile::tempdir().unwrap();
    let postgres = start(claim(data.path()).unwrap()).await.unwrap();
    let error = claim(data.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_left_behind_by_a_killed_txid_is_taken_over() {
    let data = tempfile::tempdir().unwrap();
    let mut postgres = start(claim(data.path()).unwrap()).await.unwrap();
    // What kill -9 does: the lock goes, the server stays and nobody tells it to stop.
    let mut left_behind = postgres.server.child.take().unwrap();
    let store = store(&postgres).await;
    drop(postgres);
    assert!(is_running(left_behind.id()));

    let next = tokio::task::spawn_blocking({
        let data = data.path().to_owned();
        move || {
            let reaper = std::thread::spawn(move || left_behind.wait());
            let next = claim(&data).and_then(|claim| start_blocking(claim, &default_cache_folder()));
            reaper.join().unwrap().unwrap();
            next
        }
    })
    .await
    .unwrap()
    .unwrap();
    store.close().await;
    let settings = Database { url: Secret::new(next.url()), ..Default::default() };
    Store::migrate(&settings).await.unwrap();
    next.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_recovers() {
    let data = tempfile::tempdir().unwrap();
    let mut postgres = start(claim(data.path()).unwrap()).await.unwrap();
    store(&postgres).await.close().await;
    let mut killed = postgres.server.child.take().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    drop(postgres);
    assert!(
        Postmaster::read(&data.path().join("postgres/cluster")).is_some(),
        "the stale pid file is the point"
    );

    let next = start(claim(data.path()).unwrap()).await.unwrap();
    let settings = Database { url: Secret::new(next.url()), ..Default::default() };
    Store::migrate(&settings).await.unwrap();
    next.stop().await.unwrap();
}

#[tokio::test]
async fn an_initdb_that_was_cut_off_starts_afresh() {
    let data = tempfile::tempdir().unwrap();
    let owner = Owner::find().unwrap();
    let place = Place::prepare(data.path(), owner).unwrap();
    std::fs::create_dir(place.unfinished_cluster()).unwrap();
    std::fs::write(place.unfinished_cluster().join("half"), b"").unwrap();
    start(claim(data.path()).unwrap()).await.unwrap().stop().await.unwrap();
    assert!(!place.unfinished_cluster().exists());
}

#[test]
fn the_pid_file_tells_pid_and_readiness() {
    let text = "4711\n/data\n1700000000\n5432\n/socket\n\n  123 456\nready   \n";
    assert_eq!(Postmaster::parse(text), Some(Postmaster { pid: 4711, is_ready: true }));
    let starting = text.replace("ready   ", "starting");
    assert_eq!(Postmaster::parse(&starting), Some(Postmaster { pid: 4711, is_ready: false }));
    assert_eq!(Postmaster::parse(""), None);
}

#[test]
fn the_url_carries_any_path() {
    let url = url(Path::new("/a b/50%/é&x")).unwrap();
    assert_eq!(url, "postgres:///postgres?host=/a%20b/50%25/%C3%A9%26x&port=5432&user=postgres");
}
