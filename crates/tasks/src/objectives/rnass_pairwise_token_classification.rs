//! Which bases of an RNA pair: its secondary structure, pseudoknots included, by binary cross-entropy on pairs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use burn::tensor::Tensor;
use engraft_component::{Choice, Component};
use engraft_data::{Cell, Labels, PairRow, TokenUnit};
use engraft_models::{BoxedHead, Mode, PairAdapter, PairTargets, ResNet2DAdapter, RunFile};
use engraft_text::Tokenizer;

use crate::backbone::BackboneSlot;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::learned::Learned;
use crate::loss::rows_of;
use crate::metrics::{MetricError, Structures};
use crate::network::Network;
use crate::objective::{Basis, Labelled, Learns, Loss, Objective, Reading, TaskArguments};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput};
use crate::pairs::{SplitPairs, check_multiplier, check_own_head, planes, predict};
use crate::preset::OfRun;
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};
use crate::structure::{Comparison, bases, likeliest, rule_out};

/// The probability from which on pairs are taken until it is tuned.
const UNTUNED: f64 = 0.5;

/// Predicts the secondary structure of an RNA.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.rna_ss.rna_ss_task.RNASSPairwiseTokenClassification")]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    n_classes = "bases pair or do not, which is one logit"
))]
pub struct RNASSPairwiseTokenClassification {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head on both bases of a pair.
    #[arg(default = PairAdapter::from(ResNet2DAdapter::default()))]
    pub adapter: PairAdapter,
    /// How many hidden states the adapter reads at once, which it decides itself: 1 of MLPAdapterWithoutOutConcat, 2 of the others.
    pub adapter_dim_multiplier: Option<usize>,
    /// The probability from which on pairs are taken is tuned on the validation rows of every so many epochs, the first included; 0 for never.
    #[arg(default = 1)]
    pub tune_threshold_every_n_epoch: u64,
    /// Only false: heads on pairs of the checkpoint's own kind are not read.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
}

/// What labels it takes, in words.
const STRUCTURES: &str = "structures (the data module RNASSPairwiseTokenClassification)";

impl TaskArguments for RNASSPairwiseTokenClassification {
    /// The structure in brackets.
    type Prediction = String;
    const DATA_MODULE: &'static str = "RNASSPairwiseTokenClassification";

    fn of_run(&self, run: &RunFile, _labels: Option<&Labels>) -> Result<OfRun> {
        let threshold = run.threshold();
        let unsaid = || {
            format!(
                "{} has no threshold, so pairs are taken from 0.5 on",
                run.name()
            )
        };
        Ok(OfRun {
            learned: Some(Learned {
                threshold,
                ..Learned::default()
            }),
            taken: threshold.map(|threshold| format!("the threshold {threshold}")),
            note: threshold.is_none().then(unsaid),
        })
    }

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: ResNet2DAdapter::default().into(),
            adapter_dim_multiplier: None,
            tune_threshold_every_n_epoch: 1,
            use_legacy_adapter: false,
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        if let Some(labels) = basis.labels() {
            SplitPairs::of(labels, STRUCTURES)?;
        }
        let threshold = basis.learned.and_then(|learned| learned.threshold);
        Ok(Arc::new(Structure {
            tokenizer: basis.tokenizer.clone(),
            every: self.tune_threshold_every_n_epoch,
            threshold: AtomicU64::new(threshold.unwrap_or(UNTUNED).to_bits()),
            tunes: AtomicBool::new(false),
        }))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        loading.pair_adapter(&self.adapter)
    }

    fn prediction(objective: &dyn Objective, output: RowOutput) -> String {
        let mut cells = objective.cells(Form::Values, &output);
        cells
            .pop()
            .map_or_else(String::new, |cell| cell.to_string())
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn uses_checkpoint_head(&self) -> bool {
        false
    }

    fn predicts_structures(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        check_own_head(self.use_legacy_adapter)?;
        let own = self.adapter.width();
        check_multiplier(self.adapter_dim_multiplier, self.adapter.name(), own)?;
        Ok(self.adapter.check()?)
    }
}

/// A structure for each row.
#[derive(Debug)]
struct Structure {
    /// Says which base a token is.
    tokenizer: Tokenizer,
    /// The threshold is tuned in every so many epochs, if in any.
    every: u64,
    /// The probability from which on pairs are taken, as its bits. It is what validation decides while training goes on, and kept with the model.
    threshold: AtomicU64,
    /// Whether the rows that are scored now decide it.
    tunes: AtomicBool,
}

impl Structure {
    fn threshold(&self) -> f64 {
        f64::from_bits(self.threshold.load(Ordering::Relaxed))
    }

