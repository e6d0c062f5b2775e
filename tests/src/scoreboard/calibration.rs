//! Whether confidences mean something: of the readings that claim about 0.9, nine in ten are right.

use serde::Serialize;

/// Bins of equal width over 0..1.
pub const BINS: usize = 10;

/// Readings by what they claimed, and how many of them were right.
#[derive(Debug, Clone, Default)]
pub struct Reliability {
    bins: [Bin; BINS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    count: usize,
    right: usize,
    sum: f64,
}

/// One bin as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BinFigures {
    pub from: f64,
    pub to: f64,
    pub count: usize,
    /// Absent where the bin is empty.
    pub mean_confidence: Option<f64>,
    /// Share of right readings.
    pub right: Option<f64>,
}

impl Reliability {
    /// `confidence` 0..1; 1 belongs to the last bin.
    pub fn add(&mut self, confidence: f32, right: bool) {
        let confidence = f64::from(confidence).clamp(0.0, 1.0);
        let place = ((confidence * BINS as f64) as usize).min(BINS - 1);
        if let Some(bin) = self.bins.get_mut(place) {
            bin.count += 1;
            bin.right += usize::from(right);
            bin.sum += confidence;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.count += more.count;
            bin.right += more.right;
            bin.sum += more.sum;
        }
    }

    pub fn count(&self) -> usize {
        self.bins.iter().map(|bin| bin.count).sum()
    }

    pub fn right(&self) -> usize {
        self.bins.iter().map(|bin| bin.right).sum()
    }

    pub fn bins(&self) -> Vec<BinFigures> {
        let share = |part: f64, of: usize| (of > 0).then(|| part / of as f64);
        self.bins
            .iter()
            .enumerate()
            .map(|(place, bin)| BinFigures {
                from: place as f64 / BINS as f64,
                to: (place + 1) as f64 / BINS as f64,
                count: bin.count,
                mean_confidence: share(bin.sum, bin.count),
                right: share(bin.right as f64, bin.count),
            })
            .collect()
    }

    /// Expected calibration error: the mean gap between claim and truth over the bins, each by its
    /// share of the readings. 0 is perfect. `None` without readings.
    pub fn error(&self) -> Option<f64> {
        let count = self.count();
        let gaps: f64 = self.bins.iter().map(|bin| (bin.right as f64 - bin.sum).abs()).sum();
        (count > 0).then(|| gaps / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_fall_into_their_bins() {
        let mut reliability = Reliability::default();
        for (confidence, right) in [(0.0, false), (0.09, true), (0.1, false), (0.95, true), (1.0, true)] {
            reliability.add(confidence, right);
        }
        let bins = reliability.bins();
        assert_eq!(bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(bins[0].right, Some(0.5));
        assert_eq!(bins[2].right, None);
        assert!((bins[9].mean_confidence.unwrap() - 0.975).abs() < 1e-6);
        assert_eq!((reliability.count(), reliability.right()), (5, 3));
    }

    #[test]
    fn the_error_is_the_mean_gap_between_claim_and_truth() {
        let mut sure_and_wrong = Reliability::default();
        sure_and_wrong.add(1.0, false);
        assert_eq!(sure_and_wrong.error(), Some(1.0));
        let mut honest = Reliability::default();
        (0..4).for_each(|n| honest.add(0.75, n < 3));
        assert!(honest.error().unwrap() < 1e-9);
        // Four readings without a gap and one with a gap of 1.
        honest.merge(&sure_and_wrong);
        assert!((honest.error().unwrap() - 0.2).abs() < 1e-9);
        assert_eq!(Reliability::default().error(), None);
    }
}
