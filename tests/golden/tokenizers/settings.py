"""Golden cases for the settings of tokenizers: ids and texts as the reference library gives them.

Writes, beside this script:
  settings/*.json   small tokenizer.json files, made of the vocabularies of wordpiece/ and byte_pair/
  settings.json     presets, each a list of files, with the ids and decoded texts of the reference library

    pip install "transformers==5.*" "tokenizers==0.23.*"
    python settings.py
"""

import json
import pathlib
import shutil
import tempfile

from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent

BERT = {"tokenizer_class": "BertTokenizer"}
GENERIC = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
GPT2 = {"tokenizer_class": "GPT2Tokenizer", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
ROBERTA = {"tokenizer_class": "RobertaTokenizer"}

TEXTS = [
    "The café of Zoë: CAFÉ 漢字 and the market.",
    "see [E1] or[E2]and [e1], NewTOK newtok NEWTOK [SEP] the",
    "The children played in the playground, playing",
]
PAIRS = [("the bank raised its rate", "no"), ("no", "where are you going home today")]
# Marks and contractions, as decoding may clean them up.
DECODED = ["it 's the bank , don't , you 'll see . no ? ' no ' !", "the bank n't 'm 've 're"]
LENGTHS = [4, 6, 9]


def open_preset(files, config):
    """The tokenizer of a preset, as a user of the reference library opens it."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, content in files.items():
            if isinstance(content, str) and content.startswith("@"):
                shutil.copy(HERE / content[1:], folder / name)
            elif isinstance(content, list):
                text = (HERE / content[0][1:]).read_text(encoding="utf-8")
                (folder / name).write_text(text + "".join(line + "\n" for line in content[1:]), encoding="utf-8")
            else:
                (folder / name).write_text(json.dumps(content), encoding="utf-8")
        (folder / "config.json").write_text(json.dumps(config))
        return AutoTokenizer.from_pretrained(folder)


def stored(name, files, config, change=lambda description: None):
    """The tokenizer.json of a preset, kept in settings/."""
    tokenizer = open_preset(files, config)
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    change(description)
    (HERE / "settings").mkdir(exist_ok=True)
    target = HERE / "settings" / f"{name}.json"
    target.write_text(json.dumps(description, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    return f"@settings/{name}.json"


def presets():
    words = "@wordpiece/vocab.txt"
    size = len((HERE / words[1:]).read_text(encoding="utf-8").splitlines())
    bert, gpt2, roberta = ({"model_type": name} for name in ("bert", "gpt2", "roberta"))
    marked = [words, "[E1]", "[E2]"]

    def of_words(settings, vocabulary=words, config=bert, **more):
        return {"vocab.txt": vocabulary, "tokenizer_config.json": {**BERT, **settings}, **more}, config

    # Further special tokens: in the vocabulary, beyond it, in lists, by names of their own.
    yield "extra tokens in no list", *of_words({}, marked)
    yield "additional_special_tokens", *of_words({"additional_special_tokens": ["[E1]", "[E2]"]}, marked)
    yield "extra_special_tokens", *of_words({"extra_special_tokens": ["[E1]"]}, marked)
    yield "extra_special_tokens by name", *of_words({"extra_special_tokens": {"entity_token": "[E2]"}}, marked)
    yield "a token with a name of its own", *of_words({"entity_token": "[E1]"}, marked)
    yield "additional_special_tokens beyond the vocabulary", *of_words({"additional_special_tokens": ["[E1]", "[E2]"]})
    spaced = {"__type": "AddedToken", "content": "[E1]", "lstrip": True, "rstrip": True, "normalized": False, "special": True}
    yield "a token that takes spaces", *of_words({"additional_special_tokens": [spaced, "[E2]"]}, marked)
    listed = {"additional_special_tokens": ["[E1]"]}
    yield "additional_special_tokens of the map", *of_words({}, marked, **{"special_tokens_map.json": listed})

    # Added tokens, which are looked for in the lower-cased text unless they are special.
    added = {"added_tokens.json": {"NewTOK": size}}
    yield "added_tokens.json", *of_words({}, **added)
    yield "added_tokens.json with case", *of_words({"do_lower_case": False}, **added)
    yield "added_tokens.json, special", *of_words({"additional_special_tokens": ["NewTOK"]}, **added)
    yield "added_tokens.json, special by the map", *of_words({}, **added, **{"special_tokens_map.json": {"additional_special_tokens": ["NewTOK"]}})
    both = {"added_tokens.json": {"NewTOK": size, "[E1]": size + 1}, "special_tokens_map.json": {"mask_token": "[E1]"}}
    yield "added_tokens.json, one with a role", *of_words({}, **both)
    for name, flags in {
        "open": {},
        "as it is": {"normalized": False, "special": False},
        "normalised": {"normalized": True, "special": True},
        "special": {"special": True},
        "single": {"single_word": True},
    }.items():
        decoder = {"added_tokens_decoder": {str(size): {"content": "NewTOK", **flags}}}
        yield f"added_tokens_decoder, {name}", *of_words(decoder)
    decoder = {"added_tokens_decoder": {str(size): {"content": "NewTOK", "normalized": False}}}
    yield "added_tokens_decoder beside added_tokens.json", *of_words(decoder, **{"added_tokens.json": {"newtok": size}})
    yield "the map over the settings", *of_words({"sep_token": "[PAD]"}, **{"special_tokens_map.json": {"sep_token": "[SEP]"}})

    # Cuts.
    yield "truncation_side left", *of_words({"truncation_side": "left"})
    yield "truncation_side right", *of_words({"truncation_side": "right"})
    # Types of the two texts of a row.
    yield "no types among the inputs", *of_words({"model_input_names": ["input_ids", "attention_mask"]})
    # Spaces in decoded texts.
    yield "clean_up_tokenization_spaces true", *of_words({"clean_up_tokenization_spaces": True})
    yield "clean_up_tokenization_spaces false", *of_words({"clean_up_tokenization_spaces": False})

    # tokenizer.json beside settings that say otherwise.
    lower = stored("lower", *of_words({}))
    cased = stored("cased", *of_words({"do_lower_case": False}))

    def left(description):
        description["truncation"] = {"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 0}

    cut_left = stored("cut_left", *of_words({}), change=left)

    def of_json(file, settings, config=bert):
        return {"tokenizer.json": file, **({} if settings is None else {"tokenizer_config.json": settings})}, config

    for name, settings in {"BertTokenizer": BERT, "BertTokenizerFast": {"tokenizer_class": "BertTokenizerFast"},
                           "DistilBertTokenizer": {"tokenizer_class": "DistilBertTokenizer"}, "ElectraTokenizer": {"tokenizer_class": "ElectraTokenizer"},
                           "PreTrainedTokenizerFast": GENERIC, "no class": {}}.items():
        yield f"{name}, lower-casing file", *of_json(lower, settings)
        yield f"{name}, lower-casing file, do_lower_case false", *of_json(lower, {**settings, "do_lower_case": False})
        yield f"{name}, cased file", *of_json(cased, settings)
        yield f"{name}, cased file, do_lower_case true", *of_json(cased, {**settings, "do_lower_case": True})
        yield f"{name}, accents and Chinese kept", *of_json(lower, {**settings, "strip_accents": False, "tokenize_chinese_chars": False})
    for model in ("bert", "distilbert", "electra"):
        yield f"no settings, cased file, {model}", *of_json(cased, None, {"model_type": model})
    for name, settings in {"BertTokenizer": BERT, "PreTrainedTokenizerFast": GENERIC}.items():
        yield f"{name}, file that cuts left", *of_json(cut_left, settings)
        yield f"{name}, file that cuts left, truncation_side right", *of_json(cut_left, {**settings, "truncation_side": "right"})
        yield f"{name}, additional_special_tokens beside the file", *of_json(lower, {**settings, "additional_special_tokens": ["[E1]", "the"]})
        yield f"{name}, clean_up_tokenization_spaces beside the file", *of_json(lower, {**settings, "clean_up_tokenization_spaces": True})
        ends = {"bos_token": "[CLS]", "eos_token": "[SEP]"}
        yield f"{name}, add_bos_token false beside the file", *of_json(lower, {**settings, **ends, "add_bos_token": False, "add_eos_token": False})

    # Byte pairs.
    def of_pairs(settings, config, **more):
        pairs = {"vocab.json": "@byte_pair/vocab.json", "merges.txt": "@byte_pair/merges.txt"}
        return {**pairs, "tokenizer_config.json": settings, **more}, config

    gpt2_file = stored("gpt2", *of_pairs(GPT2, gpt2))
    roberta_file = stored("roberta", *of_pairs(ROBERTA, roberta))
    prefix_file = stored("roberta_prefix", *of_pairs({**ROBERTA, "add_prefix_space": True}, roberta))
    for name, settings, config, file in [("GPT2Tokenizer", GPT2, gpt2, gpt2_file), ("RobertaTokenizer", ROBERTA, roberta, roberta_file)]:
        for more in [{}, {"add_bos_token": True}, {"add_eos_token": True}, {"add_bos_token": True, "add_eos_token": True},
                     {"add_bos_token": False}, {"add_prefix_space": True}, {"truncation_side": "left"},
                     {"additional_special_tokens": ["ban", "[E1]"]}, {"clean_up_tokenization_spaces": True}, {"do_lower_case": True}]:
            yield f"{name}, {json.dumps(more)}", *of_pairs({**settings, **more}, config)
            yield f"{name}, file and {json.dumps(more)}", *of_json(file, {**settings, **more}, config)
    yield "OPT's ends", *of_pairs({**GPT2, "bos_token": "</s>", "add_bos_token": True}, {"model_type": "opt"})
    yield "RobertaTokenizer, file with a space in front", *of_json(prefix_file, ROBERTA, roberta)
    generic = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    yield "PreTrainedTokenizerFast, file with a space in front", *of_json(prefix_file, {**generic, "add_prefix_space": False}, roberta)
    yield "PreTrainedTokenizerFast, add_bos_token beside the file", *of_json(gpt2_file, {**generic, "add_bos_token": True}, gpt2)


def ids(tokenizer, text, pair=None, length=None):
    limit = {} if length is None else {"truncation": True, "max_length": length}
    # A model that is not given types reads all of them as 0.
    typed = "token_type_ids" in tokenizer.model_input_names
    out = tokenizer([text], None if pair is None else [pair], padding=False, **limit)
    entry = {"text": text, "ids": out["input_ids"][0]}
    if typed and any(out["token_type_ids"][0]):
        entry["type_ids"] = out["token_type_ids"][0]
    if pair is not None:
        entry["pair"] = pair
    if length is not None:
        entry["max_length"] = length
    return entry


def cases(tokenizer):
    tokenizer.backend_tokenizer.no_padding()
    found = [ids(tokenizer, text) for text in TEXTS] + [ids(tokenizer, *pair) for pair in PAIRS]
    # A length that leaves room for some of the text beside the special tokens.
    found += [ids(tokenizer, TEXTS[2], None, length) for length in LENGTHS]
    found += [ids(tokenizer, *pair, length) for pair in PAIRS for length in LENGTHS[1:]]
    return found


def decoded(tokenizer):
    tokenizer.backend_tokenizer.no_truncation()
    listed = [tokenizer(text)["input_ids"] for text in DECODED]
    return [{"ids": one, "text": tokenizer.decode(one, skip_special_tokens=True)} for one in listed]


def main():
    groups = []
    for name, files, config in presets():
        tokenizer = open_preset(files, config)
        # Without types among its usual inputs, a model has no use for them, whatever they are.
        typed = "token_type_ids" in tokenizer.model_input_names or "no types" in name
        group = {"name": name, "config": config, "files": files, "typed": typed, "cases": cases(tokenizer), "decoded": decoded(tokenizer)}
        groups.append("  " + json.dumps(group, ensure_ascii=False, separators=(",", ":")))
    (HERE / "settings.json").write_text("[\n" + ",\n".join(groups) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
