"""Golden cases for PEFT's adapters of decoders: transposed layers, a scale of 0, and embeddings and heads beside the updates.

    python tests/golden/lora_decoders/make.py [case ...]

Pins: peft 0.21.2, transformers 5.24.0, torch 2.15.0, safetensors 0.8.0.

Each case is a folder beside this script:

    base/              config.json, model.safetensors: the checkpoint before it was adapted
    adapter/           adapter_config.json, adapter_model.safetensors, as `PeftModel.save_pretrained` writes them
    case.safetensors   `ids` and `lengths`; `hidden` and `logits` of the adapted model, read back by `PeftModel.from_pretrained`
    case.json          `head`, and `refused`: a word of the refusal, for an adapter that is not read

All that trains is drawn, so that it counts. Outputs are computed in f64, beside the weights, and stored as f32: added to the weights, PEFT
gives other ones where the head is tied and adapted.
"""

import json
import shutil
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import peft
import torch
import transformers
from common import make_all, size_of
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import GPT2Config, LlamaConfig

HERE = Path(__file__).parent
LENGTHS = [1, 4, 8]
SPECIAL = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)


@dataclass
class Case:
    """A model, and how PEFT adapts it."""

    model: str
    config: object
    arguments: dict
    head: str = "causal_lm"
    refused: str = ""


def gpt2(**more):
    return GPT2Config(vocab_size=13, n_positions=16, n_embd=12, n_layer=2, n_head=3, **SPECIAL, **more)


def llama(tied):
    return LlamaConfig(vocab_size=13, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=10,
                       max_position_embeddings=16, tie_word_embeddings=tied, **SPECIAL)


LABELS = {0: "low", 1: "middle", 2: "high"}
CLASSES = dict(id2label=LABELS, label2id={name: label for label, name in LABELS.items()})
QUERIES = dict(target_modules=["q_proj"], r=2, lora_alpha=4)
FUSED = dict(target_modules=["c_attn"], r=2, lora_alpha=4)

CASES = {
    "gpt2_attention": Case("GPT2LMHeadModel", gpt2(), FUSED | dict(fan_in_fan_out=True)),
    "gpt2_all_layers": Case("GPT2LMHeadModel", gpt2(), FUSED | dict(target_modules=["c_attn", "c_proj", "c_fc"])),
    "gpt2_classification": Case(
        "GPT2ForSequenceClassification", gpt2(**CLASSES), FUSED | dict(task_type="SEQ_CLS"), "classification",
    ),
    "gpt2_tied_head_adapted": Case("GPT2LMHeadModel", gpt2(), FUSED | dict(target_modules=["c_attn", "lm_head"])),
    "gpt2_embeddings_and_head": Case("GPT2LMHeadModel", gpt2(), FUSED | dict(modules_to_save=["wte", "lm_head"])),
    "gpt2_transposed_layer_saved": Case("GPT2LMHeadModel", gpt2(), FUSED | dict(modules_to_save=["c_fc", "ln_f"])),
    "gpt2_scale_0": Case("GPT2LMHeadModel", gpt2(), FUSED | dict(lora_alpha=0)),
    "llama_scale_0": Case("LlamaForCausalLM", llama(False), QUERIES | dict(lora_alpha=0)),
    "llama_one_scale_0": Case(
        "LlamaForCausalLM", llama(False), QUERIES | dict(target_modules=["q_proj", "v_proj"], alpha_pattern={"v_proj": 0}),
    ),
    "llama_head": Case("LlamaForCausalLM", llama(False), QUERIES | dict(modules_to_save=["lm_head"])),
    "llama_embeddings_and_head": Case(
        "LlamaForCausalLM", llama(False), QUERIES | dict(modules_to_save=["embed_tokens", "lm_head"]),
    ),
    "llama_tied_embeddings": Case("LlamaForCausalLM", llama(True), QUERIES | dict(modules_to_save=["embed_tokens"])),
    "llama_tied_head": Case("LlamaForCausalLM", llama(True), QUERIES | dict(modules_to_save=["lm_head"])),
    "llama_tied_both": Case(
        "LlamaForCausalLM", llama(True), QUERIES | dict(modules_to_save=["embed_tokens", "lm_head"]),
    ),
    "llama_tied_and_kept_so": Case(
        "LlamaForCausalLM", llama(True), QUERIES | dict(modules_to_save=["embed_tokens"], ensure_weight_tying=True),
    ),
    "llama_head_adapted": Case("LlamaForCausalLM", llama(False), QUERIES | dict(target_modules=["q_proj", "lm_head"])),
    "llama_embeddings_adapted": Case(
        "LlamaForCausalLM", llama(False), QUERIES | dict(target_modules=["q_proj", "embed_tokens"]),
        refused="an update of the embeddings",
    ),
}


def draw(parameters, generator: torch.Generator) -> None:
    with torch.no_grad():
        for parameter in parameters:
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)


@torch.no_grad()
def run(model, case: Case, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Hidden states and logits of each sequence alone."""
    found = dict(hidden=[], logits=[])
    for part in ids.split(LENGTHS):
        mask = torch.ones(1, len(part), dtype=torch.long)
        outputs = model(input_ids=part[None], attention_mask=mask, output_hidden_states=True)
        found["hidden"].append(outputs.hidden_states[-1][0])
        found["logits"].append(outputs.logits.reshape(-1, outputs.logits.shape[-1]))
    return {name: torch.cat(parts).float() for name, parts in found.items()}


def make(name: str, case: Case) -> int:
    """Writes one case and returns its size in bytes."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "base").mkdir(parents=True)
    seed = zlib.crc32(f"lora decoders {name}".encode())
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model_class = getattr(transformers, case.model)
    made = model_class(case.config)
    draw(made.parameters(), generator)
    made.save_pretrained(folder / "base")
    (folder / "base" / "generation_config.json").unlink(missing_ok=True)

    base = model_class.from_pretrained(folder / "base", attn_implementation="eager")
    base.name_or_path = base.config._name_or_path = "base"
    adapted = get_peft_model(base, LoraConfig(**(dict(task_type="CAUSAL_LM") | case.arguments)))
    draw((parameter for parameter in adapted.parameters() if parameter.requires_grad), generator)
    adapted.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    # PEFT writes its sets in any order.
    path = folder / "adapter" / "adapter_config.json"
    arguments = json.loads(path.read_text())
    arguments["target_modules"].sort()
    arguments["base_model_name_or_path"] = "base"
    path.write_text(json.dumps(arguments, indent=2, sort_keys=True) + "\n")

    base = model_class.from_pretrained(folder / "base", attn_implementation="eager")
    model = PeftModel.from_pretrained(base, folder / "adapter").double().eval()
    ids = torch.randint(3, 13, [sum(LENGTHS)], generator=generator)
    outputs = dict(ids=ids.to(torch.int32), lengths=torch.tensor(LENGTHS, dtype=torch.int32))
    save_file(outputs | run(model, case, ids), folder / "case.safetensors")
    made_with = dict(peft=peft.__version__, transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    about = dict(model=case.model, head=case.head, refused=case.refused, made_with=made_with)
    (folder / "case.json").write_text(json.dumps(about, indent=2) + "\n")
    return size_of(folder, 100_000)


if __name__ == "__main__":
    make_all(CASES, make)
