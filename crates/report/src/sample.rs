//! Rows kept for plots: all while they are few, else a fair choice that is the same every time.

use engraft_random::{GOLDEN, mix};

/// Rows of numbers, `[rows, width]`, of which at most a limit is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    width: usize,
    limit: usize,
    seen: u64,
    values: Vec<f32>,
}

impl Sample {
    /// Rows of `width` numbers, at most `limit` of them kept.
    pub(crate) fn new(width: usize, limit: usize) -> Self {
        Self {
            width,
            limit,
            seen: 0,
            values: Vec::new(),
        }
    }

    /// Takes a row of the sample's width. Once the sample is full, every row seen so far is equally likely to be in it (algorithm R, Vitter 1985).
    pub(crate) fn add(&mut self, row: impl IntoIterator<Item = f32>) {
        let rows = self.rows();
        self.seen += 1;
        if rows < self.limit {
            self.values.extend(row.into_iter().take(self.width));
            self.values.resize((rows + 1) * self.width, f32::NAN);
            return;
        }
        let draw = mix(self.seen.wrapping_mul(GOLDEN)) % self.seen;
        let place = usize::try_from(draw).unwrap_or(usize::MAX);
        if place < self.limit {
            let kept = self.values.iter_mut().skip(place * self.width);
            kept.take(self.width)
                .zip(row)
                .for_each(|(kept, value)| *kept = value);
        }
    }

    /// Rows that were taken, kept or not.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Rows that are kept.
    pub(crate) fn rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// The rows that are kept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_kept_in_order_while_they_are_few() {
        let mut sample = Sample::new(2, 10);
        (0..5).for_each(|row| sample.add([row as f32, -1.0]));
        assert_eq!((sample.rows(), sample.seen()), (5, 5));
        let first: Vec<f32> = sample.iter().map(|row| row[0]).collect();
        assert_eq!(first, [0.0, 1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn which_rows_are_kept_never_changes_between_versions() {
        let mut sample = Sample::new(1, 4);
        (0..40).for_each(|row| sample.add([row as f32]));
        let kept: Vec<f32> = sample.iter().map(|row| row[0]).collect();
        assert_eq!(kept, [9.0, 39.0, 14.0, 3.0]);
    }

    #[test]
    fn of_many_rows_a_fair_choice_is_kept_and_always_the_same() {
        let choose = || {
            let mut sample = Sample::new(1, 1000);
            (0..100_000).for_each(|row| sample.add([row as f32]));
            sample
        };
        let sample = choose();
        assert_eq!((sample.rows(), sample.seen()), (1000, 100_000));
        // The mean of a fair thousand of 0..100000 has a deviation of about 900.
        let mean = sample.iter().map(|row| f64::from(row[0])).sum::<f64>() / 1000.0;
        assert!((mean - 50_000.0).abs() < 4_000.0, "{mean}");
        assert_eq!(choose(), sample);
    }
}
