//! Rows of files of any format that is read.

use std::path::Path;

use engraft_data::{
    DataModule, Examples, MLMDataModule, Masking, Naming, Rows, Seq2SeqDataModule,
    SequenceClassificationDataModule, SequenceRegressionDataModule, Stage,
    TokenClassificationDataModule,
};

use crate::error::{Error, Result};

/// Reads examples that have a class each from a file of any format that is read: the texts of column `x_col`, the classes of column `y_col`.
///
/// # Errors
/// The file or a column is missing, or a row is broken.
pub fn read_examples(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read(SequenceClassificationDataModule {
        rows: Rows::new(path.as_ref()),
        x_col: vec![x_col.to_owned()],
        y_col: vec![y_col.to_owned()],
        selection: Default::default(),
        alignment: Default::default(),
    })
}

/// As [`read_examples`], with a number each, which a [`Regressor`](crate::Regressor) learns.
///
/// # Errors
/// The file or a column is missing, or a row is broken.
pub fn read_numbers(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read(SequenceRegressionDataModule {
        rows: Rows::new(path.as_ref()),
        x_col: vec![x_col.to_owned()],
        y_col: vec![y_col.to_owned()],
        normalize: false,
        naming: Naming::default(),
        alignment: Default::default(),
    })
}

/// As [`read_examples`], with a class for each letter or word, which a [`TokenClassifier`](crate::TokenClassifier) learns.
///
/// # Errors
/// The file or a column is missing, or a row is broken.
pub fn read_token_labels(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read_letters(path.as_ref(), [x_col, y_col], false)
}

/// As [`read_examples`], with the pairs of letters or words that belong together, which a [`PairClassifier`](crate::PairClassifier) learns.
///
/// # Errors
/// The file or a column is missing, or a row is broken.
pub fn read_pair_labels(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read_letters(path.as_ref(), [x_col, y_col], true)
}

/// Labels of letters or words, or of pairs of them.
fn read_letters(path: &Path, [x_col, y_col]: [&str; 2], pairwise: bool) -> Result<Examples> {
    read(TokenClassificationDataModule {
        rows: Rows::new(path),
        x_col: vec![x_col.to_owned()],
        y_col: vec![y_col.to_owned()],
        max_length: None,
        truncate_extra_cols: false,
        pairwise,
        class_weight: None,
        naming: Naming::default(),
        alignment: Default::default(),
    })
}

/// As [`read_examples`], with a text each that is to be written for the one of `x_col`.
///
/// # Errors
/// The file or a column is missing, or a row is broken or has no text to be written.
pub fn read_pairs(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read(Seq2SeqDataModule {
        rows: Rows::new(path.as_ref()),
        x_col: vec![x_col.to_owned()],
        y_col: vec![y_col.to_owned()],
        naming: Naming::default(),
    })
}

/// Reads texts without labels, which a [`MaskedLm`](crate::MaskedLm) and a [`TextEmbedder`](crate::TextEmbedder) take.
///
/// # Errors
/// The file or the column is missing, or a row is broken.
pub fn read_texts(path: impl AsRef<Path>, x_col: &str) -> Result<Examples> {
    read(MLMDataModule {
        rows: Rows::new(path.as_ref()),
        x_col: vec![x_col.to_owned()],
        masking: Masking::default(),
        naming: Naming::default(),
    })
}

/// All rows of a data module's file.
fn read(module: impl Into<DataModule>) -> Result<Examples> {
    let module = module.into();
    let path = module.source().path.display().to_string();
    let test = module.load(Stage::Test)?.test;
    test.ok_or_else(|| Error::Argument(format!("{path}: no rows")))
}
