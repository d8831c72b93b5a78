"""The cases: what KerasHub builds of each, and what it reads."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keras_hub.src.utils.keras_utils import gelu_approximate
from variants import old_style
from vocabularies import RULES, byte_pairs, proteins, sentence_pieces, word_pieces

TEXTS = [
    "The cat doesn't sit: it runs, 1234567 times!",
    "Déjà vu à l'hôtel — naïve façade",
    "自然言語処理は楽しい",
    "I ❤️ 🦀 and 👩‍👩‍👧",
    "Ok!",
    "two  spaces\nand a newline",
]
PAIRS = [
    ("I run", "the cat sits"),
    ("The cat runs and runs; it sits again", "two lines, and a space"),
]
# What encoder-decoders write for the texts.
SHORT = ["It sits.", "déjà vu", "自然", "🦀", "", "a  line\n", "I run"]
# A protein's letters have to stand apart, or it is one unknown word.
PROTEINS = [
    "M K T V R Q E R L K S I V", "G A V", "MKTVRQ", "S U Z B O X W Y . P H - N", "A", "M K\nT  J v", "G <mask> L",
]


@dataclass
class Case:
    # A class of `keras_hub.models`.
    model: str
    # Arguments of its backbone, except the size of the vocabulary; of its tokenizer, preprocessor and of itself.
    backbone: dict[str, Any]
    tokenizer: Callable[[], dict[str, Any]]
    preprocessor: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    # A special token, to be written in a text.
    special: str = ""
    # Arguments of the backbone that a preset does not tell.
    untold: dict[str, Any] = field(default_factory=dict)
    texts: list[str] = field(default_factory=lambda: TEXTS)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    decoder_texts: list[str] | None = None
    # Another case of which it has the weights; arguments of `save_to_preset`; what is done before and after.
    drawn_as: str = ""
    save: dict[str, Any] = field(default_factory=dict)
    quantize: str = ""
    rewrite: Callable[[Path], None] | None = None

    def all_texts(self) -> list[str]:
        return self.texts + ([f"one {self.special} two"] if self.special else [])


def words(special: list[str], **options) -> Callable[[], dict]:
    lowercase = options.get("lowercase", False)
    return lambda: dict(vocabulary=word_pieces(special, lowercase), **options)


def bytes_of(first: list[str], last: list[str], merges: int, **options) -> Callable[[], dict]:
    def arguments():
        vocabulary, learnt = byte_pairs(first, last, merges)
        return dict(vocabulary=vocabulary, merges=learnt, **options)

    return arguments


def pieces(count: int, **options) -> Callable[[], dict]:
    vision = {key: options.pop(key) for key in ["has_vision_tokens"] if key in options}
    return lambda: dict(proto=sentence_pieces(count, **options), **vision)


# What each tokenizer demands, in the order of the published vocabularies.
BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_TOKENS = bytes_of(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"], 45)
SENTENCE_PIECE_OF_LLAMA = dict(
    model_type="bpe", byte_fallback=True, character_coverage=0.98, split_digits=True, remove_extra_whitespaces=False,
    allow_whitespace_only_pieces=True,
)
SENTENCE_PIECE_OF_GEMMA = SENTENCE_PIECE_OF_LLAMA | dict(
    add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, bos_piece="<bos>", eos_piece="<eos>",
    user_defined_symbols=["<mask>", "<start_of_turn>", "<end_of_turn>"],
)
SENTENCE_PIECE_OF_BERT = dict(rules=RULES, bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")
LOWERCASE = [(letter.upper(), letter) for letter in "abcdefghijklmnopqrstuvwxyz"]
SENTENCE_PIECE_OF_ALBERT = SENTENCE_PIECE_OF_BERT | dict(
    rules=RULES + LOWERCASE, unk_piece="<unk>", pad_id=0, unk_id=1, bos_id=2, eos_id=3, user_defined_symbols=["[MASK]"],
)
SENTENCE_PIECE_OF_DEBERTA = SENTENCE_PIECE_OF_BERT | dict(pad_piece="[PAD]", pad_id=0, bos_id=1, eos_id=2, unk_id=3)

SENTENCE_PIECE_OF_T5 = dict(rules=RULES, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
LLAMA3_TOKENS = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
QWEN_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

# No two sizes of a case are the same. Epsilons, where they can be set, are large enough to be seen.
BERT = dict(num_layers=2, num_heads=3, hidden_dim=24, intermediate_dim=40, max_sequence_length=36, dropout=0.1)
ROBERTA = dict(num_layers=2, num_heads=5, hidden_dim=20, intermediate_dim=36, max_sequence_length=34, dropout=0.1)
GPT2 = dict(num_layers=2, num_heads=3, hidden_dim=18, intermediate_dim=40, dropout=0.1)
LLAMA = dict(
    num_layers=2, num_query_heads=6, num_key_value_heads=3, hidden_dim=24, intermediate_dim=34, layer_norm_epsilon=0.01,
)
ESM = dict(
    num_layers=2, num_heads=3, hidden_dim=24, intermediate_dim=40, max_sequence_length=22, pad_token_id=1,
    layer_norm_eps=0.01,
)
T5 = dict(
    num_layers=2, num_heads=3, hidden_dim=16, intermediate_dim=26, key_value_dim=6, dropout=0.1,
    layer_norm_epsilon=0.01,
)

# Texts longer than the sequences are truncated.
CLASSIFIER = dict(preprocessor=dict(sequence_length=18), pairs=PAIRS)
MASKED = dict(preprocessor=dict(sequence_length=11))
SHORT_CLASSIFIER = dict(preprocessor=dict(sequence_length=16))
CAUSAL = dict(preprocessor=dict(sequence_length=8))

CASES = {
    "bert": Case(
        "BertTextClassifier", BERT, words(BERT_TOKENS, lowercase=True), **CLASSIFIER, task=dict(num_classes=5),
        special="[MASK]",
    ),
    "roberta": Case(
        "RobertaTextClassifier", ROBERTA, ROBERTA_TOKENS, **CLASSIFIER, task=dict(num_classes=4, hidden_dim=14),
        special="<mask>",
    ),
    "gpt2": Case(
        "GPT2CausalLM", GPT2 | dict(max_sequence_length=22), bytes_of([], ["<|endoftext|>"], 44), **CAUSAL,
        special="<|endoftext|>",
    ),
    "llama": Case(
        "LlamaCausalLM", LLAMA | dict(rope_max_wavelength=500),
        pieces(331, **SENTENCE_PIECE_OF_LLAMA), **CAUSAL, special="</s>",
    ),
    "bart": Case(
        "BartSeq2SeqLM", BERT | dict(num_layers=1, num_heads=4, hidden_dim=16, max_sequence_length=52),
        bytes_of(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"], 47), decoder_texts=SHORT, special="</s>",
    ),
    "bert_masked_lm": Case(
        "BertMaskedLM", BERT | dict(num_segments=3), words(BERT_TOKENS), **MASKED, special="[MASK]",
    ),
    "distil_bert": Case(
        "DistilBertTextClassifier", ROBERTA | dict(num_heads=4), words(BERT_TOKENS), **CLASSIFIER,
        task=dict(num_classes=3, hidden_dim=14), special="[MASK]",
    ),
    "roberta_masked_lm": Case("RobertaMaskedLM", ROBERTA, ROBERTA_TOKENS, **MASKED, special="<mask>"),
    "xlm_roberta": Case(
        "XLMRobertaTextClassifier", ROBERTA, pieces(80, rules=RULES), **CLASSIFIER,
        task=dict(num_classes=4, hidden_dim=14), special="<mask>",
    ),
    "albert": Case(
        "AlbertTextClassifier",
        BERT | dict(
            num_layers=6, num_groups=2, num_inner_repetitions=2, embedding_dim=14, hidden_dim=18, intermediate_dim=26,
        ),
        pieces(80, **SENTENCE_PIECE_OF_ALBERT),
        **CLASSIFIER, task=dict(num_classes=5), special="[MASK]",
    ),
    "electra": Case(
        "ElectraBackbone", BERT | dict(embedding_dim=16), words(BERT_TOKENS, lowercase=True, strip_accents=True),
        pairs=PAIRS, special="[MASK]",
    ),
    "deberta_v3": Case(
        "DebertaV3TextClassifier", ROBERTA | dict(bucket_size=6),
        pieces(80, **SENTENCE_PIECE_OF_DEBERTA), **CLASSIFIER, task=dict(num_classes=3, hidden_dim=14),
        special="[MASK]",
    ),
    "deberta_v3_masked_lm": Case(
        "DebertaV3MaskedLM", ROBERTA | dict(bucket_size=8, num_heads=4),
        pieces(80, **SENTENCE_PIECE_OF_DEBERTA), **MASKED, special="[MASK]",
    ),
    "esm": Case(
        "ESMProteinClassifier", ESM, lambda: dict(vocabulary=proteins()), **SHORT_CLASSIFIER,
        task=dict(num_classes=3, hidden_dim=14), texts=PROTEINS,
    ),
    "esm_masked_lm": Case(
        "ESMMaskedPLM", ESM | dict(position_embedding_type="absolute", use_pre_layer_norm=True),
        lambda: dict(vocabulary=proteins()), **MASKED, texts=PROTEINS,
    ),
    "opt": Case(
        "OPTCausalLM", GPT2 | dict(max_sequence_length=22), bytes_of(["<s>", "<pad>", "</s>", "<unk>"], [], 43),
        **CAUSAL, special="</s>",
    ),
    "bloom": Case(
        "BloomCausalLM", GPT2 | dict(layer_norm_epsilon=0.01), bytes_of(["<unk>", "<s>", "</s>", "<pad>"], [], 42),
        **CAUSAL, special="</s>",
    ),
    "falcon": Case(
        "FalconCausalLM",
        dict(num_layers=2, num_attention_heads=3, hidden_dim=18, intermediate_dim=40, layer_norm_epsilon=0.01),
        bytes_of([">>TITLE<<"], ["<|endoftext|>"], 41), **CAUSAL, special="<|endoftext|>",
    ),
    "gpt_neo_x": Case(
        "GPTNeoXCausalLM",
        GPT2 | dict(hidden_dim=24, rotary_percentage=0.5, rotary_max_wavelength=300, layer_norm_epsilon=0.01),
        bytes_of(["<|endoftext|>", "<|padding|>"], ["  "], 40), **CAUSAL, special="<|endoftext|>",
    ),
    # All three rules of the adjusted frequencies are met.
    "llama3": Case(
        "Llama3CausalLM",
        LLAMA | dict(
            hidden_dim=36, rope_max_wavelength=500,
            rope_frequency_adjustment_factor=8.0, rope_low_freq_factor=1.0, rope_high_freq_factor=4.0,
            rope_pretraining_sequence_length=64,
        ),
        bytes_of([], LLAMA3_TOKENS, 39), **CAUSAL, untold=dict(tie_word_embeddings=True), special="<|eot_id|>",
    ),
    "mistral": Case(
        "MistralCausalLM",
        LLAMA | dict(hidden_dim=20, head_dim=8, sliding_window=5),
        pieces(332, **SENTENCE_PIECE_OF_LLAMA), **CAUSAL, special="</s>",
    ),
    "mixtral": Case(
        "MixtralCausalLM", LLAMA | dict(num_experts=4, intermediate_dim=10, sliding_window=5),
        pieces(333, **SENTENCE_PIECE_OF_LLAMA), **CAUSAL, special="</s>",
    ),
    "gemma": Case(
        "GemmaCausalLM",
        dict(
            num_layers=2, num_query_heads=3, num_key_value_heads=1, hidden_dim=20, intermediate_dim=2 * 26, head_dim=8,
        ),
        pieces(334, **SENTENCE_PIECE_OF_GEMMA), **CAUSAL, special="<end_of_turn>",
    ),
    "gemma2": Case(
        "GemmaCausalLM",
        dict(
            num_layers=3, num_query_heads=4, num_key_value_heads=2, hidden_dim=20, intermediate_dim=2 * 26, head_dim=6,
            query_head_dim_normalize=False, use_post_ffw_norm=True, use_post_attention_norm=True,
            attention_logit_soft_cap=2.5, final_logit_soft_cap=7.5, use_sliding_window_attention=True,
            sliding_window_size=4,
        ),
        pieces(335, **SENTENCE_PIECE_OF_GEMMA), **CAUSAL, special="<start_of_turn>",
    ),
    # The sixth layer is the first that sees all.
    "gemma3": Case(
        "Gemma3CausalLM",
        dict(
            image_size=16, num_layers=6, num_query_heads=4, num_key_value_heads=2, hidden_dim=14, intermediate_dim=22,
            head_dim=8, use_post_ffw_norm=True, use_post_attention_norm=True, use_sliding_window_attention=True,
            sliding_window_size=3, global_rope_scaling_factor=8.0,
        ),
        pieces(103, has_vision_tokens=False, **SENTENCE_PIECE_OF_GEMMA | dict(byte_fallback=False)), **CAUSAL,
        special="<start_of_turn>",
        # The first draw rounds ten times as much.
        drawn_as="gemma3 1",
    ),
    # Some texts are longer than those of the pretraining, some are not.
    "phi3": Case(
        "Phi3CausalLM",
        LLAMA | dict(
            num_query_heads=4, num_key_value_heads=2, max_sequence_length=40, pretraining_sequence_length=6,
            rope_scaling_type="su", rope_scaling_short_factor=[1.1, 1.2, 1.4], rope_scaling_long_factor=[1.5, 2.5, 4.0],
        ),
        pieces(337, further=("<|endoftext|>", "<|assistant|>", "<|end|>", "<|user|>"), **SENTENCE_PIECE_OF_LLAMA),
        **CAUSAL, special="<|end|>",
    ),
    "qwen": Case("QwenCausalLM", LLAMA, bytes_of([], QWEN_TOKENS, 38), **CAUSAL, special="<|im_end|>"),
    "qwen3": Case(
        "Qwen3CausalLM", LLAMA | dict(hidden_dim=20, head_dim=8), bytes_of([], QWEN_TOKENS, 37), **CAUSAL,
        special="<|im_end|>",
    ),
    "qwen3_moe": Case(
        "Qwen3MoeCausalLM",
        LLAMA | dict(
            hidden_dim=20, head_dim=8, moe_intermediate_dim=10, num_experts=4, top_k=2, norm_top_k_prob=True,
            mlp_only_layers=[1],
        ),
        bytes_of([], QWEN_TOKENS, 36), **CAUSAL, special="<|im_start|>",
    ),
    # The second layer has no rotation.
    "smollm3": Case(
        "SmolLM3CausalLM",
        dict(
            num_layers=3, num_attention_heads=4, num_key_value_heads=2, hidden_dim=24, intermediate_dim=34,
            attention_bias=False, attention_dropout=0.0, rope_layer_enabled_list=[True, False, True],
            layer_types=["full_attention"] * 3, mlp_bias=False, layer_norm_epsilon=0.01, max_position_embeddings=40,
            rope_theta=500.0, partial_rotary_factor=1.0,
        ),
        bytes_of([], ["<|begin_of_text|>", "<|end_of_text|>", "<think>", "</think>"], 35), **CAUSAL, special="<think>",
    ),
    "t5": Case(
        "T5Seq2SeqLM",
        T5 | dict(num_layers=1, activation=gelu_approximate, use_gated_activation=True, tie_embedding_weights=False),
        pieces(80, **SENTENCE_PIECE_OF_T5), decoder_texts=SHORT, special="</s>",
    ),
    "t5_relu": Case(
        "T5Seq2SeqLM",
        T5 | dict(num_heads=5, activation="relu", use_gated_activation=False, tie_embedding_weights=True),
        pieces(80, **SENTENCE_PIECE_OF_T5), decoder_texts=SHORT, special="</s>",
    ),
    "t5gemma": Case(
        "T5GemmaSeq2SeqLM",
        dict(
            encoder_hidden_dim=20, encoder_intermediate_dim=26, encoder_num_layers=2, encoder_num_attention_heads=4,
            encoder_num_key_value_heads=2, encoder_head_dim=6,
            encoder_layer_types=["sliding_attention", "full_attention"],
            decoder_hidden_dim=16, decoder_intermediate_dim=22, decoder_num_layers=1, decoder_num_attention_heads=6,
            decoder_num_key_value_heads=3, decoder_head_dim=8, decoder_layer_types=["sliding_attention"],
            query_pre_attn_scalar=10.0, rms_norm_eps=0.01, sliding_window=4, attn_logit_softcapping=2.5,
            final_logit_softcapping=7.5,
        ),
        pieces(104, **SENTENCE_PIECE_OF_GEMMA | dict(byte_fallback=False)), decoder_texts=SHORT,
        special="<start_of_turn>",
    ),
}

CASES |= {
    "bert_bfloat16": replace(CASES["bert"], drawn_as="bert", backbone=BERT | dict(dtype="bfloat16")),
    "bert_old": replace(CASES["bert"], drawn_as="bert", rewrite=old_style),
    # In GiB.
    "llama_sharded": replace(CASES["llama"], drawn_as="llama", save=dict(max_shard_size=40_000 / 2**30)),
    "llama_int8": replace(CASES["llama"], drawn_as="llama", quantize="int8"),
}
