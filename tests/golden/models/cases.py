"""What the golden cases are: for each family the sizes of its models, and the cases that are made of them.

Sizes are small and uneven (widths that are no multiples of each other, more layers than one, more positions than one
family counts from) so that a confusion of any two of them shows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from published import deberta_as_published, esm_as_published, modernbert_as_published
from rnabert import protein_reference
from rnabert import reference as rnabert_reference
from transformers import (
    AlbertConfig,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    EsmConfig,
    ModernBertConfig,
    MT5Config,
    PreTrainedConfig,
    RobertaConfig,
    T5Config,
    UMT5Config,
    XLMRobertaConfig,
)

LABEL_NAMES = {0: "low", 1: "middle", 2: "high"}


@dataclass
class Case:
    """A model to save: the class of the reference library, its config, and how it is written down."""

    model: str
    config: PreTrainedConfig | Callable[[], PreTrainedConfig]
    head: str
    arguments: dict = field(default_factory=dict)
    dtype: torch.dtype = torch.float32
    shard_size: str = "5GB"
    gradients: bool = False
    # Whether names that an older version had are restored on saving, where the library has such.
    older_names: bool = False
    # Gives the saved folder the form that published checkpoints have.
    rewrite: Callable[[Path], None] | None = None
    # What is surprising about the model, for `case.json`.
    notes: list[str] = field(default_factory=list)


def bert(**changes) -> BertConfig:
    sizes = dict(
        vocab_size=61, hidden_size=36, num_hidden_layers=2, num_attention_heads=4, intermediate_size=50,
        max_position_embeddings=40, type_vocab_size=2, pad_token_id=0,
    )
    return BertConfig(**sizes | changes)


def roberta(kind=RobertaConfig, **changes):
    # 35 positions: 33 tokens after the two that the padding index takes, so the longest sequence uses the last one.
    sizes = dict(
        vocab_size=53, hidden_size=30, num_hidden_layers=2, num_attention_heads=3, intermediate_size=44,
        max_position_embeddings=35, type_vocab_size=1, layer_norm_eps=1e-5,
        pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )
    return kind(**sizes | changes)


def distilbert(**changes) -> DistilBertConfig:
    sizes = dict(
        vocab_size=47, dim=40, n_layers=2, n_heads=5, hidden_dim=58, max_position_embeddings=36, pad_token_id=0,
    )
    return DistilBertConfig(**sizes | changes)


def esm(**changes) -> EsmConfig:
    # 36 positions for absolute ones: 34 tokens after the two that the padding id takes.
    sizes = dict(
        vocab_size=41, hidden_size=24, num_hidden_layers=3, num_attention_heads=3, intermediate_size=58,
        max_position_embeddings=36, layer_norm_eps=1e-5, position_embedding_type="rotary", token_dropout=True,
        emb_layer_norm_before=False, pad_token_id=1, mask_token_id=32,
    )
    return EsmConfig(**sizes | changes)


def rnabert(**changes) -> Callable[[], PreTrainedConfig]:
    """Not made until it is wanted: only these cases need the family's package."""
    sizes = dict(
        vocab_size=16, hidden_size=36, num_hidden_layers=3, num_attention_heads=3, intermediate_size=46,
        max_position_embeddings=33,
    )
    return lambda: rnabert_reference().RNABertConfig(**sizes | changes)


def fm4bio(**changes) -> Callable[[], PreTrainedConfig]:
    """As `rnabert`, for AIDO.Protein."""
    sizes = dict(
        vocab_size=51, hidden_size=36, num_hidden_layers=3, num_attention_heads=3, intermediate_size=46,
        max_position_embeddings=33,
    )
    return lambda: protein_reference().FM4BioConfig(**sizes | changes)


def albert(**changes) -> AlbertConfig:
    sizes = dict(
        vocab_size=53, embedding_size=20, hidden_size=36, num_hidden_layers=4, num_attention_heads=3,
        intermediate_size=50, max_position_embeddings=33, pad_token_id=0,
    )
    return AlbertConfig(**sizes | changes)


