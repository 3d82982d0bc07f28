"""What determines the rows of a run beside the user's settings: the network's tensors, and the code."""

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from brittle.addresses import plain_address
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import said_of_autocast
from brittle.data import Source
from brittle.evaluation.channelled import spelled_channel
from brittle.evaluation.defended import Defended
from brittle.identity.sources import attribute, code_behind, files_behind, own_digest, versions_of
from brittle.identity.walk import Known, Reached, reach
from brittle.models import Network
from brittle.names import stored
from brittle.physical import Channel
from brittle.runs.manifest_info import CodeInfo, DataInfo, NetworkInfo
from brittle.specs import ModelSpec
from brittle.specs.groups import AUTO


@dataclass(frozen=True)
class Provenance:
    """What a network is made of, and the code that it runs.

    Attributes:
        tensors: sha256 of all that it reaches.
        unseen: what could not be looked into.
        roots: names of the loaded modules, the user's, that it and the source of images come from.
        code: the files and versions.
        built_by: those of the roots that built it, as far as they are known to have.
        before: the user's modules that were loaded before all this.
    """

    tensors: str
    unseen: tuple[str, ...]
    roots: tuple[str, ...]
    code: CodeInfo
    built_by: tuple[str, ...]
    before: frozenset[str]

    def plain(self) -> dict[str, object]:
        """Return what determines a result, as JSON can hold it."""
        code = self.code
        return {
            "weights": self.tensors,
            "brittle's code": code.brittle,
            "your code": dict(code.yours),
            "packages": dict(code.packages),
        }

    def files(self) -> dict[str, str]:
        """Return the digests of all files of the user's that the network is made of, as far as loaded now.

        They are named by their path, as `stored`.
        """
        attribute(self.built_by, self.before)
        return {stored(str(path)): digest for path, (_, digest) in files_behind(self.roots).items()}


def provenance(
    network: Network,
    classifier: Classifier,
    source: Source,
    before: Collection[str],
    ask: Callable[[], object] | None = None,
    known: Known | None = None,
    chosen: Sequence[object] = (),
) -> Provenance:
    """Look at what a network is made of, after its first pass, when it has loaded what it loads late.

    Args:
        network: where it came from.
        classifier: as it is asked.
        source: the images; only where its code comes from is looked at, its content has a digest of its own.
        before: the user's modules that were loaded before network and images were opened.
        ask: asks the network once more. What that changes is no weight but a memory of the last pass, and is left out.
        known: digests of tensors from a look a moment ago.
        chosen: attacks, threats and the like, whose code counts as well where they are the user's or a package's.
    """
    attribute(network.sources, before)
    known = known or Known()
    seen = reach(classifier.module, known=known)
    if ask is not None:
        ask()
        seen = seen.settled(reach(classifier.module, known=known))
    own = reach(*chosen)
    roots = tuple(sorted({*network.sources, *seen.modules, *own.modules, type(source).__module__}))
    return Provenance(seen.digest(), seen.unseen, roots, _code(seen, own, roots), network.sources, frozenset(before))


def _code(seen: Reached, chosen: Reached, roots: tuple[str, ...]) -> CodeInfo:
    held = {"what your attacks hold": chosen.digest()} if chosen.modules and chosen.digests else {}
    files = tuple(f"{name}." for name in roots if getattr(sys.modules.get(name), "__file__", None))
    loose = {name: digest for name, digest in chosen.code.items() if not name.startswith(files)}  # as of a notebook
    yours = {**seen.code, **loose, **held, **code_behind(roots)}
    packages = versions_of({*seen.packages, *chosen.packages} - {"torch"})  # its version is in every run
    return CodeInfo(brittle=own_digest(), yours=yours, packages=packages)


def network_info(
    network: Network,
    classifier: Classifier,
    origin: Provenance,
    defended: Defended | None = None,
    channel: Channel | None = None,
    asked: ModelSpec | None = None,
) -> NetworkInfo:
    """Return what a manifest says of a network; `asked` are the words that it opened by, without `spec`."""
    given = {} if asked is None else {name: getattr(asked, name) for name in ("weights", "dtype", "mean", "std")}
    clean = None if asked is None else asked.defence_data
    given |= {"defence_data": clean} if isinstance(clean, str | Path) else {}
    return NetworkInfo(
        spec=network.spec,
        digest=network.digest,
        parameters=network.parameters,
        input_shape=network.input_shape,
        bounds=(classifier.bounds.lower, classifier.bounds.upper),
        tensors=origin.tensors,
        outputs=outputs_of(classifier),
        unseen=list(origin.unseen),
        defence="" if defended is None else defended.text,
        attacked="" if defended is None else defended.attacked,
        channel="" if channel is None else spelled_channel(channel),
        output=None if asked is None else asked.output,
        **{name: plain_address(str(value)) for name, value in given.items() if value is not None},
    )


def data_info(
    source: Source,
    classes: Sequence[str] = (),
    *,
    again: bool = False,
    remarks: Sequence[str] = (),
    class_order: str = AUTO,
) -> DataInfo:
    """Return what a manifest says of images.

    Args:
        source: the images.
        classes: names to state where the source has none.
        again: read the images anew for their digest, whatever was read before.
        remarks: how the classes were numbered, where there was a choice.
        class_order: how they were to be.
    """
    return DataInfo(
        spec=source.spec,
        digest=source.digest(again=again),
        images=len(source),
        classes=list(source.classes or classes),
        fit=asdict(source.fit),
        converted=source.conversions(),
        skipped=source.skipped,
        remarks=list(remarks),
        relabelled=None if source.relabelled is None else list(source.relabelled),
        class_order="" if class_order == AUTO else class_order,
    )


def outputs_of(classifier: Classifier) -> str:
    """Say how the network's outputs are read, and under which autocast it is asked; "" for logits without one."""
    said = [name for name in ("binary", "probabilities", "rejects", "oblivious") if getattr(classifier, name)]
    said += [f"labels={classifier.labels}"] if classifier.labels is not None else []
    return " ".join([*said, *filter(None, [said_of_autocast()])])