    fn set_threshold(&self, threshold: f64) {
        self.threshold.store(threshold.to_bits(), Ordering::Relaxed);
    }
}

/// What the pairs of the rows of a batch are to be.
struct Batch {
    pairs: PairTargets,
    /// The bases of each row.
    bases: Vec<Vec<u8>>,
    /// Rows to learn from are not scored.
    is_scored: bool,
}

impl Objective for Structure {
    /// Logits of pairs that are possible; of others minus infinity.
    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        let mut outputs = predict(network, &rows);
        for output in &mut outputs {
            if let Some(row) = rows.get(output.row) {
                rule_out(&mut output.values, &bases(row, &self.tokenizer));
            }
        }
        outputs
    }

    fn outputs(&self) -> usize {
        1
    }

    fn reading(&self) -> Reading {
        Reading::Units(Some(TokenUnit::Letter))
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn validating(&self, epoch: u64) {
        let tunes = self.every > 0 && epoch.is_multiple_of(self.every);
        self.tunes.store(tunes, Ordering::Relaxed);
    }

    fn validated(&self, scores: &[(String, f64)]) {
        if self.tunes.swap(false, Ordering::Relaxed)
            && let Some((_, threshold)) = scores.iter().find(|(name, _)| name == "thresh")
            && threshold.is_finite()
        {
            self.set_threshold(*threshold);
        }
    }

    fn relearn(&self, learned: &Learned) {
        if let Some(threshold) = learned.threshold {
            self.set_threshold(threshold);
        }
    }

    fn learned(&self) -> Learned {
        Learned {
            threshold: Some(self.threshold()),
            ..Learned::default()
        }
    }

    fn grain(&self) -> Grain {
        Grain::Pair
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        vec!["structure".to_owned()]
    }

    fn structure(&self, output: &RowOutput) -> Option<PairRow> {
        let length = output.shape.first().copied().unwrap_or(0);
        let pairs = likeliest(&output.values, length, self.threshold());
        PairRow::new(length, pairs.into_iter().map(|(pair, _)| pair)).ok()
    }

    /// The structure in brackets, or as a list of pairs where there are too few kinds of these; either is read again.
    fn cells(&self, _form: Form, output: &RowOutput) -> Vec<Cell> {
        let structure = self.structure(output);
        let cell = structure.map(|row| row.brackets().map_or_else(|| row.list(), Cell::from));
        vec![cell.unwrap_or(Cell::Missing)]
    }

    fn has_largest(&self) -> bool {
        false
    }
}

impl Learns for Structure {
    type Targets = SplitPairs;
    type BatchTargets = Batch;
    type Metrics = Structures;

    fn targets(&self, rows: &Labelled<'_>) -> Result<SplitPairs> {
        let pairs = SplitPairs::of(rows.labels()?, STRUCTURES)?;
        if pairs.unit == TokenUnit::Word {
            return Err(Error::plain(
                "the data has texts of words, but structures are of sequences of letters",
            ));
        }
        Ok(pairs)
    }

    fn digest(&self, targets: &SplitPairs, eat: &mut dyn FnMut(&[u8])) {
        targets.digest(eat);
    }

    fn unit(&self, targets: &SplitPairs) -> Option<TokenUnit> {
        Some(targets.unit)
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &SplitPairs,
        draws: Draws,
    ) -> (Inputs, Batch) {
        let (inputs, pairs) = targets.collate(numbers, &rows, [1.0; 2], false);
        let of_row = |row: &EncodedRow| bases(row, &self.tokenizer);
        let batch = Batch {
            pairs,
            bases: rows.iter().map(of_row).collect(),
            is_scored: draws == Draws::Fixed,
        };
        (inputs, batch)
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Batch, mode: Mode) -> Loss {
        let (sum, outputs) = network.pair_losses(inputs, &targets.pairs, mode);
        Loss {
            sum,
            weight: targets.pairs.weight_of_all(),
            outputs,
        }
    }

    fn metrics(&self) -> Structures {
        Structures::new(self.threshold(), self.tunes.load(Ordering::Relaxed))
    }

    fn score(
        &self,
        metrics: &mut Structures,
        outputs: Tensor<2>,
        targets: &Batch,
        _observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        if !targets.is_scored {
            return Ok(());
        }
        let (logits, _) = rows_of(outputs);
        let rows = planes(&logits, &targets.pairs).zip(&targets.bases);
        for ((plane, logits), bases) in rows {
            let mut logits = logits.to_vec();
            rule_out(&mut logits, bases);
            let predicted = likeliest(&logits, plane.length, metrics.least());
            metrics.update(&predicted, &Comparison::new(&predicted, plane));
        }
        Ok(())
    }
}
