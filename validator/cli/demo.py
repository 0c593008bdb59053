"""`validator demo`: about twenty telling addresses, judged against a bundled zone file; no network."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from validator.cli.logs import log_to_stderr

if TYPE_CHECKING:
    from validator.settings import Settings
    from validator.verdict import Verdict

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
    "o'brien@example.org",
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
    """Judge twenty telling addresses without any network."""
    from pydantic import SecretStr

    from validator.cli.check_addresses import show
    from validator.reference.tables import default_data_dir
    from validator.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database_url=SecretStr(f"sqlite:///{Path(folder) / 'demo.db'}"),
            dns_zone_file=default_data_dir() / "demo.zone",
            special_use_exceptions=("test",),
        )
        verdicts = asyncio.run(_judge(settings))
    show(verdicts)


async def _judge(settings: Settings) -> list[Verdict]:
    from validator.blacklist.entry import Cause, Kind, NewEntry, Rule, RuleFault
    from validator.blacklist.keys import parse_rule
    from validator.runtime import open_runtime

    rules = [
        (parse_rule("bounced@acme.test", Kind.ADDRESS), Cause.MAILBOX_NOT_FOUND),
        (parse_rule("spamtrap.test", Kind.MX_HOST, below=True), Cause.MANUAL),
        (parse_rule("93.184.215.64/29", Kind.MX_IP), Cause.MANUAL),
    ]
    entries = [NewEntry(rule, cause, "demo") for rule, cause in rules if isinstance(rule, Rule)]
    assert len(entries) == len(rules), [rule for rule, _ in rules if isinstance(rule, RuleFault)]
    log_to_stderr()
    async with open_runtime(settings) as runtime:
        await runtime.blacklist.entries.add(entries, actor="demo")
        return [*await runtime.checker.check_many(DEMO)]
