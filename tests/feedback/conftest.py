"""Fixtures of the feedback tests."""

from __future__ import annotations

import pytest

from tests.databases import database, database_url, postgres_admin_url
from validator.feedback.classify import Classifier
from validator.reference import load_reference

__all__ = ["database", "database_url", "postgres_admin_url"]


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    return Classifier(load_reference())
