"""`validator demo`: about twenty telling addresses, judged against a bundled zone file; no network."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import typer

DEMO = (
    "ivan.petrov@gmail.com",
    "Ivan.Petrov+news@Yandex.RU",
    "ivan@gmial.com",
    "anna@gmail.co",
    '" a b@gmail.com"',
    "Anna Petrova <anna@mail.ru>",
    "mailto:max@outlook.com?subject=Hi",
    "шмфт@ьфшд.кг",
    "ш@gmail.com",
    "olga@gmаil.com",
    "иван@mail.ru",
    "o'brien@acme.test",
    "not an address",
    "anna@gmail.com, petr@mail.ru",
    "Test@Example.com",
    "sales@no-mail.test",
    "x@fb.com",
    "test@gmail.com",
    "noreply@acme.test",
    "bounced@acme.test",
    "hello@bad-host.test",
    "hello@bad-network.test",
    "someone@broken-dns.test",
)
"""What is shown; `demo.zone` beside the reference tables answers for the domains."""


def demo_command() -> None:
    """Judge twenty telling addresses without any network and print the table."""
    from pydantic import SecretStr

    from validator.cli.check import OutputFormat, show
    from validator.reference.tables import default_data_dir
    from validator.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database_url=SecretStr(f"sqlite:///{Path(folder) / 'demo.db'}"),
            dns_zone_file=default_data_dir() / "demo.zone",
            special_use_exceptions=("test",),
        )
        verdicts = asyncio.run(_judge(settings))
    show(verdicts, OutputFormat.TEXT)
