"""Sums along runs of memory, several runs at a time, compiled to registers of eight floats.

What a spike does to a layer is the same sum along a few runs of neurons, one a row, each a few
dozen floats long (``models.layout``). Written as loops over arrays, a compiler must ask at each
run whether the arrays overlap, and where they begin and end, which costs more than the run. Here
the sums are put down as instructions: a row at a time, 32 floats of all runs together, then 8 of
each, then what is left.

Nothing is checked: runs lie within their arrays. Arrays are float32, contiguous; places and
lengths int64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from models.lanes import LANES, spread

_FLOAT = ir.FloatType()
_EIGHT = ir.VectorType(_FLOAT, LANES)
_INT = ir.IntType(64)
_ALIGN = 4
_FUSED = ("contract",)
_I = types.int64

_compiled: Any = intrinsic
_room: Any = cgutils.alloca_once


def _int(n: int) -> Any:
    return ir.Constant(_INT, n)


def _data(context: Any, builder: Any, kind: Any, array: Any, first: Any) -> Any:
    data = context.make_array(kind)(context, builder, value=array).data
    return builder.gep(data, [first])


def _load(builder: Any, first: Any, at: Any, wide: bool) -> Any:
    place = builder.gep(first, [at])
    if not wide:
        return builder.load(place)
    eight = builder.load(builder.bitcast(place, _EIGHT.as_pointer()))
    eight.align = _ALIGN
    return eight


def _store(builder: Any, value: Any, first: Any, at: Any, wide: bool) -> None:
    place = builder.gep(first, [at])
    if not wide:
        builder.store(value, place)
        return
    builder.store(value, builder.bitcast(place, _EIGHT.as_pointer())).align = _ALIGN


def _along(builder: Any, run: Any, times: int, body: Callable[[Any, bool, int], None]) -> None:
    """Build ``body(at, wide, which)`` for all of a run: ``times`` 8 floats, 8, then one by one."""
    many = times * LANES
    most = builder.and_(run, _int(-many))
    wide = builder.and_(run, _int(-LANES))
    with cgutils.for_range_slice(builder, _int(0), most, _int(many), _INT) as (at, _):
        for k in range(times):
            body(builder.add(at, _int(k * LANES)), True, k)
    if times > 1:
        with cgutils.for_range_slice(builder, most, wide, _int(LANES), _INT) as (at, _):
            body(at, True, 0)
    with cgutils.for_range_slice(builder, wide, run, _int(1), _INT) as (at, _):
        body(at, False, 0)


def _one_and_several(
    context: Any, builder: Any, one: Any, several: Any, counts: Any, rows: Any, run: Any, do: Any
) -> None:
    """Build ``do(at, wide, one, [(n, other), ...])`` along a run and several others, row by row.

    ``one`` is (kind, array, first, line), the next row ``line`` further; ``several`` (kind, array,
    firsts, step), the next rows ``step`` back; both kinds are arrays'.
    """
    kind, array, first, line = one
    others, data, firsts, step = several
    many = counts.type.count
    each = [builder.extract_value(counts, k) for k in range(many)]
    eights = [spread(builder, n) for n in each]
    starts = [builder.extract_value(firsts, k) for k in range(many)]
    with cgutils.for_range(builder, rows, intp=_INT) as loop:
        to = builder.add(first, builder.mul(loop.index, line))
        back = builder.mul(loop.index, step)
        here = _data(context, builder, kind, array, to)
        there = [_data(context, builder, others, data, builder.sub(w, back)) for w in starts]

        def body(at: Any, wide: bool, _: int) -> None:
            do(at, wide, here, list(zip(eights if wide else each, there, strict=True)))

        _along(builder, run, 4 // many, body)


@_compiled  # type: ignore[untyped-decorator]
def add_runs(
    tc: Any,
    out: Any,
    a: Any,
    line: Any,
    data: Any,
    firsts: Any,
    step: Any,
    counts: Any,
    rows: Any,
    run: Any,
) -> Any:
    """Add to ``rows`` runs of ``out``, from ``a`` on, ``line`` apart, each of several others.

    Those lie in ``data``, from each of the tuple ``firsts`` on, every row ``step`` before the
    one before, and count as the tuple ``counts`` says; they are added in their order, each
    product rounded.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, a, line, data, firsts, step, counts, rows, run = args
        kinds = signature.args

        def add(at: Any, wide: bool, target: Any, sources: list[tuple[Any, Any]]) -> None:
            value = _load(builder, target, at, wide)
            for n, source in sources:
                value = builder.fadd(value, builder.fmul(n, _load(builder, source, at, wide)))
            _store(builder, value, target, at, wide)

        one, several = (kinds[0], out, a, line), (kinds[3], data, firsts, step)
        _one_and_several(context, builder, one, several, counts, rows, run, add)
        return context.get_dummy_value()

    kind = types.void(out, _I, _I, data, firsts, _I, counts, _I, _I)
    return kind, build


