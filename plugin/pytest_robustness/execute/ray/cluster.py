"""A cluster of Ray: joined or started, how much room it has, and whether its head still answers."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.execute.engine import ADDRESS, LOCAL, RAY, EngineLost
from pytest_robustness.suite.engine import Resources

#: Seconds between two looks at the head, those it has to answer, and how many may fail in a row. Ray would end this
#: process 60 seconds after its head is gone.
LOOK, ANSWER, FAILURES = 2.0, 2.0, 4
#: Seconds in which the head that ``RAY_ADDRESS`` names has to answer, as long as Ray's client waits. Ray itself tries
#: for a quarter of an hour.
PATIENCE = 30.0
#: Seconds between two looks at the nodes.
NODES = 5.0


@dataclass(frozen=True)
class Shape:
    """Says what a worker has. ``memory`` is in bytes, and 0 when it is not counted."""

    num_cpus: float
    num_gpus: float
    memory: int

    @property
    def shares(self) -> str | None:
        """Return why times of a worker should not be judged. Returns None when it has its device to itself."""
        if self.num_gpus % 1:
            return "several tasks share a GPU"
        return "several tasks share a core" if not self.num_gpus and self.num_cpus < 1 else None

    def __str__(self) -> str:
        memory = f", {self.memory / 10**9:g} GB" if self.memory else ""
        return f"num_cpus = {self.num_cpus:g}, num_gpus = {self.num_gpus:g}{memory}"


class Cluster:
    """Joins a cluster, or starts one on this machine: ``ray`` does what ``ray.init()`` does, ``local`` always starts.

    Raises RobustnessError, in one line, when there is none.
    """

    def __init__(self, name: str, runtime_env: Mapping[str, Any]) -> None:
        self._own = not ray.is_initialized()
        given = os.environ.get("RAY_ADDRESS", "") if name == RAY else ""
        if given.startswith(ADDRESS):
            name = given
        if self._own:
            if "://" not in given:
                _await_head(given)
            self._join(name, dict(runtime_env))
        self._address = name.removeprefix(ADDRESS) if name.startswith(ADDRESS) else _head()
        self._nodes: list[dict[str, Any]] = []
        self._looked_at_nodes = float("-inf")
        self._failures = 0

    @staticmethod
    def _join(name: str, runtime_env: dict[str, Any]) -> None:
        common = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": runtime_env or None}
        main = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            if name.startswith(ADDRESS):
                ray.init(address=name, **common)
            elif name == LOCAL:
                ray.init(address="local", include_dashboard=False, **common)
            else:
                try:
                    ray.init(address="auto", **common)
                except ConnectionError:  # none is running
                    ray.init(address="local", include_dashboard=False, **common)
        except (RayError, OSError, RuntimeError, ValueError, AssertionError) as error:
            raise RobustnessError(f"{name}: no Ray cluster: {line(error)}") from None
        finally:
            if main and handler is not None:
                signal.signal(signal.SIGTERM, handler)  # Ray's own would end this process without a summary

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that are alive, as Ray describes them."""
        if time.monotonic() - self._looked_at_nodes > NODES:
            self._nodes = [node for node in ray.nodes() if node["Alive"]]
            self._looked_at_nodes = time.monotonic()
        return self._nodes

    def shape(self, needs: Resources) -> Shape:
        """Return what a worker gets that is to have what a suite says: by default a core, and a GPU where any is."""
        gpus = needs.num_gpus
        if gpus is None:
            gpus = 1.0 if any(node["Resources"].get("GPU", 0) for node in self.nodes()) else 0.0
        return Shape(needs.num_cpus or 1.0, gpus, needs.memory or 0)

    def room(self, shape: Shape) -> int:
        """Return how many workers of a shape all nodes together have room for."""
        needs = {"CPU": shape.num_cpus, "GPU": shape.num_gpus, "memory": shape.memory}
        return sum(
            int(min(node["Resources"].get(what, 0) / count for what, count in needs.items() if count))
            for node in self.nodes()
        )

    def check_head(self) -> None:
        """Raise EngineLost when the cluster's head has not answered several times in a row."""
        if self._address is None:
            return
        try:
            _call(self._address)
            self._failures = 0
        except (OSError, ValueError) as error:
            self._failures += 1
            if self._failures >= FAILURES:
                raise EngineLost(
                    f"the Ray cluster is lost: its head at {self._address} does not answer: {error}"
                ) from None

    def leave(self) -> None:
        """Leave the cluster, and end it when it was started here."""
        if self._own and ray.is_initialized():
            ray.shutdown()


def _call(address: str) -> None:
    """Raise OSError when nothing answers at an address, and ValueError when it has no port."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()


def _await_head(address: str) -> None:
    """Wait until a head answers, where an address with a port is given: whether another is one, Ray says.

    Raises RobustnessError when none does.
    """
    start = time.monotonic()
    while address.rpartition(":")[2].isdigit():
        try:
            _call(address)
            return
        except OSError as error:
            if time.monotonic() - start > PATIENCE:
                raise RobustnessError(f"{RAY}: no Ray cluster at RAY_ADDRESS={address}: {error}") from None
            time.sleep(1)


def _head() -> str | None:
    address: str | None = ray.get_runtime_context().gcs_address
    return address


def line(error: BaseException) -> str:
    """Return what an exception of Ray says, without the lines that describe the actor."""
    said = [one.strip() for one in str(error).splitlines() if one.strip() and not one.startswith("\t")]
    if any("Traceback" in one or "creation task" in one for one in said):
        said = said[-1:]  # the error that was raised
    return " ".join(said)[:400] or type(error).__name__
