"""Golden cases for PEFT's adapters of encoder-decoders: updates in both stacks, or in one of them.

    python tests/golden/lora_seq2seq/make.py [case ...]

Pins: peft 0.21.2, transformers 5.24.0, torch 2.15.0, safetensors 0.8.0.

Each case is a folder beside this script:

    base/                  config.json, model.safetensors: the checkpoint before it was adapted
    adapter/               adapter_config.json, adapter_model.safetensors, as `PeftModel.save_pretrained` writes them
    case.safetensors       texts that are read (`ids`, `lengths`) and written (`decoder_ids`, `labels`, `decoder_lengths`), end to
                           end; `encoder_hidden`, `decoder_hidden` and `logits` of the adapted model, read back by
                           `PeftModel.from_pretrained`
    gradients.safetensors  d loss / d factor of each update, named as in the adapter; the loss is the mean cross-entropy of all labels
    case.json              `targets` as they were given to PEFT, and `loss`

All weights and both factors are drawn, so that each counts. Outputs are computed in f64, each text alone, and stored as f32.
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
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from transformers import BartConfig, T5Config, T5GemmaConfig

HERE = Path(__file__).parent
LENGTHS = [4, 1, 9]
DECODER_LENGTHS = [3, 6, 1]
VOCABULARY = 19


@dataclass
class Case:
    """A model, and how PEFT adapts it."""

    model: str
    config: object
    targets: list[str] | str


def bart():
    return BartConfig(
        vocab_size=VOCABULARY, d_model=12, encoder_layers=2, decoder_layers=3, encoder_attention_heads=2, decoder_attention_heads=3,
        encoder_ffn_dim=10, decoder_ffn_dim=14, max_position_embeddings=16, dropout=0.0,
    )


def t5():
    return T5Config(
        vocab_size=VOCABULARY, d_model=14, d_kv=5, num_heads=3, num_layers=3, num_decoder_layers=2, d_ff=11, dropout_rate=0.0,
        relative_attention_num_buckets=8, relative_attention_max_distance=12, feed_forward_proj="gated-gelu",
        decoder_start_token_id=0,
    )


def t5gemma():
    shared = dict(
        vocab_size=VOCABULARY, num_key_value_heads=1, head_dim=6, query_pre_attn_scalar=7, sliding_window=3, num_hidden_layers=2,
        attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
    )
    encoder = dict(hidden_size=12, intermediate_size=10, num_attention_heads=2, **shared)
    decoder = dict(hidden_size=15, intermediate_size=16, num_attention_heads=3, **shared)
    return T5GemmaConfig(encoder=encoder, decoder=decoder, vocab_size=VOCABULARY)


CASES = {
    "bart": Case("BartForConditionalGeneration", bart(), ["q_proj", "v_proj"]),
    "bart_encoder": Case("BartForConditionalGeneration", bart(), r".*\.encoder\.layers\.\d+\.fc1"),
    "bart_to_encoder": Case("BartForConditionalGeneration", bart(), ["encoder_attn.k_proj"]),
    "t5": Case("T5ForConditionalGeneration", t5(), ["q", "v"]),
    "t5_to_encoder": Case("T5ForConditionalGeneration", t5(), ["EncDecAttention.v"]),
    "t5gemma": Case("T5GemmaForConditionalGeneration", t5gemma(), ["q_proj", "v_proj"]),
}


def draw(parameters, generator: torch.Generator) -> None:
    with torch.no_grad():
        for parameter in parameters:
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)


def run(model, ids: torch.Tensor, decoder_ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """The states of both stacks and the logits of each text alone."""
    found = dict(encoder_hidden=[], decoder_hidden=[], logits=[])
    stacks = dict(encoder_hidden=model.base_model.model.get_encoder(), decoder_hidden=model.base_model.model.get_decoder())
    hooks = [
        stack.register_forward_hook(lambda _module, _inputs, output, name=name: found[name].append(output[0][0]))
        for name, stack in stacks.items()
    ]
    for read, written in zip(ids.split(LENGTHS), decoder_ids.split(DECODER_LENGTHS), strict=True):
        found["logits"].append(model(input_ids=read[None], decoder_input_ids=written[None]).logits[0])
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(parts) for name, parts in found.items()}


def make(name: str, case: Case) -> int:
    """Writes one case and returns its size in bytes."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "base").mkdir(parents=True)
    seed = zlib.crc32(f"lora seq2seq {name}".encode())
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model_class = getattr(transformers, case.model)
    made = model_class(case.config)
    draw(made.parameters(), generator)
    made.save_pretrained(folder / "base")
    (folder / "base" / "generation_config.json").unlink(missing_ok=True)

    def opened():
        return model_class.from_pretrained(folder / "base", dtype=torch.float32, attn_implementation="eager")

    base = opened()
    base.name_or_path = base.config._name_or_path = "base"
    adapted = get_peft_model(base, LoraConfig(target_modules=case.targets, r=2, lora_alpha=5, task_type="SEQ_2_SEQ_LM"))
    draw((parameter for parameter in adapted.parameters() if parameter.requires_grad), generator)
    adapted.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    # PEFT writes its sets in any order.
    path = folder / "adapter" / "adapter_config.json"
    arguments = json.loads(path.read_text())
    if isinstance(arguments["target_modules"], list):
        arguments["target_modules"].sort()
    arguments["base_model_name_or_path"] = "base"
    path.write_text(json.dumps(arguments, indent=2, sort_keys=True) + "\n")

    model = PeftModel.from_pretrained(opened(), folder / "adapter", is_trainable=True).double().eval()
    ids = torch.randint(3, VOCABULARY, [sum(LENGTHS)], generator=generator)
    labels, decoder_ids = torch.randint(3, VOCABULARY, [2, sum(DECODER_LENGTHS)], generator=generator)
    outputs = run(model, ids, decoder_ids)
    loss = cross_entropy(outputs["logits"], labels)
    loss.backward()
    inputs = dict(
        ids=ids, lengths=torch.tensor(LENGTHS), labels=labels, decoder_ids=decoder_ids,
        decoder_lengths=torch.tensor(DECODER_LENGTHS),
    )
    tensors = {key: tensor.to(torch.int32) for key, tensor in inputs.items()}
    tensors |= {key: tensor.detach().float().contiguous() for key, tensor in outputs.items()}
    save_file(tensors, folder / "case.safetensors")
    gradients = {
        key.replace(".default", ""): parameter.grad.float().contiguous()
        for key, parameter in model.named_parameters() if parameter.requires_grad
    }
    assert gradients.keys() == load_file(folder / "adapter" / "adapter_model.safetensors").keys()
    assert all(gradient.abs().max() > 1e-6 for gradient in gradients.values()), name
    save_file(gradients, folder / "gradients.safetensors")
    made_with = dict(peft=peft.__version__, transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    about = dict(model=case.model, targets=case.targets, loss=loss.item(), made_with=made_with)
    (folder / "case.json").write_text(json.dumps(about, indent=2) + "\n")
    return size_of(folder, 100_000)


if __name__ == "__main__":
    make_all(CASES, make)
