//! From the cosine of two embeddings to the similarity that customers see.

/// Similarity at the operating point; the default policy passes from here on.
pub const OPERATING_SIMILARITY: f32 = 0.80;

/// The cosine at the operating point: one false match in a thousand pairs of different people on
/// LFW (6,000 pairs), where 98.4 % of the pairs of the same person lie above. MODELS.md has the protocol.
pub const OPERATING_COSINE: f32 = 0.433;

/// One false match in a hundred pairs, on the same images.
const LENIENT_COSINE: f32 = 0.353;
const LENIENT_SIMILARITY: f32 = 0.65;

/// A logistic curve through the two measured points: 0.433 → 0.80 and 0.353 → 0.65. It is monotone,
/// 0..1, and no probability: only the operating point has a measured meaning.
pub fn similarity(cosine: f32) -> f32 {
    let logit = |probability: f32| (probability / (1.0 - probability)).ln();
    let (upper, lower) = (logit(OPERATING_SIMILARITY), logit(LENIENT_SIMILARITY));
    let slope = (upper - lower) / (OPERATING_COSINE - LENIENT_COSINE);
    let value = 1.0 / (1.0 + (-(upper + slope * (cosine - OPERATING_COSINE))).exp());
    // Rounding must not move a pair over the threshold.
    if cosine >= OPERATING_COSINE {
        value.max(OPERATING_SIMILARITY)
    } else {
        value.min(OPERATING_SIMILARITY - f32::EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_reaches_the_threshold_exactly_at_the_operating_cosine() {
        assert!(similarity(OPERATING_COSINE) >= OPERATING_SIMILARITY);
        assert!(similarity(OPERATING_COSINE - 1e-6) < OPERATING_SIMILARITY);
        assert!((similarity(LENIENT_COSINE) - LENIENT_SIMILARITY).abs() < 1e-4);
    }

    #[test]
    fn a_larger_cosine_never_gives_a_smaller_similarity() {
        let values: Vec<f32> = (-100..=100).map(|step| similarity(step as f32 / 100.0)).collect();
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}
