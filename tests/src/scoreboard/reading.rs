//! Reads a case with the `ocr` stage and takes the time.

use super::case::Case;
use anyhow::Context as _;
use std::sync::Arc;
use txid_imaging::SourceImage;
use txid_shared::partial::OcrResult;
use txid_shared::words::ImageRole;
use txid_worker::inference::Engine;
use txid_worker::stages::ocr::Ocr;
use txid_worker::stages::{Images, StageInput};

pub struct Reading {
    pub result: OcrResult,
    /// Decoded.
    pub pictures: Vec<(ImageRole, Arc<SourceImage>)>,
    pub cost: Cost,
}

/// Milliseconds per side.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Processor time of the thread: decoding and reading.
    pub total: f32,
    /// Of it decoding.
    pub decode: f32,
    /// Inside ONNX Runtime by the clock, so more than processor time on a busy machine.
    pub models: f32,
}

/// Fails where a picture cannot be decoded or a model cannot run.
pub fn read(case: &Case, ocr: &Ocr, engine: &mut Engine) -> anyhow::Result<Reading> {
    let mut images = Images::default();
    let mut pictures = Vec::new();
    for picture in &case.pictures {
        let source = Arc::new(SourceImage::new(picture.bytes.clone()));
        pictures.push((picture.role, Arc::clone(&source)));
        match picture.role {
            ImageRole::DocumentFront => images.document_front = Some(source),
            ImageRole::DocumentBack => images.document_back = Some(source),
            ImageRole::Selfie => images.selfie = Some(source),
        }
    }
    let input = StageInput {
        images,
        country: case.country.clone(),
        document_type: case.document_type,
        ..StageInput::default()
    };
    let start = thread_cpu_ms()?;
    for (_, source) in &pictures {
        source.decoded().with_context(|| case.name.clone())?;
    }
    let decoded = thread_cpu_ms()?;
    engine.take_models_ms();
    let result = ocr.read(&input, engine).with_context(|| case.name.clone())?;
    let end = thread_cpu_ms()?;
    let sides = pictures.len().max(1) as f32;
    let cost = Cost {
        total: (end - start) / sides,
        decode: (decoded - start) / sides,
        models: engine.take_models_ms() / sides,
    };
    Ok(Reading { result, pictures, cost })
}

/// Processor time of this thread since it began.
fn thread_cpu_ms() -> anyhow::Result<f32> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = text.split(' ').next().unwrap_or("").parse()?;
    Ok((nanoseconds as f64 / 1e6) as f32)
}
