"""Digests of what tensors, arrays and TorchScript programs hold."""

import hashlib
import io
import re
import warnings
import zipfile
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

MOST_BYTES = 4 << 30
"""Of one tensor or array; of a larger one, such as a data set mapped from disk, evenly spread pieces are read."""
PIECES, PIECE = 256, 1 << 16
"""How many pieces are read of what is larger, and their length in bytes."""
HASHED = 1 << 26
"""Bytes that are copied and hashed at a time."""
MANGLED = re.compile(rb"(\.?___torch_mangle_\d+)|(__torch_mangle_\d+)")
"""What TorchScript adds to the names of classes that are compiled again in the same process."""


class Opaque(Exception):
    """A value whose content cannot be read; its text says why."""


def digest_of_tensor(tensor: Tensor) -> str:
    """Return a digest of a tensor's type, shape and bytes, wherever it lies and however it is laid out.

    Raises:
        Opaque: it holds no bytes that can be read.

    Example:
        >>> digest_of_tensor(torch.ones(2, 3).T) == digest_of_tensor(torch.ones(3, 2))
        True
    """
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)} {tensor.layout}".encode())
    with torch.no_grad():
        for part in _plain_tensors(tensor.detach()):
            _update(digest, part)
    return digest.hexdigest()


def _plain_tensors(tensor: Tensor) -> list[Tensor]:
    """Return dense tensors on any device that together hold the same numbers."""
    if tensor.is_meta or type(tensor).__module__.startswith("torch._"):
        raise Opaque("it has a shape and no numbers")
    if tensor.is_quantized:
        return [tensor.int_repr(), tensor.dequantize()]
    if tensor.layout == torch.sparse_coo:
        whole = tensor.coalesce()
        return [whole.indices(), whole.values()]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if tensor.layout != torch.strided:
        raise Opaque(f"its layout {tensor.layout} is not read")
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if type(tensor) not in (Tensor, torch.nn.Parameter) and flatten is not None:
        names, _ = cast("tuple[list[str], object]", flatten())
        return [part for name in names for part in _plain_tensors(getattr(tensor, name))]
    return [tensor.resolve_conj().resolve_neg()]


def _update(digest: Any, tensor: Tensor) -> None:
    flat = tensor.contiguous().flatten()
    if flat.numel() * flat.element_size() > MOST_BYTES:
        flat = _sampled(flat)
    step = max(1, HASHED // max(1, flat.element_size()))
    for part in flat.split(step) if flat.numel() else ():
        digest.update(part.cpu().view(torch.uint8).numpy())


def _sampled(flat: Any) -> Any:
    """Evenly spread pieces of a flat tensor or array."""
    whole = flat.numel() if isinstance(flat, Tensor) else flat.size
    length = max(1, PIECE // (flat.element_size() if isinstance(flat, Tensor) else flat.itemsize))
    starts = np.linspace(0, whole - length, PIECES).astype(np.int64).tolist()
    pieces = [flat[start : start + length] for start in starts]
    return torch.cat(pieces) if isinstance(flat, Tensor) else np.concatenate(pieces)


def digest_of_array(array: np.ndarray[Any, Any]) -> str:
    """Return a digest of an array's type, shape and bytes.

    Raises:
        Opaque: it holds objects.

    Example:
        >>> digest_of_array(np.ones(3)) == digest_of_array(np.ones(3, np.float32))
        False
    """
    if array.dtype.hasobject:
        raise Opaque("it is an array of objects")
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    flat: Any = array.reshape(-1)
    if array.nbytes > MOST_BYTES:
        flat = _sampled(flat)
    if flat.size:
        digest.update(np.ascontiguousarray(flat).view(np.uint8).data)
    return digest.hexdigest()


def digest_of_bytes(content: "bytes | bytearray | memoryview") -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of_script(program: Any) -> str:
    """Return a digest of a TorchScript module or function: its code, weights, attributes and frozen constants.

    Names that TorchScript makes up when it compiles the same class again are left out.

    Raises:
        Opaque: torch cannot write it down.
    """
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls its own format deprecated
            torch.jit.save(program, buffer)
    except Exception as error:  # torch raises whatever its writer raises
        raise Opaque(f"torch cannot write it down ({type(error).__name__})") from error
    records: list[tuple[bytes, str]] = []
    with zipfile.ZipFile(buffer) as archive:
        for name in archive.namelist():
            _, _, inner = name.partition("/")
            if inner.endswith(".debug_pkl") or inner in (".data/serialization_id", "byteorder", "version"):
                continue
            content = archive.read(name)
            if not inner.startswith(("data/", "constants/")):
                content = MANGLED.sub(b"", content)
            records.append((MANGLED.sub(b"", inner.encode()), digest_of_bytes(content)))
    digest = hashlib.sha256()
    for name, content in sorted(records):
        digest.update(name + b" " + content.encode() + b"\n")
    return digest.hexdigest()
