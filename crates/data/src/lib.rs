//! From files of rows to examples in batches: readers, splits, data modules, batch planning.
//!
//! A [`DataModule`] is what a user names under `data`; [`DataModule::load`] reads its files into
//! the [`Examples`] of each split. [`plan_rows`] and [`plan_window`] say which rows are computed
//! together, and [`RowWriter`] writes tables of predictions.

mod alignments;
mod arguments;
mod batch;
mod builder;
mod cell;
mod class_weight;
mod compat;
mod draft;
mod error;
mod examples;
mod folded;
mod folds;
mod label_table;
mod labels;
mod layout;
mod leaks;
mod list;
mod load;
mod masking;
mod module;
mod mutants;
mod naming;
mod noising;
mod origin;
mod pairs;
mod pattern;
mod read;
mod reading;
mod reference;
mod retrieval;
mod roles;
mod scan;
mod shares;
mod shield;
mod shuffle;
mod skipped;
mod splits;
mod stage;
mod stored;
mod survey;
mod table;
mod targets;
mod texts;
mod token_row;
mod tokens;
mod unit;
mod write;
mod write_parquet;
mod write_structures;

pub use alignments::{AlignedRows, Alignments};
pub use arguments::{Batching, NoSampler, Rows, Source, SplitSize};
pub use batch::{BatchBy, Order, plan_rows, plan_tokens, plan_window};
pub use cell::Cell;
pub use class_weight::ClassWeight;
pub use compat::Compat;
pub use error::Error;
pub use examples::Examples;
pub use folded::FoldedRows;
pub use folds::Folds;
pub use labels::{Label, Labels};
pub use masking::{Hiding, Masking};
pub use module::{
    CausalLMDataModule, ClassDiffusionDataModule, ClassificationDataModule,
    ColumnRetrievalDataModule, ConditionalDiffusionDataModule, ConditionalMLMDataModule,
    DataModule, DependencyMappingDataModule, DiffusionDataModule, MLMDataModule, Method,
    MutationScanDataModule, RegressionDataModule, RnaStructures, Seq2SeqDataModule,
    SequenceClassificationDataModule, SequenceRegressionDataModule, SequencesDataModule,
    TokenClassificationDataModule, ZeroshotClassificationRetrieveDataModule,
};
pub use naming::{Naming, Selection};
pub use noising::Noising;
pub use origin::Origin;
pub use pairs::PairRow;
pub use read::{
    Format, Header, Quote, ReaderArguments, ReaderOptions, SampleBy, read_table, table_of_bytes,
};
pub use shield::panics_are_caught;
pub use shuffle::{Draws, Stream, permutation};
pub use skipped::{OnBadRow, SkippedRow};
pub use splits::Splits;
pub use stage::Stage;
pub use stored::StoredText;
pub use survey::{Alphabet, ColumnSurvey, Content, Lengths, SplitSurvey, Survey, Values, survey};
pub use table::{Column, Table};
pub use texts::Texts;
pub use token_row::TokenRow;
pub use unit::TokenUnit;
pub use write::{OutputFormat, RowWriter};
pub use write_structures::StructureFormat;
