"""Loads and stores of 64 bits at any byte of a buffer, and words' bits, for kernels."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.cpython.unsafe import numbers
from numba.extending import intrinsic


def _word(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    byte = builder.gep(array.data, [arguments[1]])
    loaded = builder.load(builder.bitcast(byte, cgutils.intp_t.as_pointer()))
    loaded.align = 1
    return builder.bitcast(loaded, ir.IntType(64))


def _load64(typing: Any, data: Any, at: Any) -> Any:
    """Return the 8 bytes from ``at`` on of an array of bytes as a little-endian int64.

    The caller sees to it that they lie in the buffer.
    """
    return types.int64(data, types.intp), _word


def _swap64(typing: Any, word: Any) -> Any:
    """Return an int64 with its eight bytes in the other order."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.int64(types.int64), code


def _store64(typing: Any, data: Any, at: Any, word: Any) -> Any:
    """Write an int64 as the 8 bytes from ``at`` on of an array of bytes, little-endian.

    The caller sees to it that they lie in the buffer.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte = builder.gep(array.data, [arguments[1]])
        stored = builder.store(arguments[2], builder.bitcast(byte, ir.IntType(64).as_pointer()))
        stored.align = 1
        return context.get_dummy_value()

    return types.void(data, types.intp, types.int64), code


# Kernels call these without the compiler's context that their Python signatures begin with.
load64: Any = intrinsic(_load64)
store64: Any = intrinsic(_store64)
swap64: Any = intrinsic(_swap64)
trailing_zeros: Any = numbers.trailing_zeros
"""The number of zeros below the lowest bit of a word."""
