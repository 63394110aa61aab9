"""The processes that train one network together: one leads, and all decide the same."""

from __future__ import annotations

from typing import TypeVar

from lightning_fabric import Fabric
from torch import distributed

T = TypeVar("T")


def leads_here() -> bool:
    """Whether this process is the one that speaks, whatever was launched before."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


class Crew:
    """This process among those that share every batch; alone, everything here is the identity."""

    def __init__(self, fabric: Fabric) -> None:
        self.rank, self.size = fabric.global_rank, fabric.world_size

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and shows."""
        return self.rank == 0

    def agreed(self, value: T) -> T:
        """Take the leader's value, so that no process stops or chooses alone."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def gathered(self, value: T) -> list[T]:
        """Collect every process's value, by rank."""
        if self.size == 1:
            return [value]
        values: list[T | None] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]  # each place has been filled

    def wait(self) -> None:
        """Go on only when all are here."""
        if self.size > 1:
            distributed.barrier()
