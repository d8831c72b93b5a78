//! Numbers brought to mean 0 and deviation 1 for learning, and back for whoever reads them.

/// The mean and population standard deviation of each output over the training rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// `[outputs]`.
    pub means: Vec<f64>,
    /// `[outputs]`; 1 for one that never varies.
    pub deviations: Vec<f64>,
}

impl Scaling {
    /// That of rows of `outputs` numbers.
    pub(crate) fn of(rows: &[Vec<f64>], outputs: usize) -> Self {
        let column = |output: usize| rows.iter().filter_map(move |row| row.get(output).copied());
        let count = rows.len().max(1) as f64;
        let means: Vec<f64> = (0..outputs)
            .map(|output| column(output).sum::<f64>() / count)
            .collect();
        let deviations = means.iter().enumerate().map(|(output, mean)| {
            let squares: f64 = column(output).map(|number| (number - mean).powi(2)).sum();
            let deviation = (squares / count).sqrt();
            if deviation > 0.0 && deviation.is_finite() {
                deviation
            } else {
                1.0
            }
        });
        Self {
            deviations: deviations.collect(),
            means,
        }
    }

    /// None at all.
    pub(crate) fn identity(outputs: usize) -> Self {
        Self {
            means: vec![0.0; outputs],
            deviations: vec![1.0; outputs],
        }
    }

    /// Numbers of the data as the head is to give them, `[rows * outputs]`.
    pub(crate) fn scale(&self, numbers: &[f64]) -> Vec<f32> {
        let outputs = self.means.iter().zip(&self.deviations).cycle();
        let scaled = numbers.iter().zip(outputs);
        scaled
            .map(|(number, (mean, deviation))| ((number - mean) / deviation) as f32)
            .collect()
    }

    /// What the head gives in the units of the data, `[rows * outputs]`.
    pub(crate) fn restore(&self, outputs: &[f32]) -> Vec<f32> {
        let scales = self.means.iter().zip(&self.deviations).cycle();
        let restored = outputs.iter().zip(scales);
        restored
            .map(|(output, (mean, deviation))| (f64::from(*output) * deviation + mean) as f32)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were() {
        let rows = [vec![1.0, 5.0], vec![3.0, 5.0], vec![8.0, 5.0]];
        let scaling = Scaling::of(&rows, 2);
        assert_eq!(scaling.means, [4.0, 5.0]);
        assert_eq!(scaling.deviations[1], 1.0);
        assert!((scaling.deviations[0] - (26f64 / 3.0).sqrt()).abs() < 1e-12);
        let scaled = scaling.scale(&rows.concat());
        assert_eq!(scaled[1], 0.0);
        let restored = scaling.restore(&scaled);
        for (restored, number) in restored.iter().zip(rows.concat()) {
            assert!((f64::from(*restored) - number).abs() < 1e-6);
        }
    }
}
