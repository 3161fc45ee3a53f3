"""Small bags of ROS 1 and ROS 2, made with rosbags' own writers and serialization."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.events import Events

PACKET = """std_msgs/Header header
uint32 height
uint32 width
uint64 seq
uint64 time_base
string encoding
bool is_bigendian
uint8[] events
"""

ARRAY = """std_msgs/Header header
uint32 height
uint32 width
dvs_msgs/Event[] events
"""

EVENT_OF_DVS = """uint16 x
uint16 y
time ts
bool polarity
"""

NAMES = {"packet": "event_camera_msgs/msg/EventPacket", "array": "dvs_msgs/msg/EventArray"}

STORAGES = ("bag", "mcap", "sqlite3")


def store(ros1: bool) -> Any:
    """Return a type store that knows the messages of event cameras."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    found = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_HUMBLE)
    time = "time" if ros1 else "builtin_interfaces/Time"
    types = {
        **get_types_from_msg(PACKET, NAMES["packet"]),
        **get_types_from_msg(EVENT_OF_DVS.replace("time", time), "dvs_msgs/msg/Event"),
        **get_types_from_msg(ARRAY, NAMES["array"]),
    }
    found.register(types)
    return found


def _header(types: Any, ros1: bool, ns: int) -> Any:
    time = types["builtin_interfaces/msg/Time"](sec=ns // 10**9, nanosec=ns % 10**9)
    number = {"seq": 7} if ros1 else {}
    return types["std_msgs/msg/Header"](stamp=time, frame_id="camera", **number)


def packet(
    types: Any, ros1: bool, data: bytes, encoding: str, base_ns: int = 0, big: bool = False
) -> Any:
    """Return an EventPacket of a sensor of 34×30 pixels."""
    return types[NAMES["packet"]](
        header=_header(types, ros1, 5),
        height=30,
        width=34,
        seq=1,
        time_base=base_ns,
        encoding=encoding,
        is_bigendian=big,
        events=np.frombuffer(data, np.uint8),
    )


def array(types: Any, ros1: bool, events: Events) -> Any:
    """Return an EventArray of dvs_msgs."""
    time, event = types["builtin_interfaces/msg/Time"], types["dvs_msgs/msg/Event"]
    rows = [
        event(
            x=x,
            y=y,
            ts=time(sec=t // 10**6, nanosec=t % 10**6 * 1000),
            polarity=bool(p),
        )
        for t, x, y, p in events.tolist()
    ]
    return types[NAMES["array"]](header=_header(types, ros1, 5), height=30, width=34, events=rows)


def write(
    path: Path, storage: str, kind: str, messages: Sequence[Any], *, topic: str = "/events"
) -> Path:
    """Write messages, the n-th at n // 2 ms, and return the bag's path; others are between them."""
    ros1 = storage == "bag"
    types = store(ros1)
    name = NAMES[kind]
    if ros1:
        from rosbags.rosbag1 import Writer

        writer: Any = Writer(path)
    else:
        from rosbags.rosbag2 import StoragePlugin
        from rosbags.rosbag2 import Writer as Writer2

        plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
        writer = Writer2(path, version=9, storage_plugin=plugin)
    with writer:
        text = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=types)
        events = writer.add_connection(topic, name, typestore=types)
        serialize = types.serialize_ros1 if ros1 else types.serialize_cdr
        words = types.types["std_msgs/msg/String"](data="of something else")
        for i, message in enumerate(messages):
            writer.write(text, i // 2 * 1_000_000, serialize(words, "std_msgs/msg/String"))
            writer.write(events, i // 2 * 1_000_000, serialize(message, name))
    return path