def electra(**changes) -> ElectraConfig:
    sizes = dict(
        vocab_size=47, embedding_size=20, hidden_size=24, num_hidden_layers=3, num_attention_heads=3,
        intermediate_size=58, max_position_embeddings=33, pad_token_id=0,
    )
    return ElectraConfig(**sizes | changes)


def modernbert(**changes) -> ModernBertConfig:
    # Layers 0 and 3 see the whole sequence, 1 and 2 four tokens to either side.
    sizes = dict(
        vocab_size=51, hidden_size=24, intermediate_size=34, num_hidden_layers=4, num_attention_heads=3,
        max_position_embeddings=33, global_attn_every_n_layers=3, local_attention=8, global_rope_theta=160000.0,
        local_rope_theta=100.0, pad_token_id=0, bos_token_id=1, cls_token_id=1, eos_token_id=2, sep_token_id=2,
    )
    return ModernBertConfig(**sizes | changes)


def deberta_v3(**changes) -> DebertaV2Config:
    # 33 tokens are farther apart than the buckets tell: 8 of them reach to 24, the rest are cut to the last.
    sizes = dict(
        vocab_size=49, hidden_size=24, num_hidden_layers=3, num_attention_heads=3, intermediate_size=58,
        max_position_embeddings=40, max_relative_positions=24, position_buckets=8, relative_attention=True,
        pos_att_type=["p2c", "c2p"], share_att_key=True, norm_rel_ebd="layer_norm", position_biased_input=False,
        type_vocab_size=0, pad_token_id=0,
    )
    return DebertaV2Config(**sizes | changes)


def deberta_v2(**changes) -> DebertaV2Config:
    more = dict(
        conv_kernel_size=3, conv_act="gelu", share_att_key=False, type_vocab_size=2, position_biased_input=True,
        max_position_embeddings=33,
    )
    return deberta_v3(**more | changes)


def t5(kind=T5Config, **changes) -> T5Config:
    # 33 tokens are farther apart than the buckets tell: 8 of them, half for keys behind the query, reach to 12.
    sizes = dict(
        vocab_size=57, d_model=28, d_kv=6, num_heads=3, num_layers=3, d_ff=38, relative_attention_num_buckets=8,
        relative_attention_max_distance=12, feed_forward_proj="gated-gelu", pad_token_id=0,
    )
    return kind(**sizes | changes)


NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
THREE_LABELS = dict(id2label=LABEL_NAMES, label2id={name: label for label, name in LABEL_NAMES.items()})

