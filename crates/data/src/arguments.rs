//! Arguments that all data modules share: where rows lie, how they are split and batched.

use std::path::PathBuf;

use engraft_component::{Component, Context, FromNode, Kind, Node};

use crate::batch::BatchBy;
use crate::error::{Error, argument};
use crate::folds::Folds;
use crate::read::ReaderArguments;
use crate::skipped::OnBadRow;

/// What every data module has: which rows there are, and how they come.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Rows {
    /// Where the rows lie.
    #[arg(flatten)]
    pub source: Source,
    /// How rows are batched.
    #[arg(flatten)]
    pub batching: Batching,
    /// Cross-validation.
    #[arg(flatten)]
    pub folds: Folds,
}

impl Rows {
    /// The rows of a file, or of a folder of split files, with all other arguments at their defaults.
    pub fn new(path: impl Into<PathBuf>) -> Rows {
        Rows {
            source: Source::new(path),
            batching: Batching::default(),
            folds: Folds::default(),
        }
    }
}

/// Where the rows lie and which of them serve for training, validating and testing.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(backbone_class_path = "rows are read alike for every backbone",))]
pub struct Source {
    /// A file (CSV, TSV, JSON lines, Parquet, FASTA, FASTQ, plain text; each also .gz or .zst), a pattern such as `shards/*.parquet` for files that are read as one, a folder of split files such as `train.tsv` and `test.tsv`, or a data set of Hugging Face, `hf://datasets/org/name`.
    pub path: PathBuf,
    /// A folder within `path` that holds the split files, or a configuration that the card of a repository names.
    pub config_name: Option<String>,
    /// The training split: the name of a file in the folder, without its extension.
    #[arg(default = Some("train".to_owned()))]
    pub train_split_name: Option<String>,
    /// The test split; if the folder has no file `test`, rows are held out of the training split.
    #[arg(default = Some("test".to_owned()))]
    pub test_split_name: Option<String>,
    /// The validation split; by default a file `valid`, `validation`, `val` or `dev`, else rows held out of the training split.
    pub valid_split_name: Option<String>,
    /// Files of the training split, relative to `path`; `*` and `?` stand for any text and any character of a file name.
    pub train_split_files: Option<Vec<String>>,
    /// Files of the test split.
    pub test_split_files: Option<Vec<String>>,
    /// Files of the validation split.
    pub valid_split_files: Option<Vec<String>>,
    /// How much of the training split is held out for testing where there is no test split: a fraction, or a number of rows; 0 for none.
    #[arg(default = SplitSize::Fraction(0.2))]
    pub test_split_size: SplitSize,
    /// How much of the remaining rows is held out for validation where there is no validation split.
    #[arg(default = SplitSize::Fraction(0.1))]
    pub valid_split_size: SplitSize,
    /// The seed that decides which rows are held out.
    #[arg(default = 42)]
    pub random_seed: u64,
    /// What is done with a row that cannot be read, or has no text or no label: `refuse` it and compute nothing, or `skip` it and list it beside the output.
    #[arg(default = OnBadRow::Refuse)]
    pub on_bad_row: OnBadRow,
    /// Whether training rows whose texts stand in the validation or test split too are left out of training.
    #[arg(default = false)]
    pub drop_shared_rows: bool,
    /// Columns that are carried into the table of predictions.
    pub extra_cols: Option<Vec<String>>,
    /// A file of labels or other columns for the rows, found by their ids: sequences in FASTA, classes in a table.
    pub label_table: Option<PathBuf>,
    /// The column of ids in `label_table`.
    #[arg(default = "id".to_owned())]
    pub label_table_id: String,
    /// How files are read, where their formats leave it open.
    pub extra_reader_kwargs: Option<ReaderArguments>,
}

