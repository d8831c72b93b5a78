//! Whether each pair of letters of a sequence belongs together, such as residues in contact, by binary cross-entropy.

use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::{Choice, Component};
use engraft_data::{Cell, Compat, TokenUnit};
use engraft_models::{BoxedHead, Mode, PairAdapter, PairTargets};

use crate::backbone::BackboneSlot;
use crate::building::TrainingRows;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::learned::Learned;
use crate::loss::rows_of;
use crate::metrics::{MetricError, TopPairs};
use crate::network::Network;
use crate::objective::{Basis, Labelled, Learns, Loss, Objective, Reading, TaskArguments};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput, sigmoid};
use crate::pairs::{SplitPairs, check_multiplier, check_own_head, predict, score, weights};
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};

/// Says of each pair of letters of a sequence, or of words of a text, whether they belong together.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.PairwiseTokenClassification")]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    n_classes = "a pair belongs together or not, which is one logit"
))]
pub struct PairwiseTokenClassification {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head on both letters of a pair.
    #[arg(default = PairAdapter::default())]
    pub adapter: PairAdapter,
    /// How many hidden states the adapter reads at once, which it decides itself: 1 of MLPAdapterWithoutOutConcat, 2 of the others.
    pub adapter_dim_multiplier: Option<usize>,
    /// Only false: heads on pairs of the checkpoint's own kind are not read.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
    /// Weigh pairs that belong together and pairs that do not as the data module's `class_weight` says, else by pairs / (those of the class x 2), counted on the training labels.
    #[arg(default = false)]
    pub weighted_loss: bool,
    /// `mgen`: as ModelGenerator does, divide by the pairs that are asked for where a row has fewer, so that short rows can never score 1.
    pub compat: Option<Compat>,
}

/// What labels it takes, in words.
const PAIRS: &str =
    "pairs of letters that belong together (TokenClassificationDataModule with pairwise: true)";

impl TaskArguments for PairwiseTokenClassification {
    /// The probability of each pair that it belongs together, `[letters][letters]`; not a number for words without a token.
    type Prediction = Vec<Vec<f32>>;
    /// The first of two outputs is neither used nor learned there.
    const TAKES_LAST_OUTPUT: bool = true;
    const DATA_MODULE: &'static str = "TokenClassificationDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: PairAdapter::default(),
            adapter_dim_multiplier: None,
            use_legacy_adapter: false,
            weighted_loss: false,
            compat: None,
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        Ok(Arc::new(Pairs::new(self, basis)?))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        loading.pair_adapter(&self.adapter)
    }

    fn prediction(_objective: &dyn Objective, output: RowOutput) -> Vec<Vec<f32>> {
        let probabilities = |row: &[f32]| row.iter().copied().map(sigmoid).collect();
        output.vectors().map(probabilities).collect()
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn compat_mut(&mut self) -> Option<&mut Option<Compat>> {
        Some(&mut self.compat)
    }

    fn uses_checkpoint_head(&self) -> bool {
        false
    }

    fn check(&self) -> Result<()> {
        check_own_head(self.use_legacy_adapter)?;
        let own = self.adapter.width();
        check_multiplier(self.adapter_dim_multiplier, self.adapter.name(), own)?;
        Ok(self.adapter.check()?)
    }
}

/// Yes or no for each pair of letters or words.
#[derive(Clone, Debug)]
struct Pairs {
    /// Whether weights are counted where the data does not give them.
    is_weighted: bool,
    /// What a pair weighs that does not belong together, and one that does, where they weigh differently.
    weights: Option<[f32; 2]>,
    /// What pairs are of, whichever it was trained on.
    unit: Option<TokenUnit>,
    /// Whose rules scores follow.
    compat: Option<Compat>,
}

