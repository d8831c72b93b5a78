"""The references of `rnabert` and `fm4bio`: the modelling files of `modelgenerator` 0.1.3 (PyPI), run under transformers 5.

    pip install --no-deps modelgenerator==0.1.3

Only its `huggingface_models/FAMILY/{configuration,modeling}_FAMILY.py` are imported, past the package's own
`__init__`, which needs far more. They were written for transformers 4: what they import or call that version 5 no
longer has is supplied here. None of it takes part in the arithmetic of a forward pass.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import transformers.pytorch_utils
import transformers.utils


def reference() -> ModuleType:
    """The modelling module of AIDO.DNA and AIDO.RNA; `RNABertConfig` and the models are its attributes."""
    return imported("rnabert", "RNABert")


def protein_reference() -> ModuleType:
    """That of AIDO.Protein, with `FM4BioConfig` and its models."""
    return imported("fm4bio", "FM4Bio")


def imported(family: str, prefix: str) -> ModuleType:
    """The modelling module of a family whose classes begin with `prefix`."""
    package_name = f"{family}_reference"
    if package_name in sys.modules:
        return sys.modules[f"{package_name}.modeling_{family}"]
    found = importlib.util.find_spec("modelgenerator")
    if found is None:
        raise ModuleNotFoundError(f"the {family} cases need `pip install --no-deps modelgenerator==0.1.3`")
    package = ModuleType(package_name)
    package.__path__ = [str(Path(found.submodule_search_locations[0]) / "huggingface_models" / family)]
    sys.modules[package_name] = package

    for name in ["find_pruneable_heads_and_indices", "prune_linear_layer"]:
        if not hasattr(transformers.pytorch_utils, name):
            setattr(transformers.pytorch_utils, name, None)

    def undecorated(*_arguments, **_named):
        return lambda function: function

    for name in [
        "add_code_sample_docstrings", "add_start_docstrings", "add_start_docstrings_to_model_forward",
        "replace_return_docstrings",
    ]:
        setattr(transformers.utils, name, undecorated)

    module = importlib.import_module(f"{package_name}.modeling_{family}")
    base = getattr(module, f"{prefix}PreTrainedModel")
    initialise = base.init_weights

    def init_weights(self):
        # Version 5 prepares in `post_init` what this needs, and some of the models call only this.
        if hasattr(self, "all_tied_weights_keys"):
            initialise(self)
        else:
            self.post_init()

    base.init_weights = init_weights
    base.get_head_mask = lambda _self, _mask, layers: [None] * layers
    # Version 5 wants the tied names as a mapping.
    getattr(module, f"{prefix}ForMaskedLM")._tied_weights_keys = {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
    # Version 4 gave these to every configuration and did not write them down.
    defaults = dict(is_decoder=False, add_cross_attention=False, chunk_size_feed_forward=0, tie_word_embeddings=True)
    config = getattr(module, f"{prefix}Config")
    for key, value in defaults.items():
        if not hasattr(config, key):
            setattr(config, key, value)
    return module
