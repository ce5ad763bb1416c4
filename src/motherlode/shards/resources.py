"""What a task asks of the machine that it runs on; the local engine has one machine, a cluster places by it."""

from __future__ import annotations

from dataclasses import dataclass, replace

GIB = 1 << 30


@dataclass(frozen=True)
class Resources:
    """Of one task, while it runs.

    Attributes:
        cpus: Cores; also the threads of what is parallel within a task.
        gpus: GPUs; below 1, so many workers share one.
        memory: Bytes that a cluster reserves; 0: none are reserved.
        gpus_if_any: GPUs that it can use, and does without on a cluster that has none.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0
    gpus_if_any: float = 0.0

    def settled(self, any_gpu: bool) -> Resources:
        """Return what is asked for on a cluster that has a GPU, or has none."""
        gpus = max(self.gpus, self.gpus_if_any if any_gpu else 0.0)
        return replace(self, gpus=gpus, gpus_if_any=0.0)

    def __str__(self) -> str:
        """Say it in words."""
        parts = [f"{self.cpus:g} CPU"]
        if self.gpus:
            parts.append(f"{self.gpus:g} GPU")
        if self.memory:
            parts.append(f"{self.memory / GIB:.2g} GiB")
        return ", ".join(parts)


def resources_of(task: object) -> Resources:
    """Return what a task declares as `resources`; one core if it declares nothing."""
    declared = getattr(task, "resources", None)
    return declared if isinstance(declared, Resources) else Resources()
