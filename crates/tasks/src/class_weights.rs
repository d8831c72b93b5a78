//! What each class weighs in the loss.

use engraft_data::ClassWeight;

use crate::building::TrainingRows;
use crate::error::{Error, Result};
use crate::labels::shown;
use crate::model::Model;
use crate::targets::Targets;
use crate::task::Task;
use crate::told::Told;

/// Whether the task or the data asks for weights.
pub(crate) fn weighs_classes(task: &Task, train: TrainingRows<'_>) -> bool {
    let is_asked = match task {
        Task::SequenceClassification(task) => task.weighted_loss,
        Task::TokenClassification(task) => task.weighted_loss,
        _ => false,
    };
    is_asked || train.class_weight.is_some()
}

/// What each class weighs: as the data says, else counted on the training rows.
pub(crate) fn weights(told: &Told, train: TrainingRows<'_>) -> Result<Vec<f32>> {
    let space = match told {
        Told::Classes(space) | Told::TokenClasses(space, _) => space,
        _ => {
            return Err(Error::Argument(
                "data.class_weight: classes are weighed only where a row, letter or word has one; remove it".into(),
            ));
        }
    };
    if let Some(ClassWeight::Numbers(numbers)) = train.class_weight {
        if numbers.len() != space.count() {
            return Err(Error::Argument(format!(
                "data.class_weight: {} numbers given for {} classes ({}); give one for each, in this order",
                numbers.len(),
                space.count(),
                shown(&space.names_or_numbers())
            )));
        }
        return Ok(numbers.iter().map(|&number| number as f32).collect());
    }
    Ok(match told.targets(train.examples)? {
        Targets::Classes(classes) => space.weights(&classes),
        Targets::Tokens { rows, .. } => {
            let classes: Vec<u32> = rows.into_iter().flatten().flatten().collect();
            space.weights(&classes)
        }
        _ => Vec::new(),
    })
}

impl Model {
    /// Refuses to go on training with other weights of classes than the model was built with.
    ///
    /// # Errors
    /// What `train` asks for differs from them.
    pub fn check_class_weights(&self, train: TrainingRows<'_>) -> Result<()> {
        let wanted = match weighs_classes(&self.task, train) {
            true => weights(&self.told, train)?,
            false => Vec::new(),
        };
        if wanted == self.class_weights {
            return Ok(());
        }
        let said = |weights: &[f32]| match weights {
            [] => "the same".to_owned(),
            weights => shown(&weights.iter().map(f32::to_string).collect::<Vec<_>>()),
        };
        Err(Error::Argument(format!(
            "data.class_weight: the run was begun with classes that weigh {}, and cannot go on with {}; give the same class_weight and rows",
            said(&self.class_weights),
            said(&wanted)
        )))
    }
}

#[cfg(test)]
mod tests {
    use engraft_data::Examples;

    use super::*;
    use crate::labels::LabelSpace;

    fn told() -> Told {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        Told::Classes(LabelSpace::new(3, Some(names)))
    }

    #[test]
    fn weights_are_counted_or_given_one_for_each_class() {
        let rows = Examples::from_texts(["u", "v", "w", "x"])
            .labelled(["a", "a", "a", "b"])
            .unwrap();
        let train = TrainingRows::new(&rows);
        let counted = [4.0 / 9.0, 4.0 / 3.0, 0.0];
        assert_eq!(weights(&told(), train).unwrap(), counted);
        let of = |weight: &ClassWeight| {
            let train = TrainingRows {
                class_weight: Some(weight),
                ..train
            };
            weights(&told(), train).map_err(|error| error.to_string())
        };
        assert_eq!(of(&ClassWeight::Auto).unwrap(), counted);
        let numbers = |numbers: &[f64]| of(&ClassWeight::Numbers(numbers.to_vec()));
        assert_eq!(numbers(&[1.0, 0.0, 2.5]).unwrap(), [1.0, 0.0, 2.5]);
        assert_eq!(
            numbers(&[1.0, 2.0]).unwrap_err(),
            "data.class_weight: 2 numbers given for 3 classes (a, b, c); give one for each, in this order"
        );
    }

    #[test]
    fn where_a_row_has_several_classes_none_is_weighed() {
        let rows = Examples::from_texts(["u"])
            .multi_labelled(["a", "b"], vec![vec![true, true]])
            .unwrap();
        let told = Told::Flags(LabelSpace::new(2, None));
        let error = weights(&told, TrainingRows::new(&rows)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("data.class_weight: classes are weighed only where"),
            "{error}"
        );
    }
}
