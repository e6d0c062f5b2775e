//! Every error code, event and status of the OpenAPI document is met by some test: a new one without a test
//! that brings it about shows here.

use std::path::Path;

/// Only a mistake of ours brings it about: a handler that panics.
const NOT_TO_BE_PROVOKED: [&str; 1] = ["internal_error"];

fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_code_event_and_status_is_met_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut tests = String::new();
    for folder in ["scheduler/tests", "tests/tests"] {
        sources(&root.join(folder), &mut tests);
    }
    let document = serde_json::to_value(txid_scheduler::openapi()).unwrap();
    for kind in ["ErrorCode", "EventType", "Status", "SessionStatus", "BatchStatus", "RowState"] {
        let words = document["components"]["schemas"][kind]["enum"].as_array();
        for word in words.unwrap_or_else(|| panic!("{kind} is not in the document")) {
            let word = word.as_str().unwrap();
            let met = tests.contains(&format!("\"{word}\"")) || NOT_TO_BE_PROVOKED.contains(&word);
            assert!(met, "{kind} `{word}` is met by no test over HTTP");
        }
    }
}
