"""Golden cases for the causal families, made by the reference library.

    python tests/golden/decoders/make.py [case ...]

Pins: transformers 5.23.0, torch 2.15.0, safetensors 0.8.0.

What the cases are stands in `cases.py`. Each is a folder beside this script:

    config.json, model.safetensors   a small seeded random model, saved by `save_pretrained`
    config_v4.json                   for some cases: the same configuration as versions before 5 wrote it
    case.safetensors                 `ids` of all sequences laid end to end, their `lengths`; `hidden`, what the last
                                     norm gives, and `logits`, of each token (classification: of each sequence)
    case.json                        what the case is, the shape of every tensor in `case.safetensors`; `generate`:
                                     prompts and the 20 ids that follow each when the largest logit is taken each time
    gradients.safetensors            for some cases: d loss / d parameter, named as in the checkpoint; the loss is the
                                     mean cross-entropy of all tokens but the first of each sequence

The reference reads the saved checkpoint back, runs each sequence alone and unpadded in f64, and the results are
stored as f32. (Rotary angles, RMS norms, most families' softmax and the router are f32 inside the reference whatever
the model is in.) Greedy continuations are whole passes without a cache, and no id ends them. A model is drawn again
until no choice in them is close: the two largest logits differ by more than 1e-3 at each step, and so do the last
chosen expert and the first that is not in every pass; each continuation has at least six different ids; and the
reference in f32 gives the same to 3e-5.
"""

import itertools
import json
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
from torch.nn.functional import cross_entropy
from transformers.pytorch_utils import Conv1D

HERE = Path(__file__).parent
LENGTHS = [1, 2, 7, 19, 33]
NEW_IDS = 20
LEAST_GAP = 1e-3
LEAST_DIFFERENT_IDS = 6
MOST_ROUNDING = 3e-5
MAX_DRAWS = 300
# Stored by published checkpoints and read by nobody.
LEFT_UNREAD = (".attn.bias", ".masked_bias", ".attention.bias", ".inv_freq")


def randomize(model: torch.nn.Module, case: Case, generator: torch.Generator) -> None:
    """Draws every parameter, norms and biases included, large enough that a mistake in any of them shows.

    Vectors vary about the value that they start from: 1 for most norms, 0 for biases and for Gemma's norms, whose
    weights are what is added to 1.
    """
    drawn = set()
    with torch.no_grad():
        for module in model.modules():
            for parameter in module.parameters(recurse=False):
                if parameter in drawn:
                    continue
                drawn.add(parameter)
                mean = 0.0
                if parameter.dim() == 1:
                    mean, deviation = parameter.mean().round().item(), case.spread_of_vectors
                elif isinstance(module, torch.nn.Embedding):
                    # Where embeddings are scaled up they would drown what the layers add.
                    deviation = 0.1 if hasattr(module, "scalar_embed_scale") else 0.5
                else:
                    inputs = parameter.shape[0 if isinstance(module, Conv1D) else -1]
                    deviation = case.spread / inputs**0.5
                parameter.copy_(mean + deviation * torch.randn(parameter.shape, generator=generator))


def draw_ids(config, count: int, generator: torch.Generator) -> torch.Tensor:
    """Ids without the padding id, whose embedding the reference gives no gradient."""
    ordinary = torch.tensor([id for id in range(config.vocab_size) if id != config.pad_token_id])
    return ordinary[torch.randint(len(ordinary), (count,), generator=generator)]


def forget_lengths(model: torch.nn.Module) -> None:
    """Undoes what the dynamic angles remember of longer passes, so that each pass is like the first."""
    for module in model.modules():
        if getattr(module, "rope_type", None) == "dynamic":
            module.max_seq_len_cached = module.original_max_seq_len
            module.inv_freq = module.original_inv_freq


class Routers:
    """Watches by how much the last chosen expert of any token is ahead of the first one that was not chosen."""

    def __init__(self, model: torch.nn.Module):
        self.least_gap = float("inf")
        for module in model.modules():
            if type(module).__name__.endswith("TopKRouter"):
                module.register_forward_hook(self.watch)

    def watch(self, router, _inputs, outputs) -> None:
        ordered = outputs[0].detach().sort(descending=True).values
        self.least_gap = min(self.least_gap, (ordered[:, router.top_k - 1] - ordered[:, router.top_k]).min().item())


def stored_names(folder: Path) -> set[str]:
    names = set()
    for file in folder.glob("model*.safetensors"):
        with safe_open(file, "pt") as tensors:
            names |= set(tensors.keys())
    return names


def saved(case: Case, generator: torch.Generator, folder: Path) -> None:
    """Writes the random checkpoint."""
    model = getattr(transformers, case.model)(case.config)
    randomize(model, case, generator)
    model.to(case.dtype).save_pretrained(
        folder, max_shard_size=case.shard_size, save_original_format=case.published_names
    )
    # Says nothing that config.json does not.
    (folder / "generation_config.json").unlink(missing_ok=True)
    if case.rewrite:
        case.rewrite(folder)
    if case.older:
        older = case.older(json.loads((folder / "config.json").read_text()))
        (folder / "config_v4.json").write_text(json.dumps(older, indent=2, sort_keys=True) + "\n")


def opened(case: Case, folder: Path, config_file: str = "config.json"):
    """Reads the checkpoint back, in f64 and ready to be run."""
    kind = getattr(transformers, case.model)
    model, report = kind.from_pretrained(
        folder, config=kind.config_class.from_json_file(folder / config_file), dtype=torch.float32,
        attn_implementation=case.attention, experts_implementation="eager", output_loading_info=True,
    )
    report["unexpected_keys"] = [name for name in report["unexpected_keys"] if not name.endswith(LEFT_UNREAD)]
    assert not any(report.values()), report
    return model.double().eval()


