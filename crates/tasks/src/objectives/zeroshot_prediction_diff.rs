//! What a masked language model thinks of a variant: how likely it is where it stands, beside the reference (Meier et al., NeurIPS 2021).
//!
//! Where a variant differs, tokens are masked, all of them at once: `score = sum over them of log(P[variant] / P[reference])`. Both are
//! probabilities of one softmax, so the logarithm of their ratio is the difference of the logits.

use std::collections::HashMap;
use std::sync::Arc;

use engraft_component::Component;
use engraft_models::{BoxedHead, Checkpoint, PackedTokens};

use crate::backbone::BackboneSlot;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::masking::MaskTokens;
use crate::network::Network;
use crate::objective::{Basis, Comparison, Objective, TaskArguments};
use crate::output::{Grain, RowOutput};
use crate::rows::EncodedRow;
use crate::variants::{Measure, Variants};

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
        let mask = MaskTokens::of(basis.tokenizer, "scoring a variant")?.mask;
        Ok(Arc::new(Variants(LogRatio { mask })))
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

impl Measure for LogRatio {
    type Row = Replaced;
    const SCORES: &'static [[&'static str; 3]] = &[["AUROC", "AUPRC", "spearman"]];

    fn comparison(&self) -> Comparison {
        Comparison {
            check,
            shares_reference: false,
        }
    }

    /// The sequences of rows with what differs masked, each of them once: the variants of one letter have one between them.
    fn inputs(&self, rows: Vec<EncodedRow>) -> (Inputs, Vec<Replaced>) {
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

    fn measured(&self, network: &Network, inputs: &Inputs, rows: &[Replaced]) -> Vec<Vec<f32>> {
        let outputs = network.predict(inputs, Grain::Token, 0);
        let score = |row: &Replaced| {
            let sites = outputs.get(row.sequence).into_iter();
            let sites = sites.flat_map(RowOutput::vectors).zip(&row.tokens);
            let ratios = sites.map(|(logits, ids)| {
                let [reference, variant] =
                    ids.map(|id| f64::from(logits.get(id as usize).copied().unwrap_or(f32::NAN)));
                variant - reference
            });
            vec![ratios.sum::<f64>() as f32]
        };
        rows.iter().map(score).collect()
    }

    fn columns(&self) -> Vec<String> {
        vec!["score".to_owned()]
    }
}

#[cfg(test)]
mod tests;
