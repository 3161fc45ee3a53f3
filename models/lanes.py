"""Neurons side by side in the processor's registers: where they lie, and which are at threshold.

An array begins where a line of the cache does: a register of eight floats that lies across two
lines takes two reads, and advancing neurons twice the time.

A compiler turns a loop that finds a few among many into one branch a neuron, each a guess of the
processor's. Here eight potentials are compared by one instruction, 64 answers are the bits of one
word, and who walks its bits does nothing for those that are 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

WORD = 64
"""Potentials that a word of bits tells of."""

LANES = 8
"""Floats that a register is taken to hold; a compiler parts or joins them where it holds others."""

_LINE = 64
"""Bytes of a line of the cache."""


_compiled: Any = intrinsic


def zeros(n: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Return ``n`` zeros that begin where a line of the cache does."""
    size = n * np.dtype(dtype).itemsize
    raw = np.zeros(size + _LINE, np.uint8)
    first = -raw.ctypes.data % _LINE
    return raw[first : first + size].view(dtype)


def spread(builder: Any, value: Any) -> Any:
    """Build a register with the float ``value`` in every place."""
    none = ir.Constant(ir.VectorType(ir.FloatType(), LANES), ir.Undefined)
    same = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    one = builder.insert_element(none, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, none, same)


def _word(compare: Callable[..., Any]) -> Any:
    """Return what builds a word of bits by ``compare(builder, potentials, *limits)``, 8 at once."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        potential, first, *rest = args
        data = context.make_array(signature.args[0])(context, builder, value=potential).data
        lanes = ir.VectorType(ir.FloatType(), LANES)
        word = ir.IntType(WORD)
        limits = [spread(builder, x) for x in rest]
        out = ir.Constant(word, 0)
        for k in range(0, WORD, LANES):
            at = builder.gep(data, [builder.add(first, ir.Constant(word, k))])
            eight = builder.load(builder.bitcast(at, lanes.as_pointer()))
            eight.align = 4
            bits = builder.bitcast(compare(builder, eight, *limits), ir.IntType(LANES))
            bits = builder.shl(builder.zext(bits, word), ir.Constant(word, k))
            out = builder.or_(out, bits)
        return out

    return build


def _reaches(builder: Any, potential: Any, theta: Any) -> Any:
    return builder.fcmp_ordered(">=", potential, theta)


def _is_near(builder: Any, potential: Any, theta: Any, support: Any) -> Any:
    apart = builder.fsub(potential, theta)
    below = builder.fcmp_ordered("<", apart, support)
    return builder.and_(below, builder.fcmp_ordered(">", apart, builder.fneg(support)))


@_compiled  # type: ignore[untyped-decorator]
def reaching(typingctx: Any, potential: Any, first: Any, theta: Any) -> Any:
    """Return the bits of u ≥ θ for 64 of ``potential`` float32 from ``first``."""
    return types.uint64(potential, types.int64, theta), _word(_reaches)


@_compiled  # type: ignore[untyped-decorator]
def nearby(typingctx: Any, potential: Any, first: Any, theta: Any, support: Any) -> Any:
    """Return the bits of |u − θ| < ``support`` for 64 of ``potential`` float32 from ``first``."""
    return types.uint64(potential, types.int64, theta, support), _word(_is_near)


@_compiled  # type: ignore[untyped-decorator]
def lowest(typingctx: Any, word: Any) -> Any:
    """Return which bit of a word, not 0, is its lowest one; ``word & (word − 1)`` drops it."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


@_compiled  # type: ignore[untyped-decorator]
def counted(typingctx: Any, word: Any) -> Any:
    """Return how many bits of a word are 1."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), build
