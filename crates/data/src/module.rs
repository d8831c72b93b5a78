//! Data modules: the components that a user names under `data`.

mod benchmarks;
mod components;
mod masked;
mod retrieval;
mod seq2seq;
mod structures;
mod variants;

use engraft_component::Choice;

use crate::alignments::AlignedRows;
use crate::arguments::{Batching, Source};
use crate::class_weight::ClassWeight;
use crate::compat::Compat;
use crate::error::{Error, argument};
use crate::folds::Folds;
use crate::masking::Hiding;
use crate::roles::{LabelKind, Roles};

pub use components::{
    CausalLMDataModule, ClassificationDataModule, MLMDataModule, RegressionDataModule,
    SequenceClassificationDataModule, SequenceRegressionDataModule, SequencesDataModule,
    TokenClassificationDataModule,
};
pub use masked::{
    ClassDiffusionDataModule, ConditionalDiffusionDataModule, ConditionalMLMDataModule,
    DiffusionDataModule,
};
pub use retrieval::{ColumnRetrievalDataModule, DependencyMappingDataModule};
pub use seq2seq::Seq2SeqDataModule;
pub use structures::RnaStructures;
pub(crate) use variants::Retrieval;
pub use variants::{Method, MutationScanDataModule, ZeroshotClassificationRetrieveDataModule};

/// Where examples come from.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(kind = "data module", ready_made = benchmarks::BENCHMARKS)]
#[choice(absent(
    StructureTokenDataModule = "there is no structure tokenizer here yet",
    StructTokensLightningDataModule = "there is no structure tokenizer here yet",
    ProteinLightningDataModule = "there is no structure tokenizer here yet",
    ProteinInverseFoldingDataModule = "there is no inverse folding here yet",
    RNAInverseFoldingDataModule = "there is no inverse folding here yet",
    CellClassificationDataModule = "there is no model of cells here yet",
    CellClassificationLargeDataModule = "there is no model of cells here yet",
    ClockDataModule = "there is no model of cells here yet",
    PertClassificationDataModule = "there is no model of cells here yet",
    CellWithNeighborDataModule = "there is no model of tissue here yet",
))]
pub enum DataModule {
    /// Texts with ids.
    Sequences(SequencesDataModule),
    /// Sequences with a class each, or several.
    SequenceClassification(SequenceClassificationDataModule),
    /// Texts with a class each, or several, in columns of any name.
    Classification(ClassificationDataModule),
    /// Sequences with a class for each letter, or texts with a class for each word.
    TokenClassification(TokenClassificationDataModule),
    /// Sequences with a number each, or several.
    SequenceRegression(SequenceRegressionDataModule),
    /// Texts with a number each, or several, in columns of any name.
    Regression(RegressionDataModule),
    /// Sequences without labels, of which parts are masked and predicted.
    Mlm(MLMDataModule),
    /// Sequences that a diffusion model learns to write.
    Diffusion(DiffusionDataModule),
    /// Sequences of some classes that a diffusion model learns to write.
    ClassDiffusion(ClassDiffusionDataModule),
    /// Sequences that a diffusion model learns to write by numbers that it is told.
    ConditionalDiffusion(ConditionalDiffusionDataModule),
    /// Sequences of which parts are masked and predicted by numbers that the model is told.
    ConditionalMlm(ConditionalMLMDataModule),
    /// Texts, perhaps with prompts, that a language model learns to write.
    CausalLm(CausalLMDataModule),
    /// Pairs of texts: one that is read, and one to be written for it.
    Seq2Seq(Seq2SeqDataModule),
    /// Some columns under other names, all of which come back with the predictions.
    ColumnRetrieval(ColumnRetrievalDataModule),
    /// All mutants of one letter of each sequence.
    DependencyMapping(DependencyMappingDataModule),
    /// RNAs with their secondary structures.
    RnaStructures(RnaStructures),
    /// Variants of a genome with what is around them.
    ZeroshotClassificationRetrieve(ZeroshotClassificationRetrieveDataModule),
    /// Every substitution of one letter of each sequence.
    MutationScan(MutationScanDataModule),
}

/// Does the same to the arguments of whichever module it is.
macro_rules! any {
    ($module:expr, $it:ident => $value:expr) => {
        match $module {
            DataModule::Sequences($it) => $value,
            DataModule::SequenceClassification($it) => $value,
            DataModule::Classification($it) => $value,
            DataModule::TokenClassification($it) => $value,
            DataModule::SequenceRegression($it) => $value,
            DataModule::Regression($it) => $value,
            DataModule::Mlm($it) => $value,
            DataModule::Diffusion($it) => $value,
            DataModule::ClassDiffusion($it) => $value,
            DataModule::ConditionalDiffusion($it) => $value,
            DataModule::ConditionalMlm($it) => $value,
            DataModule::CausalLm($it) => $value,
            DataModule::Seq2Seq($it) => $value,
            DataModule::ColumnRetrieval($it) => $value,
            DataModule::DependencyMapping($it) => $value,
            DataModule::RnaStructures($it) => $value,
            DataModule::ZeroshotClassificationRetrieve($it) => $value,
            DataModule::MutationScan($it) => $value,
        }
    };
}

