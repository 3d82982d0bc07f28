"""A look into a torch.export archive before torch loads it.

`torch.export.load` unpickles parts of an archive, evaluates expressions written in it and resolves the names of its
operators from `torch` on, so that a crafted file could run any program. Here everything that it would act on is
compared with what an exported classifier needs, and the rest is refused.
"""

import ast
import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

import torch

from brittle.errors import ModelError, OverLimit, quoted
from brittle.limits import check_limit
from brittle.models.operators import allowed, shares_memory, writes
from brittle.reading import open_zip, parse_json

if TYPE_CHECKING:
    from torch.export.pt2_archive import PT2ArchiveReader

RECORDS = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/(version|serialization_id)|models/model\.json"
    r"|data/weights/(weight_\d+|model_weights_config\.json)|data/constants/(tensor_\d+|model_constants_config\.json)"
    r"|data/sample_inputs/model\.pt|extra/.*"
)
"""The records of an archive that holds one exported network and nothing else."""
PAYLOADS = re.compile(r"weight_\d+|tensor_\d+")
"""Weights and constants kept as raw bytes."""
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}|[A-Za-z.]{1,32}(,[A-Za-z.]{1,32}){0,3}(->[A-Za-z.]{0,32})?|")
"""Text that an operator may be given: the name of a mode, or the letters of an einsum."""
LONGEST, HIGHEST, LARGEST = 4000, 8, 2**63
"""Letters of an expression of sizes, its largest power, and its largest number: more takes torch's algebra for ever."""
SYMBOL = re.compile(r"[a-z]{1,3}\d{1,6}")
"""A size that the exporter left free, such as s77."""
FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        "Symbol Integer Float Rational Add Mul Pow Max Min Mod PythonMod FloorDiv CleanDiv ModularIndexing IntTrueDiv "
        "FloatTrueDiv CeilToInt FloorToInt TruncToInt RoundToInt ToFloat Where Eq Ne Lt Le Gt Ge And Or Not",
    )
)
"""What an expression of sizes may call."""
GRAMMAR = (
    *(ast.Expression, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.keyword, ast.Subscript, ast.Load),
    *(ast.boolop, ast.operator, ast.unaryop, ast.cmpop),
)
"""Python syntax allowed everywhere in an expression of sizes; names, constants and attributes are looked at."""
CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")
"""What the inputs and outputs of a graph may be packed in."""


def check_archive(content: bytes, name: str) -> None:
    """Refuses an archive that is broken or that makes torch do more than arithmetic on tensors.

    Args:
        content: all bytes of the `.pt2` file.
        name: of the file, for the message.

    Raises:
        ModelError: what was found, and how to save the network instead.
    """
    reader, records = _open(content, name)
    for record in records:
        if not RECORDS.fullmatch(record):
            raise _refusal(name, f"the record {quoted(record)!r}")
    for record in records:
        if record.endswith(".json"):
            try:
                described = parse_json(reader.read_bytes(record), f"the record {record!r} of {name}")
            except ValueError as error:
                raise ModelError(
                    f"{name} is broken: its record {quoted(record)!r} is not JSON; export or copy it again"
                ) from error
            for key, value in _entries(described):
                if not _harmless(key, value):
                    raise _refusal(name, f"{quoted(key, 80)} = {str(value)[:80]!r}")
            if record == "models/model.json":
                _check_writing(described, name)
        elif record.startswith("data/sample_inputs/"):
            _check_sample(reader.read_bytes(record), name)


def _open(content: bytes, name: str) -> "tuple[PT2ArchiveReader, list[str]]":
    """The archive through torch's own eyes, after the zip's directory was seen to be unambiguous."""
    try:
        from torch.export.pt2_archive import PT2ArchiveReader
    except ImportError as error:
        raise ModelError(
            f"{name} needs torch 2.8 or later, and this is torch {torch.__version__}; install that, or give "
            "FILE.py:FACTORY and --weights"
        ) from error
    try:
        with open_zip(content, name) as archive:
            check_records(archive, name)
            members, damaged = archive.namelist(), archive.testzip()
        reader = PT2ArchiveReader(cast("Any", io.BytesIO(content)))
        records = reader.get_file_names()
    except OverLimit:
        raise
    except Exception as error:
        seen = f"{type(error).__name__}: {quoted(str(error).partition(chr(10))[0])}"
        raise ModelError(
            f"{name} is not a whole archive of torch.export.save ({seen}); "
            "copy it again, or export it again with torch 2.8 or later"
        ) from error
    if damaged:
        raise ModelError(f"{name} is damaged: the checksum of its record {quoted(damaged)!r} is wrong; copy it again")
    if len(set(members)) != len(members) or "version" in members or "models/model.json" not in records:
        raise ModelError(
            f"{name} holds no single exported network; save it with torch.export.save of torch 2.8 or later"
        )
    return reader, records


