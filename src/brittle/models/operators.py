"""Which operators an exported graph may call: functions of tensors, and no others.

A graph names its operators in text. Torch resolves such a name among everything that it has registered, which includes
operators that read files, wait for other processes, or exist for its scripting runtime alone.
"""

import re
from functools import cache
from typing import Any

import torch

ARITHMETIC = re.compile(
    r"_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
    r"|math\.(ceil|floor|trunc|sqrt)|torch\.sym_(int|float|max|min|not|ite|sum|sqrt)"
)
"""The arithmetic of sizes."""
TENSOR_FUNCTION = re.compile(r"torch\.ops\.(aten|prims)\.(\w+)\.(\w+)")
HIGHER_ORDER = frozenset({"wrap_with_set_grad_enabled", "wrap_with_autocast", "cond"})
"""Operators that take a graph of the same file, and do no more than call it."""
WORDS = frozenset(
    re.findall(
        r"\w+",
        "approximate rounding_mode reduce padding mode ord equation side indexing norm interpolation "
        "pad_mode padding_side "
        "UPLO driver",
    )
)
"""Arguments that may be text: each chooses one of a few ways to compute."""
NUMBERS = frozenset({"Tensor", "int", "SymInt", "float", "SymFloat", "bool", "SymBool", "number", "complex", "Device"})
"""Types of arguments that hold tensors or numbers; torch writes the types of elements and layouts as int."""
PRIMITIVES = frozenset({"convert_element_type", "broadcast_in_dim", "iota", "rev", "transpose", "squeeze"})
"""Torch's primitives that exports hold; which others there are depends on what of torch was imported."""
PRIVATE = frozenset(
    re.findall(
        r"\w+",
        "_softmax _log_softmax _safe_softmax _to_copy _unsafe_view _unsafe_index _native_batch_norm_legit_no_training "
        "_native_batch_norm_legit _adaptive_avg_pool2d _adaptive_avg_pool3d _weight_norm _fused_rms_norm "
        "_assert_tensor_metadata _local_scalar_dense _scaled_dot_product_flash_attention_for_cpu "
        "_scaled_dot_product_attention_math _cdist_forward _trilinear _prelu_kernel _upsample_bilinear2d_aa "
        "_upsample_bicubic2d_aa _upsample_nearest_exact2d _conj _neg_view _pad_circular _pad_enum",
    )
)
"""Operators for torch's own use that exported networks hold all the same."""
BEYOND_ARITHMETIC = frozenset(
    re.findall(
        r"\w+",
        "from_file set set_ set_data resize resize_ resize_as resize_as_ resize_as_sparse "
        "resize_as_sparse_ record_stream "
        "requires_grad_ retain_grad rename rename_ refine_names align_to align_as align_tensors swap_ "
        "pin_memory is_pinned "
        "share_memory_ unsafe_chunk geqrf alias_copy fbgemm_pack_gemm_matrix_fp16 fbgemm_pack_quantized_matrix",
    )
)
"""Operators whose arguments are numbers and that do more than compute: they change where memory lies or what it is."""
ELSEWHERE = ("fbgemm", "mkldnn", "cudnn", "miopen", "quantized_", "nested", "sparse", "to_sparse", "hspmm", "sspaddmm")
"""Beginnings of operators on tensors that hold more than numbers, such as packed weights, or of one library alone."""
SAME_MEMORY = frozenset(
    re.findall(
        r"\w+",
        "flatten unflatten reshape reshape_as view_as expand_as type_as to contiguous dropout "
        "feature_dropout alpha_dropout "
        "feature_alpha_dropout positive ravel movedim moveaxis swapaxes swapdims broadcast_to "
        "broadcast_tensors meshgrid "
        "atleast_1d atleast_2d atleast_3d real imag resolve_conj resolve_neg detach lift_fresh numpy_T adjoint mH mT",
    )
)
"""Operators that may return the memory that they were given without saying so."""


def allowed(target: str) -> bool:
    """Say whether a graph may call what a text names.

    Example:
        >>> allowed("torch.ops.aten.relu.default"), allowed("torch.ops.aten.from_file.default"), allowed("os.system")
        (True, False, False)
    """
    if ARITHMETIC.fullmatch(target):
        return True
    if target.startswith("torch.ops.higher_order."):
        return target.rpartition(".")[2] in HIGHER_ORDER
    found = TENSOR_FUNCTION.fullmatch(target)
    return found is not None and _is_function_of_tensors(*found.groups())


def writes(target: str) -> bool:
    """Say whether an allowed operator writes into its first argument."""
    found = TENSOR_FUNCTION.fullmatch(target)
    return found is not None and bool(_schema(*found.groups()).is_mutable)


def shares_memory(target: str) -> bool:
    """Say whether what an allowed operator returns may lie in the memory of its first argument."""
    found = TENSOR_FUNCTION.fullmatch(target)
    if found is None:
        return target == "_operator.getitem"
    returned = _schema(*found.groups()).returns
    return found[2] in SAME_MEMORY or any(one.alias_info is not None for one in returned)


@cache
def _is_function_of_tensors(namespace: str, name: str, overload: str) -> bool:
    if name.startswith(ELSEWHERE) or (namespace == "prims" and name not in PRIMITIVES):
        return False
    if name.startswith("__") or name in BEYOND_ARITHMETIC or (name.startswith("_") and name not in PRIVATE):
        return name in ("__and__", "__or__", "__xor__", "__lshift__", "__rshift__")
    if f"{namespace}::{name}{'' if overload == 'default' else '.' + overload}" not in _dispatched():
        return False  # unknown here, or known to the scripting runtime alone
    schema = _schema(namespace, name, overload)
    if schema.is_mutable and not name.endswith("_"):
        return False  # writes into memory that is handed to it for that
    return all(_plain(str(one.type), one.name) for one in schema.arguments)


def _plain(kind: str, name: str) -> bool:
    """Whether an argument holds tensors, numbers, or one of a few words."""
    inner = re.sub(r"(Optional|List|Tuple)\[|\]|\?|\s", "", kind)
    parts = {re.sub(r"\[\d*$", "", part) for part in inner.split(",") if part}
    return parts <= NUMBERS or (parts == {"str"} and name in WORDS) or parts == {"Generator"}


@cache
def _dispatched() -> frozenset[str]:
    names: Any = torch._C._dispatch_get_all_op_names()  # pyright: ignore[reportPrivateUsage]
    return frozenset(names)


@cache
def _schema(namespace: str, name: str, overload: str) -> Any:
    return getattr(getattr(getattr(torch.ops, namespace), name), overload)._schema
