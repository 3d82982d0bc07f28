"""Run folders made up for the report: plausible rows and pictures without a network."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from brittle.runs.finding import Finding, Health
from brittle.runs.manifest import AttackInfo, BadImageInfo, DataInfo, Manifest, NetworkInfo, ThreatInfo
from brittle.runs.store import SCHEMA, RunFolder

INF = float("inf")


def named(p):
    return f"l{p}" if p in ("0", "1", "2", "inf") else p


def plan(radius=0.2, p="inf"):
    """A plan like the audit's: noise, one step, many steps, and a search for the smallest change."""
    fixed = {"kind": "fixed", "norm": named(p), "radius": radius}
    return [
        AttackInfo(key="noise", spec="noise", name="noise", settings={"draws": 10}, **fixed),
        AttackInfo(key="fgsm", spec="fgsm", name="fgsm", settings={}, **fixed),
        AttackInfo(
            key="pgd", spec="pgd:steps=40,restarts=5", name="pgd", settings={"steps": 40, "restarts": 5}, **fixed
        ),
        searching("deepfool", p),
    ]


def searching(key, p="inf"):
    settings = {"steps": 50, "overshoot": 0.02, "candidates": 10, "radius": INF}
    return AttackInfo(key=key, spec=key, name="deepfool", settings=settings, kind="minimum", norm=named(p), radius=None)


@dataclass
class Recipe:
    """What the run to be made up is like."""

    images: int = 200
    classes: list[str] = field(default_factory=lambda: [str(digit) for digit in range(10)])
    shape: tuple[int, int, int] = (1, 28, 28)
    attacks: list[AttackInfo] = field(default_factory=plan)
    p: str = "inf"
    radius: float | None = 0.2
    quantization: int | None = None
    typical: float = 0.05  # median size of the smallest change
    clean: float = 0.95
    never: float = 0.0  # fraction of images that no attack breaks
    block: int = 200
    done: dict[str, int] | None = None  # attack to number of parts, for an unfinished run
    bad: list[BadImageInfo] = field(default_factory=list)
    network: str = "digits-lenet"
    weights: str = ""
    data: str = "digits"
    pictures: int = 3
    seed: int = 0


def build(path: Path, recipe: Recipe) -> Path:
    """Write the run folder."""
    manifest = Manifest(
        created="2026-03-01T12:00:00+00:00",
        command=["brittle", "audit", recipe.network, "--data", recipe.data, "--eps", "4/255", "--name", "it's one"],
        seed=0,
        device="cpu",
        machine="x86_64, 2 cores",
        batch=64,
        block=recipe.block,
        max_images=recipe.images,
        quantization=recipe.quantization,
        network=NetworkInfo(
            spec=recipe.network,
            weights=recipe.weights,
            digest="ab12" * 16,
            parameters=3_504_872,
            input_shape=recipe.shape,
            bounds=(0.0, 1.0),
        ),
        data=DataInfo(
            spec=recipe.data,
            digest="cd34" * 16,
            images=recipe.images,
            classes=recipe.classes,
            fit={"resize": 256, "crop": 224},
            bad=recipe.bad,
        ),
        threat=ThreatInfo(norm=named(recipe.p), radius=recipe.radius),  # pyright: ignore[reportArgumentType]
        attacks=recipe.attacks,
        versions={"brittle": "0.1.0", "python": "3.11.2", "torch": "2.13.0", "numpy": "2.4.6"},
    )
    images = Images(recipe)
    with RunFolder.create(path, manifest) as folder:
        for number, attack in enumerate(recipe.attacks):
            parts = manifest.blocks if recipe.done is None else recipe.done.get(attack.key, 0)
            for block in range(parts):
                folder.write_part(attack.key, block, images.rows(attack, block, number))
        if recipe.done is None:
            folder.finish()
    return path


def fail_a_check(run: Path) -> Path:
    """Let a check of a run have failed that may make the network look too robust."""
    failed = Finding(
        check="masked", title="Gradients", status="fail", value=1.0, text="", rule="", source="", remedy="mend",
        error="too high",
    )  # fmt: skip
    folder = RunFolder.open(run)
    folder.write_health(Health(run=folder.manifest.identity, thorough=False, passes=1, fraction=0.0, findings=[failed]))
    return run


