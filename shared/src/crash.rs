//! Named places where a test kills the process, as `kill -9` would. Compiled in only with the feature
//! `crash-points`, which no image is built with.

/// Dies here if `TXID_CRASH_AT` names this point.
#[cfg(feature = "crash-points")]
pub fn point(name: &str) {
    if std::env::var("TXID_CRASH_AT").is_ok_and(|wanted| wanted == name) {
        let pid = std::process::id().to_string();
        // Ends this process without unwinding, flushing or closing anything.
        let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(feature = "crash-points"))]
pub fn point(_name: &str) {}
