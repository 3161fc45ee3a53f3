"""Paths of a gaze: through their points, added, one after the other, and from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import eye, paths
from models.trajectory import Knots, Loop, Scaled, Sequence, Sum, reach
from pipeline.errors import RecordingError, SettingError


def times(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@st.composite
def knots(draw: st.DrawFn) -> Knots:
    gaps = draw(st.lists(st.integers(1, 100_000), min_size=1, max_size=8))
    t = np.concatenate([[0], np.cumsum(gaps)])
    number = st.floats(-100, 100)
    points = draw(st.lists(st.tuples(number, number), min_size=len(t), max_size=len(t)))
    return Knots(t.astype(np.int64), np.array(points))


@given(path=knots())
def test_a_path_goes_through_its_points_and_not_beyond(path: Knots) -> None:
    np.testing.assert_allclose(path.at(path.t_us), path.points, atol=1e-9)
    fine = np.linspace(0, path.duration_us, 300).astype(np.int64)
    found = path.at(fine)
    part = np.clip(np.searchsorted(path.t_us, fine, "right") - 1, 0, len(path.t_us) - 2)
    ends = np.stack([path.points[part], path.points[part + 1]])
    assert (found >= ends.min(0) - 1e-9).all()
    assert (found <= ends.max(0) + 1e-9).all()
    # Before and after it the eye stands still.
    np.testing.assert_allclose(path.at(times(-5, path.duration_us + 5)), path.points[[0, -1]])


@given(a=knots(), b=knots(), t=st.integers(0, 1_000_000))
def test_paths_are_put_together(a: Knots, b: Knots, t: int) -> None:
    at = times(t)
    total = Sum((a, b))
    np.testing.assert_allclose(total.at(at), a.at(at) + b.at(at))
    assert total.duration_us == max(a.duration_us, b.duration_us)
    after = Sequence((a, b))
    assert after.duration_us == a.duration_us + b.duration_us
    if t <= a.duration_us:
        np.testing.assert_allclose(after.at(at), a.at(at), atol=1e-9)
    else:
        way = b.at(at - a.duration_us) - b.points[0]
        np.testing.assert_allclose(after.at(at), a.points[-1] + way, atol=1e-9)
    thrice = Loop(a, 3)
    if t < thrice.duration_us:
        np.testing.assert_allclose(thrice.at(at), a.at(at % a.duration_us))
    else:
        np.testing.assert_allclose(thrice.at(at), a.points[-1:])
    np.testing.assert_allclose(Scaled(a, -2.5).at(at), -2.5 * a.at(at))


def test_reach_is_the_least_and_the_greatest() -> None:
    path = Knots(times(0, 1000, 5000), np.array([[0.0, 1.0], [-2.0, 5.0], [3.0, 4.0]]))
    assert reach(path).tolist() == [[-2.0, 1.0], [3.0, 5.0]]


@pytest.mark.parametrize("amplitude", [0.2, 1.0, 8.0])
def test_saccades_keep_the_main_sequence(amplitude: float) -> None:
    path = eye.saccades([(0, 0), (amplitude, 0)], 100_000)
    takes = eye.saccade_us(amplitude)
    assert takes == round(2200 * amplitude + 21_000)
    t = np.arange(0, 100_000, 100)
    x = path.at(t)[:, 0]
    assert x[t >= takes].min() == pytest.approx(amplitude)
    speed = np.diff(x) / 100e-6
    assert speed.max() == pytest.approx(15 / 8 * amplitude / (takes / 1e6), rel=1e-3)
    assert speed.min() >= -1e-6


def test_the_triangle_is_isosceles_and_closed() -> None:
    path = paths.named("triangle", pixels_per_degree=6.0)
    assert path.duration_us == 300_000
    a, b, c, d = path.at(times(0, 100_000, 200_000, 300_000))
    assert a.tolist() == d.tolist() == [0, 0]
    assert np.hypot(*(b - a)) == pytest.approx(np.hypot(*(c - b)))
    assert reach(path).tolist() == [[-6.0, -6.0], [0.0, 0.0]]


def test_fixation_moves_as_much_as_eyes_do() -> None:
    drift = eye.drift(60_000_000, seed=3)
    steps = np.diff(drift.at(np.arange(0, 60_000_000, 10_000)), axis=0)
    # 20 arcmin²/s: 2 D t on each axis.
    assert (steps * 60).var(0).sum() / 4 / 0.01 == pytest.approx(20, rel=0.1)
    tremor = eye.Tremor(1_000_000).at(np.arange(0, 1_000_000, 500))
    assert 0.1 < (tremor * 60).std() < 0.4
    jumps = eye.micro_saccades(60_000_000, seed=3)
    assert 40 < (len(jumps.t_us) - 2) / 5 < 140  # type: ignore[attr-defined]
    speed = np.hypot(*np.diff(jumps.at(np.arange(0, 60_000_000, 1000)), axis=0).T) / 1e-3
    assert 10 < speed.max() < 60


def test_pursuit_and_circle_and_rest() -> None:
    pursuit = eye.pursuit((5.0, -2.0), 2_000_000)
    a, b = pursuit.at(times(1_000_000, 2_000_000))
    np.testing.assert_allclose(b - a, [5.0, -2.0], rtol=1e-3)
    circle = eye.Circle(0.5, 500_000, 1_000_000)
    found = circle.at(np.arange(0, 1_000_000, 1000))
    np.testing.assert_allclose(np.hypot(found[:, 0] + 0.5, found[:, 1]), 0.5)
    np.testing.assert_allclose(circle.at(times(0, 500_000, 1_000_000)), 0, atol=1e-12)
    assert not eye.still(1000).at(times(0, 500, 2000)).any()


@pytest.mark.parametrize("name", paths.NAMES)
def test_every_name_is_a_path(name: str) -> None:
    path = paths.named(name, seed=1, duration_us=3_000_000)
    t = np.arange(0, 3_500_000, 7000)
    found = path.at(t)
    assert found.shape == (500, 2)
    assert np.isfinite(found).all()
    assert path.duration_us > 0
    np.testing.assert_array_equal(found, paths.named(name, seed=1, duration_us=3_000_000).at(t))
    assert np.any(found) == (name != "still")


def test_random_paths_take_the_seed() -> None:
    t = times(50_000, 390_000)
    a, b = (paths.named("drift", seed=seed, duration_us=400_000).at(t) for seed in (1, 2))
    assert not np.allclose(a, b)


def test_names_are_added_and_follow_each_other() -> None:
    t = np.arange(0, 800_000, 7000)
    circle, still = (paths.named(n, duration_us=300_000) for n in ("circle", "still"))
    np.testing.assert_allclose(
        paths.named("circle + triangle", duration_us=300_000).at(t),
        circle.at(t) + paths.named("triangle").at(t),
    )
    after = paths.named("still,circle", duration_us=300_000)
    assert after.duration_us == still.duration_us + circle.duration_us
    np.testing.assert_allclose(after.at(t[t >= 300_000]), circle.at(t[t >= 300_000] - 300_000))


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(SettingError, match=r"^here: no trajectory 'trangle'; did you mean 'tria"):
        paths.named("circle+trangle", where="here")


@pytest.mark.parametrize(
    ("head", "scale_t", "scale"),
    [("t_us,x_px,y_px", 1, 1.0), ("t_ms, x_px, y_px", 1000, 1.0), ("t_s,x_deg,y_deg", 10**6, 8.0)],
)
def test_a_path_from_a_file(tmp_path: Path, head: str, scale_t: int, scale: float) -> None:
    file = tmp_path / "p.csv"
    file.write_text(f"{head}\n5,1,2\n7,3,-4\n\n10,0,0\n")
    path = paths.named(str(file), pixels_per_degree=8.0)
    assert path.duration_us == 5 * scale_t
    found = path.at(times(0, 2 * scale_t, 5 * scale_t))
    np.testing.assert_allclose(found, np.array([[1, 2], [3, -4], [0, 0]]) * scale)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 is '', expected t_us,x_px,y_px"),
        ("a,b,c\n1,2,3\n", "line 1 is 'a,b,c', expected t_us,x_px,y_px"),
        ("t_us,x_px,y_deg\n1,2,3\n", "line 1 is 't_us,x_px,y_deg', expected"),
        ("t_us,x_px,y_px\n", "holds no point, expected lines of t_us,x_px,y_px"),
        ("t_us,x_px,y_px\n1,2\n", "line 2 is '1,2', expected three numbers"),
        ("t_us,x_px,y_px\n1,2,x\n", "line 2 is '1,2,x', expected three numbers"),
        ("t_us,x_px,y_px\n1,2,nan\n", "line 2 is '1,2,nan', no point of a path"),
        ("t_us,x_px,y_px\n1,2,1e300\n", "line 2 is '1,2,1e300', no point of a path"),
        ("t_ms,x_px,y_px\n1,2,3\n0.5,2,3\n", "line 3: time goes from 1 to 0.5 ms, expected rising"),
        ("t_us,x_px,y_px\n1,2,3\n1,2,3\n", "line 3: time goes from 1 to 1 us, expected rising"),
        ("t_us,x_px,y_px\n1.1,2,3\n1.2,2,3\n", "points are closer than 1 µs"),
    ],
)
def test_a_file_that_is_no_path(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "p.csv"
    file.write_text(text)
    with pytest.raises(RecordingError) as caught:
        paths.from_csv(file)
    assert str(caught.value).startswith(f"{file}: {message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere\.csv: cannot be read: No such file"):
        paths.named("nowhere.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecordingError, match=r"b\.csv: cannot be read: "):
        paths.from_csv(tmp_path / "b.csv")
    with pytest.raises(RecordingError, match=r"cannot be read: Is a directory"):
        paths.from_csv(tmp_path)
