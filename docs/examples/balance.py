"""A node of one's own: says how many of the events are ON."""

from pipeline import Annotated, EventPacket, Meta, Node, Settings


class BalanceSettings(Settings):
    """Settings of ``balance``."""

    every_ms: Annotated[int, Meta(ge=1, description="say it so often, in event time")] = 100


class Balance(Node):
    """EventPackets in, lines out."""

    settings_type = BalanceSettings
    accepts = (EventPacket,)

    def open(self):
        """Begin with nothing."""
        self.on = self.all = 0

    def process(self, packet):
        """Count, and say the share when it is time."""
        self.on += int(packet.events["p"].sum())
        self.all += packet.header.n
        if self.all and packet.header.t_end % (self.settings.every_ms * 1000) == 0:
            print(f"{packet.header.sample}: {self.on / self.all:.0%} of {self.all} events are ON")
            self.on = self.all = 0
        yield from ()
