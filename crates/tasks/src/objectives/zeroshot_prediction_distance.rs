//! How far a variant moves what a backbone makes of a sequence: distances between mean hidden states of both.
//!
//! Of the tokens that are no special ones, hidden states are averaged for the reference, `a`, and for the variant, `b`. Then
//! `L1 = sum |a - b|`, `L2 = sqrt(sum (a - b)^2)` and `cosine = 1 - a . b / (|a| |b|)`: the larger, the more differs. Layer 0 is the
//! embedding, the last one what the backbone gives.

use std::collections::HashMap;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use engraft_component::Component;
use engraft_data::Compat;
use engraft_kernels::{Segments, gather_rows, segment_mean};
use engraft_models::{BoxedHead, Head, HeadInput, HeadKind, Mode, PackedTokens, TokenBatch};
use engraft_text::Encoding;

use crate::backbone::BackboneSlot;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::{Inputs, Sites, TOKENS_AT_ONCE};
use crate::metrics::Scored;
use crate::network::Network;
use crate::objective::{Basis, Comparison, Objective, TaskArguments};
use crate::output::RowOutput;
use crate::rows::{EncodedRow, ordinary_or_all};
use crate::variants::{Measure, Variants};

/// Measures variants without training: how far each moves the mean hidden state of its sequence.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.ZeroshotPredictionDistance")]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "hidden states are compared, without a head"
))]
pub struct ZeroshotPredictionDistance {
    /// The pretrained encoder or decoder.
    pub backbone: BackboneSlot,
    /// Measure after every layer, the embedding as layer 0, instead of after the last alone.
    #[arg(default = false)]
    pub all_hidden_states: bool,
    /// Whether all rows have one reference, that of the first; a row with another is refused. Each reference is computed once for the rows of a batch in any case.
    #[arg(default = false)]
    pub shared_ref: bool,
    /// `mgen`: with `all_hidden_states`, number layers in scores as ModelGenerator does: the embedding is 1, and the last has no score.
    pub compat: Option<Compat>,
}

impl TaskArguments for ZeroshotPredictionDistance {
    /// L1, L2 and cosine distance, after each layer that is measured.
    type Prediction = Vec<Vec<f32>>;
    const LEARNS: bool = false;
    const SCORES: bool = true;
    const COMPARES: bool = true;
    const DATA_MODULE: &'static str = "ZeroshotClassificationRetrieveDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            all_hidden_states: false,
            shared_ref: false,
            compat: None,
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        let layers = basis.checkpoint.config().transformer.layers;
        Ok(Arc::new(Variants(Distances {
            layers: self.all_hidden_states.then_some(layers + 1),
            shares_reference: self.shared_ref,
            compat: self.compat,
        })))
    }

    fn head(&self, _loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        Ok(BoxedHead::new(NoHead {}))
    }

    fn prediction(_objective: &dyn Objective, output: RowOutput) -> Vec<Vec<f32>> {
        let layers = output.values.chunks_exact(MEASURES.len());
        layers.map(<[f32]>::to_vec).collect()
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
        if self.backbone.backbone().cache.enable_cache {
            Err(Error::refused(
                "model.backbone.enable_cache",
                "hidden states of variants are compared as they are computed, and none is kept; remove it",
            ))
        } else {
            Ok(())
        }
    }
}

/// What is measured between two mean hidden states.
const MEASURES: [&str; 3] = ["L1", "L2", "cosine"];

/// In place of a head.
#[derive(Module, Debug)]
struct NoHead {}

impl Head for NoHead {
    fn forward(&self, input: HeadInput<'_>, _mode: Mode) -> Tensor<2> {
        input.hidden
    }

    fn kind(&self) -> HeadKind {
        HeadKind::None
    }
}

/// Nothing is wrong with any two sequences.
fn check(_row: &EncodedRow, _texts: [&str; 2]) -> std::result::Result<(), String> {
    Ok(())
}

/// Distances between mean hidden states.
#[derive(Debug)]
struct Distances {
    /// How many layers are measured, the embedding among them; none for the last alone.
    layers: Option<usize>,
    shares_reference: bool,
    /// Whose numbers of layers scores have.
    compat: Option<Compat>,
}

/// Which sequences are a row's reference and variant.
type Pair = [usize; 2];

