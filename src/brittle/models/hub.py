"""Image classifiers of the Hugging Face hub, with their processor's arithmetic moved inside."""

from pathlib import Path
from typing import Any, cast

from torch import nn

from brittle.errors import ModelError, quoted
from brittle.models.network import Network, digest_of, parameters_of, seeded, telling
from brittle.models.preprocessing import before
from brittle.models.processor import inside, load_processor
from brittle.models.weights import classes_in, load_weights
from brittle.plugins.optional import advice, optional

LOADING = (
    "it must be an image classifier with weights in safetensors, on the hub or in a folder, whose weights are those of "
    "its config"
)
"""What helps where transformers cannot build a network."""
CHANNELS = (1, 2, 3, 4)
"""Of images that a processor takes."""


def load_hub(name: str, weights: Path | None = None) -> Network:
    """A classifier by its name on the hub, or by a folder; only weights in safetensors, never code of the repository.

    Weights in half precision become float32. What the network's processor computes moves inside, and is compared with
    the processor's own output.

    Args:
        name: such as `microsoft/resnet-50`, or a folder that `save_pretrained` wrote.
        weights: a safetensors file with the network's names, used instead of the published weights; it may be of
            another number of classes.

    Raises:
        MissingExtra: transformers is not installed.
        ModelError: no such network, none with safetensors, none with a processor of images, or one whose processor
            computes what brittle does not know.
    """
    transformers = optional("transformers", "hub", "a network of the Hugging Face hub")
    with telling(f"hf:{name} cannot be loaded", lambda error: advice(error, LOADING)), seeded():
        if weights:
            config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
            build = transformers.AutoModelForImageClassification.from_config
            module: nn.Module = build(config, trust_remote_code=False)
            usual = getattr(config, "num_labels", 0)
            if (classes := classes_in(weights, module, usual)) != usual:
                config.num_labels = classes  # whose names nobody knows
                module = build(config, trust_remote_code=False)
        else:
            module, told = transformers.AutoModelForImageClassification.from_pretrained(
                name, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
            _check_complete(module, told, name)
    if weights:
        load_weights(module, weights)
    with telling(f"the config of hf:{name} does not say its classes", "mend id2label in its config.json"):
        classes = _classes(cast("Any", module).config.id2label)
    channels = getattr(cast("Any", module).config, "num_channels", 3)
    if isinstance(channels, bool) or not isinstance(channels, int) or channels not in CHANNELS:
        raise ModelError(f"hf:{name} takes images of {channels!r} channels; expected one of {CHANNELS} in config.json")
    ours, shape = inside(load_processor(transformers, name), channels, f"hf:{name}")
    module = before(module.float(), ours)
    return Network(f"hf:{name}", module, digest_of(module), shape, classes, parameters_of(module), normalises=True)


def _check_complete(module: nn.Module, told: dict[str, Any], name: str) -> None:
    """Refuses weights and statistics that the files lack or hold in another shape: transformers makes them up.

    A counter of batches is of no consequence in eval mode, and old files lack it.
    """
    kept = {key for key in module.state_dict() if not key.endswith("num_batches_tracked")}
    weights = kept | {key for key, _ in module.named_parameters()}
    missing = sorted(weights & set(cast("list[str]", told.get("missing_keys", ()))))
    missing += [str(entry[0]) for entry in cast("list[tuple[str]]", told.get("mismatched_keys") or ())]
    if missing:
        raise ModelError(
            f"hf:{name} lacks {len(missing)} of the network's {len(weights)} weights "
            f"({quoted(', '.join(missing[:3]))}), which would "
            "be drawn by chance; it is no trained classifier: name one, or give --weights"
        )


def _classes(names: dict[int, str]) -> tuple[str, ...]:
    """Class names in order; () when they are the placeholders LABEL_0, LABEL_1, ..."""
    if not isinstance(cast("object", names), dict) or sorted(names) != list(range(len(names))):
        raise ValueError("id2label is no table from 0, 1, 2, ... to names")
    ordered = tuple(str(names[index]) for index in range(len(names)))
    return () if all(name == f"LABEL_{index}" for index, name in enumerate(ordered)) else ordered
