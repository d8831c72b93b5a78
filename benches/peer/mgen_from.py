"""ModelGenerator's program, which begins with the weights of a checkpoint of ours.

    CHECKPOINT=FOLDER python benches/peer/mgen_from.py fit --config FILE ...

Without dropout, and with rows in the order of their file, both programs then compute the same loss at each step, up to rounding.
"""

import os
from pathlib import Path

from modelgenerator.main import MyLightningCLI
from safetensors.torch import load_file

CHECKPOINT = Path(os.environ["CHECKPOINT"])


def begin(task) -> None:
    """Replaces the weights of a task with an `MLPPoolAdapter`: a linear layer, an activation, a linear layer, with dropout before both."""
    ours = load_file(CHECKPOINT / "model.safetensors")
    weights = {}
    for name, value in ours.items():
        if name.startswith("adapter.layers."):
            layer, kind = name.removeprefix("adapter.layers.").split(".")
            weights[f"adapter.mlp.{1 + 3 * int(layer)}.{kind}"] = value
        else:
            weights[f"backbone.encoder.{name}"] = value
    task.load_state_dict(weights, strict=True)


class FromCheckpoint(MyLightningCLI):
    def after_instantiate_classes(self):
        super().after_instantiate_classes()
        configure = self.model.configure_model

        def configured() -> None:
            configure()
            begin(self.model)

        self.model.configure_model = configured


if __name__ == "__main__":
    FromCheckpoint(auto_configure_optimizers=False, save_config_callback=None)