@_compiled  # type: ignore[untyped-decorator]
def learn_runs(
    tc: Any,
    data: Any,
    firsts: Any,
    step: Any,
    e: Any,
    a: Any,
    line: Any,
    counts: Any,
    rows: Any,
    run: Any,
) -> Any:
    """Add to runs of ``data`` the same runs of ``e``: ``add_runs`` the other way about."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data, firsts, step, e, a, line, counts, rows, run = args
        kinds = signature.args

        def learn(at: Any, wide: bool, source: Any, targets: list[tuple[Any, Any]]) -> None:
            error = _load(builder, source, at, wide)
            for n, target in targets:
                part = builder.fmul(n, error, _FUSED)
                value = builder.fadd(_load(builder, target, at, wide), part, _FUSED)
                _store(builder, value, target, at, wide)

        one, several = (kinds[3], e, a, line), (kinds[0], data, firsts, step)
        _one_and_several(context, builder, one, several, counts, rows, run, learn)
        return context.get_dummy_value()

    kind = types.void(data, firsts, _I, e, _I, _I, counts, _I, _I)
    return kind, build


@_compiled  # type: ignore[untyped-decorator]
def sum_runs(
    tc: Any, data: Any, first: Any, step: Any, e: Any, a: Any, line: Any, rows: Any, run: Any
) -> Any:
    """Return Σ of the products of ``rows`` runs of ``data`` with those of ``e``."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, first, step, _, a, line, rows, run = args
        nothing = ir.Constant(_EIGHT, None)
        eights = [_room(builder, _EIGHT) for _ in range(4)]
        single = _room(builder, _FLOAT)
        for place in eights:
            builder.store(nothing, place)
        builder.store(ir.Constant(_FLOAT, 0.0), single)
        with cgutils.for_range(builder, rows, intp=_INT) as loop:
            of = builder.add(a, builder.mul(loop.index, line))
            w = builder.sub(first, builder.mul(loop.index, step))
            errors = _data(context, builder, signature.args[3], args[3], of)
            weights = _data(context, builder, signature.args[0], args[0], w)

            def body(at: Any, wide: bool, which: int) -> None:
                total = eights[which] if wide else single
                part = builder.fmul(
                    _load(builder, weights, at, wide), _load(builder, errors, at, wide), _FUSED
                )
                builder.store(builder.fadd(builder.load(total), part, _FUSED), total)

            _along(builder, run, 4, body)
        two = [builder.fadd(*(builder.load(eights[k + j]) for j in (0, 1))) for k in (0, 2)]
        eight = builder.fadd(*two)
        total = builder.load(single)
        for k in range(LANES):
            total = builder.fadd(
                total, builder.extract_element(eight, ir.Constant(ir.IntType(32), k))
            )
        return total

    kind = types.float32(data, _I, _I, e, _I, _I, _I, _I)
    return kind, build
