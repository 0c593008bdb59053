"""Answers from a zone file instead of the network: for CI, demonstrations and tests.

A standard master file (RFC 1035 5) that may hold any number of unrelated domains; names without a final dot are
relative to `$ORIGIN`, which is the root at the start. What is not in the file does not exist. Wildcards, CNAME and
DNAME work as in a name server. A comment that begins with `;!` makes a name fail, with everything below it:

    ;! SERVFAIL broken.example.org
    ;! TIMEOUT  silent.example.org
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.tokenizer
import dns.transaction
import dns.zonefile

from validator.errors import SettingsError
from validator.mx.answer import MAX_ALIASES, Answer, AnswerKind, Fault, MailExchanger, failed
from validator.mx.health import ServerHealth, ServerState
from validator.mx.parse import host_text, record_text
from validator.mx.source import OnAnswer

NEGATIVE_TTL_S = 300
"""How long "no such name" holds where the file has no SOA above the name."""
DEFAULT_TTL_S = 3_600
"""TTL of records before any `$TTL`."""
_DIRECTIVE = ";!"
_FAULTS = {
    "SERVFAIL": Fault.SERVFAIL,
    "REFUSED": Fault.REFUSED,
    "TIMEOUT": Fault.TIMEOUT,
    "TRUNCATED": Fault.TRUNCATED,
}


@dataclass(frozen=True, slots=True)
class ZoneReply:
    """What the zone says to one question."""

    chain: tuple[dns.rrset.RRset, ...]
    """DNAME, CNAME and at last the asked records, in order."""
    exists: bool
    """The name at the end of the chain exists."""
    found: bool
    """The chain ends with records of the asked type."""
    soa: dns.rrset.RRset | None
    """The start of authority above the last name; None when the file has none."""


class _Collector:
    """What dnspython's reader needs of a transaction; unlike its zones, several SOA records are welcome."""

    def __init__(self) -> None:
        self.records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rdataset.Rdataset] = {}
        self.manager = self

    def origin_information(self) -> tuple[dns.name.Name, bool, dns.name.Name]:
        """Relative names are relative to the root until `$ORIGIN` says otherwise."""
        return dns.name.root, False, dns.name.root

    def check_put_rdataset(self, check: object) -> None:
        """Checks against the whole zone cost time that grows with its square; the reader does without."""

    def _set_origin(self, origin: dns.name.Name) -> None:
        """The reader keeps the origin itself."""

    def add(self, name: dns.name.Name, ttl: int, rdata: dns.rdata.Rdata) -> None:
        """One record."""
        key = (name, rdata.rdtype)
        if key not in self.records:
            self.records[key] = dns.rdataset.Rdataset(rdata.rdclass, rdata.rdtype, ttl=ttl)
        self.records[key].add(rdata, ttl)


class _Tokens(dns.tokenizer.Tokenizer):
    """Words of the file; remembers where the record that is being read begins."""

    record_line = 1
    """1-based."""

    def get(self, want_leading: bool = False, want_comment: bool = False) -> dns.tokenizer.Token:
        """The next word; the reader asks for leading space at the start of a record and nowhere else."""
        if want_leading:
            self.record_line = self.line_number
        return super().get(want_leading, want_comment)


