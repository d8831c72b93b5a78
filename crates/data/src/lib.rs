//! From files of rows to examples in batches: readers, splits, data modules, batch planning.
//!
//! A [`DataModule`] is what a user names under `data`; [`DataModule::load`] reads its files into
//! the [`Examples`] of each split. [`plan_rows`] and [`plan_window`] say which rows are computed
//! together, and [`RowWriter`] writes tables of predictions.

mod arguments;
mod batch;
mod builder;
mod class_weight;
mod draft;
mod error;
mod examples;
mod folds;
mod label_table;
mod labels;
mod layout;
mod list;
mod load;
mod module;
mod mutants;
mod pattern;
mod read;
mod reading;
mod shield;
mod shuffle;
mod split;
mod stored;
mod survey;
mod table;
mod targets;
mod texts;
mod tokens;
mod unit;
mod write;

pub use arguments::{Batching, NoSampler, Rows, Source, SplitSize};
pub use batch::{BatchBy, Order, plan_rows, plan_tokens, plan_window};
pub use class_weight::ClassWeight;
pub use error::Error;
pub use examples::Examples;
pub use folds::{FoldedRows, Folds};
pub use labels::{Label, Labels};
pub use load::Splits;
pub use module::{
    CausalLMDataModule, ClassificationDataModule, ColumnRetrievalDataModule, DataModule,
    DependencyMappingDataModule, MLMDataModule, Masking, Naming, RNAMeanRibosomeLoadDataModule,
    RegressionDataModule, Selection, SequenceClassificationDataModule,
    SequenceRegressionDataModule, SequencesDataModule, TokenClassificationDataModule,
};
pub use read::{
    Format, Header, Quote, ReaderArguments, ReaderOptions, SampleBy, read_table, table_of_bytes,
};
pub use shield::panics_are_caught;
pub use shuffle::{Draws, Stream, permutation};
pub use split::Stage;
pub use stored::StoredText;
pub use survey::{Alphabet, ColumnSurvey, Content, Lengths, SplitSurvey, Survey, Values, survey};
pub use table::{Cell, Column, Origin, Table};
pub use texts::Texts;
pub use unit::TokenUnit;
pub use write::{OutputFormat, RowWriter};
