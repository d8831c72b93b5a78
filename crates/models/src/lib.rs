//! The one transformer, the families that are data for it, and the heads that stand on it.
//!
//! [`Checkpoint`] opens a preset, reads its `config.json` by the rules of its [`Family`], and builds the parts that a task asks for: the
//! [`Transformer`], the checkpoint's own heads ([`MaskedLmHead`], [`ClassifierHead`], [`Pooler`]) or an [`Adapter`]. Activations are
//! `[tokens, hidden]`, the sequences of a [`TokenBatch`] laid end to end.

mod adapted;
mod adapters;
mod aligned;
mod attention;
mod batch;
mod checkpoint;
mod compute;
mod conditional;
mod config;
mod convolution;
mod embeddings;
mod encoded_cache;
mod encoder_attention;
mod error;
mod expert_lora;
mod experts;
mod families;
mod fingerprint;
mod fusion;
mod head;
mod heads;
mod initial;
mod json;
mod key_value_cache;
mod layers;
mod linears;
mod load;
mod lora;
mod mode;
mod names;
mod overwrites;
mod own_code;
mod pairs;
mod peft;
mod relative;
mod rotary;
mod rounded;
mod run_file;
mod save;
mod sinusoids;
mod tied;
mod towers;
mod transformer;

pub use adapted::LoraOrigin;
pub use adapters::{
    ActivationLayer, Adapter, AdapterHead, EncoderLayers, LinearAdapter, LinearCLSAdapter,
    LinearLastAdapter, LinearMaxPoolAdapter, LinearMeanPoolAdapter, LinearTransformerAdapter,
    MLPAdapter, MLPPoolAdapter, MlpLayers, Pooling, ResNet1DAdapter, ResNet1d, ResidualBlock,
    TokenAdapter, TokenStage,
};
pub use aligned::{AlignedTokens, AlignmentPosition, Structures};
pub use attention::{DistanceProjections, QueryKeyValue, SelfAttention, Separate};
pub use batch::{PackedTokens, TokenBatch};
pub use checkpoint::Checkpoint;
pub use compute::Compute;
pub use conditional::{ConditionalAdapter, ConditionalLMAdapter, ConditionalLmHead, TokenDecoder};
pub use config::{
    Activation, Alibi, CausalLmConfig, ClassifierConfig, Convolution, DecoderConfig, DecoderStart,
    DenseConfig, DistanceBias, DropoutConfig, EmbeddingConfig, EmbeddingProjection, Experts,
    FeedForwardKind, Fusion, MaskedLmConfig, ModelConfig, NormConfig, NormKind, NormOrder,
    PositionTable, PositionVectors, Relative, ScoreBuckets, Sharing, Sinusoids, TransformerConfig,
};
pub use convolution::TokenConvolution;
pub use embeddings::Embeddings;
pub use encoded_cache::EncodedCache;
pub use encoder_attention::{Encoded, EncoderAttention};
pub use error::{Error, Result, refuse};
pub use expert_lora::ExpertLora;
pub use experts::{ExpertLayer, ExpertLinear, ExpertWeights};
pub use families::{Family, LoraDefaults, families};
pub use fusion::{
    Concat, ConcatFusion, CrossAttention, CrossAttentionFusion, CrossAttentionLayer, FusionAdapter,
    FusionHead, FusionLayers, MMFusionSeqAdapter, MMFusionTokenAdapter, ModalityFusion,
};
pub use head::{BoxedHead, Head, HeadInput, TowerStates};
pub use heads::{CausalLmHead, ClassifierHead, Dense, MaskedLmHead, Pooler};
pub use initial::Initial;
pub use key_value_cache::{KeyValueCache, SlotCopy};
pub use layers::{Embedding, Linear, Norm};
pub use lora::{Lora, LoraRule};
pub use mode::Mode;
pub use names::{HeadKind, ParameterPath, parameters};
pub use pairs::{
    Convolution as PairConvolution, MLPAdapterWithoutOutConcat, PairAdapter, PairBlock, PairMlp,
    PairResNet, PairTargets, Plane, ResNet2DAdapter,
};
pub use peft::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, LoraSettings, PeftFolder, base_notes, base_of};
pub use relative::RelativePositions;
pub use rotary::{Rotary, RotaryScaling, Yarn};
pub use rounded::rounded;
pub use run_file::{HeadUse, RunFile};
pub use save::{NamedTensor, Problem};
pub use towers::{DECODER, ENCODER, TOWERS, Tower, Towers};
pub use transformer::{FeedForward, FeedForwardLayer, Kept, Layer, Transformer};
