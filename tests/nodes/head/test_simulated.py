"""The simulated servos keep the protocol: checksums, stuffing, status errors, motion."""

from __future__ import annotations

import subprocess
import sys

import dynamixel_sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.head.simulated import Servo, Servos
from nodes.head.simulated.servos import crc, packet


@given(st.binary(max_size=200))
def test_the_checksum_is_the_sdks(data: bytes) -> None:
    assert crc(data) == dynamixel_sdk.Protocol2PacketHandler().updateCRC(0, data, len(data))


def test_a_ping_is_as_in_the_manual() -> None:
    # Robotis, protocol 2.0: ping to id 1, and the answer of a model 0x0406 with firmware 38.
    assert packet(1, 1, b"").hex(" ") == "ff ff fd 00 01 03 00 01 19 4e"
    servos = Servos(Servo(1, model=0x0406))
    servos.servos[1].table[6] = 0x26
    answer = servos.take(packet(1, 1, b""))
    assert answer.hex(" ") == "ff ff fd 00 01 07 00 55 00 06 04 26 65 5d"


chunks = st.lists(st.sampled_from([b"\xff\xff\xfd", b"\xff", b"\xfd", b"\x00", b"\x55"]))


@given(chunks.map(b"".join), st.binary(max_size=9))
def test_a_header_inside_a_packet_is_stuffed(parameters: bytes, noise: bytes) -> None:
    servos = Servos()
    whole = packet(1, 3, parameters)
    assert whole.count(b"\xff\xff\xfd\x00") == 1
    servos._buffer = whole
    assert servos._next() == (1, 3, parameters)


@given(st.binary(max_size=300))
def test_noise_is_survived(noise: bytes) -> None:
    servos = Servos()
    servos.take(noise)
    # What looked like a long packet swallows at most as much as it said.
    for _ in range(120):
        answer = servos.take(packet(1, 1, b""))
        if answer:
            break
    assert answer


def test_a_wrong_checksum_is_not_carried_out() -> None:
    servos = Servos()
    whole = bytearray(packet(1, 3, bytes([64, 0, 1])))
    whole[-1] ^= 1
    assert servos.take(bytes(whole)) == b""
    assert not servos.servos[1].torque
    assert servos.bad_packets == 1


@pytest.mark.parametrize(
    ("address", "data", "error"),
    [
        (11, b"\x03", 7),
        (0, b"\x03\x00", 7),
        (132, bytes(4), 7),
        (116, (4096).to_bytes(4, "little"), 6),
        (112, (300).to_bytes(4, "little"), 6),
        (98, b"\x80", 4),
        (116, bytes(4), 0),
    ],
)
def test_what_a_servo_refuses(address: int, data: bytes, error: int) -> None:
    servos = Servos()
    servos.take(packet(1, 3, bytes([64, 0, 1])))
    answer = servos.take(packet(1, 3, address.to_bytes(2, "little") + data))
    assert answer[8] == error


def test_unknown_instructions_and_reboot() -> None:
    servos = Servos(Servo(1, errors=32))
    assert servos.take(packet(1, 0x77, b""))[8] == 0x82
    assert servos.take(packet(1, 8, b""))[8] == 0
    assert servos.take(packet(9, 1, b"")) == b""


@pytest.mark.parametrize("kind", ["dynamixel", "hobby"])
def test_one_can_be_had_on_the_command_line(kind: str) -> None:
    command = [sys.executable, "-m", "nodes.head.simulated", kind]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("/dev/pts/")
        child.communicate()
        assert child.returncode == 0
    wrong = subprocess.run(
        [*command[:-1], "x"], capture_output=True, text=True, check=False, timeout=20
    )
    assert (wrong.returncode, wrong.stderr) == (2, "no simulated head 'x' (dynamixel, hobby)\n")