impl DataModule {
    /// Where the rows lie and how they are split.
    pub fn source(&self) -> &Source {
        any!(self, it => &it.rows.source)
    }

    /// How rows are put together into batches.
    pub fn batching(&self) -> &Batching {
        any!(self, it => &it.rows.batching)
    }

    /// Cross-validation.
    pub fn folds(&self) -> &Folds {
        any!(self, it => &it.rows.folds)
    }

    /// The same module where fold `fold` of a cross-validation is the test split.
    pub fn with_test_fold(&self, fold: u64) -> DataModule {
        let mut module = self.clone();
        any!(&mut module, it => it.rows.folds.cv_test_fold_id = Some(fold));
        module
    }

    /// What each class weighs in the loss, if the data says so.
    pub fn class_weight(&self) -> Option<&ClassWeight> {
        match self {
            DataModule::SequenceClassification(it) => it.selection.class_weight.as_ref(),
            DataModule::Classification(it) => it.selection.class_weight.as_ref(),
            DataModule::TokenClassification(it) => it.class_weight.as_ref(),
            DataModule::ClassDiffusion(it) => it.selection.class_weight.as_ref(),
            _ => None,
        }
    }

    /// Whether every row has labels in each stage but predicting.
    pub fn is_labelled(&self) -> bool {
        self.roles().labels.is_some()
    }

    /// The names under which text columns are offered to the task, one for each segment.
    pub fn text_names(&self) -> Vec<&str> {
        if let DataModule::ColumnRetrieval(module) = self {
            return module.text_names();
        }
        let roles = self.roles();
        let texts = roles.texts.iter();
        texts.map(|&column| roles.renamed(column)).collect()
    }

    /// The columns of labels: one for each label of a row, except that a single column may hold
    /// lists. Empty for data without labels.
    pub fn label_names(&self) -> &[String] {
        self.roles().labels.map_or(&[], |labels| labels.columns)
    }

    /// Whether numbers are to be learned with mean 0 and standard deviation 1.
    ///
    /// The examples hold the file's own numbers: who trains computes both from the training split.
    pub fn normalizes(&self) -> bool {
        match self {
            DataModule::SequenceRegression(module) => module.normalize,
            DataModule::Regression(module) => module.normalize,
            DataModule::ConditionalDiffusion(module) => module.normalize,
            DataModule::ConditionalMlm(module) => module.normalize,
            _ => false,
        }
    }

    /// How tokens are hidden, if the rows are for a model that predicts what is masked.
    pub fn hiding(&self) -> Option<Hiding> {
        match self {
            DataModule::Mlm(module) => Some(Hiding::Masking(module.masking)),
            DataModule::ConditionalMlm(module) => Some(Hiding::Masking(module.masking)),
            DataModule::Diffusion(module) => Some(Hiding::Noising(module.noising)),
            DataModule::ClassDiffusion(module) => Some(Hiding::Noising(module.noising)),
            DataModule::ConditionalDiffusion(module) => Some(Hiding::Noising(module.noising)),
            _ => None,
        }
    }

    /// Whose rules count, of a module where another program's differ and may be had.
    pub fn compat_mut(&mut self) -> Option<&mut Option<Compat>> {
        match self {
            DataModule::ZeroshotClassificationRetrieve(module) => Some(&mut module.compat),
            _ => None,
        }
    }

    /// Whose rules count, if another program's do.
    pub fn compat(&self) -> Option<Compat> {
        match self {
            DataModule::ZeroshotClassificationRetrieve(module) => module.compat,
            _ => None,
        }
    }

    /// Whether each row is a reference and a variant of it, which are compared.
    pub fn compares(&self) -> bool {
        match self {
            DataModule::MutationScan(_) => true,
            DataModule::ColumnRetrieval(module) => module.compares(),
            _ => self.retrieval().is_some(),
        }
    }

    /// Whether the rows are every substitution of each sequence, whose predictions make a map.
    pub fn scans(&self) -> bool {
        matches!(self, DataModule::MutationScan(_))
    }

    /// Whether rows bring alignments beside their sequences.
    pub fn brings_alignments(&self) -> bool {
        self.alignment().is_some_and(|rows| rows.is_rag_dataset)
    }

    /// What is said of alignments, where rows may bring some.
    fn alignment(&self) -> Option<&AlignedRows> {
        match self {
            DataModule::Sequences(module) => Some(&module.alignment),
            DataModule::SequenceClassification(module) => Some(&module.alignment),
            DataModule::TokenClassification(module) => Some(&module.alignment),
            DataModule::SequenceRegression(module) => Some(&module.alignment),
            _ => None,
        }
    }

