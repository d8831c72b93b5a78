"""Golden cases for the encoder-decoders, made by the reference library.

    python tests/golden/seq2seq/make.py [case ...]

Pins: transformers 5.24.0, torch 2.15.0, safetensors 0.8.0, sentencepiece 0.2, protobuf.

What the cases are stands in `cases.py`. Each is a folder beside this script:

    config.json, model.safetensors, generation_config.json
                             a small seeded random model, saved by `save_pretrained`; some are changed to what older
                             versions wrote
    case.safetensors         three texts of unlike lengths, end to end: `ids` that are read and their `lengths`, `labels`
                             that are to be written and `decoder_lengths`, `decoder_ids`, which are the labels behind the
                             family's start token; `encoder_hidden`, `decoder_hidden`, what each stack's last layer or norm
                             gives, and `logits`, of each token (classification: of each text)
    case.json                what the case is; the shape of every tensor in `case.safetensors`; `loss`, the mean
                             cross-entropy of all labels; `generate`: options, by their names in the reference, and for
                             each text the sequences that it writes, from the start token to the end token. Where the
                             case has a tokenizer: the `texts` that are read, and those that are written
    gradients.safetensors    for some cases: d loss / d parameter, named as in the checkpoint. Two of the `labels` are
                             then -100, and count neither here nor in `loss`. `loss_smoothed`: with `label_smoothing` 0.1
    gradients_smoothed.safetensors   d loss_smoothed / d parameter, for some parameters

The reference reads the saved checkpoint back, runs each text alone and unpadded in f64, and the results are stored as
f32. (RMS norms, rotary angles and T5Gemma's softmax are f32 inside the reference whatever the model is in.) What it writes
comes from a batch that is filled up, in f32; the script sees that each text is the same alone, and without a cache. A model is drawn again until no choice is close: the two largest logits differ by more than 1e-3 at each greedy step,
noise leaves what beams write as it is, the reference in f32 gives the same to 3e-5, greedy texts do not repeat themselves
all the time, and beams write something else than greedy for at least one text. With `grid`, each text has at least three
different outputs over the settings of stopping and length, both matter, and every further setting changes something.
"""

import itertools
import json
import re
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import transformers
from cases import CASES, Case
from common import make_all, size_of
from safetensors import safe_open
from safetensors.torch import save_file
from search import continuations, ends, padded
from torch.nn.functional import cross_entropy

HERE = Path(__file__).parent
LENGTHS = [11, 3, 17]
DECODER_LENGTHS = [7, 14, 2]
ROW_LABELS = [2, 0, 3]
MOST_ROUNDING = 3e-5
MAX_DRAWS = 400
SMOOTHING = 0.1
# Parameters of `gradients_smoothed.safetensors`, by the ends of their names.
SMOOTHED = ("shared.weight", "lm_head.weight", "decoder.layers.0.encoder_attn.k_proj.weight", "encoder.layers.0.fc1.weight",
            "decoder.block.0.layer.1.EncDecAttention.k.weight", "encoder.block.0.layer.0.SelfAttention.q.weight")


def randomize(model: torch.nn.Module, case: Case, generator: torch.Generator) -> None:
    """Draws every parameter, norms and biases included, large enough that a mistake in any of them shows.

    Vectors vary about the value that they start from: 1 for most norms, 0 for biases and for T5Gemma's norms. Sinusoids
    stay as the library makes them.
    """

    def normal(tensor, mean, deviation):
        tensor.copy_(mean + deviation * torch.randn(tensor.shape, generator=generator))

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            if parameter.dim() == 1:
                normal(parameter, parameter.mean().round().item(), 0.25)
            elif "embed_positions" in name or "relative_attention_bias" in name:
                normal(parameter, 0.0, 1.2)
            elif "embed_tokens" in name or "shared" in name:
                normal(parameter, 0.0, case.embeddings)
            else:
                # Sharp attention, that states of different places stay different.
                spread = 2.5 if name.endswith(("q_proj.weight", "k_proj.weight")) else 1.0
                normal(parameter, 0.0, spread / parameter.shape[-1] ** 0.5)
        for name, buffer in model.named_buffers():
            if name == "final_logits_bias":
                normal(buffer, 0.0, 0.5)
        if case.head == "encoder":
            return
        # A head that is the table of words gives the word that was read last, and a text would be its repetition. Where
        # half of the signs of what it sees are turned it does not.
        weight = last_norm(model).weight
        middle = 1.0 if type(last_norm(model)).__name__.startswith("T5Gemma") else 0.0
        signs = torch.randint(2, weight.shape, generator=generator) * 2 - 1
        weight.copy_(signs * (weight + middle) - middle)


def last_norm(model) -> torch.nn.Module:
    """The norm that the decoder ends with."""
    norms = [(name, module) for name, module in model.named_modules() if "norm" in name and "decoder." in name]
    ends = [module for name, module in norms if "layers." not in name and "block." not in name]
    ends = [module for module in ends if module is not getattr(model.get_decoder(), "layernorm_embedding", None)]
    return (ends or [module for name, module in norms if name.endswith("final_layer_norm")])[-1]


