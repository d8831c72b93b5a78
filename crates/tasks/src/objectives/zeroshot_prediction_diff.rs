//! What a masked language model thinks of a variant: how likely it is where it stands, beside the reference (Meier et al., NeurIPS 2021).
//!
//! Where a variant differs, tokens are masked, all of them at once: `score = sum over them of log(P[variant] / P[reference])`. Both are
//! probabilities of one softmax, so the logarithm of their ratio is the difference of the logits.

use std::collections::HashMap;
use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::Component;
use engraft_data::Cell;
use engraft_models::{BoxedHead, Checkpoint, Mode, PackedTokens};

use crate::backbone::BackboneSlot;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::metrics::{MetricError, VariantEffects};
use crate::network::Network;
use crate::objective::{
    Basis, Comparison, Labelled, Learns, Loss, Objective, Reading, TaskArguments,
};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput, number};
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};
use crate::variants;

/// Scores variants without training: the logarithm of how much likelier than the reference a masked language model takes a variant to be.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.ZeroshotPredictionDiff")]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "the checkpoint's own head is always used"
))]
pub struct ZeroshotPredictionDiff {
    /// The pretrained encoder, with its masked-LM head.
    pub backbone: BackboneSlot,
}

impl TaskArguments for ZeroshotPredictionDiff {
    /// The score; below 0 if the reference is likelier.
    type Prediction = f32;
    const LEARNS: bool = false;
    const SCORES: bool = true;
    const COMPARES: bool = true;
    const DATA_MODULE: &'static str = "ZeroshotClassificationRetrieveDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self { backbone }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        let mask = basis.tokenizer.special_ids().mask.ok_or_else(|| {
            Error::plain("the tokenizer has no mask token, which scoring a variant needs")
        })?;
        Ok(Arc::new(LogRatio { mask }))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        let loading = HeadLoading {
            required: true,
            ..*loading
        };
        loading.masked_lm()
    }

    fn prediction(_objective: &dyn Objective, output: RowOutput) -> f32 {
        output.values.first().copied().unwrap_or(f32::NAN)
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        if !checkpoint.config().transformer.causal {
            return Ok(());
        }
        Err(Error::refused(
            "model",
            format!(
                "ZeroshotPredictionDiff masks what differs and reads it from both sides, but {} is a decoder ({}), which sees what comes before alone; ZeroshotPredictionDistance compares hidden states of any backbone",
                checkpoint.preset().name(),
                checkpoint.family()
            ),
        ))
    }
}

/// What is wrong with a reference and its variant, where they cannot be compared letter by letter.
fn check(row: &EncodedRow, texts: [&str; 2]) -> std::result::Result<(), String> {
    let advice = "ZeroshotPredictionDiff compares letter by letter, so letters may be replaced but neither put in nor left out; ZeroshotPredictionDistance takes such variants";
    let [reference, variant] = texts.map(|text| text.chars().count());
    if reference != variant {
        return Err(format!(
            "the reference has {reference} letters and its variant {variant}: {advice}"
        ));
    }
    let empty = Vec::new();
    let reference = &row.encoding.ids;
    let variant = row.variant.as_ref().map_or(&empty, |it| &it.ids);
    if reference.len() != variant.len() {
        return Err(format!(
            "the tokenizer makes {} tokens of the reference and {} of its variant: {advice}, and so does a backbone with a vocabulary of letters",
            reference.len(),
            variant.len()
        ));
    }
    if row.cut && texts[0] != texts[1] && reference == variant {
        return Err("what differs lies beyond the tokens that model.backbone.max_length keeps: give more of them, or sequences with less around it".to_owned());
    }
    Ok(())
}

/// The logarithm of a ratio of probabilities.
#[derive(Debug)]
struct LogRatio {
    /// The id that stands for what is to be told.
    mask: u32,
}

/// What is compared of a row.
#[derive(Debug)]
struct Replaced {
    /// Which of the masked sequences is its own.
    sequence: usize,
    /// The ids of the reference and of the variant where they differ, in their order.
    tokens: Vec<[u32; 2]>,
}

