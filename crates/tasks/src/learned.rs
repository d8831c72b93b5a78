//! What a model has learned of its training rows beside its weights, as it is saved.

use engraft_component::Component;
use engraft_data::TokenUnit;

use crate::labels::{LabelForm, LabelSpace, MOST_CLASSES};
use crate::scaling::Scaling;

/// What a model knows of its training rows.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Learned {
    /// Number of classes.
    pub classes: Option<usize>,
    /// Names of the classes or of the numbers, in order.
    pub labels: Option<Vec<String>>,
    /// Whether training labels were class numbers (true) or names of classes (false); nothing before training.
    pub numbered: Option<bool>,
    /// What each class weighs in the loss, where classes are weighed.
    pub class_weights: Option<Vec<f64>>,
    /// Whether words have a class each, and not letters.
    pub words: Option<bool>,
    /// The mean of each number over the training rows.
    pub means: Option<Vec<f64>>,
    /// Its standard deviation.
    pub deviations: Option<Vec<f64>>,
    /// The probability from which on something is taken to be so, where that is tuned.
    pub threshold: Option<f64>,
    /// What is made of the outputs of a classifier's head, where that is not softmax: `sigmoid` or `identity`.
    pub activation: Option<String>,
}

impl Learned {
    /// Of classes, with their weights where they have any.
    pub fn of_classes(space: &LabelSpace, weights: &[f32]) -> Self {
        let weights = weights.iter().map(|&weight| f64::from(weight));
        let weights: Vec<f64> = weights.collect();
        Self {
            classes: Some(space.count()),
            labels: space.names().map(<[String]>::to_vec),
            numbered: match space.form() {
                // Classes without names are numbers in any case.
                LabelForm::Numbers => space.names().map(|_| true),
                LabelForm::Names => Some(false),
                LabelForm::Either => None,
            },
            class_weights: (!weights.is_empty()).then_some(weights),
            ..Self::default()
        }
    }

    /// The classes.
    ///
    /// # Errors
    /// Their number is missing or beyond all use.
    pub fn space(&self) -> Result<LabelSpace, String> {
        match self.classes {
            Some(count @ 1..=MOST_CLASSES) => {
                let form = match self.numbered {
                    Some(true) => LabelForm::Numbers,
                    Some(false) => LabelForm::Names,
                    None => LabelForm::Either,
                };
                Ok(LabelSpace::new(count, self.labels.clone()).with_form(form))
            }
            other => Err(format!("classes: expected their number, found {other:?}")),
        }
    }

    /// What each of `classes` classes weighs; empty where they weigh the same.
    ///
    /// # Errors
    /// There are weights for other classes.
    pub fn weights(&self, classes: usize) -> Result<Vec<f32>, String> {
        match &self.class_weights {
            Some(weights) if weights.len() != classes => Err(format!(
                "class_weights: {} for other classes",
                weights.len()
            )),
            weights => Ok(weights
                .iter()
                .flatten()
                .map(|&weight| weight as f32)
                .collect()),
        }
    }

    /// What has a class each.
    pub fn unit(&self) -> Option<TokenUnit> {
        self.words.map(|words| {
            if words {
                TokenUnit::Word
            } else {
                TokenUnit::Letter
            }
        })
    }

    /// The names of `outputs` numbers, and how they are scaled.
    ///
    /// # Errors
    /// Not each number has a name and a scale.
    pub fn numbers(&self, outputs: usize) -> Result<(Vec<String>, Scaling), String> {
        let names = self.labels.clone().unwrap_or_default();
        match (self.means.clone(), self.deviations.clone()) {
            (Some(means), Some(deviations))
                if [names.len(), means.len(), deviations.len()] == [outputs; 3] =>
            {
                Ok((names, Scaling { means, deviations }))
            }
            _ => Err(format!(
                "expected {outputs} labels, means and deviations, one for each number"
            )),
        }
    }
}