class ZoneData:
    """The records of a master file, by owner."""

    def __init__(self, text: str) -> None:
        """Parse; raises `SettingsError` with the line."""
        self.faults: dict[dns.name.Name, Fault] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.isascii():
                raise SettingsError(f"zone file, line {number}: write international names as A-labels (xn--…)")
            if line.startswith(_DIRECTIVE):
                self._read_directive(number, line)
        collector, tokens = _Collector(), _Tokens(text)
        try:
            dns.zonefile.Reader(
                tokens,
                dns.rdataclass.IN,
                cast("dns.transaction.Transaction", collector),
                default_ttl=DEFAULT_TTL_S,
            ).read()
        except (dns.exception.DNSException, ValueError, KeyError) as error:
            # the reader names the line where it noticed, which may be the next one
            words = re.sub(r"^.*?:\d+: ", "", str(error))
            raise SettingsError(f"zone file, line {tokens.record_line}: {words}") from error
        self._records = collector.records
        # empty non-terminals exist too: `a.b.example` makes `b.example` a name (RFC 8020)
        self._existing: set[dns.name.Name] = set()
        for name, _ in self._records:
            above = name
            while above not in self._existing and above != dns.name.root:
                self._existing.add(above)
                above = above.parent()

    def _read_directive(self, number: int, line: str) -> None:
        words = line.removeprefix(_DIRECTIVE).split()
        if len(words) != 2 or words[0].upper() not in _FAULTS:
            raise SettingsError(f"zone file, line {number}: not `;! {'|'.join(_FAULTS)} name`")
        try:
            name = dns.name.from_text(words[1].lower(), idna_codec=None)
        except dns.exception.DNSException as error:
            raise SettingsError(f"zone file, line {number}: {error}") from error
        self.faults[name] = _FAULTS[words[0].upper()]

    def fault(self, name: dns.name.Name) -> Fault | None:
        """The failure that the file asks for at *name* or above it."""
        while self.faults and name != dns.name.root:
            if name in self.faults:
                return self.faults[name]
            name = name.parent()
        return None

    def find(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> ZoneReply:
        """Everything the file says to the question, aliases followed; loops end after `MAX_ALIASES`."""
        chain: list[dns.rrset.RRset] = []
        for _ in range(MAX_ALIASES + 1):
            node_name, exists = self._match(name)
            records = self._get(node_name, rdtype)
            if records is not None:
                chain.append(_rrset(name, records))
                return ZoneReply(tuple(chain), True, True, None)
            alias = self._get(node_name, dns.rdatatype.CNAME)
            if alias is not None and rdtype != dns.rdatatype.CNAME:
                chain.append(_rrset(name, alias))
                name = alias[0].target
                continue
            moved = None if exists else self._dname(name)
            if moved is None:
                return ZoneReply(tuple(chain), exists, False, self._soa(name))
            owner, records = moved
            chain.append(_rrset(owner, records))
            try:
                target = name.relativize(owner).concatenate(records[0].target)
            except dns.name.NameTooLong:  # a name server says YXDOMAIN (RFC 6672 2.2)
                return ZoneReply(tuple(chain), False, False, self._soa(name))
            chain.append(dns.rrset.from_text(name, records.ttl, "IN", "CNAME", target.to_text()))
            name = target
        return ZoneReply(tuple(chain), True, False, None)

    def _match(self, name: dns.name.Name) -> tuple[dns.name.Name, bool]:
        """The owner whose records answer for *name*, itself or a wildcard, and whether the name exists."""
        if name in self._existing or name == dns.name.root:
            return name, True
        encloser = name.parent()
        while encloser not in self._existing and encloser != dns.name.root:
            encloser = encloser.parent()
        wildcard = dns.name.Name((b"*", *encloser.labels))
        return (wildcard, True) if wildcard in self._existing else (name, False)

    def _get(self, owner: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.rdataset.Rdataset | None:
        return self._records.get((owner, rdtype))

    def _dname(self, name: dns.name.Name) -> tuple[dns.name.Name, dns.rdataset.Rdataset] | None:
        above = name
        while above != dns.name.root:
            above = above.parent()
            records = self._get(above, dns.rdatatype.DNAME)
            if records is not None:
                return above, records
        return None

    def _soa(self, name: dns.name.Name) -> dns.rrset.RRset | None:
        while True:
            records = self._get(name, dns.rdatatype.SOA)
            if records is not None:
                return _rrset(name, records)
            if name == dns.name.root:
                return None
            name = name.parent()


def _rrset(owner: dns.name.Name, records: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    rrset = dns.rrset.RRset(owner, records.rdclass, records.rdtype)
    for rdata in records:
        rrset.add(rdata, records.ttl)
    return rrset


class ZoneFileSource:
    """Answers from one file, at once; an `AnswerSource`."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises `SettingsError` when it cannot be read or parsed."""
        try:
            self.data = ZoneData(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"zone file {path.name}: {error}") from error
        self._name = f"zone file {path.name}"

    def ask(self, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        """Answer from the file; never waits, so *deadline* has no effect."""
        del deadline
        on_answer(zone_answer(self.data, name, rtype))

    def is_down(self) -> bool:
        """A file is always there."""
        return False

    async def invented_addresses(self) -> frozenset[str]:
        """A file invents nothing."""
        return frozenset()

    def health(self) -> tuple[ServerHealth, ...]:
        """One well server that is the file."""
        return (ServerHealth(self._name, ServerState.UP, 0, None, rewriting=False),)

    def on_recovery(self, callback: object) -> None:
        """It is never down, so it never comes back."""

    async def start(self) -> None:
        """Nothing to open: the file was read."""

    async def aclose(self) -> None:
        """Nothing to close."""


def zone_answer(data: ZoneData, name: str, rtype: int) -> Answer:
    """The answer of *data* to one question, as a resolver in front of it would give it."""
    owner = dns.name.from_text(name, idna_codec=None)
    fault = data.fault(owner)
    if fault is not None:
        return failed(fault)
    reply = data.find(owner, dns.rdatatype.RdataType(rtype))
    aliases = [rrset for rrset in reply.chain if rrset.rdtype == dns.rdatatype.CNAME]
    for alias in aliases:
        fault = data.fault(alias[0].target)
        if fault is not None:
            return failed(fault)
    if len(aliases) > MAX_ALIASES:
        return failed(Fault.ALIAS_LOOP)
    ttls = [rrset.ttl for rrset in reply.chain]
    if reply.found:
        return Answer(AnswerKind.RECORDS, _records(reply.chain[-1]), min(ttls), aliases=len(aliases))
    bound = NEGATIVE_TTL_S if reply.soa is None else min(reply.soa.ttl, int(reply.soa[0].minimum))
    kind = AnswerKind.NO_DATA if reply.exists else AnswerKind.NO_NAME
    return Answer(kind, (), min([bound, *ttls]), aliases=len(aliases))


def _records(rrset: dns.rrset.RRset) -> tuple[MailExchanger, ...] | tuple[str, ...]:
    if rrset.rdtype == dns.rdatatype.MX:
        return tuple((int(rdata.preference), host_text(rdata.exchange)) for rdata in rrset)
    return tuple(record_text(rdata) for rdata in rrset)
