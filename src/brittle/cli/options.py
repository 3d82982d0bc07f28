"""From values to options: each field of a value that a command takes is one, with the help that is declared there."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

from brittle.addresses import is_address, path_or_address, protocol_of
from brittle.arguments import Within
from brittle.errors import InputError
from brittle.limits import parse_limits, use_limits
from brittle.specs import option_of

if TYPE_CHECKING:
    from brittle.engine.engine import Engine


PLACES = {"out": True, "run": False}
"""Options and arguments that can be addresses of folders, and whether the command writes there."""


@dataclass(frozen=True)
class Fields:
    """What is another way in one command than the group of options says.

    Attributes:
        without: names of the options that the command does not have.
        differ: help, metavar or argument of an option, by its name.
        default: of an option, by its name.
    """

    without: tuple[str, ...] = ()
    differ: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    default: Mapping[str, Any] = field(default_factory=dict[str, Any])


def takes_values(command: Callable[..., None]) -> Callable[..., None]:
    """Let typer see an option for each field of the values that a command takes, and make the values of what it reads.

    Args:
        command: some of whose parameters are of a dataclass whose fields carry an `Option`.
    """
    hints, groups = get_type_hints(command, include_extras=True), dict[str, tuple[type[Any], dict[str, str]]]()
    shown: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind, changes = _bare(hints[name])
        if not (isinstance(kind, type) and is_dataclass(kind)):
            shown.append(parameter.replace(annotation=hints[name]))
            continue
        options = dict(_options(kind, changes))
        groups[name] = kind, {option.name: own for own, option in options.items()}
        shown += options.values()

    @wraps(command)
    def run(**given: Any) -> None:
        values = {
            name: _value(kind, {own: given.pop(option) for option, own in names.items()})
            for name, (kind, names) in groups.items()
        }
        with ExitStack() as copies:
            command(**{name: _lying(copies, name, one) for name, one in given.items()}, **values)

    # an option without a default comes before those with one; all are handed on by name
    order = sorted(shown, key=lambda one: (one.default is not inspect.Parameter.empty, not _written_bare(one)))
    run.__signature__ = inspect.Signature(  # pyright: ignore[reportAttributeAccessIssue]
        [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in order]
    )
    run.__annotations__ = {one.name: one.annotation for one in order}
    return run


def _lying(copies: ExitStack, name: str, given: Any) -> Any:
    """Return what an option says, with the working copies of the folders that it names by their addresses."""
    if isinstance(given, list):
        return [_lying(copies, name, one) for one in given]
    if name not in PLACES or not is_address(given):
        return given
    if PLACES[name] and protocol_of(given) == "memory":
        raise InputError(
            f"{given} lies in the memory of this process, and goes with it when the command ends; give a path, or an "
            "address that stays, such as s3://bucket/run"
        )
    from brittle.remote import at

    return copies.enter_context(at(given, write=PLACES[name])).path


def _bare(hint: Any) -> tuple[Any, Fields]:
    """The type of a parameter, and what differs from the group."""
    if get_origin(hint) is not Annotated:
        return hint, Fields()
    return get_args(hint)[0], next((one for one in hint.__metadata__ if isinstance(one, Fields)), Fields())


def _written_bare(parameter: inspect.Parameter) -> bool:
    return any(isinstance(one, typer.models.ArgumentInfo) for one in getattr(parameter.annotation, "__metadata__", ()))


def _options(kind: type[Any], changes: Fields) -> dict[str, inspect.Parameter]:
    """A parameter for typer of each field of a group, by the field's name."""
    hints, made = get_type_hints(kind, include_extras=True), dict[str, inspect.Parameter]()
    for one in fields(kind):
        option = option_of(kind, one)
        if option.name in changes.without:
            continue
        option = replace(option, **changes.differ.get(option.name, {}))
        plain, least = _plain(hints[one.name] if option.kind is None else option.kind)
        about: dict[str, Any] = {"help": option.help, "metavar": option.metavar}
        about |= {"min": least} if plain in (int, int | None) else {}
        flags = [f"--{option.name.replace('_', '-')}"]
        written = typer.Argument(**about) if option.argument else typer.Option(*flags, **about)
        default = changes.default.get(option.name, inspect.Parameter.empty if one.default is MISSING else one.default)
        annotation = Annotated[plain | None if default is None else plain, written]
        made[one.name] = inspect.Parameter(
            option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
    return made


def _plain(hint: Any) -> tuple[Any, int | None]:
    """A type without its rules, and the least number that they allow."""
    if get_origin(hint) is Annotated:
        plain, least = _plain(get_args(hint)[0])
        rules = [one.least for one in hint.__metadata__ if isinstance(one, Within)]
        return plain, int(rules[0]) if rules else least
    if get_origin(hint) in (Union, UnionType):
        found = [_plain(one) for one in get_args(hint)]
        return Union[tuple(one for one, _ in found)], next((low for _, low in found if low is not None), None)  # noqa: UP007
    return hint, None


def _value(kind: type[Any], given: dict[str, Any]) -> Any:
    """A group of what was read: numbers out of their text, and a GPU where there is one."""
    if given.get("radius") is not None:
        from brittle.arguments import parse_number

        given["radius"] = parse_number(given["radius"])
    if isinstance(given.get("spec"), list):
        given["spec"] = given["spec"][0] if len(given["spec"]) == 1 else given["spec"]
    if "device" in given:
        given["device"] = device_of(given["device"])
    if given.get("weights") is not None:
        given["weights"] = path_or_address(given["weights"])
    return kind(**given)


def refuse_given(options: Mapping[str, bool], where: str = "here") -> None:
    """Refuse options that mean nothing beside the others.

    Args:
        options: whether each is given, by its name in Python.
        where: beside what, in words.

    Raises:
        InputError: one is, in the words that all commands have for that.
    """
    for name, given in options.items():
        if given:
            raise InputError(f"{name} is given, which does nothing {where}; leave it out")


def named_engine(name: str | None, address: str | None, workers: int | None) -> "Engine | None":
    """Return the engine that the user named; None for this process alone.

    Raises:
        InputError: no such engine, or what only another one understands.
    """
    if name is None:
        refuse_given({"address": address is not None, "workers": workers is not None}, "without --engine")
        return None
    if name == "processes":
        from brittle.engine.process_engine import ProcessEngine

        refuse_given({"address": address is not None}, "without --engine ray")
        return ProcessEngine(workers)
    if name != "ray":
        raise InputError(f"the engine is {name!r}; expected processes or ray, or leave it out to work in this process")
    from brittle.engine.ray_engine import RayEngine

    return RayEngine(address, workers)


def device_of(device: str | None) -> str:
    """Return the device that the user named, or a GPU where there is one."""
    import torch

    return device or ("cuda" if torch.cuda.is_available() else "cpu")


def _within_limits(context: typer.Context, text: str | None) -> str | None:
    """Let other limits hold until the command ends."""
    if text is not None:
        context.with_resource(use_limits(parse_limits(text)))
    return text


def _short_enough(text: str | None) -> str | None:
    """Refuse a title before any work is done."""
    if text:
        from brittle.report.titles import check_title

        return check_title(text)
    return text


FileLimits = Annotated[
    str | None,
    typer.Option(
        "--limits",
        metavar="NAME=NUMBER,...",
        callback=_within_limits,
        help="What a file may take, such as pixels=400M,array=20G: pixels of an image; bytes of an array, a record, a "
        "cell or a text; depth of nesting.",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Do one of N shares of the work alone, such as 2/4, the second of four; the others are started elsewhere, "
        "with the same folder or with one each.",
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="processes: several processes of this machine do the parts; ray: workers of Ray do, here or on a "
        "cluster. The rows are the same.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|HOST:PORT",
        help="With --engine ray: the cluster to join; auto is the one that this machine belongs to. By default workers "
        "are started on this machine.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="With --engine: how many; by default one for each GPU where the network lies on one, and otherwise "
        "one for each core, 16 at most on a machine.",
    ),
]
Title = Annotated[
    str | None,
    typer.Option(
        "--title",
        metavar="TEXT",
        callback=_short_enough,
        help="Of the page, in place of brittle's own; `brittle report` keeps it.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Replace what an earlier command of the same kind left there; files of another kind always stay.",
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option("--junit", metavar="FILE", help="Write the gate, the checks and the attacks as JUnit XML, for CI."),
]
Sarif = Annotated[
    Path | None,
    typer.Option("--sarif", metavar="FILE", help="Write what did not hold as SARIF 2.1.0, for code hosts."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, for machines.")]
