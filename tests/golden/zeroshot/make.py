"""Golden cases for scoring variants without training: what two tiny masked language models make of a few of them.

    python tests/golden/zeroshot/make.py

Writes cases.json beside this file. The weights are those of tests/golden/models (bert_mlm, whose norms follow its layers, and
esm_mlm, which has a norm after the last layer and scales embeddings beside masked tokens), under a vocabulary of letters that
is made here. The package `modelgenerator` scores in code that is at fault around these formulas (it complements alleles and
leaves the last layer out), so the values come from torch and transformers by the formulas themselves:

    score  = sum over the letters that differ of log P[variant] - log P[reference], all of these letters masked,
    L1     = sum |a - b|, L2 = sqrt(sum (a - b)^2), cosine = 1 - a . b / (|a| |b|)

where a and b are hidden states of a layer, averaged over all tokens but the special ones. Made with torch 2.15 and
transformers 5.23, in f32; logarithms and distances in f64.
"""

import json
from pathlib import Path

import torch
from transformers import BertForMaskedLM, EsmForMaskedLM

HERE = Path(__file__).parent
LETTERS = "LAGVSERTIDPKQNFYMHWC"

# A reference and a variant; where their lengths differ, only hidden states are compared.
ROWS = [
    ["MKTAYIAK", "MKTWYIAK"],
    ["MKTAYIAK", "MKTVYIAK"],
    ["MKTAYIAK", "AKTAYIAC"],
    ["MKTAYIAK", "MKTAYIAK"],
    ["GIGKFLHSAKKFGKAF", "GIGKFLHSPKKFGKAF"],
    ["GIGKFLHSAKKFGKAF", "GIGKFLHSAKFGKAF"],
    ["W", "C"],
    ["ACD", "ACDEF"],
]


def vocabularies():
    """Of each model: its class, its tokens, and those that begin and end a sequence and stand for a masked one."""
    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
    bert += [f"[UNUSED{number}]" for number in range(len(bert), 61)]
    esm = ["<cls>", "<pad>", "<eos>", "<unk>", *LETTERS]
    esm += [f"<null_{number}>" for number in range(len(esm), 32)] + ["<mask>"]
    esm += [f"<null_{number}>" for number in range(len(esm), 41)]
    return {
        "bert_mlm": (BertForMaskedLM, bert, ["[CLS]", "[SEP]", "[MASK]"]),
        "esm_mlm": (EsmForMaskedLM, esm, ["<cls>", "<eos>", "<mask>"]),
    }


def score(model, reference, variant, mask):
    """The logarithm of the ratio of probabilities, with all letters that differ masked."""
    places = [at for at, pair in enumerate(zip(reference, variant)) if pair[0] != pair[1]]
    masked = [mask if at in places else id for at, id in enumerate(reference)]
    ids = torch.tensor([masked])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].double()
    told = torch.log_softmax(logits, dim=-1)
    return sum((told[at, variant[at]] - told[at, reference[at]]).item() for at in places)


def means(model, ids):
    """The mean hidden state after each layer, the embedding first, without the special tokens at both ends."""
    ids = torch.tensor([ids])
    states = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states
    return [layer[0, 1:-1].mean(dim=0) for layer in states]


def distances(a, b):
    a, b = a.double(), b.double()
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=0)
    return [(a - b).abs().sum().item(), (a - b).norm().item(), 1.0 - cosine.item()]


@torch.no_grad()
def case(name, kind, tokens, roles):
    model = kind.from_pretrained(HERE.parent / "models" / name).eval()
    begin, end, mask = (tokens.index(role) for role in roles)
    encode = lambda text: [begin, *(tokens.index(letter) for letter in text), end]
    rows = []
    for reference, variant in ROWS:
        ids = [encode(reference), encode(variant)]
        layers = [distances(a, b) for a, b in zip(*(means(model, one) for one in ids))]
        same = len(reference) == len(variant)
        rows.append({
            "reference": reference,
            "variant": variant,
            "score": score(model, *ids, mask) if same else None,
            "layers": layers,
        })
    return {"model": name, "vocabulary": tokens, "rows": rows}


cases = [case(name, *rest) for name, rest in vocabularies().items()]
(HERE / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
