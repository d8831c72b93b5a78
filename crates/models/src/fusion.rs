//! Heads on the hidden states of several backbones, as ModelGenerator fuses them.

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_component::{Choice, Component, Refusal};
use engraft_kernels::{Attention, Segments, attention};

use crate::adapters::{
    Adapter, AdapterHead, LinearCLSAdapter, MLPAdapter, Pooling, TokenAdapter, check_width,
};
use crate::head::{Head, HeadInput, TowerStates};
use crate::initial::Initial;
use crate::layers::Linear;
use crate::mode::Mode;

/// A head on the hidden states of several backbones.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = MMFusionTokenAdapter)]
pub enum FusionAdapter {
    /// What is pooled of each backbone, side by side, then several layers.
    MMFusionTokenAdapter(MMFusionTokenAdapter),
    /// The first backbone's tokens, which have seen those of the others, then a layer on what is pooled of them.
    MMFusionSeqAdapter(MMFusionSeqAdapter),
}

/// Layers on one vector of all backbones.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.adapters.MMFusionTokenAdapter")]
pub struct MMFusionTokenAdapter {
    /// How the backbones become one vector: by ConcatFusion.
    #[arg(default = ConcatFusion::default().into())]
    pub fusion: ModalityFusion,
    /// The layers on it.
    #[arg(default = MLPAdapter::default().into())]
    pub adapter: TokenAdapter,
}

/// A head on the first backbone's tokens, which have seen those of the others.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.adapters.MMFusionSeqAdapter")]
pub struct MMFusionSeqAdapter {
    /// How they see them: by CrossAttentionFusion.
    #[arg(default = CrossAttentionFusion::default().into())]
    pub fusion: ModalityFusion,
    /// The head on them.
    #[arg(default = LinearCLSAdapter {}.into())]
    pub adapter: Adapter,
}

/// How the hidden states of several backbones become those of one.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(kind = "fusion")]
pub enum ModalityFusion {
    /// The first backbone's tokens attend to those of each other in turn.
    CrossAttentionFusion(CrossAttentionFusion),
    /// What is pooled of each backbone, side by side.
    ConcatFusion(ConcatFusion),
}

/// The first backbone's tokens attend to those of each other in turn, and what they see is added to them.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.adapters.CrossAttentionFusion")]
pub struct CrossAttentionFusion {
    /// Heads of the attention; they divide the width of the first backbone's hidden states.
    #[arg(default = 16)]
    pub num_attention_heads: usize,
}

/// What is pooled of each backbone, each by a linear layer of its own, side by side.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.adapters.ConcatFusion")]
pub struct ConcatFusion {
    /// What each backbone becomes.
    #[arg(default = 512)]
    pub project_size: usize,
    /// What is pooled: `mean_pooling`, `cls_pooling`, `max_pooling`, `last_pooling`, `mean_sqrt_len_pooling` or `weighted_mean_pooling`.
    #[arg(default = Pooling::Mean)]
    pub pooling: Pooling,
}

impl FusionAdapter {
    /// Refuses arguments that no model can have.
    ///
    /// # Errors
    /// A fusion that gives not what the adapter takes, a width of zero, a dropout outside `[0, 1)`.
    pub fn check(&self) -> crate::Result<()> {
        let misfit = |name: &str, fusion: &str, found: &str| -> crate::Result<()> {
            let problem = format!("{name} takes what {fusion} gives, not what {found} does");
            let refusal = Refusal::of("model.adapter.fusion", problem);
            Err(refusal.help(format!("Give {fusion}")).into())
        };
        match self {
            Self::MMFusionTokenAdapter(it) => match &it.fusion {
                ModalityFusion::CrossAttentionFusion(_) => misfit(
                    "MMFusionTokenAdapter",
                    "ConcatFusion",
                    "CrossAttentionFusion",
                ),
                ModalityFusion::ConcatFusion(concat) => {
                    check_width("fusion.project_size", concat.project_size)?;
                    it.adapter.check()
                }
            },
            Self::MMFusionSeqAdapter(it) => match &it.fusion {
                ModalityFusion::ConcatFusion(_) => {
                    misfit("MMFusionSeqAdapter", "CrossAttentionFusion", "ConcatFusion")
                }
                ModalityFusion::CrossAttentionFusion(attention) => {
                    check_width("fusion.num_attention_heads", attention.num_attention_heads)?;
                    it.adapter.check()
                }
            },
        }
    }

    /// Refuses backbones of whose hidden states it can make nothing; `width` is that of the first.
    ///
    /// # Errors
    /// The heads of its attention do not divide the width.
    pub fn check_on(&self, width: usize) -> crate::Result<()> {
        let Self::MMFusionSeqAdapter(MMFusionSeqAdapter {
            fusion: ModalityFusion::CrossAttentionFusion(fusion),
            adapter,
        }) = self
        else {
            return Ok(());
        };
        let heads = fusion.num_attention_heads;
        if width.is_multiple_of(heads) {
            return adapter.check_on(width);
        }
        let divisors = (1..=width.min(64)).filter(|heads| width.is_multiple_of(*heads));
        let divisors: Vec<String> = divisors.map(|heads| heads.to_string()).collect();
        let key = "model.adapter.fusion.num_attention_heads";
        let problem = format!(
            "{heads} heads do not divide the {width} of the first backbone's hidden states"
        );
        let help = format!("Give one of {}", divisors.join(", "));
        Err(Refusal::of(key, problem).help(help).into())
    }