def raise_end(model, case: Case, folder: Path, generator: torch.Generator) -> None:
    """Makes the end token's logit larger: by its bias, or where there is none by its row of the head."""
    end = ends(model, {})[0]
    with torch.no_grad():
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias[0, end] += case.likelier_end
            return
        ids, _, decoder_ids = drawn_ids(model, case, folder, generator)
        hidden = run(model, case, ids, decoder_ids)["decoder_hidden"].mean(0)
        scale = model.config.d_model**-0.5 if model.config.scale_decoder_outputs else 1.0
        model.lm_head.weight[end] += case.likelier_end * hidden / (scale * hidden @ hidden)


def saved(case: Case, generator: torch.Generator, folder: Path) -> None:
    """Writes the random checkpoint."""
    if case.tokenizer:
        assert len(case.tokenizer(folder)) == case.config.vocab_size, case.model
    model = getattr(transformers, case.model)(case.config).eval()
    randomize(model, case, generator)
    if case.likelier_end:
        raise_end(model, case, folder, generator)
    if case.generation:
        model.generation_config.update(**case.generation)
    model.to(case.dtype).save_pretrained(folder)
    if case.rewrite:
        case.rewrite(folder)


def opened(case: Case, folder: Path):
    """Reads the checkpoint back, in f32 and ready to be run."""
    kind = getattr(transformers, case.runs or case.model)
    model, report = kind.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    # Positions of Pegasus are sinusoids where they are not stored.
    missing = [name for name in report.pop("missing_keys") if "embed_positions" not in name]
    assert not missing and not any(report.values()), (missing, report)
    return model.eval()


