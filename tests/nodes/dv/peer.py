"""dv-processing in a process of its own: it holds the GIL, and may hang when it is deleted.

``python peer.py serve ADDRESS COMPRESSION FILE SIZE`` serves the events of a .npy file, ``SIZE`` a
packet, to the first client and ends on a word; ``python peer.py read ADDRESS FILE N`` reads N
events and saves them. ADDRESS is a port at 127.0.0.1 or a path. It says "ready" when it is there.
"""

from __future__ import annotations

import os
import sys
import time

import dv_processing as dv
import numpy as np

SENSOR = (346, 260)


def serve(address: str, compression: str, file: str, size: str) -> None:
    stream = dv.io.Stream.EventStream(0, "events", "DAVIS346_1", SENSOR)
    stream.setCompression(getattr(dv.CompressionType, compression))
    if address.isdigit():
        writer = dv.io.NetworkWriter("127.0.0.1", int(address), stream)
    else:
        writer = dv.io.NetworkWriter(dv.Path(address), stream)
    events = np.load(file)
    stores = []
    for at in range(0, len(events), int(size)):
        store = dv.EventStore()
        for t, x, y, p in events[at : at + int(size)].tolist():
            store.push_back(t, x, y, bool(p))
        stores.append(store)
    print("ready", flush=True)
    while not writer.getClientCount():
        time.sleep(0.001)
    for store in stores:
        writer.writeEvents(store)
    while writer.getQueuedPacketCount():
        time.sleep(0.001)
    print("served", flush=True)
    sys.stdin.readline()


def read(address: str, file: str, n: str) -> None:
    if address.isdigit():
        reader = dv.io.NetworkReader("127.0.0.1", int(address))
    else:
        reader = dv.io.NetworkReader(dv.Path(address))
    print("ready", reader.getEventResolution(), reader.getCameraName(), flush=True)
    parts: list[np.ndarray] = []
    end = time.monotonic() + 20
    while sum(map(len, parts)) < int(n) and time.monotonic() < end:
        batch = reader.getNextEventBatch()
        if batch is None:
            time.sleep(0.001)
            continue
        parts.append(batch.numpy().copy())
    np.save(file, np.concatenate(parts) if parts else np.zeros(0))
    print("saved", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    {"serve": serve, "read": read}[sys.argv[1]](*sys.argv[2:])
    os._exit(0)
