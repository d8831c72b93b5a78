//! How far stated probabilities are from what happens.

/// Probabilities in bins of equal width, with how often what they foretold was so.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Calibration {
    bins: [Bin; Calibration::BINS],
}

/// The probabilities of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bin {
    /// How many there are.
    pub(crate) count: u64,
    stated: f64,
    hits: u64,
}

impl Bin {
    /// The mean of the stated probabilities; NaN of none.
    pub(crate) fn stated(&self) -> f64 {
        self.stated / self.count as f64
    }

    /// The share that came true; NaN of none.
    pub(crate) fn observed(&self) -> f64 {
        self.hits as f64 / self.count as f64
    }
}

impl Calibration {
    /// The number of bins, over 0 to 1.
    pub(crate) const BINS: usize = 15;

    /// Takes a stated probability, and whether what it foretold was so. One that is not a number is left out.
    pub(crate) fn add(&mut self, probability: f32, hit: bool) {
        if probability.is_nan() {
            return;
        }
        let probability = f64::from(probability).clamp(0.0, 1.0);
        let at = (probability * Self::BINS as f64) as usize;
        let bin = &mut self.bins[at.min(Self::BINS - 1)];
        bin.count += 1;
        bin.stated += probability;
        bin.hits += u64::from(hit);
    }

    /// The bins from 0 to 1.
    pub(crate) fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// How many probabilities were taken.
    pub(crate) fn count(&self) -> u64 {
        self.bins.iter().map(|bin| bin.count).sum()
    }

    /// The expected calibration error: the gap between the stated and the observed share of each bin, weighed by its size. None of none.
    pub(crate) fn error(&self) -> Option<f64> {
        let count = self.count();
        let gaps = self.bins.iter().filter(|bin| bin.count > 0);
        let gaps = gaps.map(|bin| bin.count as f64 * (bin.observed() - bin.stated()).abs());
        (count > 0).then(|| gaps.sum::<f64>() / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_weighed_mean_of_the_gaps() {
        let mut calibration = Calibration::default();
        // Two bins: three at 0.9 of which two are right, one at 0.5 that is wrong.
        for (probability, hit) in [(0.9, true), (0.9, true), (0.9, false), (0.5, false)] {
            calibration.add(probability, hit);
        }
        let expected = (3.0 * (0.9_f64 - 2.0 / 3.0).abs() + 0.5) / 4.0;
        let error = calibration.error().unwrap();
        assert!((error - expected).abs() < 1e-7, "{error} {expected}");
    }

    #[test]
    fn certainty_is_in_the_last_bin_and_nan_in_none() {
        let mut calibration = Calibration::default();
        assert_eq!(calibration.error(), None);
        calibration.add(1.0, true);
        calibration.add(0.0, false);
        calibration.add(f32::NAN, true);
        assert_eq!(calibration.count(), 2);
        assert_eq!(
            (calibration.bins()[14].count, calibration.bins()[0].count),
            (1, 1)
        );
        assert_eq!(calibration.error(), Some(0.0));
    }
}