def check_records(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse an archive whose records, by its directory, would take more memory than the limits allow.

    Raises:
        OverLimit: which limit.
    """
    records = archive.infolist()
    for record in records:
        if record.filename.endswith(".json"):
            check_limit("text", record.file_size, f"the record {record.filename!r} of {name}")
    check_limit("record", sum(record.file_size for record in records), f"the {len(records):,} records of {name}")


def _entries(described: object) -> Generator[tuple[str, object], None, None]:
    """Every key with its value, at every depth."""
    if isinstance(described, dict):
        for key, value in cast("dict[str, object]", described).items():
            yield key, value
            yield from _entries(value)
    elif isinstance(described, list):
        for value in cast("list[object]", described):
            yield from _entries(value)


def _harmless(key: str, value: object) -> bool:
    """Whether torch can act on one entry without running anything but operators on tensors."""
    if key == "use_pickle":
        return not value
    if key == "path_name":
        return isinstance(value, str) and PAYLOADS.fullmatch(value) is not None
    if key in ("target", "as_operator") and isinstance(value, str):
        return value.isidentifier() or ("." in value and allowed(value))
    if key == "as_string":
        return isinstance(value, str) and WORD.fullmatch(value) is not None
    if key == "constant_input":
        return value is None
    if key == "expr_str":
        return isinstance(value, str) and _arithmetic(value)
    if key == "guards_code":
        return isinstance(value, list) and all(isinstance(guard, str) and _arithmetic(guard) for guard in value)
    if key in ("in_spec", "out_spec"):
        return isinstance(value, str) and _plain_containers(value)
    return True


def _arithmetic(text: str) -> bool:
    """Whether a text is an expression of sizes: numbers, free sizes, sizes of inputs, and known functions of them."""
    if len(text) > LONGEST:
        return False
    try:
        nodes = list(ast.walk(ast.parse(text.strip(), mode="eval")))
        return all(_arithmetic_node(node) for node in nodes) and sum(_is_power(node) for node in nodes) <= 1
    except (SyntaxError, ValueError, RecursionError):
        return False


def _arithmetic_node(node: ast.AST) -> bool:
    """Whether one node of a parsed expression is allowed there."""
    match node:
        case ast.Name(id=name):
            return name in FUNCTIONS or name in ("L", "args", "True", "False") or SYMBOL.fullmatch(name) is not None
        case ast.Constant(value=value):
            if isinstance(value, int | float):
                return abs(value) <= LARGEST
            return isinstance(value, str) and value.isidentifier()
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=power)):
            return isinstance(power, int) and abs(power) <= HIGHEST
        case ast.BinOp(op=ast.Pow() | ast.LShift() | ast.RShift()):
            return False
        case ast.Attribute(attr=attribute):
            return attribute in ("size", "stride", "storage_offset", "dim")
        case ast.Call(func=function):
            return isinstance(function, ast.Attribute) or (isinstance(function, ast.Name) and function.id in FUNCTIONS)
        case _:
            return isinstance(node, GRAMMAR)


def _is_power(node: ast.AST) -> bool:
    """Whether a node raises something to a power; towers of them are numbers that no memory holds."""
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Pow"
    return named or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow))


def _check_writing(described: Any, name: str) -> None:
    """Refuses a graph that writes into its weights: its own are what it makes, its images and its buffers.

    Buffers are put back after a run; images are given as copies.
    """
    try:
        graph = described["graph_module"]
        specs = [next(iter(one.items())) for one in graph["signature"]["input_specs"]]
        foreign = {spec["arg"]["name"] for kind, spec in specs if kind in ("parameter", "tensor_constant")}
        for node in graph["graph"]["nodes"]:
            given = [one["arg"]["as_tensor"]["name"] for one in node["inputs"] if "as_tensor" in one["arg"]]
            if not given or given[0] not in foreign:
                continue
            if writes(node["target"]):
                raise _refusal(name, f"{node['target']}, which writes into the weight {given[0]!r}")
            if shares_memory(node["target"]):
                foreign |= {one["as_tensor"]["name"] for one in node["outputs"] if "as_tensor" in one}
    except (KeyError, TypeError, StopIteration, AttributeError, IndexError) as error:
        raise ModelError(
            f"{name} is broken: its graph is not laid out as torch {torch.__version__} lays it out "
            f"({type(error).__name__}: {quoted(error)}); export it again with this version of torch"
        ) from error


def _plain_containers(text: str) -> bool:
    """Whether a description of nested containers names only tuples, lists and dictionaries."""
    try:
        described = parse_json(text)
    except ValueError:
        return False
    return all(
        value in CONTAINERS
        if key == "type"
        else value in (None, "null") or (isinstance(value, str) and value[:1] == "[")
        for key, value in _entries(described)
        if key in ("type", "context")
    )


def _check_sample(content: bytes, name: str) -> None:
    """Refuses sample inputs that are more than tensors; torch would fall back to unpickling them freely."""
    if not content:
        return
    try:
        with open_zip(content, f"the sample inputs of {name}") as archive:
            check_records(archive, f"the sample inputs of {name}")
        with warnings.catch_warnings(action="ignore"):  # a damaged one makes torch say that it may not understand it
            torch.load(io.BytesIO(content), weights_only=True)
    except (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, ValueError, EOFError) as error:
        raise _refusal(name, "sample inputs that are more than tensors") from error


def _refusal(name: str, seen: str) -> ModelError:
    """The error for what a plain exported network does not hold, with the way out."""
    return ModelError(
        f"{name} holds {seen}, which an exported network of tensors and operators does not need and which could run a "
        "program when loaded; export the plain module, without custom objects, or give FILE.py:FACTORY and --weights"
    )
