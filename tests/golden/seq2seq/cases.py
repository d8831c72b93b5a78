"""What the golden cases of the encoder-decoders are. `make.py` makes them.

No two dimensions of a case are alike where its family allows it, and few are powers of two: a pair that is taken for one
another does not fit, or gives other numbers.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import presets
from safetensors.torch import load_file, save_file
from transformers import (
    BartConfig,
    M2M100Config,
    MarianConfig,
    MBartConfig,
    MT5Config,
    PegasusConfig,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
    T5Config,
    T5GemmaConfig,
    UMT5Config,
)


@dataclass(frozen=True)
class Case:
    # The class that is saved.
    model: str
    config: PreTrainedConfig
    # "seq2seq_lm", "none" (saved without a head, yet run with the one that is tied), "encoder" or "classification".
    head: str = "seq2seq_lm"
    # The class that is run; none: the class that is saved.
    runs: str | None = None
    # What stands before and after the ids of each text that is read, and of each text that is written.
    reads: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    writes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    # Keys of generation_config.json beside those that the reference takes from the configuration.
    generation: dict = field(default_factory=dict)
    # `greedy` and `beams` are made of each case; these too. By name, the options of each.
    searches: dict[str, dict] = field(default_factory=dict)
    # Whether all of `grid.py` is made.
    grid: bool = False
    # By how much the end token's logit is raised, on the average.
    likelier_end: float = 0.0
    # The deviation of the word embeddings.
    embeddings: float = 0.7
    gradients: bool = False
    # What the file holds.
    dtype: torch.dtype = torch.float32
    # Writes a tokenizer beside the model, which then reads `texts` and not random ids, each as `prepared` gives it.
    tokenizer: Callable[[Path], PreTrainedTokenizerBase] | None = None
    texts: list[str] = field(default_factory=list)
    prepared: Callable[[str], str] = str
    # Changes the files after they are saved.
    rewrite: Callable[[Path], None] | None = None
    notes: list[str] = field(default_factory=list)


def bart(kind=BartConfig, **changes) -> PreTrainedConfig:
    sizes = dict(
        vocab_size=57, d_model=24, encoder_layers=3, decoder_layers=2, encoder_attention_heads=3,
        decoder_attention_heads=6, encoder_ffn_dim=22, decoder_ffn_dim=34, max_position_embeddings=23,
    )
    return kind(**sizes | changes)


def t5(kind=T5Config, **changes) -> PreTrainedConfig:
    # Eight buckets reach to 12 places: texts that are read and written are longer.
    sizes = dict(
        vocab_size=57, d_model=28, d_kv=6, num_heads=3, num_layers=3, num_decoder_layers=2, d_ff=38,
        relative_attention_num_buckets=8, relative_attention_max_distance=12, decoder_start_token_id=0,
    )
    return kind(**sizes | changes)


def t5gemma(encoder: dict, decoder: dict, **changes) -> PreTrainedConfig:
    shared = dict(
        vocab_size=57, num_key_value_heads=1, head_dim=6, query_pre_attn_scalar=7, sliding_window=4,
        attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
    )
    encoder = dict(
        hidden_size=24, intermediate_size=22, num_hidden_layers=3, num_attention_heads=3, **shared
    ) | encoder
    decoder = dict(
        hidden_size=30, intermediate_size=34, num_hidden_layers=2, num_attention_heads=5, **shared
    ) | decoder
    return T5GemmaConfig(encoder=encoder, decoder=decoder, vocab_size=57, **changes)


def edit_config(folder: Path, **changes) -> None:
    """Sets keys of config.json; those with no value are removed."""
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    config = {key: value for key, value in config.items() if value is not None}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def edit_tensors(folder: Path, change: Callable[[dict], None]) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})


def as_published(folder: Path) -> None:
    """BART as versions before 5 wrote it: copies of the tied tables, and keys for generation in config.json alone."""

    def copies(tensors):
        shared = tensors["model.shared.weight"]
        for name in ["lm_head.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"]:
            tensors[name] = shared
        tensors["model.encoder.version"] = torch.tensor([3.0])

    edit_tensors(folder, copies)
    (folder / "generation_config.json").unlink()
    edit_config(
        folder, num_beams=3, length_penalty=2.0, max_length=14, min_length=5, no_repeat_ngram_size=3,
        early_stopping=True, forced_bos_token_id=0, normalize_before=False, normalize_embedding=True,
        add_final_layer_norm=False, static_position_embeddings=False, extra_pos_embeddings=2, classif_dropout=0.0,
        num_hidden_layers=2, tie_word_embeddings=None,
        task_specific_params={"summarization": {"num_beams": 9, "length_penalty": -4.0}},
    )


def without_positions(folder: Path) -> None:
    def remove(tensors):
        for name in [name for name in tensors if "embed_positions" in name]:
            del tensors[name]

    edit_tensors(folder, remove)


def own_head(folder: Path) -> None:
    """Adds a head that is not the word embeddings; the generator is the file's own, so that each run is alike."""

    def add(tensors):
        shared = tensors["shared.weight"]
        generator = torch.Generator().manual_seed(5)
        tensors["lm_head.weight"] = 0.6 * torch.randn(shared.shape, generator=generator)

    edit_tensors(folder, add)


