"""Validator: repairs, judges and suppresses email addresses. The public Python API."""

from __future__ import annotations

__version__ = "0.1.0"
