//! From files of rows to examples in batches: readers, splits, data modules, batch planning.
//!
//! A [`DataModule`] is what a user names under `data`; [`DataModule::load`] reads its files into
//! the [`Examples`] of each split. [`plan_rows`] and [`plan_window`] say which rows are computed
//! together, and [`RowWriter`] writes tables of predictions.

mod arguments;
mod batch;
mod class_weight;
mod delimited;
mod draft;
mod error;
mod examples;
mod folds;
mod json;
mod labels;
mod layout;
mod list;
mod load;
mod module;
mod mutants;
mod pattern;
mod read;
mod shuffle;
mod split;
mod survey;
mod table;
mod targets;
mod tokens;
mod unit;
mod write;

pub use arguments::{Batching, NoSampler, Source, SplitSize};
pub use batch::{BatchBy, Order, plan_rows, plan_window};
pub use class_weight::ClassWeight;
pub use error::Error;
pub use examples::Examples;
pub use folds::{FoldedRows, Folds};
pub use labels::{Label, Labels};
pub use load::Splits;
pub use module::{
    ClassificationDataModule, ColumnRetrievalDataModule, DataModule, DependencyMappingDataModule,
    MLMDataModule, Masking, Naming, RNAMeanRibosomeLoadDataModule, RegressionDataModule, Selection,
    SequenceClassificationDataModule, SequenceRegressionDataModule, SequencesDataModule,
    TokenClassificationDataModule,
};
pub use read::{Format, ReaderOptions, read_table};
pub use shuffle::{Draws, Stream, permutation};
pub use split::Stage;
pub use survey::{Alphabet, ColumnSurvey, Content, Lengths, SplitSurvey, Survey, Values, survey};
pub use table::{Cell, Column, Origin, Table};
pub use unit::TokenUnit;
pub use write::{OutputFormat, RowWriter};
