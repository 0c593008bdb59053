"""`validator data`: verify the reference tables, refresh their manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from validator.errors import DatasetError

app = typer.Typer(help="Reference tables.", no_args_is_help=True, rich_markup_mode=None)


@app.command("verify")
def verify(
    folder: Annotated[Path | None, typer.Argument(help="Folder of tables; default: the ones in use.")] = None,
) -> None:
    """Check every table against its manifest. Every rule is built from it, and nobody is asked."""
    from validator.feedback.reasons import load_reasons
    from validator.feedback.rules import load_rules
    from validator.recipient import Recipients
    from validator.reference import load_reference
    from validator.reference.providers import load_providers
    from validator.reference.tables import default_data_dir
    from validator.sanitize import Sanitizer

    reference = load_reference(folder)
    stray = {path.stem for path in (folder or default_data_dir()).glob("*.tsv")} - set(reference.tables)
    if stray:
        raise DatasetError(f"tables without a manifest entry: {', '.join(sorted(stray))}")
    Recipients(reference)
    load_providers(reference)
    Sanitizer(reference)
    load_reasons(reference)
    load_rules(reference, thorough=True)
    for name, table in sorted(reference.tables.items()):
        typer.echo(f"{name:28} {len(table.rows):>7} rows  {table.sha256[:12]}")
    typer.echo(f"version {reference.version}: all good")


@app.command("manifest")
def manifest(
    folder: Annotated[Path | None, typer.Argument(help="Folder of tables; default: the ones in use.")] = None,
) -> None:
    """Write row counts and sums of edited tables into the manifest."""
    from validator.reference.tables import default_data_dir, write_manifest

    changed = write_manifest(folder or default_data_dir())
    typer.echo(f"changed: {', '.join(changed)}" if changed else "nothing changed")
