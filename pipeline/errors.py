"""Every error that a user can meet, as one tree.

RetinaError                 one clear line; the command ends with exit status 1
├── UsageError              wrong use of a command or a setting: exit status 2
│   ├── SettingError        a setting is unknown, of the wrong type or out of range
│   └── GraphError          a graph file does not describe a runnable graph
├── ChannelError            a socket cannot be opened, reached or secured
├── PacketError             bytes from outside are no valid packet (counted and skipped)
├── RecordingError          a recording cannot be read
├── ModelError              a model file is missing, foreign or does not fit
├── DeviceError             a GPU, camera or display that is asked for is not there
└── NodeFailed              a node process died more often than it may
"""

from __future__ import annotations


class RetinaError(Exception):
    """Something went wrong that the user can act on; the message is one complete line."""

    exit_status = 1


class UsageError(RetinaError):
    """The command or a setting was used wrongly."""

    exit_status = 2


class SettingError(UsageError):
    """A setting is unknown, of the wrong type or out of range."""


class GraphError(UsageError):
    """A graph file does not describe a runnable graph."""


class ChannelError(RetinaError):
    """A socket cannot be opened, reached or secured."""


class PacketError(RetinaError):
    """Bytes from outside are no valid packet."""


class RecordingError(RetinaError):
    """A recording cannot be read: the message names the file and what is wrong in it."""


class ModelError(RetinaError):
    """A model file is missing, foreign or does not fit what it is asked to do."""


class DeviceError(RetinaError):
    """A GPU, camera or display that is asked for is not there."""


class NodeFailed(RetinaError):
    """A node process died more often than it may."""
