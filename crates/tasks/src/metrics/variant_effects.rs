//! Scores where variants are measured that nobody trained for.

use super::regression::spearman;
use super::{Detail, MetricError, Metrics, auroc, average_precision};

/// What the scores of one measure are called: the area under the ROC curve, that under precision by recall, Spearman's correlation.
pub(super) type MeasureNames = [&'static str; 3];

/// Which of the layers that are measured are scored, and as which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scored {
    /// How many of them, the first ones; the last of these is the one that counts.
    pub layers: usize,
    /// What the first is numbered.
    pub first: usize,
}

/// How well measures of variants agree with what is known of these.
///
/// Where all that is known is 0 or 1, scores are the areas under the ROC curve and under precision by recall, of 1; else Spearman's
/// correlation.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantEffects {
    /// The measures of a layer.
    names: &'static [MeasureNames],
    layers: usize,
    scored: Scored,
    /// What is measured, row after row: layer by layer, each measure.
    values: Vec<f32>,
    /// What is known, row after row.
    effects: Vec<f32>,
}

impl VariantEffects {
    /// Nothing seen yet, for rows with these measures of each of `layers` layers.
    pub fn new(names: &'static [MeasureNames], layers: usize, scored: Scored) -> Self {
        Self {
            names,
            layers,
            scored,
            values: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Takes in one row: its measures `[layers * measures]` and what is known of it.
    ///
    /// # Errors
    /// The row has another width.
    pub fn update(&mut self, values: &[f32], effect: f32) -> Result<(), MetricError> {
        let outputs = self.width();
        if values.len() != outputs {
            return Err(MetricError::Outputs {
                predictions: values.len(),
                targets: 1,
                outputs,
            });
        }
        self.values.extend_from_slice(values);
        self.effects.push(effect);
        Ok(())
    }

    fn width(&self) -> usize {
        self.names.len() * self.layers
    }

    /// Whether only two classes are known.
    fn is_binary(&self) -> bool {
        let mut effects = self.effects.iter();
        effects.all(|&effect| effect == 0.0 || effect == 1.0)
    }

    /// The scores of a layer, measure by measure.
    fn of_layer(&self, layer: usize) -> Vec<(&'static str, f64)> {
        let names = self.names.iter().zip(layer * self.names.len()..);
        let scores = names.flat_map(|([area, precision, correlation], column)| {
            let values = self.values.iter().skip(column).step_by(self.width().max(1));
            if self.effects.is_empty() {
                return vec![(*area, f64::NAN), (*precision, f64::NAN)];
            }
            if self.is_binary() {
                let rows = || {
                    let effects = self.effects.iter().map(|&effect| effect == 1.0);
                    values.clone().copied().zip(effects)
                };
                return vec![
                    (*area, auroc(rows())),
                    (*precision, average_precision(rows())),
                ];
            }
            let values: Vec<f64> = values.map(|&value| f64::from(value)).collect();
            let effects: Vec<f64> = self.effects.iter().map(|&it| f64::from(it)).collect();
            vec![(*correlation, spearman(&values, &effects))]
        });
        scores.collect()
    }
}

impl Metrics for VariantEffects {
    fn rows(&self) -> usize {
        self.effects.len()
    }

    /// The scores of the last layer that is scored.
    fn finish(&self) -> Vec<(&'static str, f64)> {
        self.of_layer(self.scored.layers.saturating_sub(1))
    }

    /// The scores of each layer, by its number; none of a single one.
    fn details(&self) -> Vec<Detail> {
        if self.layers < 2 {
            return Vec::new();
        }
        let Scored { layers, first } = self.scored;
        let details = (0..layers).flat_map(|layer| {
            let scores = self.of_layer(layer).into_iter();
            scores.map(move |(score, value)| Detail {
                score,
                number: first + layer,
                value,
            })
        });
        details.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[MeasureNames] = &[
        ["a_auroc", "a_auprc", "a_rank"],
        ["b_auroc", "b_auprc", "b_rank"],
    ];

    /// Both of two layers.
    const BOTH: Scored = Scored {
        layers: 2,
        first: 0,
    };

    fn seen(rows: &[([f32; 4], f32)]) -> VariantEffects {
        seen_as(BOTH, rows)
    }

    fn seen_as(scored: Scored, rows: &[([f32; 4], f32)]) -> VariantEffects {
        let mut metrics = VariantEffects::new(NAMES, 2, scored);
        for (values, effect) in rows {
            metrics.update(values, *effect).unwrap();
        }
        metrics
    }

    #[test]
    fn two_classes_have_areas_of_the_last_layer_and_each_layer_beside() {
        // scikit-learn's example: areas 0.75 and 0.8333.
        let metrics = seen(&[
            ([0.0, 1.0, 0.1, 1.0], 0.0),
            ([0.0, 1.0, 0.4, 2.0], 0.0),
            ([1.0, 0.0, 0.35, 3.0], 1.0),
            ([1.0, 0.0, 0.8, 4.0], 1.0),
        ]);
        let found = metrics.finish();
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["a_auroc", "a_auprc", "b_auroc", "b_auprc"]);
        let expected = [0.75, 5.0 / 6.0, 1.0, 1.0];
        for ((name, value), expected) in found.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-12, "{name} {value}");
        }
        let details = metrics.details();
        assert_eq!(details.len(), 8);
        let of = |score: &str, number: usize| {
            let found = details
                .iter()
                .find(|it| it.score == score && it.number == number);
            found.unwrap().value
        };
        assert_eq!((of("a_auroc", 0), of("b_auroc", 0)), (1.0, 0.0));
        assert_eq!(of("a_auroc", 1), 0.75);
    }