impl Distances {
    /// The mean hidden states of each sequence, one for each layer that is measured.
    fn means(&self, network: &Network, inputs: &Inputs) -> Vec<Vec<Vec<f32>>> {
        let mut means = Vec::new();
        for part in inputs.parts(TOKENS_AT_ONCE) {
            let (Some(packed), Sites::Tokens { at, of_row }) = (part.first(), &part.sites) else {
                continue;
            };
            let (encoder, device) = (network.encoder(), network.device());
            let batch = TokenBatch::new(packed, encoder.config(), &device);
            let rows: Vec<i32> = at.iter().map(|&row| row as i32).collect();
            let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [at.len()]), &device);
            let segments = Segments::from_lengths(of_row.iter().copied());
            let mean = |states: Tensor<2>| {
                segment_mean(gather_rows(states, rows.clone()), segments.clone())
            };
            let mut layers: Vec<Tensor<2>> = Vec::new();
            let last = encoder.forward_seen(&batch, None, Mode::Evaluate, &mut |name, states| {
                // The norm after the last layer belongs to it.
                if self.layers.is_some() && name != "norm" {
                    layers.push(mean(states.clone()));
                }
            });
            // The last layer is what the backbone gives.
            layers.pop();
            layers.push(mean(last));
            let layers = layers.into_iter().map(|layer| {
                let width = layer.dims()[1].max(1);
                let values: Vec<f32> = layer.into_data().iter::<f32>().collect();
                values.chunks_exact(width).map(<[f32]>::to_vec).collect()
            });
            let layers: Vec<Vec<Vec<f32>>> = layers.collect();
            means.extend((0..of_row.len()).map(|row| {
                let layers = layers.iter();
                layers.map(|rows| rows[row].clone()).collect::<Vec<_>>()
            }));
        }
        means
    }
}

/// L1, L2 and cosine distance, computed in `f64` and rounded once.
fn distances(a: &[f32], b: &[f32]) -> [f32; 3] {
    let pairs = || {
        let pairs = a.iter().zip(b);
        pairs.map(|(&a, &b)| (f64::from(a), f64::from(b)))
    };
    let absolute: f64 = pairs().map(|(a, b)| (a - b).abs()).sum();
    let squared: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
    let product: f64 = pairs().map(|(a, b)| a * b).sum();
    let lengths = pairs().fold((0.0, 0.0), |(own, other), (a, b)| {
        (own + a * a, other + b * b)
    });
    // The floor that PyTorch's cosine similarity has.
    let scale = (lengths.0 * lengths.1).sqrt().max(1e-8);
    [absolute, squared.sqrt(), 1.0 - product / scale].map(|distance| distance as f32)
}

impl Measure for Distances {
    type Row = Pair;
    const SCORES: &'static [[&'static str; 3]] = &[
        ["L1_AUROC", "L1_AUPRC", "L1_spearman"],
        ["L2_AUROC", "L2_AUPRC", "L2_spearman"],
        ["cosine_AUROC", "cosine_AUPRC", "cosine_spearman"],
    ];

    fn layers(&self) -> usize {
        self.layers.unwrap_or(1)
    }

    fn scored(&self) -> Scored {
        let layers = self.layers();
        match self.compat {
            Some(Compat::Mgen) if layers > 1 => Scored {
                layers: layers - 1,
                first: 1,
            },
            _ => Scored { layers, first: 0 },
        }
    }

    fn comparison(&self) -> Comparison {
        Comparison {
            check,
            shares_reference: self.shares_reference,
        }
    }

    /// The sequences of rows, each of them once, with their ordinary tokens as sites.
    fn inputs(&self, rows: Vec<EncodedRow>) -> (Inputs, Vec<Pair>) {
        let mut numbers: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut sequences: Vec<(Vec<usize>, PackedTokens)> = Vec::new();
        let mut number = |encoding: Encoding| {
            *numbers.entry(encoding.ids.clone()).or_insert_with(|| {
                let mut tokens = PackedTokens::default();
                tokens.push(&encoding.ids, &encoding.type_ids);
                sequences.push((ordinary_or_all(&encoding), tokens));
                sequences.len() - 1
            })
        };
        let pairs = rows.into_iter().map(|row| {
            let variant = row.variant.unwrap_or_default();
            [number(row.encoding), number(variant)]
        });
        let pairs = pairs.collect();
        (Inputs::at(sequences), pairs)
    }

    fn measured(&self, network: &Network, inputs: &Inputs, pairs: &[Pair]) -> Vec<Vec<f32>> {
        let means = self.means(network, inputs);
        let of = |pair: &Pair| {
            let [reference, variant] = pair.map(|sequence| means[sequence].iter());
            let layers = reference.zip(variant);
            layers.flat_map(|(a, b)| distances(a, b)).collect()
        };
        pairs.iter().map(of).collect()
    }

    fn columns(&self) -> Vec<String> {
        match self.layers {
            None => MEASURES.map(str::to_owned).to_vec(),
            Some(layers) => (0..layers)
                .flat_map(|layer| MEASURES.map(|measure| format!("{measure}_layer_{layer}")))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
