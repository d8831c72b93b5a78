//! What training came to, epoch by epoch.

use engraft_component::did_you_mean;
use engraft_tasks::Compiled;

use crate::error::{Error, Result};

/// What training came to, epoch by epoch: Keras's `History`. A name of Keras's finds what is called otherwise here:
/// `val_sparse_categorical_accuracy` is `val_accuracy`.
///
/// Its names are `loss`, `accuracy` and metrics that are means over rows, of the training rows as the weights were at each step; and `val_loss`,
/// `val_accuracy` and the like, of the rows that are scored after each epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    epochs: Vec<Vec<(String, f64)>>,
    stopped: Option<String>,
}

/// What an epoch came to.
#[derive(Clone, Copy, Debug)]
pub struct Epoch<'a> {
    /// Its number, from 0.
    pub number: u64,
    /// Its values by name, as in [`History`].
    pub values: &'a [(String, f64)],
}

impl Epoch<'_> {
    /// The value of this name, such as `val_loss`.
    ///
    /// # Errors
    /// There is none of this name; the message has those that there are.
    pub fn get(&self, name: &str) -> Result<f64> {
        let found = value_of(self.values, name);
        found.ok_or_else(|| {
            missing(
                name,
                &self
                    .values
                    .iter()
                    .map(|(own, _)| own.as_str())
                    .collect::<Vec<_>>(),
            )
        })
    }
}

/// The value of a name, whichever of those that Keras and we have for it.
pub(crate) fn value_of(values: &[(String, f64)], name: &str) -> Option<f64> {
    let is_named = |name: &str| values.iter().find(|(own, _)| own == name);
    let found = is_named(name).or_else(|| is_named(&Compiled::our_name(name)));
    found.map(|(_, value)| *value)
}

fn missing(name: &str, names: &[&str]) -> Error {
    let help = did_you_mean(name, names, "There are").unwrap_or_default();
    Error::Argument(format!("there is no value \"{name}\". {help}"))
}

impl History {
    pub(crate) fn new(epochs: Vec<Vec<(String, f64)>>, stopped: Option<String>) -> Self {
        Self { epochs, stopped }
    }

    /// The values of this name, one for each epoch that has it: not all do where rows are scored every few epochs.
    ///
    /// # Errors
    /// There are none of this name; the message has those that there are.
    pub fn get(&self, name: &str) -> Result<Vec<f64>> {
        let epochs = self.epochs.iter();
        let values: Vec<f64> = epochs.filter_map(|epoch| value_of(epoch, name)).collect();
        if values.is_empty() {
            return Err(missing(name, &self.names()));
        }
        Ok(values)
    }

    /// The value of the last epoch.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    pub fn last(&self, name: &str) -> Result<f64> {
        let values = self.get(name)?;
        values.last().copied().ok_or_else(|| missing(name, &[]))
    }

    /// The names of all values, in the order in which they are reported.
    pub fn names(&self) -> Vec<&str> {
        let last = self.epochs.last();
        last.iter()
            .flat_map(|epoch| epoch.iter().map(|(name, _)| name.as_str()))
            .collect()
    }

    /// The epochs that were ended.
    pub fn epochs(&self) -> impl ExactSizeIterator<Item = Epoch<'_>> {
        let epochs = self.epochs.iter().enumerate();
        epochs.map(|(number, values)| Epoch {
            number: number as u64,
            values,
        })
    }

    /// Why training ended before its last epoch, if it did.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_has_a_value_of_each_name_for_each_epoch() {
        let epoch = |loss, accuracy| {
            vec![
                ("loss".to_owned(), loss),
                ("val_accuracy".to_owned(), accuracy),
            ]
        };
        let history = History::new(vec![epoch(0.5, 0.7), epoch(0.25, 0.8)], None);
        assert_eq!(history.get("loss").unwrap(), [0.5, 0.25]);
        assert_eq!(
            history.last("val_sparse_categorical_accuracy").unwrap(),
            0.8
        );
        assert_eq!(history.names(), ["loss", "val_accuracy"]);
        assert_eq!(history.epochs().len(), 2);
        assert_eq!(
            history.get("val_los").unwrap_err().to_string(),
            "there is no value \"val_los\". There are: loss, val_accuracy"
        );
    }
}