def own_head_before_5(folder: Path) -> None:
    """As version 4 wrote v1.1: `tie_word_embeddings` is what the scale of outputs goes by."""
    own_head(folder)
    edit_config(folder, tie_word_embeddings=False, scale_decoder_outputs=None, dense_act_fn=None, is_gated_act=None)


def before_5(folder: Path) -> None:
    """As version 4 wrote T5Gemma: rotary angles by one key, and no more of them."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for stack in ["encoder", "decoder"]:
        config[stack]["rope_theta"] = config[stack].pop("rope_parameters")["rope_theta"]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


NO_DROPOUT = dict(dropout=0.0)
BART_IDS = dict(reads=((0,), (2,)))
END_OF_1 = dict(reads=((), (1,)))
GATED = dict(feed_forward_proj="gated-gelu")
# A vocabulary whose last ids are languages.
ENGLISH, GERMAN = 54, 56

CASES = {
    "bart": Case("BartForConditionalGeneration", bart(**NO_DROPOUT), **BART_IDS, gradients=True),
    "bart_distilled": Case(
        "BartForConditionalGeneration",
        bart(d_model=20, encoder_layers=6, decoder_layers=1, encoder_attention_heads=5, decoder_attention_heads=10,
             encoder_ffn_dim=14, scale_embedding=True, activation_function="gelu_new"),
        **BART_IDS, embeddings=0.3, notes=["embeddings are scaled, the tied head's are not"],
    ),
    "bart_body": Case(
        "BartModel",
        bart(vocab_size=43, d_model=18, encoder_layers=1, decoder_layers=3, encoder_attention_heads=9,
             activation_function="relu"),
        head="none", runs="BartForConditionalGeneration", **BART_IDS,
        notes=["the names have no prefix, and there is no final_logits_bias"],
    ),
    "bart_published": Case(
        "BartForConditionalGeneration", bart(d_model=18, encoder_layers=2, decoder_layers=1), **BART_IDS,
        rewrite=as_published, searches={"own": {}},
        notes=["tied tables are stored three times more", "config.json has the keys for generation, and older ones"],
    ),
    "bart_own_tables": Case(
        "BartForConditionalGeneration",
        bart(d_model=18, encoder_layers=1, decoder_layers=1, tie_word_embeddings=False, forced_eos_token_id=None),
        **BART_IDS, notes=["encoder, decoder and head have tables of their own; model.shared is read by nobody"],
    ),
    "bart_classification": Case(
        "BartForSequenceClassification",
        bart(encoder_layers=2, decoder_layers=1, num_labels=4, **NO_DROPOUT), head="classification", **BART_IDS,
        gradients=True, notes=["the first text has two end tokens: the last counts"],
    ),
    "bart_search": Case(
        "BartForConditionalGeneration", bart(vocab_size=37, d_model=18, encoder_layers=1, decoder_layers=2),
        **BART_IDS, grid=True, embeddings=0.25, likelier_end=2.5,
    ),
    "mbart": Case(
        "MBartForConditionalGeneration",
        bart(MBartConfig, encoder_layers=2, decoder_start_token_id=GERMAN, scale_embedding=True), embeddings=0.3,
        reads=((), (2, ENGLISH)), writes=((), (2, GERMAN)),
        notes=["the decoder starts with the language, which stands last in labels"],
    ),
    "mbart_50": Case(
        "MBartForConditionalGeneration",
        bart(MBartConfig, encoder_layers=1, decoder_layers=3, decoder_start_token_id=2, activation_function="relu"),
        reads=((ENGLISH,), (2,)), writes=((GERMAN,), (2,)), generation=dict(forced_bos_token_id=GERMAN),
        notes=["the decoder starts with the end token, and is forced to write the language first"],
    ),
    "pegasus": Case(
        "PegasusForConditionalGeneration",
        bart(PegasusConfig, d_model=21, encoder_attention_heads=3, decoder_attention_heads=7, scale_embedding=True,
             activation_function="relu"),
        **END_OF_1, embeddings=0.3, notes=["an odd width has one sine more than cosines"],
    ),
    "pegasus_without_positions": Case(
        "PegasusForConditionalGeneration", bart(PegasusConfig, d_model=18, encoder_layers=1, decoder_layers=2),
        **END_OF_1, rewrite=without_positions, notes=["the sinusoids are not stored"],
    ),
    "marian": Case(
        "MarianMTModel",
        bart(MarianConfig, encoder_layers=2, pad_token_id=56, decoder_start_token_id=56, scale_embedding=True,
             activation_function="swish"),
        reads=((), (0,)), embeddings=0.3, searches={"own": {}},
        generation=dict(num_beams=4, max_length=15, bad_words_ids=[[56]], length_penalty=0.6),
    ),
    "marian_separate": Case(
        "MarianMTModel",
        bart(MarianConfig, d_model=18, encoder_layers=1, pad_token_id=40, decoder_start_token_id=40,
             decoder_vocab_size=45, share_encoder_decoder_embeddings=False, activation_function="relu"),
        reads=((), (0,)), notes=["two vocabularies; the head is tied to the decoder's"],
    ),
    "marian_own_head": Case(
        "MarianMTModel",
        bart(MarianConfig, d_model=18, encoder_layers=1, decoder_layers=1, pad_token_id=40, decoder_start_token_id=40,
             decoder_vocab_size=45, share_encoder_decoder_embeddings=False, tie_word_embeddings=False),
        reads=((), (0,)),
    ),
    "marian_preset": Case(
        "MarianMTModel",
        bart(MarianConfig, vocab_size=72, d_model=18, max_position_embeddings=41, encoder_layers=2, pad_token_id=71,
             decoder_start_token_id=71, scale_embedding=True, activation_function="swish"),
        reads=((), (0,)), embeddings=0.3, searches={"own": {}},
        generation=dict(num_beams=4, max_length=15, bad_words_ids=[[71]]),
        tokenizer=presets.marian, texts=presets.TRANSLATED,
    ),
    "m2m_100": Case(
        "M2M100ForConditionalGeneration", bart(M2M100Config), reads=((ENGLISH,), (2,)), writes=((GERMAN,), (2,)),
        embeddings=0.3, generation=dict(forced_bos_token_id=GERMAN),
    ),
    "nllb": Case(
        "M2M100ForConditionalGeneration",
        bart(M2M100Config, d_model=27, encoder_layers=1, decoder_layers=1, encoder_attention_heads=9,
             decoder_attention_heads=3, scale_embedding=False, max_position_embeddings=9),
        reads=((ENGLISH,), (2,)), writes=((GERMAN,), (2,)),
        notes=["an odd width ends in a column of zeros", "texts are longer than max_position_embeddings"],
    ),
    "t5": Case("T5ForConditionalGeneration", t5(dropout_rate=0.0), **END_OF_1, embeddings=2.0, gradients=True),
    "t5_v1_1": Case(
        "T5ForConditionalGeneration", t5(num_layers=1, num_decoder_layers=3, d_kv=5, **GATED), **END_OF_1,
        rewrite=own_head_before_5, notes=["tie_word_embeddings is false: outputs are not scaled"],
    ),
    "t5_v1_1_by_5": Case(
        "T5ForConditionalGeneration",
        t5(num_layers=2, tie_word_embeddings=False, dropout_rate=0.0, **GATED), **END_OF_1, rewrite=own_head,
        gradients=True, notes=["tie_word_embeddings is true, yet the head is stored: it is not tied"],
    ),
    "t5_unscaled": Case(
        "T5ForConditionalGeneration",
        t5(num_layers=1, num_decoder_layers=None, num_heads=5, tie_word_embeddings=False, feed_forward_proj="gated-silu"),
        **END_OF_1, notes=["no head is stored: it is tied, and outputs are not scaled", "as many layers as num_layers"],
    ),
    "t5_search": Case(
        "T5ForConditionalGeneration", t5(vocab_size=37, num_layers=1), **END_OF_1, embeddings=1.2, grid=True,
        likelier_end=2.0,
    ),
    "prot_t5_preset": Case(
        "T5EncoderModel", t5(vocab_size=128, d_model=20, num_layers=2), head="encoder", dtype=torch.float16,
        tokenizer=presets.proteins, texts=presets.PROTEINS, prepared=presets.spaced,
        notes=["letters are read with spaces between them, U, Z, O and B as X"],
    ),
    "mt5": Case(
        "MT5ForConditionalGeneration", t5(MT5Config, num_layers=1, d_ff=46), **END_OF_1, rewrite=own_head,
        notes=["outputs are never scaled"],
    ),
    "umt5": Case(
        "UMT5ForConditionalGeneration", t5(UMT5Config, num_layers=2, num_decoder_layers=3), **END_OF_1, embeddings=2.0,
        notes=["every layer of both stacks has values of distances", "outputs are scaled"],
    ),
    "umt5_published": Case(
        "UMT5ForConditionalGeneration", t5(UMT5Config, num_layers=1, d_kv=11), **END_OF_1, rewrite=own_head_before_5,
    ),
    "t5gemma": Case(
        "T5GemmaForConditionalGeneration", t5gemma({}, {}), **END_OF_1, embeddings=0.12,
        notes=["a window of the encoder reaches as far on both sides, and holds that many keys on each",
               "cross-attention has no window and no positions"],
    ),
    "t5gemma_plain": Case(
        "T5GemmaForConditionalGeneration",
        t5gemma(
            dict(attn_logit_softcapping=None, layer_types=["full_attention", "sliding_attention", "sliding_attention"],
                 rope_parameters=dict(rope_type="default", rope_theta=50.0)),
            dict(attn_logit_softcapping=None, final_logit_softcapping=None, num_key_value_heads=5,
                 layer_types=["full_attention", "sliding_attention"], sliding_window=3, attention_bias=True,
                 rope_parameters=dict(rope_type="default", rope_theta=7.0)),
            tie_word_embeddings=False,
        ),
        **END_OF_1, embeddings=0.12, rewrite=before_5, notes=["caps are off, the head is its own, rope_theta alone"],
    ),
}
