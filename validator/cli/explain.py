"""`validator explain`: the story of one address, step by step: each repair, what DNS said, each question."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from validator.cli.logs import log_to_stderr

if TYPE_CHECKING:
    from validator.sanitize.story import Step
    from validator.settings import Settings
    from validator.verdict import Verdict


def explain_command(
    address: Annotated[str, typer.Argument(help="The text that was typed.")],
    zone: Annotated[Path | None, typer.Option("--zone", help="Answer DNS from this zone file; no network.")] = None,
    no_dns: Annotated[bool, typer.Option("--no-dns", help="Ask nobody for DNS.")] = False,
    settings_file: Annotated[Path | None, typer.Option("--settings", help="A .env-style settings file.")] = None,
) -> None:
    """Tell how ADDRESS was repaired and judged. Exit code as `check`."""
    from validator.cli.check_addresses import exit_for
    from validator.cli.check_engine import Engine, run

    engine = Engine.choose(
        settings_file=settings_file,
        zone=zone,
        replay=None,
        record=None,
        no_dns=no_dns,
        url=None,
        key=None,
        sanitize=True,
        explain=True,
        lists=(),
    )
    steps, verdict = run(_explain(engine.settings, address))
    _show(address, steps, verdict)
    raise typer.Exit(exit_for([verdict], may_be_unknown=no_dns))


async def _explain(settings: Settings, address: str) -> tuple[tuple[Step, ...], Verdict]:
    from validator.address import EmailAddress, parse_address
    from validator.checker import CheckOptions
    from validator.runtime import leaving_no_store, open_runtime, syntax_rules
    from validator.sanitize import Sanitizer
    from validator.sanitize.story import tell
    from validator.settings import PlusPolicy

    log_to_stderr()
    rules = syntax_rules(settings)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="validator-")))
        runtime = await stack.enter_async_context(open_runtime(leaving_no_store(settings, folder)))
        verdict = await runtime.checker.check(address, CheckOptions(explain=True))
        sanitizer = Sanitizer(runtime.reference, rules=rules, strip_tags=settings.plus is PlusPolicy.STRIP_TAG)
    sanitized = sanitizer.sanitize(address)
    assert verdict.explain is not None
    if len(verdict.explain.changes) > len(sanitized.changes):  # DNS settled a doubt
        sanitized = replace(
            sanitized, text=verdict.email, changes=verdict.explain.changes, suggestion=verdict.suggestion, doubt=None
        )
    parsed = parse_address(sanitized.text, rules)
    correction = sanitizer.correct_domain(parsed.domain) if isinstance(parsed, EmailAddress) else None
    return tell(sanitized, correction, rules), verdict


def _show(address: str, steps: tuple[Step, ...], verdict: Verdict) -> None:
    from rich.console import Console
    from rich.text import Text

    from validator.bulk.findings import printable
    from validator.cli.check_addresses import hosts_text
    from validator.verdict import Outcome

    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(Text(printable(address), "bold"))
    for number, step in enumerate(steps, start=1):
        certainty = "" if step.rule == "end" else f"  ({step.rule}, {step.confidence:.2f})"
        console.print(f"{number:3}. {printable(step.sentence)}{certainty}")
    explain = verdict.explain
    assert explain is not None
    colours = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.UNKNOWN: "yellow", Outcome.SKIPPED: "dim"}
    console.print()
    for finding in explain.findings:
        line = Text(f"  {finding.reason:22} ")
        line.append(f"{finding.outcome:8}", colours[finding.outcome])
        line.append(f" {finding.detail}")
        console.print(line)
    if explain.dns is not None:
        console.print(f"  mail hosts             {hosts_text(explain.dns)}")
    if explain.provider is not None:
        console.print(f"  provider               {explain.provider['vendor']}")
    if explain.flags:
        console.print(f"  remarks                {', '.join(explain.flags)}")
    word = str(verdict.reason) if verdict.reason is not None else verdict.status
    console.print(Text(f"\n{printable(verdict.email)}: {word}", "bold"))
    if verdict.suggestion is not None:
        console.print(f"probably meant: {printable(verdict.suggestion)}")
