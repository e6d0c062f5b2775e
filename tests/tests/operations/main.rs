//! What an operator does to a running fleet, with the commands themselves.

#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be built")]

mod dead_letters;
mod doctor;
mod restore;
mod rotation;

use serde_json::Value;
use std::process::{Command, Output};
use txid_tests::fleet::{Space, binary};

fn txid(space: &Space, arguments: &[&str]) -> Output {
    let command = binary("txid").unwrap();
    Command::new(command).args(arguments).envs(space.environment()).output().unwrap()
}

/// Exit status, and what a command prints as JSON.
fn asked(space: &Space, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = txid(space, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {errors}"));
    (output.status.code(), said)
}