impl Source {
    /// The rows of a file, or of a folder of split files, with all other arguments at their defaults.
    pub fn new(path: impl Into<PathBuf>) -> Source {
        Source {
            path: path.into(),
            config_name: None,
            train_split_name: Some("train".to_owned()),
            test_split_name: Some("test".to_owned()),
            valid_split_name: None,
            train_split_files: None,
            test_split_files: None,
            valid_split_files: None,
            test_split_size: SplitSize::Fraction(0.2),
            valid_split_size: SplitSize::Fraction(0.1),
            random_seed: 42,
            on_bad_row: OnBadRow::Refuse,
            drop_shared_rows: false,
            extra_cols: None,
            label_table: None,
            label_table_id: "id".to_owned(),
            extra_reader_kwargs: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.extra_reader_kwargs {
            Some(arguments) => arguments.check(),
            None => Ok(()),
        }
    }
}

/// How rows are put together into batches.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(
    num_workers = "tokenising runs ahead on a thread of its own",
    pin_memory = "batches lie where the device reads them",
    persistent_workers = "tokenising runs ahead on a thread of its own",
    prefetch_factor = "tokenising runs ahead on a thread of its own",
    collate_fn = "a batch is its rows end to end, without padding",
))]
pub struct Batching {
    /// Rows of a batch.
    #[arg(default = 128)]
    pub batch_size: usize,
    /// Tokens of a batch at most; replaces `batch_size`. A row longer than this is a batch of its own.
    pub token_budget: Option<usize>,
    /// Batches within which rows are sorted by length; by default 1 with `batch_size` (no sorting) and 64 with `token_budget`.
    pub batch_window: Option<usize>,
    /// Whether training rows are visited in a new random order in each epoch.
    #[arg(default = true)]
    pub shuffle: bool,
    /// Only null: rows are drawn in random order, or in the order of the file.
    #[arg(default = NoSampler)]
    pub sampler: NoSampler,
}

impl Batching {
    /// What bounds a batch.
    pub fn by(&self) -> BatchBy {
        match self.token_budget {
            Some(tokens) => BatchBy::Tokens(tokens),
            None => BatchBy::Rows(self.batch_size),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let counts = [
            ("batch_size", Some(self.batch_size)),
            ("token_budget", self.token_budget),
            ("batch_window", self.batch_window),
        ];
        match counts.iter().find(|(_, count)| *count == Some(0)) {
            Some((key, _)) => Err(argument(key, "must be at least 1, found 0")),
            None => Ok(()),
        }
    }
}

/// How many rows a split takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SplitSize {
    /// A part of all rows, at least 0 and less than 1, rounded up to whole rows.
    Fraction(f64),
    /// So many rows.
    Rows(usize),
}

impl SplitSize {
    /// The number of rows taken of `n`; may exceed `n` for a fixed count.
    pub fn of(self, n: usize) -> usize {
        match self {
            SplitSize::Fraction(fraction) => (fraction * n as f64).ceil() as usize,
            SplitSize::Rows(rows) => rows,
        }
    }
}

impl FromNode for SplitSize {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, engraft_component::Refusal> {
        let wanted = "a fraction below 1 or a whole number of rows";
        let number = f64::from_node(node, cx).map_err(|_| cx.expected(node, wanted))?;
        if (0.0..1.0).contains(&number) {
            return Ok(SplitSize::Fraction(number));
        }
        usize::from_node(node, cx)
            .map(SplitSize::Rows)
            .map_err(|_| cx.expected(node, wanted))
    }

    fn to_node(&self) -> Node {
        match self {
            SplitSize::Fraction(fraction) => fraction.to_node(),
            SplitSize::Rows(rows) => rows.to_node(),
        }
    }

    fn kind() -> Kind {
        Kind::OneOf(vec![f64::kind(), usize::kind()])
    }
}

/// The only value of an argument that must be null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoSampler;

impl FromNode for NoSampler {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, engraft_component::Refusal> {
        if node.is_null() {
            return Ok(NoSampler);
        }
        let error = cx.error(&node.span, "samplers are not supported");
        Err(error.help("Set it to null; \"shuffle\" decides the order of rows"))
    }

    fn to_node(&self) -> Node {
        Node::null()
    }

    fn kind() -> Kind {
        Kind::Optional(Box::new(Kind::Any))
    }
}