def run(model, case: Case, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Runs each sequence alone and concatenates what comes out."""
    hidden, logits = [], []
    for row in ids.split(LENGTHS):
        forget_lengths(model)
        hidden.append(model.base_model(row[None]).last_hidden_state[0])
        forget_lengths(model)
        output = model(row[None]).logits
        logits.append(output if case.head == "classification" else output[0])
    return dict(hidden=torch.cat(hidden), logits=torch.cat(logits))


@torch.no_grad()
def continued(model, prompt: torch.Tensor) -> list[int] | None:
    """The ids after the prompt by largest logit; nothing where a choice was close or they repeat themselves."""
    ids = prompt
    for _ in range(NEW_IDS):
        forget_lengths(model)
        largest = model(ids[None]).logits[0, -1].topk(2)
        if largest.values[0] - largest.values[1] <= LEAST_GAP:
            return None
        ids = torch.cat([ids, largest.indices[:1]])
    new = ids[len(prompt) :].tolist()
    return new if len(set(new)) >= LEAST_DIFFERENT_IDS else None


def experts_apart(model, gradients: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Gradients of stacked experts under the names that each expert's own matrices have in a Mixtral checkpoint."""
    named = {}
    for name, tensor in gradients.items():
        name = name.replace(".mlp.", ".block_sparse_moe.")
        layer, stacked, which = name.partition(".experts.")
        if not stacked:
            named[name] = tensor
            continue
        for expert, matrix in enumerate(tensor):
            own = f"{layer}.experts.{expert}"
            if which == "gate_up_proj":
                named[f"{own}.w1.weight"], named[f"{own}.w3.weight"] = (half.clone() for half in matrix.chunk(2))
            else:
                named[f"{own}.w2.weight"] = matrix.clone()
    return named


def gradients(model, logits: torch.Tensor, ids: torch.Tensor, folder: Path) -> torch.Tensor:
    """Writes the gradient of the mean cross-entropy of each next token for every parameter; returns the loss."""
    rows = zip(logits.split(LENGTHS), ids.split(LENGTHS), strict=True)
    guesses, targets = zip(*[(row_logits[:-1], row_ids[1:]) for row_logits, row_ids in rows], strict=True)
    loss = cross_entropy(torch.cat(guesses), torch.cat(targets))
    loss.backward()
    found = {name: parameter.grad.float() for name, parameter in model.named_parameters()}
    if model.config.model_type == "mixtral":
        found = experts_apart(model, found)
    assert set(found) == stored_names(folder), set(found) ^ stored_names(folder)
    save_file(found, folder / "gradients.safetensors", metadata={"format": "pt"})
    return loss


@torch.no_grad()
def moved_by_rounding(model, case: Case, ids: torch.Tensor, outputs: dict[str, torch.Tensor]) -> float:
    """By how much the same model in f32 differs: a case whose own rounding is large says little of another's."""
    in_f32 = run(model.float(), case, ids)
    model.double()
    return max((in_f32[name] - exact).abs().max().item() for name, exact in outputs.items())


def emptied(name: str) -> Path:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    return folder


def drawn(name: str, case: Case):
    """A model on disk and opened, ids for it, what it makes of them, and its continuations, if there are to be any."""
    for attempt in itertools.count():
        seed = zlib.crc32(f"{name} {attempt}".encode())
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        folder = emptied(name)
        saved(case, generator, folder)
        model = opened(case, folder)
        routers = Routers(model)
        ids = draw_ids(model.config, sum(LENGTHS), generator)
        lengths = case.prompts if case.head == "causal_lm" else []
        prompts = [draw_ids(model.config, length, generator) for length in lengths]
        continuations = list(itertools.takewhile(bool, (continued(model, prompt) for prompt in prompts)))
        if len(continuations) == len(prompts):
            outputs = run(model, case, ids)
            if routers.least_gap > LEAST_GAP and moved_by_rounding(model, case, ids, outputs) < MOST_ROUNDING:
                print(f"{name}: draw {attempt}", flush=True)
                pairs = zip(prompts, continuations, strict=True)
                return folder, model, ids, outputs, [dict(prompt=prompt.tolist(), ids=new) for prompt, new in pairs]
        assert attempt < MAX_DRAWS, f"{name}: no draw makes its choices clearly"


def make(name: str, case: Case) -> int:
    """Writes one case and returns its size in bytes."""
    folder, model, ids, outputs, continuations = drawn(name, case)
    assert all(value.isfinite().all() for value in outputs.values())
    if case.older:
        by_older = run(opened(case, folder, "config_v4.json"), case, ids)
        assert all(torch.equal(by_older[key], value) for key, value in outputs.items()), name

    about = dict(model=case.model, head=case.head, dtype=str(case.dtype).removeprefix("torch."), lengths=LENGTHS)
    if case.notes:
        about["notes"] = case.notes
    if case.gradients:
        about["loss"] = gradients(model, outputs["logits"], ids, folder).item()

    tensors = dict(ids=ids.to(torch.int32), lengths=torch.tensor(LENGTHS, dtype=torch.int32))
    tensors |= {key: value.detach().float() for key, value in outputs.items()}
    save_file(tensors, folder / "case.safetensors")
    about["tensors"] = {key: list(value.shape) for key, value in tensors.items()}
    if continuations:
        about["generate"] = continuations
    about["made_with"] = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    (folder / "case.json").write_text(json.dumps(about, indent=2) + "\n")

    return size_of(folder)


if __name__ == "__main__":
    make_all(CASES, make)