    /// The head from hidden states of these widths, one for each backbone, to `outputs`, with fresh weights.
    pub fn build(&self, widths: &[usize], outputs: usize, initial: &Initial) -> FusionHead {
        let first = widths.first().copied().unwrap_or(0);
        let fusion = match self {
            Self::MMFusionTokenAdapter(it) => &it.fusion,
            Self::MMFusionSeqAdapter(it) => &it.fusion,
        };
        let draws = initial.at(0);
        let (fusion, width) = match fusion {
            ModalityFusion::CrossAttentionFusion(it) => {
                let others = widths.get(1..).unwrap_or_default();
                let fusion = CrossAttention::new(first, others, it.num_attention_heads, &draws);
                (FusionLayers::CrossAttention(fusion), first)
            }
            ModalityFusion::ConcatFusion(it) => {
                let fusion = Concat::new(widths, it, &draws);
                (FusionLayers::Concat(fusion), it.project_size * widths.len())
            }
        };
        let draws = initial.at(1);
        let adapter = match self {
            Self::MMFusionTokenAdapter(it) => it.adapter.build(width, outputs, &draws),
            Self::MMFusionSeqAdapter(it) => it.adapter.build(width, outputs, &draws),
        };
        FusionHead { fusion, adapter }
    }
}

/// A [`FusionAdapter`] with its parameters.
#[derive(Module, Debug)]
pub struct FusionHead {
    /// Hidden states of all backbones to those of one.
    pub fusion: FusionLayers,
    /// These to outputs.
    pub adapter: AdapterHead,
}

/// A [`ModalityFusion`] with its parameters.
#[derive(Module, Debug)]
pub enum FusionLayers {
    /// Attention of the first backbone's tokens to those of others.
    CrossAttention(CrossAttention),
    /// Pooled vectors side by side.
    Concat(Concat),
}

/// Attention of one backbone's tokens to those of others.
#[derive(Module, Debug)]
pub struct CrossAttention {
    /// One for each of the others.
    pub layers: Vec<CrossAttentionLayer>,
    #[module(skip)]
    heads: usize,
}

/// Attention to the tokens of another backbone.
#[derive(Module, Debug)]
pub struct CrossAttentionLayer {
    /// The first backbone's width to itself.
    pub query: Linear,
    /// The other's width to the first's.
    pub key: Linear,
    /// The same.
    pub value: Linear,
    /// Heads back to the first backbone's width.
    pub dense: Linear,
}

/// A linear layer for what is pooled of each backbone.
#[derive(Module, Debug)]
pub struct Concat {
    /// One for each backbone.
    pub projections: Vec<Linear>,
    #[module(skip)]
    pooling: Pooling,
}

impl CrossAttention {
    fn new(width: usize, others: &[usize], heads: usize, initial: &Initial) -> Self {
        let layer = |(&other, initial): (&usize, Initial)| {
            let linear = |input, part| Linear::uniform([input, width], true, &initial.at(part));
            CrossAttentionLayer {
                query: linear(width, 0),
                key: linear(other, 1),
                value: linear(other, 2),
                dense: linear(width, 3),
            }
        };
        let draws = (0..).map(|part| initial.at(part));
        Self {
            layers: others.iter().zip(draws).map(layer).collect(),
            heads,
        }
    }

    /// `[tokens, width]` to the same.
    fn forward(
        &self,
        hidden: Tensor<2>,
        segments: &Segments,
        others: &[TowerStates],
        mode: Mode,
    ) -> Tensor<2> {
        let layers = self.layers.iter().zip(others);
        layers.fold(hidden, |hidden, (layer, other)| {
            let size = hidden.dims()[1] / self.heads.max(1);
            let scale = 1.0 / (size as f32).sqrt();
            let call = Attention {
                key_segments: other.tokens.segments.clone(),
                ..Attention::new(segments.clone(), self.heads, scale)
            };
            let query = layer.query.forward(hidden.clone(), mode);
            let key = layer.key.forward(other.hidden.clone(), mode);
            let value = layer.value.forward(other.hidden.clone(), mode);
            let seen = attention(query, key, value, None, call);
            hidden + layer.dense.forward(seen, mode)
        })
    }
}

impl Concat {
    fn new(widths: &[usize], settings: &ConcatFusion, initial: &Initial) -> Self {
        let size = settings.project_size;
        let linear = |(&width, part)| Linear::uniform([width, size], true, &initial.at(part));
        Self {
            projections: widths.iter().zip(0..).map(linear).collect(),
            pooling: settings.pooling,
        }
    }

    /// `[sequences, project_size * backbones]`.
    fn forward(&self, input: HeadInput<'_>, mode: Mode) -> Tensor<2> {
        let first = self.pooling.apply(input.hidden, input.tokens);
        let others = input.others.iter();
        let others = others.map(|it| self.pooling.apply(it.hidden.clone(), &it.tokens));
        let pooled = std::iter::once(first).chain(others);
        let projected = self.projections.iter().zip(pooled);
        let projected = projected.map(|(linear, pooled)| linear.forward(pooled, mode));
        Tensor::cat(projected.collect(), 1)
    }
}

impl Head for FusionHead {
    fn forward(&self, input: HeadInput<'_>, mode: Mode) -> Tensor<2> {
        match &self.fusion {
            FusionLayers::CrossAttention(fusion) => {
                let HeadInput {
                    hidden,
                    tokens,
                    others,
                    ..
                } = input;
                let fused = fusion.forward(hidden, &tokens.segments, others, mode);
                self.adapter.forward(fused, tokens, mode)
            }
            FusionLayers::Concat(fusion) => {
                let fused = fusion.forward(input, mode);
                self.adapter.after_pooling(fused, mode)
            }
        }
    }
}