def drawn_rows(case: Case, config, lengths, around, size: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Rows of ordinary ids: none that pads, starts, ends or names a language."""
    special = {config.pad_token_id, config.eos_token_id, getattr(config, "decoder_start_token_id", None)}
    special |= {id for side in [*case.reads, *(case.writes or ())] for id in side}
    ordinary = torch.tensor([id for id in range(size) if id not in special])
    before, after = (torch.tensor(ids, dtype=torch.long) for ids in around)
    rows = []
    for length in lengths:
        count = length - len(before) - len(after)
        middle = ordinary[torch.randint(len(ordinary), (count,), generator=generator)]
        rows.append(torch.cat([before, middle, after]))
    return rows


def shifted(model, labels: torch.Tensor) -> torch.Tensor:
    """What the decoder reads so that it writes the labels, by the family's own rule."""
    return model.prepare_decoder_input_ids_from_labels(labels=labels[None])[0]


def drawn_ids(model, case: Case, folder: Path, generator: torch.Generator):
    """Rows that are read, rows that are to be written, and what the decoder reads."""
    config = model.config
    if case.tokenizer:
        tokenizer = case.tokenizer(folder)
        ids = [torch.tensor(tokenizer(case.prepared(text)).input_ids) for text in case.texts]
    else:
        ids = drawn_rows(case, config, LENGTHS, case.reads, config.vocab_size, generator)
    if case.head == "encoder":
        return ids, [], []
    size = getattr(config, "decoder_vocab_size", None) or config.vocab_size
    labels = drawn_rows(case, config, DECODER_LENGTHS, case.writes or case.reads, size, generator)
    if case.head == "classification":
        # One end token more, inside the text.
        ids[0][4] = config.eos_token_id
        labels = ids
    return ids, labels, [shift_of(model, case, row) for row in labels]


def shift_of(model, case: Case, labels: torch.Tensor) -> torch.Tensor:
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        return shifted(model, labels)
    module = sys.modules[type(model).__module__]
    starts = [] if "mbart" in module.__name__ else [model.config.decoder_start_token_id]
    return module.shift_tokens_right(labels[None], model.config.pad_token_id, *starts)[0]


def run_row(model, ids: torch.Tensor, decoder_ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """The encoder's states, the decoder's, and the logits of one text."""
    seen = {}

    def watch(name, stack):
        return stack.register_forward_hook(lambda _module, _inputs, output: seen.update({name: output[0][0]}))

    hooks = [watch("encoder_hidden", model.get_encoder()), watch("decoder_hidden", model.get_decoder())]
    logits = model(input_ids=ids[None], decoder_input_ids=decoder_ids[None]).logits
    for hook in hooks:
        hook.remove()
    return seen | dict(logits=logits if logits.dim() == 2 else logits[0])


def run(model, case: Case, ids: list[torch.Tensor], decoder_ids: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Runs each text alone and concatenates what comes out."""
    if case.head == "encoder":
        return dict(encoder_hidden=torch.cat([model(input_ids=row[None]).last_hidden_state[0] for row in ids]))
    rows = [run_row(model, *row) for row in zip(ids, decoder_ids, strict=True)]
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def emptied(name: str) -> Path:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    return folder


def drawn(name: str, case: Case):
    """A model on disk and opened, its rows, what it makes of them, and what it writes, if it is to write."""
    for attempt in itertools.count():
        assert attempt < MAX_DRAWS, f"{name}: no draw makes its choices clearly"
        seed = zlib.crc32(f"{name} {attempt}".encode())
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        folder = emptied(name)
        saved(case, generator, folder)
        model = opened(case, folder)
        rows = drawn_ids(model, case, folder, generator)
        with torch.no_grad():
            texts = [] if case.head in ["classification", "encoder"] else continuations(model, case, rows[0])
            if texts is None:
                continue
            in_f32 = run(model, case, rows[0], rows[2])
            if texts:
                check_loss(model, rows, in_f32["logits"])
        outputs = run(model.double(), case, rows[0], rows[2])
        # A case whose own rounding is large says little of another's.
        if max((in_f32[name] - exact).abs().max().item() for name, exact in outputs.items()) < MOST_ROUNDING:
            print(f"{name}: draw {attempt}", flush=True)
            return folder, model, rows, outputs, texts


def stored_names(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        return set(tensors.keys())


def ignored(labels: torch.Tensor) -> torch.Tensor:
    """The labels without the third and the eleventh of all."""
    labels = labels.clone()
    labels[[2, 10]] = -100
    return labels


def gradients(model, case: Case, logits: torch.Tensor, targets: torch.Tensor, folder: Path) -> dict[str, float]:
    """Writes the gradients of the mean cross-entropy, plain and smoothed; returns the losses."""
    names = dict(model.named_parameters())
    buffers = {name for name, _ in model.named_buffers()}
    assert set(names) == stored_names(folder) - buffers, set(names) ^ stored_names(folder)

    def written_to(file, loss, wanted):
        found = torch.autograd.grad(loss, [names[name] for name in wanted], retain_graph=True)
        save_file({name: tensor.float() for name, tensor in zip(wanted, found, strict=True)}, folder / file)
        return loss.item()

    losses = dict(loss=written_to("gradients.safetensors", cross_entropy(logits, targets), list(names)))
    if case.head != "classification":
        smoothed = cross_entropy(logits, targets, label_smoothing=SMOOTHING)
        some = [name for name in names if name.endswith(SMOOTHED)]
        losses["loss_smoothed"] = written_to("gradients_smoothed.safetensors", smoothed, some)
    return losses


def check_loss(model, rows, logits: torch.Tensor) -> None:
    """That the model's own loss of the batch, padded with labels of -100, is the one of the rows laid end to end."""
    ids, labels, _ = rows
    batch, mask = padded(ids, model.config.pad_token_id)
    own = model(input_ids=batch, attention_mask=mask, labels=padded(labels, -100)[0]).loss
    assert abs(own - cross_entropy(logits, torch.cat(labels))) < 1e-5, own


def in_lines(about: dict) -> str:
    """As JSON, each list of numbers in a line."""
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    return re.sub(r"\[[\s\d.,\[\]-]*\]", lambda numbers: "".join(numbers[0].split()).replace(",", ", "), text)


def lengths(rows: list[torch.Tensor]) -> torch.Tensor:
    return torch.tensor([len(row) for row in rows])


def make(name: str, case: Case) -> int:
    """Writes one case and returns its size in bytes."""
    folder, model, (ids, labels, decoder_ids), outputs, texts = drawn(name, case)
    assert all(value.isfinite().all() for value in outputs.values())
    about = dict(model=case.model, head=case.head)
    if case.notes:
        about["notes"] = case.notes
    tensors = dict(ids=torch.cat(ids), lengths=lengths(ids))
    if case.head != "encoder":
        targets = torch.tensor(ROW_LABELS) if case.head == "classification" else torch.cat(labels)
        if case.gradients and case.head != "classification":
            targets = ignored(targets)
        tensors |= dict(labels=targets, decoder_ids=torch.cat(decoder_ids), decoder_lengths=lengths(decoder_ids))
        about["loss"] = cross_entropy(outputs["logits"], targets).item()
        if case.gradients:
            about |= gradients(model, case, outputs["logits"], targets, folder)
    if case.tokenizer:
        about["texts"] = case.texts
        tokenizer = case.tokenizer(folder)
        for search in texts:
            search["texts"] = [[tokenizer.decode(row, skip_special_tokens=True) for row in rows] for rows in search["ids"]]

    tensors = {key: value.to(torch.int32) for key, value in tensors.items()}
    tensors |= {key: value.detach().float() for key, value in outputs.items()}
    save_file(tensors, folder / "case.safetensors")
    about["tensors"] = {key: list(value.shape) for key, value in tensors.items()}
    if texts:
        about["generate"] = texts
    about["made_with"] = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    (folder / "case.json").write_text(in_lines(about))

    return size_of(folder)


if __name__ == "__main__":
    make_all(CASES, make)
