"""A file of domains that the operator keeps: one a line, each standing for itself and all below it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from validator.address import SyntaxFault, ascii_domain
from validator.errors import SettingsError


class DomainTree(Collection[str]):
    """Domains in which every domain below one of them is contained too; lower-case A-labels."""

    def __init__(self, domains: Collection[str]) -> None:
        self._domains = frozenset(domains)

    def __contains__(self, domain: object) -> bool:
        """One look-up for each label of *domain*."""
        name = domain if isinstance(domain, str) else ""
        while name:
            if name in self._domains:
                return True
            name = name.partition(".")[2]
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._domains)

    def __len__(self) -> int:
        return len(self._domains)


def load_domains(path: Path, *, setting: str) -> DomainTree:
    """Read a file; `#` begins a comment. Raises `SettingsError` that names *setting* and the line, not its content.

    A file without any domain is refused: it is more likely cut off than meant.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise SettingsError(f"{setting}: {path.name}: {why}") from None
    domains = set()
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        domain = ascii_domain(word)
        if isinstance(domain, SyntaxFault):
            raise SettingsError(f"{setting}: {path.name}, line {number}: not a domain")
        domains.add(domain)
    if not domains:
        raise SettingsError(f"{setting}: {path.name}: no domain in it")
    return DomainTree(domains)
