"""Reads any answer with dnspython and says what it means; the slow and complete counterpart of `wire.read_plain`.

Pure. Never raises for any bytes: what cannot be read is a fault, not "no such record". Three things that look like
"no answer" to dnspython's resolver are faults here: a truncated message, a referral, an answer about another name.
"""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rrset

from validator.mx.answer import MAX_ALIASES, AliasEnd, Answer, AnswerKind, Fault, MailExchanger, failed
from validator.mx.special import canonical_address, is_host_name

_MAX_TTL_S = 0x7FFFFFFF
_RCODE_FAULTS = {
    dns.rcode.SERVFAIL: Fault.SERVFAIL,
    dns.rcode.REFUSED: Fault.REFUSED,
    dns.rcode.FORMERR: Fault.FORMERR,
    dns.rcode.NOTIMP: Fault.NOTIMP,
}
_ANSWERS = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN)


def read_message(data: bytes, name: str, rtype: int) -> Answer:
    """The answer in *data* to the question for *name* (lower case, no final dot) and *rtype*.

    The caller has matched id, QR bit and question.
    """
    try:
        message = dns.message.from_wire(data)
    except (dns.exception.DNSException, ValueError):
        return failed(Fault.MALFORMED)
    if message.flags & dns.flags.TC:
        return failed(Fault.TRUNCATED)
    rcode = message.rcode()
    if rcode not in _ANSWERS:
        return failed(_RCODE_FAULTS.get(rcode, Fault.RCODE))
    if _forks(data, message):
        return failed(Fault.CONTRADICTION)
    return read_sections(message, name, rtype)


def read_sections(message: dns.message.Message, name: str, rtype: int) -> Answer:
    """The same for a parsed message whose response code is NOERROR, NXDOMAIN or YXDOMAIN."""
    rcode = message.rcode()
    rdtype = dns.rdatatype.RdataType(rtype)
    owner = dns.name.from_text(name, idna_codec=None)  # ASCII only, so no codec is ever used
    seen = {owner}
    ttls: list[int] = []
    while True:
        found = _find(message, owner, rdtype)
        if found is not None:
            if rcode != dns.rcode.NOERROR:
                return failed(Fault.CONTRADICTION)
            ttls.append(_ttl(found))
            return Answer(AnswerKind.RECORDS, _records(found), min(ttls), aliases=len(seen) - 1)
        alias = _find(message, owner, dns.rdatatype.CNAME)
        if alias is None:
            break
        owner = alias[0].target
        ttls.append(_ttl(alias))
        if owner in seen or len(seen) > MAX_ALIASES:
            return failed(Fault.ALIAS_LOOP)
        seen.add(owner)
    aliases = len(seen) - 1
    if any(rrset.rdtype == rdtype and rrset.rdclass == dns.rdataclass.IN for rrset in message.answer):
        return failed(Fault.CONTRADICTION)
    bound = _negative_ttl(message)
    if bound is not None and ttls:
        bound = min(bound, *ttls)
    if rcode != dns.rcode.NOERROR:
        return Answer(AnswerKind.NO_NAME, (), bound, aliases=aliases)
    if bound is None:
        if any(rrset.rdtype == dns.rdatatype.NS for rrset in message.authority):
            return failed(Fault.REFERRAL)
        if message.answer:
            return failed(Fault.INCOMPLETE)
    return Answer(AnswerKind.NO_DATA, (), bound, aliases=aliases)


def _forks(data: bytes, message: dns.message.Message) -> bool:
    """True when one name is an alias of two: of these dnspython keeps the last, as if there were no other."""
    kept = sum(map(len, message.answer))
    if int.from_bytes(data[6:8], "big") == kept or not any(
        rrset.rdtype == dns.rdatatype.CNAME for rrset in message.answer
    ):
        return False
    targets: dict[dns.name.Name, dns.name.Name] = {}
    records = dns.message.from_wire(data, one_rr_per_rrset=True).answer
    aliases = [record for record in records if record.rdtype == dns.rdatatype.CNAME]
    return any(targets.setdefault(alias.name, alias[0].target) != alias[0].target for alias in aliases)


def alias_end(data: bytes, name: str) -> AliasEnd | None:
    """Where the aliases lead in an answer that `read_message` calls INCOMPLETE or REFERRAL; None without any."""
    message = dns.message.from_wire(data)
    owner = dns.name.from_text(name, idna_codec=None)
    ttls = []
    while (alias := _find(message, owner, dns.rdatatype.CNAME)) is not None:
        owner = alias[0].target
        ttls.append(_ttl(alias))
    end = host_text(owner)
    return AliasEnd(end, min(ttls), len(ttls)) if ttls and is_host_name(end) else None


def _find(
    message: dns.message.Message, owner: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    for rrset in message.answer:
        if rrset.rdtype == rdtype and rrset.rdclass == dns.rdataclass.IN and rrset.name == owner and len(rrset):
            return rrset
    return None


def _ttl(rrset: dns.rrset.RRset) -> int:
    """RFC 2181 8: a TTL with the top bit set is 0."""
    return rrset.ttl if rrset.ttl <= _MAX_TTL_S else 0


def _negative_ttl(message: dns.message.Message) -> int | None:
    """RFC 2308 5: the lesser of the SOA's own TTL and its minimum field; None without SOA."""
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA and len(rrset):
            return min(_ttl(rrset), int(rrset[0].minimum))
    return None


def _records(rrset: dns.rrset.RRset) -> tuple[MailExchanger, ...] | tuple[str, ...]:
    if rrset.rdtype == dns.rdatatype.MX:
        return tuple(dict.fromkeys((int(rdata.preference), host_text(rdata.exchange)) for rdata in rrset))
    return tuple(dict.fromkeys(record_text(rdata) for rdata in rrset))


def record_text(rdata: dns.rdata.Rdata) -> str:
    """An A, AAAA, NS or TXT record as `Answer.records` holds it."""
    if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(rdata.strings).decode("latin-1")
    if isinstance(rdata, dns.rdtypes.ANY.NS.NS):
        return host_text(rdata.target)
    return canonical_address(rdata.to_wire() or b"")


def host_text(name: dns.name.Name) -> str:
    """A host as text: lower case, no final dot, odd octets escaped so that they cannot pass for others."""
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""
