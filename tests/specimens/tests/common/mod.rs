//! Fonts and photographs for tests, which are skipped, with a note, where they are absent.

use std::sync::OnceLock;
use txid_specimens::{Assets, Error, Generator};

pub fn assets() -> Option<&'static Assets> {
    static ASSETS: OnceLock<Option<Assets>> = OnceLock::new();
    ASSETS
        .get_or_init(|| match Assets::load(&Assets::default_cache()) {
            Ok(assets) => Some(assets),
            Err(absent @ Error::MissingAsset { .. }) => {
                eprintln!("skipped: {absent}");
                None
            }
            Err(other) => panic!("{other}"),
        })
        .as_ref()
}

pub fn generator() -> Option<&'static Generator> {
    static GENERATOR: OnceLock<Option<Generator>> = OnceLock::new();
    GENERATOR.get_or_init(|| assets().cloned().map(Generator::new)).as_ref()
}