impl LogRatio {
    /// The sequences of rows with what differs masked, each of them once: the variants of one letter have one between them.
    fn masked(&self, rows: Vec<EncodedRow>) -> (Inputs, Vec<Replaced>) {
        let mut numbers: HashMap<(Vec<u32>, Vec<usize>), usize> = HashMap::new();
        let mut sequences: Vec<(Vec<usize>, PackedTokens)> = Vec::new();
        let replaced = rows.into_iter().map(|mut row| {
            let variant = row.variant.take().unwrap_or_default().ids;
            let pairs = row.encoding.ids.iter().zip(&variant).enumerate();
            let (mut sites, tokens): (Vec<usize>, Vec<[u32; 2]>) = pairs
                .filter(|(_, (reference, variant))| reference != variant)
                .map(|(at, (&reference, &variant))| (at, [reference, variant]))
                .unzip();
            for &site in &sites {
                row.encoding.ids[site] = self.mask;
            }
            // A sequence is computed even if nothing differs: a batch without sites would not be scored.
            if sites.is_empty() {
                sites.push(0);
            }
            let key = (row.encoding.ids.clone(), sites.clone());
            let sequence = *numbers.entry(key).or_insert_with(|| {
                sequences.push((sites, row.tokens()));
                sequences.len() - 1
            });
            Replaced { sequence, tokens }
        });
        let replaced = replaced.collect();
        (Inputs::at(sequences), replaced)
    }

    /// The score of each row.
    fn scores(network: &Network, inputs: &Inputs, rows: &[Replaced]) -> Vec<f32> {
        let outputs = network.predict(inputs, Grain::Token, 0);
        let score = |row: &Replaced| {
            let sites = outputs.get(row.sequence).into_iter();
            let sites = sites.flat_map(RowOutput::vectors).zip(&row.tokens);
            let ratios = sites.map(|(logits, ids)| {
                let [reference, variant] =
                    ids.map(|id| f64::from(logits.get(id as usize).copied().unwrap_or(f32::NAN)));
                variant - reference
            });
            ratios.sum::<f64>() as f32
        };
        rows.iter().map(score).collect()
    }
}

impl Objective for LogRatio {
    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        let (inputs, rows) = self.masked(rows);
        let scores = Self::scores(network, &inputs, &rows).into_iter();
        let outputs = scores.enumerate().map(|(row, score)| RowOutput {
            row,
            shape: vec![1],
            values: vec![score],
        });
        outputs.collect()
    }

    fn reading(&self) -> Reading {
        Reading::Variants(Comparison {
            check,
            shares_reference: false,
        })
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn grain(&self) -> Grain {
        Grain::Row
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        vec!["score".to_owned()]
    }

    fn cells(&self, _form: Form, output: &RowOutput) -> Vec<Cell> {
        output.values.iter().map(|&score| number(score)).collect()
    }

    fn has_largest(&self) -> bool {
        false
    }
}

impl Learns for LogRatio {
    /// What is known of each variant.
    type Targets = Vec<f32>;
    type BatchTargets = (Vec<Replaced>, Vec<f32>);
    type Metrics = VariantEffects;

    fn targets(&self, rows: &Labelled<'_>) -> Result<Vec<f32>> {
        variants::effects(rows)
    }

    fn digest(&self, targets: &Vec<f32>, eat: &mut dyn FnMut(&[u8])) {
        variants::digest(targets, eat);
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Vec<f32>,
        _draws: Draws,
    ) -> (Inputs, Self::BatchTargets) {
        let (inputs, replaced) = self.masked(rows);
        let effects = numbers.iter().map(|&number| targets[number]).collect();
        (inputs, (replaced, effects))
    }

    fn loss(
        &self,
        network: &Network,
        inputs: &Inputs,
        (rows, _): &Self::BatchTargets,
        _mode: Mode,
    ) -> Loss {
        variants::scored(Self::scores(network, inputs, rows), 1, network)
    }

    fn metrics(&self) -> VariantEffects {
        VariantEffects::new(&[["AUROC", "AUPRC", "spearman"]], 1)
    }

    fn score(
        &self,
        metrics: &mut VariantEffects,
        outputs: Tensor<2>,
        (_, effects): &Self::BatchTargets,
        _observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        variants::score(metrics, outputs, effects)
    }
}

#[cfg(test)]
mod tests;