    #[test]
    fn layers_are_numbered_and_left_out_as_is_asked_for() {
        let first_as_one = Scored {
            layers: 1,
            first: 1,
        };
        let metrics = seen_as(
            first_as_one,
            &[([0.0, 1.0, 1.0, 1.0], 0.0), ([1.0, 0.0, 0.0, 1.0], 1.0)],
        );
        let details = metrics.details();
        assert!(details.iter().all(|it| it.number == 1), "{details:?}");
        assert_eq!(details.len(), 4);
        assert_eq!(metrics.finish()[0], ("a_auroc", 1.0));
    }

    #[test]
    fn other_numbers_have_a_rank_correlation() {
        let rows = [
            ([0.0, 0.0, 1.0, 3.0], -0.5),
            ([0.0, 0.0, 2.0, 2.0], 0.0),
            ([0.0, 0.0, 3.0, 1.0], 4.0),
        ];
        let found = seen(&rows).finish();
        assert_eq!(found[0].0, "a_rank");
        assert!((found[0].1 - 1.0).abs() < 1e-5 && (found[1].1 + 1.0).abs() < 1e-5);
    }

    #[test]
    fn a_row_of_another_width_is_refused_and_none_has_no_score() {
        let mut metrics = VariantEffects::new(NAMES, 2, BOTH);
        assert!(metrics.update(&[0.0; 3], 1.0).is_err());
        assert!(metrics.finish().iter().all(|(_, value)| value.is_nan()));
        assert_eq!(metrics.rows(), 0);
    }

    #[test]
    fn average_precision_counts_ties_once_and_nothing_without_positives() {
        let tied = [(0.5, true), (0.5, false), (0.1, true), (0.0, false)];
        // Precision 1/2 at recall 1/2, then 2/3 at 1.
        let expected = 0.25 + 0.5 * 2.0 / 3.0;
        assert!((average_precision(tied.into_iter()) - expected).abs() < 1e-12);
        assert_eq!(average_precision([(1.0, false)].into_iter()), 0.0);
        assert!(average_precision([(f32::NAN, true)].into_iter()).is_nan());
    }
}
