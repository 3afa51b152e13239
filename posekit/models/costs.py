"""What a training costs: operations, bytes and memory, and the hours of them on named devices."""

from collections.abc import Mapping
from dataclasses import dataclass

OPERATIONS, TRAFFIC = 0.3, 0.7  # shares of a device's peaks that a training is taken to reach


@dataclass(frozen=True)
class Device:
    """What a device can do, by its maker's data sheet, and what an hour of it costs."""

    operations: Mapping[str, float]  # a second: dense, of matrices, by a recipe's precision
    memory: float  # bytes
    bandwidth: float  # bytes a second
    dollars: float  # an hour, rented


DEVICES = {
    "H200": Device({"float32": 494e12, "bfloat16": 989e12}, 141e9, 4.8e12, 3.5),
    "RTX 4090": Device({"float32": 82.6e12, "bfloat16": 165e12}, 24e9, 1.008e12, 0.5),
}
"""float32 means TF32. The prices are typical of hosts that rent single GPUs by the hour."""


@dataclass(frozen=True)
class Cost:
    """What a training takes."""

    subject: str
    parameters: int
    operations: float  # of a sample, as in `rehearsal.Step`
    traffic: float
    activations: float
    samples: int  # of all epochs
    batch: int
    precision: str
    seconds: float  # of a sample, on one thread of this machine, or on its GPU

    @property
    def _width(self) -> float:
        """Of a number in a forward pass, in numbers of float32."""
        return 0.5 if self.precision == "bfloat16" else 1.0

    @property
    def memory(self) -> float:
        """Bytes of a training step: weights, gradients, two moments, and a batch's activations."""
        return 16 * self.parameters + self.batch * self.activations * self._width

    def hours(self, device: Device) -> float:
        """Hours on a device: OPERATIONS of its peak, then TRAFFIC of its bandwidth."""
        peak = OPERATIONS * device.operations[self.precision]
        bandwidth = TRAFFIC * device.bandwidth
        each = self.operations / peak + self.traffic * self._width / bandwidth
        return self.samples * each / 3600

    @property
    def hours_here(self) -> float:
        """Hours on this machine: one thread of its CPU, or its GPU."""
        return self.samples * self.seconds / 3600
