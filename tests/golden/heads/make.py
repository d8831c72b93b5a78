"""What checkpoints say of their classification heads, as transformers' own pipeline reads it.

    python tests/golden/heads/make.py

Pins: transformers 5.23.0, torch 2.15.0.

One small seeded BERT is saved with heads of several kinds, each in a folder beside this script:

    config.json, model.safetensors, vocab.txt    as `save_pretrained` writes them; some keys are added to config.json
    expected.json                                texts, the raw outputs of the head, and what the pipeline makes of them

The pipeline takes a single output for the logit of a probability unless `problem_type` or its argument says otherwise. Here a single output
is a number (`raw`), which `function_to_apply`, or `activation_fn` of sentence-transformers' cross-encoders, makes something else.
"""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer, pipeline

HERE = Path(__file__).parent
TEXTS = ["The cat sat.", "A mat sat, the cat", "the the"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "mat", "."]

# Folder, number of outputs, keys of config.json, what the pipeline is told to apply (nothing: what it finds itself).
CASES = [
    ("several", 3, {"problem_type": "multi_label_classification", "id2label": {0: "red", 1: "green", 2: "blue"}}, None),
    ("single_label", 3, {"problem_type": "single_label_classification"}, None),
    ("regression", 1, {"problem_type": "regression"}, None),
    ("regression_of_two", 2, {"problem_type": "regression"}, None),
    ("one_output", 1, {}, "none"),
    ("one_output_sigmoid", 1, {"function_to_apply": "sigmoid"}, "sigmoid"),
    ("cross_encoder", 1, {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, "sigmoid"),
    ("cross_encoder_raw", 1, {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, "none"),
    ("unnormalised", 3, {"function_to_apply": "none"}, "none"),
]


def main():
    for name, outputs, keys, function in CASES:
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
        torch.manual_seed(20 + outputs)
        config = BertConfig(
            vocab_size=len(VOCABULARY), hidden_size=12, num_hidden_layers=1, num_attention_heads=3, intermediate_size=20,
            max_position_embeddings=16, num_labels=outputs, initializer_range=0.5,
        )
        model = BertForSequenceClassification(config).eval()
        model.save_pretrained(folder)
        path = folder / "config.json"
        stored = json.loads(path.read_text())
        if "id2label" in keys:
            stored["label2id"] = {label: at for at, label in keys["id2label"].items()}
        stored.update(keys)
        path.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")
        tokenizer = BertTokenizer(str(folder / "vocab.txt"))
        model = BertForSequenceClassification.from_pretrained(folder).eval()
        with torch.no_grad():
            raw = [model(**tokenizer(text, return_tensors="pt")).logits[0].tolist() for text in TEXTS]
        classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None, function_to_apply=function)
        scores = []
        for text in TEXTS:
            found = {entry["label"]: entry["score"] for entry in classify([text])[0]}
            scores.append([found[model.config.id2label[at]] for at in range(outputs)])
        expected = {"texts": TEXTS, "raw": raw, "scores": scores}
        (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
