//! What training came to, epoch by epoch.

use engraft_component::did_you_mean;

use crate::error::{Error, Result};

/// What training came to, epoch by epoch: Keras's `History`.
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
        let found = self.values.iter().find(|(own, _)| own == ours(name));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = self.values.iter().map(|(own, _)| own.as_str()).collect();
            missing(name, &names)
        })
    }
}

/// What Keras calls the accuracy of its classifiers is our accuracy.
fn ours(name: &str) -> &str {
    match name {
        "sparse_categorical_accuracy" => "accuracy",
        "val_sparse_categorical_accuracy" => "val_accuracy",
        name => name,
    }
}

fn missing(name: &str, names: &[&str]) -> Error {
    let help = did_you_mean(name, names, "There are").unwrap_or_default();
    Error::Argument(format!("there is no value \"{name}\". {help}"))
}

impl History {
    pub(crate) fn new(epochs: Vec<Vec<(String, f64)>>, stopped: Option<String>) -> Self {
        Self { epochs, stopped }
    }

    /// The values of this name, one for each epoch.
    ///
    /// # Errors
    /// There are none of this name; the message has those that there are.
    pub fn get(&self, name: &str) -> Result<Vec<f64>> {
        let values = |epoch: &Vec<(String, f64)>| {
            let found = epoch.iter().find(|(own, _)| own == ours(name));
            found.map(|(_, value)| *value)
        };
        let values: Vec<f64> = self.epochs.iter().filter_map(values).collect();
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
