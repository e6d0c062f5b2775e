//! ONNX Runtime: one environment per process, one engine (a session per model) per thread.

/// The sessions that one inference thread owns.
pub struct Engine;
