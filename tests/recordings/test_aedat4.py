"""AEDAT4: all compressions as dv-processing writes them, side data, broken files, the table."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PacketError, RecordingError
from pipeline.events import Events
from recordings import aedat4_events, evts
from recordings.aedat_kernels import gather, tables
from recordings.inflate import Inflater
from recordings.opening import open_recording
from recordings.packets import PACKET_BYTES
from recordings.side import TriggerKind
from recordings.writing import create_recording
from tests.recordings.assets import DATA, HEIGHT, MADE, WIDTH, made, real, sample
from tests.strategies import events_of, random_events

COMPRESSIONS = ("NONE", "LZ4", "LZ4_HIGH", "ZSTD", "ZSTD_HIGH")
SIDE = next(asset for asset in MADE if asset.name == "aedat4-side")


def dv_file(path: Path, events: Events, compression: str, packet: int = 1000) -> Path:
    """Write a file by dv-processing, so many events a packet."""
    dv = pytest.importorskip("dv_processing", reason="dv-processing is not installed")
    config = dv.io.MonoCameraWriter.Config("TEST", getattr(dv.CompressionType, compression))
    config.addEventStream((WIDTH, HEIGHT))
    writer = dv.io.MonoCameraWriter(str(path), config)
    for k in range(0, len(events), packet):
        store = dv.EventStore()
        for t, x, y, p in events[k : k + packet].tolist():
            store.push_back(t, x, y, bool(p))
        writer.writeEvents(store)
    del writer
    return path


def file_of(path: Path, *packets: bytes, compression: int = evts.NONE, table_at: int = -1) -> Path:
    """Write a header and packets, as bytes."""
    streams = (evts.Stream(width=WIDTH, height=HEIGHT), evts.Stream(1, "FRME", "frames"))
    header = evts.encode_header(evts.IOHeader(compression, streams, table_at))
    path.write_bytes(evts.MAGIC + header + b"".join(packets))
    return path


def packet(events: Events, compression: int = evts.NONE, stream: int = 0) -> bytes:
    """Return one packet of events."""
    return b"".join(bytes(part) for part in evts.encode_events(events, stream, compression))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("n_packet", [7, 1000, 10_000])
def test_every_compression_as_dv_writes_it(tmp_path: Path, compression: str, n_packet: int) -> None:
    events = random_events(12_000 if n_packet > 7 else 2000, WIDTH, HEIGHT, 900_000)
    events["t"] += 1_589_163_147_368_868
    path = dv_file(tmp_path / "a.aedat4", events, compression, n_packet)
    with open_recording(path) as recording:
        assert (recording.width, recording.height) == (WIDTH, HEIGHT)
        np.testing.assert_array_equal(recording.read(), events)
        assert recording.counts.skipped_bytes == recording.counts.cuts == 0
        begin = int(events["t"][1500])
        inside = events[events["t"] >= begin]
        np.testing.assert_array_equal(recording.read(begin), inside)
    with open_recording(path) as recording:
        # The table is used: not all packets are read, unless one holds them all.
        np.testing.assert_array_equal(recording.read(begin), inside)
        if n_packet < 10_000:
            assert recording.counts.events < len(inside) + 2 * n_packet


def _dv(name: str) -> tuple[object, object]:
    dv = pytest.importorskip("dv_processing", reason="dv-processing is not installed")
    return dv, dv.io.MonoCameraRecording(str(real(name)))


@pytest.mark.parametrize("name", ["davis346.aedat4", "davis346_short.aedat4"])
def test_real_recordings_event_by_event_as_dv_has_them(name: str) -> None:
    _, recording = _dv(name)
    parts = []
    while recording.isRunning("events"):  # type: ignore[attr-defined]
        batch = recording.getNextEventBatch()  # type: ignore[attr-defined]
        if batch is not None:
            parts.append(batch.numpy())
    theirs = np.concatenate(parts)
    with open_recording(real(name)) as ours:
        events = ours.read()
    for name_, other in (("t", "timestamp"), ("x", "x"), ("y", "y"), ("p", "polarity")):
        np.testing.assert_array_equal(events[name_], theirs[other])


def test_frames_as_dv_has_them() -> None:
    _, recording = _dv("davis346.aedat4")
    theirs = []
    while (frame := recording.getNextFrame()) is not None:  # type: ignore[attr-defined]
        theirs.append(frame)
    with open_recording(real("davis346.aedat4")) as ours:
        assert ours.side == {"frames", "imu", "triggers"}
        frames = list(ours.frames())
    assert len(frames) == len(theirs) == 59
    for frame, other in zip(frames, theirs, strict=True):
        assert frame.pixels.shape == (260, 346, 1)
        np.testing.assert_array_equal(frame.pixels[..., 0], other.image.reshape(260, 346))
        assert frame.t_begin <= other.timestamp <= frame.t_end
        assert (frame.x, frame.y) == (other.positionX, other.positionY)


def test_imu_and_triggers_as_dv_has_them() -> None:
    _, recording = _dv("davis346.aedat4")
    samples, triggers = [], []
    while (batch := recording.getNextImuBatch()) is not None:  # type: ignore[attr-defined]
        samples += list(batch)
    while (batch := recording.getNextTriggerBatch()) is not None:  # type: ignore[attr-defined]
        triggers += list(batch)
    with open_recording(real("davis346.aedat4")) as ours:
        imu = np.concatenate(list(ours.imu()))
        found = np.concatenate(list(ours.triggers()))
    assert len(imu) == len(samples) > 2000
    assert imu["t"].tolist() == [one.timestamp for one in samples]
    np.testing.assert_array_equal(imu["temperature"], np.float32([s.temperature for s in samples]))
    for name, kind in (("acceleration", "accelerometer"), ("rotation", "gyroscope")):
        for i, axis in enumerate("XYZ"):
            theirs = np.float32([getattr(one, kind + axis) for one in samples])
            np.testing.assert_array_equal(imu[name][:, i], theirs)
    assert found["t"].tolist() == [one.timestamp for one in triggers]
    assert found["kind"].tolist() == [int(one.type) for one in triggers]


def test_events_and_side_as_aedat_has_them() -> None:
    aedat = pytest.importorskip("aedat", reason="aedat is not installed")
    path = real("davis346.aedat4")
    parts, frames = [], []
    for packet_ in aedat.Decoder(path):
        if "events" in packet_:
            parts.append(packet_["events"])
        elif "frame" in packet_:
            frames.append(packet_["frame"])
    theirs = np.concatenate(parts)
    with open_recording(path) as ours:
        events = ours.read()
        for name, other in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
            np.testing.assert_array_equal(events[name], theirs[other])
        for frame, one in zip(ours.frames(), frames, strict=True):
            np.testing.assert_array_equal(frame.pixels[..., 0], one["pixels"])
            assert (frame.t_begin, frame.t_end) == (one["exposure_begin_t"], one["exposure_end_t"])


def test_side_data_that_we_write_are_read(tmp_path: Path) -> None:
    with open_recording(made(SIDE, tmp_path)) as recording:
        (frame,) = recording.frames()
        (imu,) = recording.imu()
        (triggers,) = recording.triggers()
        np.testing.assert_array_equal(recording.read(), sample())
    assert (frame.t_begin, frame.t_end) == (1000, 2000)
    assert frame.pixels.ravel().tolist() == [i % 256 for i in range(WIDTH * HEIGHT)]
    assert imu["t"].tolist() == [0, 1000, 2000, 3000, 4000]
    assert imu["rotation"][4].tolist() == [1, 2, 3]
    assert imu["temperature"][0] == 25.5
    assert triggers["kind"].tolist() == [TriggerKind.RISING, TriggerKind.FALLING]


@pytest.mark.parametrize("compression", [evts.NONE, evts.LZ4, evts.ZSTD])
def test_a_half_written_file_gives_its_whole_packets(tmp_path: Path, compression: int) -> None:
    events = sample(500)
    packets = [packet(events[k : k + 50], compression) for k in range(0, 500, 50)]
    whole = file_of(tmp_path / "a.aedat4", *packets, compression=compression).read_bytes()
    begin = len(whole) - sum(map(len, packets))
    ends = begin + np.cumsum([0, *map(len, packets)])
    path = tmp_path / "cut.aedat4"
    for at in range(begin, len(whole), 37):
        path.write_bytes(whole[:at])
        with open_recording(path) as recording:
            n = int(np.searchsorted(ends, at, "right")) - 1
            np.testing.assert_array_equal(recording.read(), events[: 50 * n])
            assert recording.counts.cuts == (at not in ends)
            assert recording.counts.skipped_bytes == at - ends[n]


@pytest.mark.parametrize("compression", [evts.NONE, evts.LZ4, evts.ZSTD])
def test_a_packet_that_cannot_be_true_is_skipped_and_counted(
    tmp_path: Path, compression: int
) -> None:
    events = sample(300)
    packets = [packet(events[k : k + 100], compression) for k in (0, 100, 200)]
    broken = bytearray(packets[1])
    broken[8:40] = b"\xff" * 32
    path = file_of(
        tmp_path / "a.aedat4", packets[0], bytes(broken), packets[2], compression=compression
    )
    with open_recording(path) as recording:
        expected = np.concatenate([events["t"][:100], events["t"][200:]])
        assert recording.read()["t"].tolist() == expected.tolist()
        assert recording.counts.skipped_bytes == len(broken)
    at = len(path.read_bytes()) - sum(map(len, packets))
    file_of(path, bytes(broken), *packets, compression=compression)
    with (
        open_recording(path) as recording,
        pytest.raises(RecordingError, match=f"in the packet at byte {at}"),
    ):
        recording.read()


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (struct.pack("<ii", 7, 100), r"a packet of stream 7, expected one of \[0, 1\]"),
        (struct.pack("<ii", -1, 100), "a packet of stream -1"),
        (struct.pack("<ii", 0, -5), "a packet of -5 bytes"),
        (struct.pack("<ii", 0, 0), "a packet of 0 bytes"),
        (struct.pack("<ii", 1, PACKET_BYTES + 1), f"a packet of {PACKET_BYTES + 1} bytes"),
    ],
)
def test_a_head_that_cannot_be_true_ends_it(tmp_path: Path, head: bytes, what: str) -> None:
    events = sample(100)
    first = packet(events)
    path = file_of(tmp_path / "a.aedat4", first, head + bytes(200))
    at = len(path.read_bytes()) - 208
    with open_recording(path) as recording:
        chunks = recording.chunks()
        # What is ahead of it is true.
        np.testing.assert_array_equal(next(chunks), events)
        with pytest.raises(RecordingError, match=f"{what}.* at byte {at}"):
            next(chunks)


def test_many_packets_in_one_and_one_over_many_blocks(tmp_path: Path) -> None:
    events = random_events(200_000, WIDTH, HEIGHT, 10**7)
    parts = [*(packet(events[k : k + 1]) for k in range(3000)), packet(events[3000:])]
    with open_recording(file_of(tmp_path / "a.aedat4", *parts)) as recording:
        sizes = [len(chunk) for chunk in recording.chunks()]
        np.testing.assert_array_equal(recording.read(), events)
        # A large one begins a block of its own.
        assert sizes == [3000, 65_536, 65_536, 65_536, 392]
        # In the middle of the large packet, by the index.
        begin = int(events["t"][150_000])
        inside = events[events["t"] >= begin]
        np.testing.assert_array_equal(recording.read(begin), inside)


def test_without_its_table_or_with_a_false_one_it_is_read_from_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    events = sample(2000)
    with create_recording(path, WIDTH, HEIGHT, compression="none") as writer:
        for k in range(0, 2000, 100):
            writer.write(events[k : k + 100])
            writer.flush()
    whole = path.read_bytes()
    begin = int(events["t"][1900])
    with open_recording(path) as recording:
        assert len(recording.read(begin)) == 100
        assert recording.counts.events <= 200
    rng = np.random.default_rng(0)
    table_at = int(whole.rindex(b"FTAB")) - 8
    for _ in range(60):
        data = bytearray(whole)
        data[int(rng.integers(table_at, len(data)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        with open_recording(path) as recording:
            back = recording.read(begin)
            # A time in the table that is another one may be believed; places may not.
            assert len(back) <= 100
        with open_recording(path) as recording:
            np.testing.assert_array_equal(recording.read(), events)
    # The header names a place where there is no table, or none yet.
    for place in (0, 10, table_at + 5, len(whole) + 100, 2**62, -1):
        header = evts.decode_header(memoryview(whole)[18:])._replace(table_at=place)
        path.write_bytes(evts.MAGIC + evts.encode_header(header) + whole[_begin(whole) :])
        with open_recording(path) as recording:
            np.testing.assert_array_equal(recording.read(), events)
            assert len(recording.read(begin)) == 100


def _begin(data: bytes) -> int:
    return 18 + int.from_bytes(data[14:18], "little")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"#!AER-DAT4.0\r\n", "ends within its header of AEDAT4 at byte 14"),
        (b"#!AER-DAT4.0\r\n\x10\0\0\0abc", "ends within its header"),
        (b"#!AER-DAT4.0\r\n\xff\xff\xff\xff", "header of 4294967295 bytes, expected 1 to 1048576"),
        (b"#!AER-DAT4.0\r\n" + bytes(41), "an AEDAT4 header of 0 bytes, expected 1 to"),
        (b"#!AER-DAT4.0\r\n\x10\0\0\0" + bytes(16), "a broken header of AEDAT4"),
        (b"#!AER-DAT1.0\r\n", r"is of AEDAT '1\.0', at byte 9; expected 2\.0, 3\.1 or 4\.0"),
        (b"#!AER-DAT", "is of AEDAT ''"),
    ],
)
def test_headers_that_cannot_be_true(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.aedat4").write_bytes(data)
    with pytest.raises(RecordingError, match=what):
        open_recording(tmp_path / "a.aedat4")


def test_a_file_of_frames_alone_has_no_events(tmp_path: Path) -> None:
    streams = (evts.Stream(0, "FRME", "frames", 346, 260),)
    header = evts.encode_header(evts.IOHeader(evts.NONE, streams))
    (tmp_path / "a.aedat4").write_bytes(evts.MAGIC + header)
    with open_recording(tmp_path / "a.aedat4") as recording:
        assert recording.side == {"frames"}
        assert len(recording.read()) == 0
        assert list(recording.frames()) == []


@given(st.binary(max_size=300), st.integers(0, 20))
def test_the_kernels_stay_within_any_bytes(data: bytes, into: int) -> None:
    raw = np.frombuffer(b"\x20\0\0\0" + data, np.uint8)
    octets = np.zeros(160, np.uint8)
    n, k, back = gather(raw, np.array([0]), np.array([len(raw)]), 1, 0, into, octets, 0)
    assert 0 <= n <= 10
    assert (k, back) in {(0, -1), (1, 0)} or (k == 0 and back > into)
    rows = np.zeros((8, 3), np.int64)
    assert tables(raw, 0x53545645, np.array([8, 4, 1]), rows) >= -1


@given(st.data())
def test_gather_on_damaged_packets(data: st.DataObject) -> None:
    whole = bytearray(packet(sample(20))[8:])
    for _ in range(data.draw(st.integers(1, 3))):
        # The front alone has offsets.
        whole[data.draw(st.integers(0, 40))] = data.draw(st.integers(0, 255))
    raw = np.frombuffer(bytes(whole), np.uint8)
    octets = np.zeros(16 * 20, np.uint8)
    n, _, _ = gather(raw, np.array([0]), np.array([len(raw)]), 1, 0, 0, octets, 0)
    assert 0 <= n <= 20


@pytest.mark.parametrize("kind", [evts.LZ4, evts.ZSTD])
def test_what_is_decompressed_is_bounded(kind: int) -> None:
    zeros = bytes(300_000)
    inflate = Inflater(kind, 100_000)
    small = evts.compress(b"abc" * 1000, kind)
    assert bytes(inflate(memoryview(small))) == b"abc" * 1000
    with pytest.raises(PacketError, match="over 100000"):
        inflate(memoryview(evts.compress(zeros, kind)))
    with pytest.raises(PacketError):
        inflate(memoryview(small[:-5]))
    with pytest.raises(PacketError):
        inflate(memoryview(b"no frame at all"))
    with pytest.raises(PacketError):
        inflate(memoryview(b""))
    # It is none the worse for all that, and learns the size of larger ones.
    for _ in range(3):
        assert len(inflate(memoryview(evts.compress(zeros[:90_000], kind)))) == 90_000


def test_a_frame_that_claims_2_to_the_60_bytes_takes_none() -> None:
    frame = bytearray(lz4.frame.compress(b"a" * 100, store_size=True))
    frame[6:14] = (2**60).to_bytes(8, "little")
    with pytest.raises(PacketError):
        Inflater(evts.LZ4)(memoryview(bytes(frame)))
    streamed = zstandard.ZstdCompressor().compressobj()
    unknown = streamed.compress(b"a" * 300_000) + streamed.flush()
    assert bytes(Inflater(evts.ZSTD)(memoryview(unknown))) == b"a" * 300_000
    with pytest.raises(PacketError):
        Inflater(evts.ZSTD, 200_000)(memoryview(unknown))
    known = bytearray(zstandard.ZstdCompressor().compress(b"a" * 100_000))
    assert known[4] & 0xC0 == 0x80
    known[5:9] = b"\xff\xff\xff\x7f"
    with pytest.raises(PacketError):
        Inflater(evts.ZSTD)(memoryview(bytes(known)))


def test_two_streams_of_events_the_first_is_read(tmp_path: Path) -> None:
    streams = (evts.Stream(3, name="right"), evts.Stream(2, name="left", width=34, height=30))
    header = evts.encode_header(evts.IOHeader(evts.NONE, streams))
    left, right = sample(50), events_of([1], [2], [3], [1])
    data = packet(right, stream=3) + packet(left, stream=2) + packet(right, stream=3)
    (tmp_path / "a.aedat4").write_bytes(evts.MAGIC + header + data)
    with open_recording(tmp_path / "a.aedat4") as recording:
        assert (recording.width, recording.height) == (34, 30)
        np.testing.assert_array_equal(recording.read(), left)


def test_the_real_recordings_are_where_they_are_said_to_be() -> None:
    if not DATA.is_dir():
        pytest.skip("the real recordings are not at hand")
    assert (DATA / "recordings" / "davis346.aedat4").is_file()


@pytest.mark.parametrize("reached", [True, False])
def test_lz4_with_and_without_its_own_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    if reached and not aedat4_events.available:
        pytest.skip("lz4's own functions cannot be reached here")
    monkeypatch.setattr(aedat4_events, "available", reached)
    events = random_events(150_000, WIDTH, HEIGHT, 10**7)
    # Small ones, one of many blocks, one over all that is made room for at first, small ones.
    bounds = [0, 3, 5, 1000, 1001, 140_000, 140_005, 150_000]
    packets = [packet(events[a:b], evts.LZ4) for a, b in itertools.pairwise(bounds)]
    broken = bytearray(packets[0])
    broken[12:20] = b"\xff" * 8
    packets.insert(4, bytes(broken))
    path = file_of(tmp_path / "a.aedat4", *packets, compression=evts.LZ4)
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read(), events)
        assert recording.counts.skipped_bytes == len(broken)
        for begin in (0, 999, 70_000, 139_999, 149_999):
            t = int(events["t"][begin])
            np.testing.assert_array_equal(recording.read(t), events[events["t"] >= t])


@pytest.mark.parametrize("compression", [evts.NONE, evts.LZ4, evts.ZSTD])
def test_large_packets_damaged_cut_and_entered_in_the_middle(
    tmp_path: Path, compression: int
) -> None:
    events = random_events(400_000, WIDTH, HEIGHT, 10**7)
    # Some fill blocks to the last event, some leave a rest, one is larger than a block.
    bounds = [0, 20_000, 40_000, 65_536, 131_072, 131_073, 160_000, 190_000, 300_000, 400_000]
    packets = [packet(events[a:b], compression) for a, b in itertools.pairwise(bounds)]
    path = file_of(tmp_path / "a.aedat4", *packets, compression=compression)
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read(), events)
        assert max(len(chunk) for chunk in recording.chunks()) <= 65_536
        for k in (0, 19_999, 65_536, 100_000, 200_000, 299_999, 399_999):
            t = int(events["t"][k])
            np.testing.assert_array_equal(recording.read(t), events[events["t"] >= t])
    broken = bytearray(packets[6])
    broken[12:20] = b"\xff" * 8
    packets.insert(3, bytes(broken))
    whole = file_of(path, *packets, compression=compression).read_bytes()
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read(), events)
        assert recording.counts.skipped_bytes == len(broken)
    path.write_bytes(whole[:-1000])
    with open_recording(path) as recording:
        np.testing.assert_array_equal(recording.read(), events[:300_000])
        assert recording.counts.skipped_bytes == len(broken) + len(packets[-1]) - 1000
        assert recording.counts.cuts == 1


def test_packets_whose_fronts_differ(tmp_path: Path) -> None:
    events = random_events(60_000, WIDTH, HEIGHT, 10**6)
    parts = []
    for k, more in enumerate((0, 4, 8, 8, 200, 0)):
        plain = bytearray(
            b"".join(map(bytes, evts.encode_events(events[k * 10_000 :][:10_000])))[8:]
        )
        # So many bytes between the vtable's table and the vector.
        at = plain.index(struct.pack("<I", 10_000))
        plain[at:at] = bytes(more)
        plain[at - 4 : at] = struct.pack("<I", 4 + more)
        plain[:4] = struct.pack("<I", len(plain) - 4)
        parts.append(evts.PREFIX.pack(0, len(plain)) + plain)
    with open_recording(file_of(tmp_path / "a.aedat4", *parts)) as recording:
        np.testing.assert_array_equal(recording.read(), events)
        assert recording.counts.skipped_bytes == 0