impl Pairs {
    fn new(task: &PairwiseTokenClassification, basis: &Basis<'_>) -> Result<Self> {
        let fresh = Self {
            is_weighted: task.weighted_loss,
            weights: None,
            unit: None,
            compat: task.compat,
        };
        if let Some(learned) = basis.learned {
            let weights = learned.weights(2).map_err(Error::Saved)?;
            return Ok(Self {
                weights: weights.first_chunk().copied(),
                unit: learned.unit(),
                ..fresh
            });
        }
        match basis.train {
            Some(train) => fresh.informed(train),
            None => Ok(fresh),
        }
    }

    /// The same with what training rows say.
    fn informed(&self, train: TrainingRows<'_>) -> Result<Self> {
        let labels = train.examples.labels.as_ref();
        let pairs = labels.map(|labels| SplitPairs::of(labels, PAIRS));
        Ok(Self {
            weights: weights(train, self.is_weighted)?,
            unit: pairs.transpose()?.map(|pairs| pairs.unit),
            ..self.clone()
        })
    }
}

impl Objective for Pairs {
    fn reads_alignments(&self) -> bool {
        true
    }

    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        predict(network, &rows)
    }

    fn outputs(&self) -> usize {
        1
    }

    fn reading(&self) -> Reading {
        Reading::Units(self.unit)
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn weighs_classes(&self) -> bool {
        true
    }

    fn check_weights(&self, train: TrainingRows<'_>) -> Result<()> {
        let wanted = weights(train, self.is_weighted)?;
        if wanted == self.weights {
            return Ok(());
        }
        let said = |weights: Option<[f32; 2]>| match weights {
            None => "the same".to_owned(),
            Some([no, yes]) => format!("{no} and {yes}"),
        };
        Err(Error::refused(
            "data.class_weight",
            format!(
                "the run was begun with pairs that weigh {}, and cannot go on with {}; give the same class_weight and rows",
                said(self.weights),
                said(wanted)
            ),
        ))
    }

    fn informed_by(&self, train: TrainingRows<'_>) -> Result<Option<Arc<dyn Objective>>> {
        Ok(Some(Arc::new(self.informed(train)?)))
    }

    fn learned(&self) -> Learned {
        Learned {
            words: self.unit.map(|unit| unit == TokenUnit::Word),
            class_weights: self.weights.map(|weights| weights.map(f64::from).to_vec()),
            ..Learned::default()
        }
    }

    fn grain(&self) -> Grain {
        Grain::Pair
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        vec!["prediction".to_owned()]
    }

    /// The pairs of different letters that rather belong together than not, as such labels are read.
    fn cells(&self, _form: Form, output: &RowOutput) -> Vec<Cell> {
        let rows = output.vectors().enumerate();
        let pairs = rows.flat_map(|(row, logits)| {
            let later = logits.iter().enumerate().skip(row + 1);
            let likely = later.filter(|(_, logit)| **logit > 0.0);
            likely.map(move |(column, _)| Cell::from(vec![row as i64, column as i64]))
        });
        vec![Cell::List(pairs.collect())]
    }

    fn has_largest(&self) -> bool {
        false
    }
}

impl Learns for Pairs {
    type Targets = SplitPairs;
    type BatchTargets = PairTargets;
    type Metrics = TopPairs;

    fn targets(&self, rows: &Labelled<'_>) -> Result<SplitPairs> {
        SplitPairs::of(rows.labels()?, PAIRS)
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
        _draws: Draws,
    ) -> (Inputs, PairTargets) {
        let weights = self.weights.unwrap_or([1.0; 2]);
        targets.collate(numbers, &rows, weights, true)
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &PairTargets, mode: Mode) -> Loss {
        let (sum, outputs) = network.pair_losses(inputs, targets, mode);
        Loss {
            sum,
            weight: targets.weight_of_all(),
            outputs,
        }
    }

    fn metrics(&self) -> TopPairs {
        match self.compat {
            None => TopPairs::default(),
            Some(Compat::Mgen) => TopPairs::of_all_asked_for(),
        }
    }

    fn score(
        &self,
        metrics: &mut TopPairs,
        outputs: Tensor<2>,
        targets: &PairTargets,
        _observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        let (logits, _) = rows_of(outputs);
        score(metrics, &logits, targets);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
