"""A name server and services that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bench._served import Served, service_environment, serving
from tests.live import free_port
from tests.load.names import Names, name_server

Serve = Callable[..., AbstractContextManager[Served]]

WITH_FEW_FILES = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
sys.argv = ["validator", "serve"]
runpy.run_module("validator", run_name="__main__")
"""


@pytest.fixture(scope="package")
def names() -> Iterator[Names]:
    """A name server in which every domain takes mail."""
    with name_server() as started:
        yield started


def served(folder: Path, names: Names, *, few_files: bool = False, **settings: str) -> AbstractContextManager[Served]:
    """A service with a store in *folder* that asks the name server; *few_files*: 256 file descriptors at most."""
    port = free_port()
    own = {"port": str(port), "dns_servers": f"127.0.0.1:{names.port}", "special_use_exceptions": "test"}
    environment = service_environment(folder, **(own | settings))
    command = ["-c", WITH_FEW_FILES] if few_files else ["-m", "validator", "serve"]
    return serving(command, port=port, folder=folder, environment=environment, path="/check")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, names: Names) -> Iterator[Served]:
    """One service for the loads that leave it alive."""
    with served(tmp_path_factory.mktemp("served"), names) as started:
        yield started
