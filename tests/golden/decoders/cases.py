"""What the golden cases of the causal families are: the sizes of each family's models, and the cases made of them.

Sizes are small and uneven so that a confusion of any two of them shows: fewer key heads than query heads, heads whose
widths together are not the model's, windows shorter than the sequences, epsilons large enough to be seen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from published import (
    bloom_as_published,
    bloom_older,
    falcon_older,
    gemma2_older,
    gemma3_older,
    gemma_older,
    gpt2_as_published,
    gptneox_as_published,
    gptneox_older,
    llama2_as_published,
    phi3_older,
    qwen3_moe_older,
    qwen_older,
    rope_scaling_older,
)
from transformers import (
    BloomConfig,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    OPTConfig,
    Phi3Config,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
    SmolLM3Config,
)

LABEL_NAMES = {0: "low", 1: "middle", 2: "high"}
THREE_LABELS = dict(id2label=LABEL_NAMES, label2id={name: label for label, name in LABEL_NAMES.items()})


@dataclass
class Case:
    """A model to save: the class of the reference library, its config, and how it is written down and run."""

    model: str
    config: PreTrainedConfig
    head: str = "causal_lm"
    dtype: torch.dtype = torch.float32
    shard_size: str = "5GB"
    gradients: bool = False
    # How many ids each prompt of the greedy continuations has.
    prompts: list[int] = field(default_factory=lambda: [1, 5, 12])
    # How far matrices are drawn apart: what a row of one gives for inputs about 1 is this far from 0.
    spread: float = 2.0
    # How far biases and norms are drawn from what they start as. Large ones make what is normed last repeat itself.
    spread_of_vectors: float = 0.3
    attention: str = "eager"
    # Whether experts are stored one by one, as in every published checkpoint, or stacked as version 5 has them.
    published_names: bool = True
    # Gives the saved folder the form that published checkpoints have.
    rewrite: Callable[[Path], None] | None = None
    # The same configuration as versions before 5 wrote it, from the one that version 5 writes.
    older: Callable[[dict], dict] | None = None
    # What is surprising about the model, for `case.json`.
    notes: list[str] = field(default_factory=list)


SPECIAL = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)
SHARED = dict(
    vocab_size=67, hidden_size=32, intermediate_size=38, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-3, **SPECIAL,
)


def rope(theta: float, kind: str = "default", **more) -> dict:
    return dict(rope_type=kind, rope_theta=theta, **more)


def gpt2(**changes) -> GPT2Config:
    sizes = dict(
        vocab_size=67, n_embd=32, n_layer=3, n_head=4, n_inner=50, n_positions=40, layer_norm_epsilon=1e-3,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **SPECIAL,
    )
    return GPT2Config(**sizes | changes)


def llama(**changes) -> LlamaConfig:
    sizes = SHARED | dict(head_dim=10, rope_parameters=rope(700.0))
    return LlamaConfig(**sizes | changes)


def scaled_llama(kind: str, theta: float, **scaling) -> LlamaConfig:
    # Eight frequencies, turning fast enough that each of them differs within 33 tokens.
    changes = dict(num_attention_heads=2, num_key_value_heads=1, head_dim=16)
    if kind == "dynamic":
        # This one counts from max_position_embeddings itself.
        changes["max_position_embeddings"] = 24
    return llama(**changes, rope_parameters=rope(theta, kind, **scaling))


def mistral(**changes) -> MistralConfig:
    sizes = SHARED | dict(head_dim=6, sliding_window=8, rope_parameters=rope(500.0), num_hidden_layers=4)
    return MistralConfig(**sizes | changes)


def qwen2(**changes) -> Qwen2Config:
    sizes = SHARED | dict(
        vocab_size=71, tie_word_embeddings=True, rope_parameters=rope(900.0), use_sliding_window=False,
        max_window_layers=1,
    )
    return Qwen2Config(**sizes | changes)


def qwen3(**changes) -> Qwen3Config:
    sizes = SHARED | dict(head_dim=10, rope_parameters=rope(900.0), use_sliding_window=False, max_window_layers=3)
    return Qwen3Config(**sizes | changes)


def gemma(**changes) -> GemmaConfig:
    sizes = SHARED | dict(head_dim=10, num_key_value_heads=1, rope_parameters=rope(600.0))
    return GemmaConfig(**sizes | changes)


def gemma2(**changes) -> Gemma2Config:
    sizes = SHARED | dict(
        head_dim=6, rope_parameters=rope(600.0), query_pre_attn_scalar=17, sliding_window=8,
        attn_logit_softcapping=1.5, final_logit_softcapping=1.0,
    )
    return Gemma2Config(**sizes | changes)


def gemma3(**changes) -> Gemma3TextConfig:
    sizes = SHARED | dict(
        head_dim=10, num_hidden_layers=4, query_pre_attn_scalar=13, sliding_window=8,
        layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters=dict(sliding_attention=rope(60.0), full_attention=rope(900.0)),
    )
    return Gemma3TextConfig(**sizes | changes)


def smollm3(**changes) -> SmolLM3Config:
    sizes = SHARED | dict(
        num_hidden_layers=4, no_rope_layers=[1, 0, 1, 1], rope_parameters=rope(900.0), use_sliding_window=False,
    )
    return SmolLM3Config(**sizes | changes)


def gptneox(**changes) -> GPTNeoXConfig:
    sizes = dict(
        vocab_size=67, hidden_size=48, num_hidden_layers=3, num_attention_heads=3, intermediate_size=58,
        max_position_embeddings=48, layer_norm_eps=1e-3, rope_parameters=rope(300.0, partial_rotary_factor=0.25),
        **SPECIAL,
    )
    return GPTNeoXConfig(**sizes | changes)


def opt(**changes) -> OPTConfig:
    # 33 positions: the longest sequence uses the last of the 35 rows.
    sizes = dict(
        vocab_size=67, hidden_size=36, num_hidden_layers=3, ffn_dim=50, num_attention_heads=4,
        max_position_embeddings=33, dropout=0.0, pad_token_id=1, bos_token_id=2, eos_token_id=2,
    )
    return OPTConfig(**sizes | changes)


def bloom(**changes) -> BloomConfig:
    sizes = dict(vocab_size=67, hidden_size=36, n_layer=3, n_head=6, layer_norm_epsilon=1e-3, **SPECIAL)
    return BloomConfig(**sizes | changes)


def falcon(**changes) -> FalconConfig:
    sizes = dict(
        vocab_size=67, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, ffn_hidden_size=70,
        max_position_embeddings=64, layer_norm_epsilon=1e-3, rope_parameters=rope(400.0), **SPECIAL,
    )
    return FalconConfig(**sizes | changes)


def phi3(**changes) -> Phi3Config:
    sizes = SHARED | dict(rope_parameters=rope(500.0), original_max_position_embeddings=64, sliding_window=9)
    return Phi3Config(**sizes | changes)


def mixtral(**changes) -> MixtralConfig:
    sizes = SHARED | dict(
        vocab_size=61, head_dim=6, intermediate_size=18, num_local_experts=4, num_experts_per_tok=2,
        rope_parameters=rope(500.0), sliding_window=None,
    )
    return MixtralConfig(**sizes | changes)


def qwen3_moe(**changes) -> Qwen3MoeConfig:
    sizes = SHARED | dict(
        head_dim=6, moe_intermediate_size=14, num_experts=5, num_experts_per_tok=2, decoder_sparse_step=1,
        norm_topk_prob=True, rope_parameters=rope(500.0), mlp_only_layers=[],
    )
    return Qwen3MoeConfig(**sizes | changes)


GPT2 = "GPT2LMHeadModel"
LLAMA = "LlamaForCausalLM"
FALCON = "FalconForCausalLM"
LENGTH_OF_THE_PASS = (
    "the tables of a forward pass depend on its length alone: each greedy step is a whole pass over the prompt and "
    "what was chosen so far, so all keys turn by other angles once the length has grown past the limit"
)

CASES = {
    "gpt2": Case(
        GPT2, gpt2(), gradients=True,
        notes=["weights of linear layers are stored [inputs, outputs]", "c_attn is all queries, all keys, all values"],
    ),
    "gpt2_untied": Case(GPT2, gpt2(tie_word_embeddings=False, n_inner=None, activation_function="gelu")),
    "gpt2_prefixless": Case(
        GPT2, gpt2(n_embd=36), rewrite=gpt2_as_published,
        notes=[
            "names as in the first published file: without `transformer.`",
            "attn.bias and attn.masked_bias are tables of a mask, to be left unread",
        ],
    ),
    "gpt2_layer_scale": Case(
        GPT2, gpt2(scale_attn_by_inverse_layer_idx=True),
        notes=["scores of layer i are divided by i + 1 as well"],
    ),
    "gpt2_classification": Case("GPT2ForSequenceClassification", gpt2(**THREE_LABELS), "classification"),
    "llama": Case(LLAMA, llama(), gradients=True, older=rope_scaling_older),
    "llama_tied_bias": Case(
        LLAMA,
        llama(attention_bias=True, mlp_bias=True, tie_word_embeddings=True, head_dim=None, hidden_act="gelu"),
        notes=["head_dim is hidden_size / num_attention_heads", "q, k, v, o and all three of the mlp have biases"],
    ),
    "llama_bf16": Case(
        LLAMA, llama(hidden_size=40, num_key_value_heads=1), dtype=torch.bfloat16, rewrite=llama2_as_published,
        notes=["stored in bf16, run on what was stored", "self_attn.rotary_emb.inv_freq is stored and takes no part"],
    ),
    "llama_sharded": Case(LLAMA, llama(num_key_value_heads=4, head_dim=6), shard_size="30KB"),
    "llama_classification": Case("LlamaForSequenceClassification", llama(**THREE_LABELS), "classification"),
    "llama_rope_linear": Case(LLAMA, scaled_llama("linear", 100.0, factor=4.0), older=rope_scaling_older),
    "llama_rope_dynamic": Case(
        LLAMA, scaled_llama("dynamic", 100.0, factor=3.0), prompts=[1, 12, 30], older=rope_scaling_older,
        notes=[
            "the base grows with the length of the pass once that is above max_position_embeddings, 24 here: "
            "base * (factor * length / 24 - (factor - 1)) ^ (d / (d - 2)), d the rotated width",
            LENGTH_OF_THE_PASS,
            "the reference keeps the largest base it has seen; here it is made to forget it before each pass",
        ],
    ),
    "llama_rope_yarn": Case(
        LLAMA,
        scaled_llama(
            "yarn", 50.0, factor=64 / 24, original_max_position_embeddings=24, beta_fast=2.0, beta_slow=0.5,
        ),
        older=rope_scaling_older,
        notes=[
            "cosines and sines are scaled by 0.1 ln(factor) + 1",
            "ramp over frequencies 1 to 5: rounded down and up from 1.32 and 4.16",
        ],
    ),
    "llama_rope_yarn_mscale": Case(
        LLAMA,
        scaled_llama(
            "yarn", 50.0, factor=64 / 24, original_max_position_embeddings=24, mscale=1.0, mscale_all_dim=0.4,
            truncate=False,
        ),
        notes=[
            "beta_fast 32 and beta_slow 1 by default, the ramp's ends not rounded: 0 to 2.74",
            "cosines and sines are scaled by (0.1 mscale ln(factor) + 1) / (0.1 mscale_all_dim ln(factor) + 1)",
        ],
    ),
    "llama_rope_llama3": Case(
        LLAMA,
        scaled_llama(
            "llama3", 50.0, factor=8.0, original_max_position_embeddings=24, low_freq_factor=1.0,
            high_freq_factor=3.0,
        ),
        older=rope_scaling_older,
        notes=["frequency 0 is kept, 1 and 2 are blended, the others are divided by the factor"],
    ),
    "llama_rope_longrope": Case(
        LLAMA,
        scaled_llama(
            "longrope", 50.0, factor=64 / 24, original_max_position_embeddings=24,
            short_factor=[1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7],
            long_factor=[1.1, 1.6, 2.2, 3.0, 4.1, 5.3, 6.8, 8.0],
        ),
        prompts=[1, 12, 30],
        notes=[
            "short factors for a pass of at most original_max_position_embeddings tokens, 24 here, long ones above",
            "cosines and sines are scaled by sqrt(1 + ln(factor) / ln(24)) in both",
            LENGTH_OF_THE_PASS,
        ],
    ),
    "mistral": Case(
        "MistralForCausalLM", mistral(), notes=["a query sees itself and the 7 tokens before it: 8 keys at most"],
    ),
    "qwen2": Case(
        "Qwen2ForCausalLM", qwen2(), older=qwen_older,
        notes=["q, k and v have biases and o has none", "use_sliding_window is false: sliding_window is not read"],
    ),
    "qwen2_window": Case(
        "Qwen2ForCausalLM", qwen2(use_sliding_window=True, sliding_window=8, num_hidden_layers=4, max_window_layers=2),
        older=qwen_older,
        notes=["the first max_window_layers layers see everything, those after them 8 keys"],
    ),
    "qwen3": Case(
        "Qwen3ForCausalLM", qwen3(), older=qwen_older, notes=["RMS norms of each query and key head before rotation"],
    ),
    "gemma": Case(
        "GemmaForCausalLM", gemma(), older=gemma_older,
        notes=["norms multiply by 1 + weight", "embeddings times sqrt(hidden_size), the tied head without it"],
    ),
    "gemma2": Case(
        "Gemma2ForCausalLM", gemma2(), gradients=True, older=gemma2_older,
        notes=[
            "layers 0 and 2 see 8 keys, layer 1 all",
            "norms before and after attention and feed-forward; scores are capped before the mask",
        ],
    ),
    "gemma3_text": Case(
        "Gemma3ForCausalLM", gemma3(), older=gemma3_older,
        notes=["two tables of angles, one for each kind of layer", "query and key norms multiply by 1 + weight"],
    ),
    "gemma3_text_linear": Case(
        "Gemma3ForCausalLM",
        gemma3(
            tie_word_embeddings=False, final_logit_softcapping=3.0, layer_types=["full_attention"] * 2,
            num_hidden_layers=2, rope_parameters=dict(
                sliding_attention=rope(60.0), full_attention=rope(90.0, "linear", factor=8.0),
            ),
        ),
        notes=["as the larger models: the whole layers' angles are divided by 8"],
    ),
    "smollm3": Case(
        "SmolLM3ForCausalLM", smollm3(), notes=["layer 1 does not rotate: a 0 in no_rope_layers says so"],
    ),
    "gptneox": Case(
        "GPTNeoXForCausalLM", gptneox(), rewrite=gptneox_as_published, older=gptneox_older,
        notes=[
            "4 of the 16 channels of a head rotate",
            "query_key_value has for each head its query, key and value rows",
            "attention.bias, attention.masked_bias and attention.rotary_emb.inv_freq are stored and take no part",
        ],
    ),
    "gptneox_sequential": Case(
        "GPTNeoXForCausalLM",
        gptneox(
            use_parallel_residual=False, hidden_act="gelu_new", num_attention_heads=4, hidden_size=32,
            rope_parameters=rope(300.0, partial_rotary_factor=0.5), tie_word_embeddings=True,
        ),
    ),
    "opt": Case(
        "OPTForCausalLM", opt(), notes=["position p is row p + 2 of the table", "norm epsilons are 1e-5, with no key"],
    ),
    "opt_post_norm_projection": Case(
        "OPTForCausalLM",
        opt(do_layer_norm_before=False, word_embed_proj_dim=20, activation_function="gelu", hidden_size=40),
        spread=1.0, spread_of_vectors=0.1,
        notes=[
            "norms after each sum and none at the end", "hidden is what project_out gives: as wide as the embeddings",
        ],
    ),
    "opt_no_bias": Case(
        "OPTForCausalLM", opt(enable_bias=False, layer_norm_elementwise_affine=False),
        notes=["no biases in linear layers, norms without weights"],
    ),
    "bloom": Case(
        "BloomForCausalLM", bloom(), spread=3.5, spread_of_vectors=0.1, older=bloom_older,
        notes=[
            "slopes of 6 heads: 2^-2, 2^-4, 2^-6, 2^-8, then 2^-1, 2^-3",
            "slope * key position is added to the scaled scores; a constant in each row does not matter",
            "query_key_value has for each head its query, key and value rows",
        ],
    ),
    "bloom_post_norm_residual": Case(
        "BloomForCausalLM",
        bloom(apply_residual_connection_post_layernorm=True, n_head=4, hidden_size=32, tie_word_embeddings=False),
        spread=1.0, spread_of_vectors=0.1, rewrite=bloom_as_published,
        notes=["what is added is the normalised input", "names as published: without `transformer.`; lm_head apart"],
    ),
    "falcon_rw": Case(
        FALCON, falcon(alibi=True, multi_query=False, parallel_attn=False, bias=True), attention="sdpa",
        notes=[
            "(scores + slope * key position) / sqrt(head width): the slopes are scaled as well",
            "query_key_value has for each head its query, key and value rows",
        ],
    ),
    "falcon_7b": Case(
        FALCON, falcon(ffn_hidden_size=None, hidden_size=40), attention="sdpa",
        notes=["query_key_value: all queries, one key, one value", "one norm for attention and feed-forward"],
    ),
    "falcon_40b": Case(
        FALCON, falcon(new_decoder_architecture=True, num_kv_heads=2, tie_word_embeddings=False), attention="sdpa",
        older=falcon_older,
        notes=["query_key_value: for each key head its two queries, its key, its value", "ln_attn and ln_mlp"],
    ),
    "falcon_11b": Case(
        FALCON, falcon(new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1), attention="sdpa",
        notes=["one input_layernorm for attention and feed-forward"],
    ),
    "phi3": Case(
        "Phi3ForCausalLM", phi3(),
        notes=["qkv_proj: all queries, all keys, all values", "gate_up_proj: gate, then up", "a window of 9 keys"],
    ),
    "phi3_longrope": Case(
        "Phi3ForCausalLM",
        phi3(
            num_attention_heads=2, num_key_value_heads=1, original_max_position_embeddings=24, sliding_window=None,
            rope_parameters=rope(
                50.0, "longrope", partial_rotary_factor=0.75,
                short_factor=[1.0, 1.1, 1.2, 1.3, 1.5, 1.7], long_factor=[1.1, 1.9, 3.0, 4.6, 6.3, 8.0],
            ),
        ),
        prompts=[1, 12, 30], older=phi3_older,
        notes=[
            "12 of the 16 channels of a head rotate",
            "short factors for a pass of at most original_max_position_embeddings tokens, 24 here, long ones above",
            "cosines and sines are scaled by sqrt(1 + ln(64 / 24) / ln(24)) in both",
            LENGTH_OF_THE_PASS,
        ],
    ),
    "mixtral": Case(
        "MixtralForCausalLM", mixtral(), gradients=True,
        notes=["softmax over all experts in f32, the two largest, divided by their sum", "w1 gate, w2 down, w3 up"],
    ),
    "mixtral_window": Case(
        "MixtralForCausalLM", mixtral(sliding_window=8, num_local_experts=3, num_experts_per_tok=1),
        published_names=False,
        notes=["experts stacked as transformers 5 has them: mlp.experts.gate_up_proj, gate rows then up rows"],
    ),
    "qwen3_moe": Case(
        "Qwen3MoeForCausalLM", qwen3_moe(), older=qwen3_moe_older,
        notes=["norm_topk_prob: weights divided by their sum"],
    ),
    "qwen3_moe_dense_mix": Case(
        "Qwen3MoeForCausalLM",
        qwen3_moe(
            norm_topk_prob=False, decoder_sparse_step=2, mlp_only_layers=[3], num_hidden_layers=4,
            num_experts_per_tok=3, attention_bias=True, intermediate_size=26,
        ),
        notes=["experts in layer 1 alone: 0 and 2 by decoder_sparse_step, 3 by mlp_only_layers", "weights as they are"],
    ),
}
