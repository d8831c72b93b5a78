//! Metrics over the steps of a run, kept in a bounded space.

/// A metric over steps: every value where they are few, else the range and mean of neighbours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    bins: Vec<Bin>,
    /// Values of a full bin; none before the first value.
    width: u64,
}

/// Neighbouring values taken together.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bin {
    first: u64,
    last: u64,
    low: f64,
    high: f64,
    sum: f64,
    count: u64,
}

/// One place of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The step, or the middle of the steps that were taken together.
    pub step: f64,
    /// The mean of the values.
    pub mean: f64,
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

impl Curve {
    /// The most places that a curve has: about one for each pixel of a plot.
    pub const MOST: usize = 400;

    /// Adds the value at a step, which is not before the latest one. A value that is not finite has no place in a plot and is left out.
    pub fn add(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let width = self.width.max(1);
        let alone = Bin {
            first: step,
            last: step,
            low: value,
            high: value,
            sum: value,
            count: 1,
        };
        match self.bins.last_mut().filter(|bin| bin.count < width) {
            Some(bin) => *bin = bin.with(&alone),
            None => self.bins.push(alone),
        }
        self.width = width;
        if self.bins.len() > Self::MOST {
            self.bins = self
                .bins
                .chunks(2)
                .map(|pair| match pair {
                    [one, other] => one.with(other),
                    _ => pair[0],
                })
                .collect();
            self.width *= 2;
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// Whether places stand for several steps.
    pub fn is_thinned(&self) -> bool {
        self.width > 1
    }

    /// The places, in the order of the steps.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.bins.iter().map(|bin| Point {
            step: (bin.first as f64 + bin.last as f64) / 2.0,
            mean: bin.sum / bin.count as f64,
            low: bin.low,
            high: bin.high,
        })
    }
}

impl Bin {
    fn with(&self, next: &Bin) -> Bin {
        Bin {
            first: self.first,
            last: next.last,
            low: self.low.min(next.low),
            high: self.high.max(next.high),
            sum: self.sum + next.sum,
            count: self.count + next.count,
        }
    }
}

/// All metrics of a run over its steps, by name: `train_loss`, `val_loss`, `lr`, ...
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    named: Vec<(String, Curve)>,
    perplexity: bool,
}

impl Curves {
    /// Curves with the perplexity, `exp(loss)`, beside each loss: of language models.
    pub fn with_perplexity(perplexity: bool) -> Self {
        Self {
            named: Vec::new(),
            perplexity,
        }
    }

    /// Adds the metrics of a step. Scores of the test split are no curve.
    pub fn add<'a>(&mut self, step: u64, metrics: impl IntoIterator<Item = (&'a str, f64)>) {
        for (name, value) in metrics {
            if name.starts_with("test_") {
                continue;
            }
            self.put(name, step, value);
            if self.perplexity && name.contains("_loss") {
                self.put(&name.replace("_loss", "_perplexity"), step, value.exp());
            }
        }
    }

    fn put(&mut self, name: &str, step: u64, value: f64) {
        let at = self.named.iter().position(|(known, _)| known == name);
        let at = at.unwrap_or_else(|| {
            self.named.push((name.to_owned(), Curve::default()));
            self.named.len() - 1
        });
        self.named[at].1.add(step, value);
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.named.iter().all(|(_, curve)| curve.is_empty())
    }

    /// The curves with their names, in the order in which they first appeared.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Curve)> {
        self.named
            .iter()
            .map(|(name, curve)| (name.as_str(), curve))
            .filter(|(_, curve)| !curve.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_all_kept() {
        let mut curve = Curve::default();
        (1..=3).for_each(|step| curve.add(step, step as f64 * 0.5));
        let places: Vec<(f64, f64)> = curve.points().map(|at| (at.step, at.mean)).collect();
        assert_eq!(places, [(1.0, 0.5), (2.0, 1.0), (3.0, 1.5)]);
        assert!(!curve.is_thinned());
    }

    #[test]
    fn a_long_curve_keeps_its_extremes_its_mean_and_its_order() {
        let mut curve = Curve::default();
        let value = |step: u64| match step {
            70_001 => 9.0,
            90_002 => -9.0,
            _ => (step % 7) as f64 / 7.0,
        };
        let steps = 100_000;
        (0..steps).for_each(|step| curve.add(step, value(step)));
        let points: Vec<Point> = curve.points().collect();
        assert!(curve.is_thinned() && points.len() <= Curve::MOST && points.len() > 100);
        assert!(points.iter().any(|at| at.high == 9.0) && points.iter().any(|at| at.low == -9.0));
        assert!(points.windows(2).all(|pair| pair[0].step < pair[1].step));
        assert!(
            points
                .iter()
                .all(|at| at.low <= at.mean && at.mean <= at.high)
        );
    }

    #[test]
    fn values_that_are_not_finite_leave_a_curve_without_them() {
        let mut curve = Curve::default();
        curve.add(1, f64::NAN);
        curve.add(2, f64::INFINITY);
        assert!(curve.is_empty());
        curve.add(3, 1.0);
        assert_eq!(curve.points().count(), 1);
    }

    #[test]
    fn test_scores_are_no_curve_and_language_models_have_a_perplexity() {
        let mut curves = Curves::with_perplexity(true);
        curves.add(4, [("val_loss", 2.0), ("test_loss", 1.0), ("lr", 0.1)]);
        let named: Vec<(&str, f64)> = curves
            .named()
            .map(|(name, curve)| (name, curve.points().next().unwrap().mean))
            .collect();
        assert_eq!(
            named,
            [
                ("val_loss", 2.0),
                ("val_perplexity", 2.0_f64.exp()),
                ("lr", 0.1)
            ]
        );
    }
}
