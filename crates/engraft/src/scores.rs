//! Scores by their names.

use std::fmt;
use std::ops::Deref;

use engraft_component::did_you_mean;

use crate::error::{Error, Result};
use crate::history::value_of;

/// Loss and metrics in the order in which they are reported; a slice of names and values too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(Vec<(String, f64)>);

impl Scores {
    /// The score of this name, such as `test_accuracy`; `test_` may be left out, and Keras's names find it too.
    ///
    /// # Errors
    /// There is none of this name; the message has those that there are.
    pub fn get(&self, name: &str) -> Result<f64> {
        let tested = || value_of(&self.0, &format!("test_{name}"));
        value_of(&self.0, name).or_else(tested).ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|(own, _)| own.as_str()).collect();
            let help = did_you_mean(name, &names, "There are").unwrap_or_default();
            Error::Argument(format!("there is no score \"{name}\". {help}"))
        })
    }
}

impl From<Vec<(String, f64)>> for Scores {
    fn from(scores: Vec<(String, f64)>) -> Self {
        Self(scores)
    }
}

impl Deref for Scores {
    type Target = [(String, f64)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoIterator for Scores {
    type Item = (String, f64);
    type IntoIter = std::vec::IntoIter<(String, f64)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// `test_loss 0.3120, test_accuracy 0.9125`.
impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { ", " };
            write!(f, "{between}{name} {value:.4}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_found_by_its_name_and_a_misspelt_one_is_answered() {
        let scores = Scores::from(vec![
            ("test_loss".to_owned(), 0.25),
            ("test_accuracy".to_owned(), 0.9),
        ]);
        assert_eq!(scores.get("test_accuracy").unwrap(), 0.9);
        assert_eq!(scores.to_string(), "test_loss 0.2500, test_accuracy 0.9000");
        assert_eq!(
            scores.get("test-accuracy").unwrap_err().to_string(),
            "there is no score \"test-accuracy\". Did you mean \"test_accuracy\"?"
        );
        assert_eq!(
            scores.get("f1").unwrap_err().to_string(),
            "there is no score \"f1\". There are: test_loss, test_accuracy"
        );
    }
}
