//! What scores are worth as an order: ROC and precision-recall curves.

/// A curve in the unit square, with what its area says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trade {
    /// `(x, y)`, x never falling.
    pub(crate) points: Vec<(f64, f64)>,
    /// The area under it.
    pub(crate) area: f64,
}

/// Both curves of one class against the rest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ranking {
    /// False positive rate, true positive rate; the area by trapezoids, so that ties count half.
    pub(crate) roc: Trade,
    /// Recall, precision; the area is the average precision, the sum over thresholds of precision times the recall gained.
    pub(crate) recall: Trade,
}

/// The curves of scored rows, `(score, is positive)`; none where there are no positives or no negatives, or a score is not a number.
pub(crate) fn ranking(mut rows: Vec<(f32, bool)>) -> Option<Ranking> {
    let all = rows.len() as f64;
    let positives = rows.iter().filter(|(_, positive)| *positive).count() as f64;
    let negatives = all - positives;
    if positives == 0.0 || negatives == 0.0 || rows.iter().any(|(score, _)| score.is_nan()) {
        return None;
    }
    rows.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));

    let (mut roc, mut recall) = (Tracer::from(0.0, 0.0), Tracer::default());
    let (mut hits, mut alarms) = (0.0, 0.0);
    let (mut area, mut average) = (0.0, 0.0);
    for tied in rows.chunk_by(|one, other| one.0 == other.0) {
        let above = tied.iter().filter(|(_, positive)| *positive).count() as f64;
        let below = tied.len() as f64 - above;
        area += below * (hits + above / 2.0);
        (hits, alarms) = (hits + above, alarms + below);
        let precision = hits / (hits + alarms);
        average += precision * above;
        roc.to(alarms / negatives, hits / positives);
        // The recall gained has the precision at its end, so that the area beneath the steps is the average.
        if above > 0.0 {
            recall.to((hits - above) / positives, precision);
            recall.to(hits / positives, precision);
        }
    }
    Some(Ranking {
        roc: Trade {
            points: roc.finish(),
            area: area / (positives * negatives),
        },
        recall: Trade {
            points: recall.finish(),
            area: average / positives,
        },
    })
}

/// The mean of curves at the same x, on a grid; the area is the mean of theirs.
pub(crate) fn mean(curves: &[&Trade]) -> Option<Trade> {
    /// Fine enough for a plot.
    const STEPS: usize = 200;
    if curves.is_empty() {
        return None;
    }
    let count = curves.len() as f64;
    let grid = (0..=STEPS).map(|step| step as f64 / STEPS as f64);
    let at = |x: f64| curves.iter().map(|curve| height(curve, x)).sum::<f64>() / count;
    let start = curves.iter().map(|curve| curve.points[0].1).sum::<f64>() / count;
    Some(Trade {
        points: std::iter::once((0.0, start))
            .chain(grid.map(|x| (x, at(x))))
            .collect(),
        area: curves.iter().map(|curve| curve.area).sum::<f64>() / count,
    })
}

/// The height of a curve at `x`, the highest where it rises upright.
fn height(curve: &Trade, x: f64) -> f64 {
    let after = curve.points.partition_point(|point| point.0 <= x);
    let Some(&(left, low)) = after.checked_sub(1).and_then(|at| curve.points.get(at)) else {
        return curve.points.first().map_or(0.0, |point| point.1);
    };
    match curve.points.get(after) {
        Some(&(right, high)) if right > left => low + (high - low) * (x - left) / (right - left),
        _ => low,
    }
}

/// Follows a curve and keeps the points that can be predicted apart in a plot.
#[derive(Default)]
struct Tracer {
    points: Vec<(f64, f64)>,
    last: Option<(f64, f64)>,
}

impl Tracer {
    /// The least step of a point, in either direction.
    const LEAST: f64 = 1.0 / 400.0;

    fn from(x: f64, y: f64) -> Self {
        Self {
            points: vec![(x, y)],
            last: None,
        }
    }

    fn to(&mut self, x: f64, y: f64) {
        let far = |&(from_x, from_y): &(f64, f64)| {
            (x - from_x).abs() >= Self::LEAST || (y - from_y).abs() >= Self::LEAST
        };
        if self.points.last().is_none_or(far) {
            self.points.push((x, y));
            self.last = None;
        } else {
            self.last = Some((x, y)).filter(|place| self.points.last() != Some(place));
        }
    }

    fn finish(mut self) -> Vec<(f64, f64)> {
        self.points.extend(self.last);
        self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_areas_are_those_of_a_textbook() {
        // scikit-learn's example: ROC area 0.75, average precision 0.8333.
        let rows = vec![(0.1, false), (0.4, false), (0.35, true), (0.8, true)];
        let found = ranking(rows).unwrap();
        assert_eq!(found.roc.area, 0.75);
        assert!((found.recall.area - 5.0 / 6.0).abs() < 1e-12);
        let last = 2.0 / 3.0;
        let steps = [(0.0, 1.0), (0.5, 1.0), (0.5, last), (1.0, last)];
        assert_eq!(found.recall.points, steps);
        assert_eq!(
            found.roc.points,
            [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]
        );
    }

    #[test]
    fn tied_scores_are_worth_nothing() {
        let found = ranking(vec![(0.5, true), (0.5, false), (0.5, false)]).unwrap();
        assert_eq!(found.roc.area, 0.5);
        assert_eq!(found.roc.points, [(0.0, 0.0), (1.0, 1.0)]);
        assert!((found.recall.area - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn there_is_no_curve_without_both_kinds_or_with_nan() {
        assert_eq!(ranking(vec![(0.5, true)]), None);
        assert_eq!(ranking(vec![(0.5, false)]), None);
        assert_eq!(ranking(Vec::new()), None);
        assert_eq!(ranking(vec![(f32::NAN, true), (0.1, false)]), None);
    }

    #[test]
    fn a_curve_of_many_rows_has_few_points_and_the_exact_area() {
        let rows: Vec<(f32, bool)> = (0..100_000)
            .map(|row| (row as f32, row % 3 == 0 || row > 50_000))
            .collect();
        let pairs: f64 = {
            let (mut below, mut ordered) = (0.0, 0.0);
            for (_, positive) in &rows {
                if *positive {
                    ordered += below
                } else {
                    below += 1.0
                }
            }
            ordered / (below * (rows.len() as f64 - below))
        };
        let found = ranking(rows).unwrap();
        assert!((found.roc.area - pairs).abs() < 1e-12);
        assert!(found.roc.points.len() < 1000);
        assert_eq!(found.roc.points.last(), Some(&(1.0, 1.0)));
    }

    #[test]
    fn the_mean_of_curves_lies_between_them() {
        let good = ranking(vec![(0.9, true), (0.1, false)]).unwrap().roc;
        let bad = ranking(vec![(0.5, true), (0.5, false)]).unwrap().roc;
        let mean = mean(&[&good, &bad]).unwrap();
        assert_eq!(mean.area, 0.75);
        assert!((height(&mean, 0.5) - 0.75).abs() < 1e-9);
    }
}
