"""One sanitizer for the whole folder: loading the tables takes longer than most tests."""

from __future__ import annotations

import pytest

from validator.reference import Reference, load_reference
from validator.reference.providers import Providers, load_providers
from validator.sanitize import Sanitizer


@pytest.fixture(scope="session")
def reference() -> Reference:
    return load_reference()


@pytest.fixture(scope="session")
def providers(reference: Reference) -> Providers:
    return load_providers(reference)


@pytest.fixture(scope="session")
def sanitizer(reference: Reference) -> Sanitizer:
    return Sanitizer(reference)