    /// How variants are retrieved from a reference, if they are.
    pub(crate) fn retrieval(&self) -> Option<Retrieval<'_>> {
        match self {
            DataModule::ZeroshotClassificationRetrieve(module) => Some(module.retrieval()),
            _ => None,
        }
    }

    /// Checks the arguments that need no file to be checked.
    ///
    /// # Errors
    /// The first argument with a value it cannot have.
    pub fn check(&self) -> Result<(), Error> {
        self.source().check()?;
        self.folds().check()?;
        self.batching().check()?;
        match self {
            DataModule::TokenClassification(module) => module.check()?,
            DataModule::CausalLm(module) => module.check()?,
            DataModule::Seq2Seq(module) => module.check()?,
            DataModule::ColumnRetrieval(module) => module.check()?,
            DataModule::DependencyMapping(module) => module.check()?,
            DataModule::MutationScan(module) => module.check()?,
            DataModule::RnaStructures(module) => module.check()?,
            DataModule::Diffusion(module) => masked::check_one_text(&module.x_col)?,
            DataModule::ClassDiffusion(module) => masked::check_one_text(&module.x_col)?,
            DataModule::ConditionalDiffusion(module) => masked::check_one_text(&module.x_col)?,
            _ => {}
        }
        if let Some(retrieval) = self.retrieval() {
            retrieval.check()?;
        }
        if let Some(hiding) = self.hiding() {
            hiding.check()?;
        }
        let roles = self.roles();
        if let Some(alignment) = self.alignment() {
            alignment.check(roles.texts.len())?;
        }
        roles.check()?;
        match self.class_weight() {
            Some(_) if roles.labels.is_some_and(|labels| labels.columns.len() > 1) => {
                Err(argument(
                    "class_weight",
                    "classes are weighed only where a row has one, and y_col names several columns; remove it",
                ))
            }
            Some(weight) => weight.check(),
            None => Ok(()),
        }
    }

    /// Which column serves for what.
    pub(crate) fn roles(&self) -> Roles<'_> {
        let texts = |columns| Roles::new(columns, self.source());
        let classes = |filter| LabelKind::Classes { filter };
        match self {
            DataModule::Sequences(it) => Roles {
                id: &it.id_col,
                ..texts(&it.x_col).aligned(&it.alignment)
            },
            DataModule::SequenceClassification(it) => texts(&it.x_col)
                .named(&it.selection.naming)
                .aligned(&it.alignment)
                .labelled(&it.y_col, classes(it.selection.class_filter.as_deref())),
            DataModule::Classification(it) => texts(&it.x_col)
                .named(&it.selection.naming)
                .labelled(&it.y_col, classes(it.selection.class_filter.as_deref())),
            DataModule::TokenClassification(it) => Roles {
                cut: it.cut(),
                ..texts(&it.x_col)
                    .named(&it.naming)
                    .aligned(&it.alignment)
                    .labelled(&it.y_col, it.label_kind())
            },
            DataModule::SequenceRegression(it) => texts(&it.x_col)
                .of_several()
                .named(&it.naming)
                .aligned(&it.alignment)
                .labelled(&it.y_col, LabelKind::Numbers),
            DataModule::Regression(it) => texts(&it.x_col)
                .of_several()
                .named(&it.naming)
                .labelled(&it.y_col, LabelKind::Numbers),
            DataModule::RnaStructures(it) => Roles {
                lengths: Some((it.min_seq_len, it.max_seq_len)),
                ..texts(&it.x_col)
                    .named(&it.naming)
                    .labelled(&it.y_col, LabelKind::Pairs)
            },
            DataModule::Mlm(it) => texts(&it.x_col).named(&it.naming),
            DataModule::Diffusion(it) => texts(&it.x_col).named(&it.naming),
            DataModule::ClassDiffusion(it) => texts(&it.x_col)
                .named(&it.selection.naming)
                .labelled(&it.y_col, classes(it.selection.class_filter.as_deref())),
            DataModule::ConditionalDiffusion(it) => texts(&it.x_col)
                .named(&it.naming)
                .labelled(&it.y_col, LabelKind::Conditions),
            DataModule::ConditionalMlm(it) => texts(&it.x_col)
                .named(&it.naming)
                .labelled(&it.y_col, LabelKind::Conditions),
            DataModule::CausalLm(it) => texts(&it.x_col)
                .prompted(it.prompt_col.as_ref())
                .named(&it.naming),
            DataModule::Seq2Seq(it) => texts(&it.x_col)
                .named(&it.naming)
                .labelled(&it.y_col, LabelKind::Texts),
            DataModule::ColumnRetrieval(it) => it.roles(),
            DataModule::DependencyMapping(it) => Roles {
                id: &it.id_col,
                ..texts(&it.x_col)
            },
            DataModule::ZeroshotClassificationRetrieve(it) => it.retrieval().roles(),
            DataModule::MutationScan(it) => Roles {
                id: &it.id_col,
                ..texts(&it.x_col)
            },
        }
    }
}
