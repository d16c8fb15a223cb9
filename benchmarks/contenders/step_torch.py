"""One train step and one inference step of two bidirectional GRU layers on PyTorch.

    python step_torch.py --threads 2 [--compile]

Answers requests on standard input; see `wire.serve` and `steps.measure`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
import wire
from torch import nn


class Network(nn.Module):
    """Two bidirectional layers, and one linear number from the last step."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.layers = nn.GRU(features, units, num_layers=2, bidirectional=True, batch_first=True)
        self.dense = nn.Linear(2 * units, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(B, T, C) to (B, 1)."""
        return self.dense(self.layers(inputs)[0][:, -1])


class Steps:
    """The steps of one case at a time."""

    def __init__(self, *, compiled: bool) -> None:
        self.compiled = compiled
        self.case: list[int] = []

    def prepare(self, case: list[int], mode: str) -> dict[str, Any]:
        """Build the network of a case unless it is there, and take the step three times."""
        start = time.perf_counter()
        if case != self.case:
            torch.manual_seed(0)
            batch, steps, features, units = case
            network = Network(features, units)
            self.case, self.network = case, torch.compile(network) if self.compiled else network
            self.optimizer = torch.optim.Adam(network.parameters(), fused=True)
            self.inputs, self.target = torch.randn(batch, steps, features), torch.randn(batch, 1)
        self.step: Callable[[], float] = {"train": self.train, "forward": self.forward}[mode]
        for _ in range(3):
            self.step()
        weights = sum(weight.numel() for weight in self.network.parameters())
        return {"weights": weights, "seconds": time.perf_counter() - start}

    def train(self) -> float:
        """Forward, backward, Adam."""
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(self.network(self.inputs), self.target)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def forward(self) -> float:
        """Forward without gradients."""
        self.network.eval()
        with torch.inference_mode():
            return self.network(self.inputs)[0, 0].item()


def multiply(size: int) -> Callable[[], float]:
    """The product of two square matrices as a step."""
    matrix = torch.randn(size, size)

    def step() -> float:
        return torch.mm(matrix, matrix)[0, 0].item()

    return step


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(arguments.threads)
    wire.serve_steps(Steps(compiled=arguments.compile), multiply, "torch", "numpy")


if __name__ == "__main__":
    main()