class Images:
    """The images of a run and what each attack does to them."""

    def __init__(self, recipe: Recipe):
        self.recipe, n = recipe, recipe.images
        generator = np.random.default_rng(recipe.seed)
        known = len(recipe.classes) or 10
        self.label = generator.integers(known, size=n)
        self.correct = generator.random(n) < recipe.clean
        self.wrong = (self.label + 1 + generator.integers(max(known - 1, 1), size=n)) % known
        self.other = np.where(generator.random(n) < 0.6, (self.label * 7 + 3) % known, self.wrong)
        self.other = np.where(self.other == self.label, (self.label + 1) % known, self.other)
        self.smallest = recipe.typical * np.exp(generator.normal(0, 0.45, n))
        self.smallest[generator.random(n) < recipe.never] = INF

    def rows(self, attack: AttackInfo, block: int, number: int) -> pa.Table:
        recipe = self.recipe
        which = np.arange(block * recipe.block, min(recipe.images, (block + 1) * recipe.block))
        generator = np.random.default_rng([recipe.seed, number, block])
        n, right = len(which), self.correct[which]
        weakness = {"noise": 20.0, "fgsm": 1.9}.get(attack.name, 1.04) * np.exp(np.abs(generator.normal(0, 0.05, n)))
        sizes = self.smallest[which] * weakness
        if attack.radius is not None:
            sizes = np.where(sizes <= attack.radius, attack.radius, INF)
        success = right & np.isfinite(sizes)
        change = np.where(success, sizes, 0.0)
        norms = {
            "l0": change * 0 + 40,
            "l1": change * 300,
            "l2": change * 20,
            "linf": change,
            "pixels": change * 0 + 40,
            "flow": np.full(n, INF),
        }
        norms |= {attack.norm: change}
        channels, height, width = recipe.shape
        columns = {
            "index": which,
            "name": [f"{recipe.data}/{index}" for index in which],
            "label": self.label[which],
            "clean_prediction": np.where(right, self.label[which], self.wrong[which]),
            "clean_confidence": generator.uniform(0.6, 1, n),
            "correct": right,
            "prediction": np.where(success, self.other[which], self.label[which]),
            "confidence": generator.uniform(0.4, 0.99, n),
            "success": success,
            "rounded_success": success & (generator.random(n) < 0.97),
            "size": np.where(right, sizes, 0.0),
            "size_unrounded": np.where(right, sizes / 1.25, 0.0) if recipe.quantization else [None] * n,
            **norms,
            "image_l1": np.full(n, 300.0),
            "image_l2": np.full(n, 10.0),
            "image_linf": np.full(n, 1.0),
            "forward": np.where(right, {"noise": 10, "fgsm": 2}.get(attack.name, 41), 1),
            "backward": np.where(right, {"noise": 0, "fgsm": 1}.get(attack.name, 40), 0),
            "iterations": np.full(n, 3),
            "nonfinite_outputs": np.zeros(n, dtype=int),
            "nonfinite_gradients": np.zeros(n, dtype=int),
            "seconds": generator.uniform(0.002, 0.01, n),
            "clean_refused": [None] * n,
            "refused": [None] * n,
            "channels": np.full(n, channels),
            "height": np.full(n, height),
            "width": np.full(n, width),
        }
        pictures = self.pictures(which, success, change, attack.norm == "flow")
        arrays = [pa.array(columns[item.name], item.type) if item.name in columns else None for item in SCHEMA]
        filled = [
            array if array is not None else pictures[item.name] for array, item in zip(arrays, SCHEMA, strict=True)
        ]
        return pa.table(filled, schema=SCHEMA)

    def pictures(self, which, success, change, bent):
        """Originals and adversarial images of the easiest and the hardest successes, and the fields of bent ones."""
        ranked = [place for place in np.argsort(change) if success[place]]
        keep = {*ranked[: self.recipe.pictures], *(ranked[-self.recipe.pictures :] if self.recipe.pictures else [])}
        originals, adversarials, fields = ([None] * len(which) for _ in range(3))
        for place in keep:
            image = picture(self.recipe.shape, int(which[place]), int(self.label[which[place]]))
            signs = np.sign(np.random.default_rng(int(which[place])).normal(size=image.shape))
            originals[place] = image.astype("<f4").tobytes()
            adversarials[place] = np.clip(image + signs * change[place], 0, 1).astype("<f4").tobytes()
            if bent:
                turned = np.indices(image.shape[1:])[::-1] - np.array(image.shape[1:])[:, None, None] / 2
                fields[place] = (turned / 40 * change[place]).astype("<f4").tobytes()
        kept = {"original": originals, "adversarial": adversarials, "field": fields}
        return {name: pa.array(values, pa.binary()) for name, values in kept.items()}


@cache
def digits():
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return loaded.images, loaded.target


def picture(shape, number, label):
    """A digit where the images are grey, and a blurred landscape of blobs where they are in colour."""
    channels, height, width = shape
    if channels == 1:
        drawn, digit = digits()
        image = drawn[np.flatnonzero(digit == label % 10)[number % 50]] / 16
        rows, columns = (np.linspace(0, 7, side).round().astype(int) for side in (height, width))
        return image[rows][:, columns][None]
    generator = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    image = np.stack([0.3 + 0.4 * generator.random() * (1 - y) for _ in range(channels)])
    for _ in range(12):
        centre, spread = generator.random(2), generator.uniform(0.03, 0.2)
        blob = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2) < spread**2
        image = np.where(blob, generator.random((channels, 1, 1)), image)
    return np.clip(image + generator.normal(0, 0.01, image.shape), 0, 1)
