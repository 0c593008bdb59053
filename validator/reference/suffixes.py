"""Public suffixes and delegated top-level domains, from the list inside the `publicsuffixlist` package.

Only the ICANN section counts, except in `is_shared_suffix`: a private suffix such as `github.io` is somebody's domain
like any other. Every argument is a domain as lower-case A-labels. The list is parsed on first use (about 40 ms).
"""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


@lru_cache(maxsize=1)
def _all_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=8_192)
def is_delegated_tld(tld: str) -> bool:
    """True for a top-level domain of the root zone, as of the installed list (about 1,450).

    The list has no rule for `za` alone, only for `co.za` and its like, so both are tried.
    """
    return any(_suffixes().publicsuffix(name, accept_unknown=False) is not None for name in (f"a.{tld}", f"co.{tld}"))


@lru_cache(maxsize=65_536)
def registrable_domain(domain: str) -> str | None:
    """The label below the public suffix and all to its right (`a.b.co.uk` -> `b.co.uk`); None for a suffix itself."""
    found = _suffixes().privatesuffix(domain)
    return str(found) if found else None


@lru_cache(maxsize=65_536)
def public_suffix(domain: str) -> str:
    """The public suffix of *domain* (`a.b.co.uk` -> `co.uk`); the last label when no rule is known."""
    found = _suffixes().publicsuffix(domain)
    return str(found) if found else domain.rpartition(".")[2]


def is_public_suffix(domain: str) -> bool:
    """True for a name under which strangers register names, such as `com` or `co.uk`."""
    return registrable_domain(domain) is None


@lru_cache(maxsize=8_192)
def is_shared_suffix(domain: str) -> bool:
    """True for a public suffix, and for a company's domain under which strangers get names (`github.io`)."""
    return is_public_suffix(domain) or _all_suffixes().privatesuffix(domain) is None