CASES = {
    "bert_base": Case("BertModel", bert(num_hidden_layers=3, hidden_size=24, num_attention_heads=3), "pooler"),
    "bert_mlm": Case("BertForMaskedLM", bert(max_position_embeddings=33), "masked_lm"),
    "bert_mlm_untied": Case("BertForMaskedLM", bert(hidden_size=28, tie_word_embeddings=False), "masked_lm"),
    "bert_cls": Case(
        "BertForSequenceClassification",
        bert(hidden_size=40, num_attention_heads=5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
             **THREE_LABELS),
        "classification", gradients=True,
    ),
    "bert_relu_odd": Case(
        "BertModel",
        bert(hidden_act="relu", hidden_size=60, num_attention_heads=5, intermediate_size=70, layer_norm_eps=1e-5,
             type_vocab_size=3, vocab_size=90),
        "pooler",
    ),
    "bert_nopooler": Case("BertModel", bert(), "none", arguments=dict(add_pooling_layer=False)),
    "bert_gelu_new": Case("BertModel", bert(hidden_act="gelu_new", num_attention_heads=3), "pooler"),
    "bert_sharded": Case("BertForMaskedLM", bert(hidden_size=32), "masked_lm", shard_size="40KB"),
    "bert_f16": Case("BertModel", bert(), "pooler", dtype=torch.float16),
    "bert_bf16": Case("BertModel", bert(), "pooler", dtype=torch.bfloat16),
    "roberta_base": Case("RobertaModel", roberta(), "pooler"),
    "roberta_mlm": Case(
        "RobertaForMaskedLM",
        roberta(hidden_size=32, num_attention_heads=4, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        "masked_lm", gradients=True,
    ),
    "roberta_cls": Case(
        "RobertaForSequenceClassification",
        roberta(hidden_size=40, num_attention_heads=5, max_position_embeddings=42, **THREE_LABELS),
        "classification",
    ),
    "xlmr_mlm": Case(
        "XLMRobertaForMaskedLM",
        roberta(XLMRobertaConfig, hidden_size=24, num_hidden_layers=3, vocab_size=80),
        "masked_lm",
    ),
    "distilbert_base": Case("DistilBertModel", distilbert(), "none"),
    "distilbert_mlm": Case("DistilBertForMaskedLM", distilbert(dim=36, n_heads=4, n_layers=3), "masked_lm"),
    "distilbert_cls": Case(
        "DistilBertForSequenceClassification", distilbert(max_position_embeddings=33, **THREE_LABELS),
        "classification",
    ),
    "distilbert_sinusoidal": Case("DistilBertModel", distilbert(sinusoidal_pos_embds=True), "none"),
    "distilbert_relu": Case("DistilBertModel", distilbert(activation="relu", dim=30, n_heads=3), "none"),
    "bert_tokens": Case("BertForTokenClassification", bert(hidden_size=24, **THREE_LABELS), "token_classification"),
    "roberta_tokens": Case("RobertaForTokenClassification", roberta(**THREE_LABELS), "token_classification"),
    "xlmr_tokens": Case(
        "XLMRobertaForTokenClassification", roberta(XLMRobertaConfig, hidden_size=24, **THREE_LABELS),
        "token_classification",
    ),
    "distilbert_tokens": Case(
        "DistilBertForTokenClassification", distilbert(dim=30, n_heads=3, **THREE_LABELS), "token_classification",
    ),
    "esm_base": Case("EsmModel", esm(), "pooler"),
    "esm_mlm": Case("EsmForMaskedLM", esm(hidden_size=30, **NO_DROPOUT), "masked_lm", gradients=True),
    "esm_mlm_published": Case(
        "EsmForMaskedLM", esm(hidden_size=36, intermediate_size=50), "masked_lm", rewrite=esm_as_published,
        notes=[
            "names and tensors as in the checkpoints of ESM-2 that people have",
            "inv_freq is stored once per layer and rounded, as the models were trained with it (released ones to f16, "
            "here to bf16): the stored values count, not those that follow from rope_theta",
            "position_embeddings.weight, position_ids and contact_head are stored and take no part",
        ],
    ),
    "esm_older_names": Case(
        "EsmForMaskedLM", esm(num_hidden_layers=2), "masked_lm", older_names=True,
        notes=[
            "what `save_pretrained` of transformers 5.23 writes for ESM without being asked: norms are named gamma and "
            "beta, and the one inv_freq has an asterisk in its name",
        ],
    ),
    "esm_cls": Case("EsmForSequenceClassification", esm(**THREE_LABELS), "classification"),
    "esm_tokens": Case(
        "EsmForTokenClassification", esm(num_attention_heads=4, **THREE_LABELS), "token_classification",
    ),
    "esm_no_token_dropout": Case(
        "EsmForMaskedLM", esm(token_dropout=False, tie_word_embeddings=False), "masked_lm",
        notes=["mask tokens keep their embedding and nothing is rescaled", "the decoder is not tied"],
    ),
    "esm_absolute": Case(
        "EsmModel",
        esm(position_embedding_type="absolute", emb_layer_norm_before=True, num_attention_heads=2),
        "none", arguments=dict(add_pooling_layer=False),
        notes=[
            "as ESM-1b: positions count from pad_token_id + 1 and are added after the rescaling, "
            "then comes embeddings.layer_norm",
        ],
    ),
    "rnabert_base": Case("RNABertModel", rnabert(), "none", notes=["RMS norms, rotary over whole heads, biases"]),
    "rnabert_layernorm": Case(
        "RNABertModel", rnabert(normalization_type="LayerNorm", rotary_percent=0.5), "none",
        notes=["layer norms; the first 6 of the 12 channels of a head rotate"],
    ),
    "rnabert_odd_rotary": Case(
        "RNABertModel", rnabert(hidden_size=30, rotary_percent=0.5, num_hidden_layers=2), "none",
        notes=["10 channels a head, half of them 5: three frequencies 10000^(-2k/5), so 6 channels rotate"],
    ),
    "rnabert_absolute": Case(
        "RNABertModel",
        rnabert(position_embedding_type="absolute", add_linear_bias=False, layer_norm_eps=1e-3), "none",
        notes=["a position table and no rotation, no linear biases inside the layers"],
    ),
    "rnabert_mlm": Case("RNABertForMaskedLM", rnabert(hidden_size=24), "masked_lm", gradients=True),
    "rnabert_mlm_no_bias": Case(
        "RNABertForMaskedLM", rnabert(add_linear_bias=False, normalization_type="LayerNorm"), "masked_lm",
        notes=["the head's dense layer and decoder keep their biases"],
    ),
    "rnabert_cls": Case("RNABertForSequenceClassification", rnabert(**THREE_LABELS), "classification"),
    "rnabert_cls_wide": Case(
        "RNABertForSequenceClassification",
        rnabert(hidden_size=132, num_hidden_layers=1, intermediate_size=20, **THREE_LABELS), "classification",
        dtype=torch.bfloat16, notes=["wider than 128, so the head's dense layer halves the width"],
    ),
    "rnabert_tokens": Case("RNABertForTokenClassification", rnabert(**THREE_LABELS), "token_classification"),
    "fm4bio_base": Case(
        "FM4BioModel", fm4bio(rotary_percent=0.5), "none",
        notes=["one layer to gate and values, the values first; half of a head's channels rotate"],
    ),
    "fm4bio_absolute": Case(
        "FM4BioModel",
        fm4bio(
            position_embedding_type="absolute", add_linear_bias=False, hidden_act="geglu", layer_norm_eps=1e-3,
            num_hidden_layers=2,
        ),
        "none", notes=["a position table, no linear biases inside the layers, GELU in the gate"],
    ),
    "fm4bio_mlm": Case("FM4BioForMaskedLM", fm4bio(hidden_size=24, num_hidden_layers=2), "masked_lm", gradients=True),
    "fm4bio_experts": Case(
        "FM4BioForMaskedLM",
        fm4bio(
            hidden_size=24, num_hidden_layers=2, intermediate_size=22, moe=True, num_experts=3, experts_per_token=2,
            use_lm_head=False, tie_word_embeddings=False,
        ),
        "masked_lm", gradients=True,
        notes=["each token passes two of three experts, which have biases", "the head is one matrix, output_embed"],
    ),
    "fm4bio_experts_no_bias": Case(
        "FM4BioForMaskedLM",
        fm4bio(
            hidden_size=30, num_hidden_layers=2, intermediate_size=20, moe=True, num_experts=5, experts_per_token=3,
            add_linear_bias=False, hidden_act="geglu", normalization_type="LayerNorm",
        ),
        "masked_lm", notes=["GELU in the experts' gates, a tied head"],
    ),
    "fm4bio_post_norm": Case(
        "FM4BioForMaskedLM",
        fm4bio(
            apply_residual_connection_post_layernorm=True, normalization_type="LayerNorm", intermediate_size=30,
            hidden_size=30,
        ),
        "masked_lm", notes=["what is added to is the normalised states times the root of twice the layers"],
    ),
    "fm4bio_structures": Case(
        "FM4BioModel",
        fm4bio(
            position_embedding_type="rope_2d", str_embedding_in=10, hidden_size=48, num_hidden_layers=2,
            apply_residual_connection_post_layernorm=True,
        ),
        "none",
        notes=[
            "two rotations side by side, of which the second stands still for a sequence alone",
            "structured_hidden is with the vectors `structures` beside the tokens, hidden without",
        ],
    ),
    "fm4bio_structure_tokens": Case(
        "FM4BioForMaskedLM",
        fm4bio(output_vocab_size=37, use_lm_head=False, tie_word_embeddings=False, num_hidden_layers=2),
        "masked_lm", notes=["37 structure tokens come out, 51 residues and other tokens go in"],
    ),
    "fm4bio_cls": Case(
        "FM4BioForSequenceClassification", fm4bio(num_hidden_layers=2, **THREE_LABELS), "classification",
        notes=["dense, tanh and projection on the mean of all tokens"],
    ),
    "fm4bio_tokens": Case(
        "FM4BioForTokenClassification", fm4bio(num_hidden_layers=2, **THREE_LABELS), "token_classification",
        notes=["the dense layer has 128 units whatever the model's width"],
    ),
    "t5_base": Case(
        "T5EncoderModel", t5(feed_forward_proj="relu", num_heads=5), "none",
        notes=["scores are not scaled; distances have values in the first layer, for all"],
    ),
    "t5_gated": Case("T5EncoderModel", t5(layer_norm_epsilon=1e-3), "none", notes=["GELU by the hyperbolic tangent gates"]),
    "t5_whole": Case(
        "T5ForConditionalGeneration", t5(num_layers=2, num_decoder_layers=1), "none",
        notes=["the whole model is stored, and the encoder alone is read"],
    ),
    "t5_tokens": Case(
        "T5ForTokenClassification", t5(dropout_rate=0.0, **THREE_LABELS), "token_classification", gradients=True,
    ),
    "mt5_base": Case("MT5EncoderModel", t5(MT5Config, num_layers=2, d_ff=46), "none"),
    "umt5_base": Case(
        "UMT5EncoderModel", t5(UMT5Config, num_layers=2), "none", notes=["every layer has values of distances"],
    ),
    "albert_base": Case("AlbertModel", albert(), "pooler", notes=["one layer, applied four times"]),
    "albert_mlm": Case(
        "AlbertForMaskedLM", albert(num_hidden_groups=2, hidden_act="relu"), "masked_lm",
        notes=["layers 0 and 1 are of group 0, layers 2 and 3 of group 1", "the head's activation is hidden_act"],
    ),
    "albert_cls": Case(
        "AlbertForSequenceClassification",
        albert(num_hidden_groups=2, inner_group_num=2, hidden_size=24, classifier_dropout_prob=0.0, **THREE_LABELS),
        "classification", gradients=True,
        notes=["eight layers are run: groups 0, 0, 1, 1, each of two layers", "each weight's gradient has two terms"],
    ),
    "albert_tokens": Case(
        "AlbertForTokenClassification", albert(num_hidden_groups=3, hidden_size=24, **THREE_LABELS),
        "token_classification", notes=["layers are of the groups 0, 0, 1, 2"],
    ),
    "electra_base": Case("ElectraModel", electra(), "none"),
    "electra_one_width": Case(
        "ElectraModel", electra(embedding_size=24), "none", notes=["no embeddings_project where the widths agree"],
    ),
    "electra_mlm": Case(
        "ElectraForMaskedLM", electra(hidden_act="relu"), "masked_lm",
        notes=["the head's activation is GELU whatever hidden_act says"],
    ),
    "electra_cls": Case(
        "ElectraForSequenceClassification", electra(hidden_act="relu", **THREE_LABELS), "classification",
        notes=["the head's activation is GELU whatever hidden_act says"],
    ),
    "electra_tokens": Case("ElectraForTokenClassification", electra(**THREE_LABELS), "token_classification"),
    "electra_discriminator": Case(
        "ElectraForPreTraining", electra(hidden_act="relu"), "discriminator",
        notes=["one logit per token: positive where the token was replaced", "the head's activation is hidden_act"],
    ),
    "modernbert_base": Case(
        "ModernBertModel", modernbert(), "none", rewrite=modernbert_as_published,
        notes=[
            "config.json as published: global_attn_every_n_layers and two rope_thetas",
            "layer 0 has no attn_norm: its input is the normalised embeddings",
            "layers whose number is no multiple of 3 see tokens at a distance of at most local_attention // 2",
            "norms have no biases; Wqkv is all queries, all keys, all values; in Wi the first half is activated",
        ],
    ),
    "modernbert_mlm": Case(
        "ModernBertForMaskedLM",
        modernbert(norm_bias=True, mlp_bias=True, attention_bias=True, classifier_bias=True), "masked_lm",
        notes=["config.json as transformers 5 writes it: layer_types and rope_parameters", "every bias there can be"],
    ),
    "modernbert_mlm_no_bias": Case(
        "ModernBertForMaskedLM",
        modernbert(
            decoder_bias=False, tie_word_embeddings=False, local_attention=7, global_attn_every_n_layers=2,
            hidden_activation="gelu_pytorch_tanh", classifier_activation="silu",
        ),
        "masked_lm", rewrite=modernbert_as_published,
        notes=["no decoder.bias, a decoder of its own", "an odd window: 7 // 2, so three tokens to either side"],
    ),
    "modernbert_cls": Case(
        "ModernBertForSequenceClassification", modernbert(**THREE_LABELS), "classification", gradients=True,
        notes=["dense, GELU and norm on the first token, then the classifier"],
    ),
    "modernbert_cls_mean": Case(
        "ModernBertForSequenceClassification",
        modernbert(
            classifier_pooling="mean", classifier_bias=True, norm_bias=True, classifier_activation="relu",
            **THREE_LABELS,
        ),
        "classification", rewrite=modernbert_as_published, notes=["the mean is taken before the head"],
    ),
    "modernbert_tokens": Case(
        "ModernBertForTokenClassification", modernbert(mlp_bias=True, **THREE_LABELS), "token_classification",
        notes=["the head stands before the classifier here too"],
    ),
    "deberta_v3_base": Case(
        "DebertaV2Model", deberta_v3(), "none",
        notes=["no positions at the input; queries and keys of positions by the layer's own projections"],
    ),
    "deberta_v3_mlm": Case(
        "DebertaV2ForMaskedLM", deberta_v3(), "masked_lm",
        notes=["the head that `legacy: true` means: cls.predictions"],
    ),
    "deberta_v3_mlm_own_head": Case(
        "DebertaV2ForMaskedLM", deberta_v3(legacy=False, max_relative_positions=-1), "masked_lm",
        notes=[
            "`legacy: false`: lm_predictions.lm_head, tied to the embeddings without a name for it",
            "max_relative_positions -1 stands for max_position_embeddings",
        ],
    ),
    "deberta_v3_cls": Case(
        "DebertaV2ForSequenceClassification", deberta_v3(pooler_hidden_act="gelu", **NO_DROPOUT, **THREE_LABELS),
        "classification", gradients=True,
        notes=["the pooler is beside the encoder: pooler.dense, GELU", "projections have gradients by two ways"],
    ),
    "deberta_v3_tokens": Case(
        "DebertaV2ForTokenClassification", deberta_v3(**THREE_LABELS), "token_classification",
    ),
    "deberta_v2_mlm": Case(
        "DebertaV2ForMaskedLM", deberta_v2(), "masked_lm",
        notes=[
            "projections of their own for positions, token types, positions at the input",
            "after layer 0: norm(its output + gelu(convolution of the embeddings))",
        ],
    ),
    "deberta_v2_shared": Case(
        "DebertaV2ForSequenceClassification",
        deberta_v2(
            share_att_key=True, conv_kernel_size=5, conv_act="tanh", pooler_hidden_act="tanh",
            position_biased_input=False, **THREE_LABELS,
        ),
        "classification", rewrite=deberta_as_published,
        notes=["config.json as published: pos_att_type is one text"],
    ),
    "deberta_v2_embedding_size": Case(
        "DebertaV2ForMaskedLM", deberta_v2(embedding_size=18, conv_kernel_size=0), "masked_lm",
        notes=["embed_proj without a bias, before the norm; the head comes back to the embeddings' width"],
    ),
    "deberta_v2_no_buckets": Case(
        "DebertaV2Model",
        deberta_v2(
            position_buckets=-1, max_relative_positions=12, pos_att_type=["c2p"], norm_rel_ebd="none",
            conv_kernel_size=0, type_vocab_size=3,
        ),
        "none", notes=["distances themselves, cut at 12; scores are scaled by 1 / sqrt(2 d)"],
    ),
    "deberta_v2_position_to_content": Case(
        "DebertaV2Model", deberta_v2(pos_att_type=["p2c"], position_buckets=6, conv_kernel_size=0), "none",
    ),
    "deberta_v2_absolute": Case(
        "DebertaV2Model", deberta_v2(relative_attention=False, pos_att_type=None), "none",
        notes=["no relative positions at all: scores are scaled by 1 / sqrt(d); encoder.LayerNorm is there unused"],
    ),
}
