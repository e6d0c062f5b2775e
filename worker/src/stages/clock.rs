//! Where the milliseconds of one stage run go.

use crate::inference::Engine;
use std::time::Instant;
use txid_shared::partial::Timing;

/// Started with the stage, asked at its end.
pub struct StageClock {
    started: Instant,
    decode_ms: f32,
}

impl StageClock {
    pub fn start(engine: &mut Engine) -> Self {
        engine.take_models_ms();
        Self { started: Instant::now(), decode_ms: 0.0 }
    }

    /// Counts what `decode` takes as decoding; pixels that another stage has decoded cost nothing here.
    pub fn decoding<T>(&mut self, decode: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = decode();
        self.decode_ms += started.elapsed().as_secs_f32() * 1e3;
        result
    }

    pub fn timing(&self, engine: &mut Engine) -> Timing {
        Timing {
            queue_ms: 0.0,
            decode_ms: self.decode_ms,
            models_ms: engine.take_models_ms(),
            total_ms: self.started.elapsed().as_secs_f32() * 1e3,
        }
    }
}
