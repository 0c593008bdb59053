"""How well, and how fast, addresses are repaired, beside the peers that people use.

    python3 dev.py bench sanitize

Reads the corpora beside the checkout (`../shared/corpora`, or VALIDATOR_CORPORA). The npm peers are installed into a
temporary folder at run time; without npm their lines say so. Prints the tables of `docs/benchmarks.md`.
"""

from __future__ import annotations

import csv
import difflib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from validator.address import EmailAddress, parse_address
from validator.reference import load_reference
from validator.reference.providers import load_providers
from validator.sanitize import Correction, CorrectionAction, Sanitizer
from validator.sanitize.domain import DomainCorrector

ROOT = Path(__file__).resolve().parents[1]
CORPORA = Path(os.environ.get("VALIDATOR_CORPORA") or ROOT.parent / "shared" / "corpora") / "sanitizing"
PEERS = ("mailcheck@1.1.1", "@zootools/email-spell-checker@1.12.0", "email-misspelled@4.4.0")
ROUNDS = 5

Answers = Sequence[tuple[str | None, str | None]]
"""For each domain what was applied and what was suggested; a peer that only suggests counts as applying."""

NODE = r"""
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const require = createRequire(process.argv[2] + '/x.mjs');
const domains = JSON.parse(readFileSync(0, 'utf8'));
const mailcheck = require('mailcheck');
const zoo = require('@zootools/email-spell-checker');
const zooRun = zoo.run || zoo.default.run;
const lists = await import(process.argv[2] + '/node_modules/email-misspelled/dist/esm/index.js');
const misspelled = lists.default({ domains: lists.top100 });
const peers = {
  'mailcheck': (d) => (mailcheck.suggest('anna@' + d, mailcheck.defaultDomains, mailcheck.defaultSecondLevelDomains,
    mailcheck.defaultTopLevelDomains) || {}).domain,
  '@zootools/email-spell-checker': (d) => (zooRun({ email: 'anna@' + d }) || {}).domain,
  'email-misspelled': (d) => ((misspelled('anna@' + d) || [])[0] || {}).suggest,
};
const out = {};
for (const [name, ask] of Object.entries(peers)) {
  const safe = (d) => { try { return ask(d) || null; } catch { return null; } };
  domains.forEach(safe);
  const begin = process.hrtime.bigint();
  const answers = domains.map(safe);
  out[name] = { answers, us: Number(process.hrtime.bigint() - begin) / 1000 / domains.length };
}
console.log(JSON.stringify(out));
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """The domain corpora."""

    typos: list[dict[str, str]]
    contested: list[dict[str, str]]
    legitimate: list[dict[str, str]]

    def domains(self) -> list[str]:
        """Every typed domain, in the order that `Score` expects."""
        return (
            [row["typo"] for row in self.typos]
            + [row["typed"] for row in self.contested]
            + [row["domain"] for row in self.legitimate]
        )


def read(name: str) -> list[dict[str, str]]:
    with (CORPORA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def score_line(name: str, rows: Rows, answers: Answers, us: float) -> str:
    """One line of the table."""
    typos = list(zip(rows.typos, answers, strict=False))
    contested = answers[len(rows.typos) : len(rows.typos) + len(rows.contested)]
    legitimate = list(zip(rows.legitimate, answers[len(rows.typos) + len(rows.contested) :], strict=True))
    exact = [applied == row["intended"] for row, (applied, _) in typos]
    cells = [
        statistics.mean(exact),
        statistics.mean(applied not in (None, row["intended"]) for row, (applied, _) in typos),
        statistics.mean(row["intended"] in answer for row, answer in typos),
        statistics.mean(good for good, (row, _) in zip(exact, typos, strict=True) if int(row["n_sources"]) > 1),
        statistics.mean(applied is not None for applied, _ in contested),
        statistics.mean(suggested is not None for _, suggested in contested),
        statistics.mean(applied is not None for _, (applied, _) in legitimate),
        statistics.mean(applied is not None for row, (applied, _) in legitimate if row["hard"] == "1"),
    ]
    return f"| {name} | " + " | ".join(f"{100 * cell:.2f} %" for cell in cells) + f" | {us:.0f} |"


HEADER = (
    "| | exactly | wrongly | or suggested | in 2+ lists | contested applied | contested suggested | real changed "
    "| hard real changed | µs a domain |\n" + "| --- " + "| ---: " * 9 + "|"
)


def ours(build: Callable[[], Callable[[str], Correction]], domains: Sequence[str]) -> tuple[Answers, float]:
    """Answers and median µs a domain of a corrector, built anew for every round since it remembers its answers."""
    answers: list[tuple[str | None, str | None]] = []
    for correction in map(build(), domains):
        applied = correction.target if correction.action is CorrectionAction.APPLY else None
        suggested = correction.target if correction.action is CorrectionAction.SUGGEST else None
        answers.append((applied, suggested))
    return answers, timed(build, domains)


def timed(build: Callable[[], Callable[[str], object]], texts: Sequence[str]) -> float:
    """Median µs a call over `ROUNDS` rounds; what is called is built before each, outside the clock."""
    rounds = []
    for _ in range(ROUNDS):
        call = build()
        begin = time.perf_counter()
        for text in texts:
            call(text)
        rounds.append((time.perf_counter() - begin) / len(texts) * 1e6)
    return statistics.median(rounds)


def flanker_rule(targets: Sequence[str]) -> Callable[[str], str | None]:
    """Mailgun's rule in our words: the closest listed domain by difflib's ratio, from 0.77; over our own list."""
    known = frozenset(targets)

    def suggest(domain: str) -> str | None:
        if domain in known:
            return None
        close = difflib.get_close_matches(domain, targets, n=1, cutoff=0.77)
        return close[0] if close else None

    return suggest


def npm_peers(domains: Sequence[str]) -> dict[str, tuple[Answers, float]] | str:
    """Answers of the npm peers, or why there are none."""
    if not (shutil.which("npm") and shutil.which("node")):
        return "npm peers left out: no npm and node here"
    with tempfile.TemporaryDirectory(prefix="validator-bench-") as folder:
        (Path(folder) / "package.json").write_text('{"private": true}')
        install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder, *PEERS]
        try:
            done = subprocess.run(install, capture_output=True, text=True, timeout=180, check=False)
        except subprocess.TimeoutExpired:
            return "npm peers left out: npm install took too long"
        if done.returncode:
            return "npm peers left out: npm install failed"
        script = Path(folder) / "ask.mjs"
        script.write_text(NODE)
        asked = subprocess.run(
            ["node", str(script), folder],
            input=json.dumps(list(domains)),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if asked.returncode:
            return f"npm peers left out: {asked.stderr.strip().splitlines()[-1] if asked.stderr else 'node failed'}"
        document = json.loads(asked.stdout)
    return {name: ([(answer, None) for answer in said["answers"]], said["us"]) for name, said in document.items()}


def whole_addresses(build: Callable[[], Sanitizer]) -> None:
    """Special characters and Cyrillic: addresses in, addresses out."""
    print("\n| whole addresses | unambiguous | all | µs an address |\n| --- | ---: | ---: | ---: |")
    sanitizer = build()
    for name, column in (("special_characters", "raw_json"), ("cyrillic", "raw")):
        rows = read(f"{name}.tsv")
        raws = [json.loads(row[column]) if column == "raw_json" else row[column] for row in rows]
        right = []
        for raw, row in zip(raws, rows, strict=True):
            expected = parse_address(row["expected"])
            wanted = expected.text if isinstance(expected, EmailAddress) else row["expected"]
            result = sanitizer.sanitize(raw)
            right.append(result.fault is None and result.text.lower() == wanted.lower())
        sure = [good for good, row in zip(right, rows, strict=True) if row["ambiguous"] == "0"]
        us = timed(lambda: build().sanitize, raws)
        print(f"| {name} | {100 * statistics.mean(sure):.1f} % | {100 * statistics.mean(right):.1f} % | {us:.0f} |")


def main() -> None:
    """Print every table."""
    if not CORPORA.is_dir():
        print(f"no corpora at {CORPORA}: nothing to measure")
        return
    reference = load_reference()
    providers = load_providers(reference)
    slips = {row["typed"]: row["meant"] for row in reference.table("typos").records()}
    neighbours = reference.table("legitimate_neighbours").records()
    kept = {row["domain"] for row in neighbours if row["action"] == "keep"}
    doubtful = {row["domain"] for row in neighbours if row["action"] == "suggest"}

    def shipped() -> Callable[[str], Correction]:
        return DomainCorrector(providers, slips, kept, doubtful).correct

    rows = Rows(read("domain_typos.tsv"), read("domain_contested.tsv"), read("domain_legitimate.tsv"))
    domains = rows.domains()

    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"rapidfuzz {version('rapidfuzz')}; {', '.join(PEERS)}")  # fmt: skip
    print(f"{len(rows.typos)} typos, {len(rows.contested)} contested, {len(rows.legitimate)} real domains\n")
    print(HEADER)
    print(score_line("**Validator**", rows, *ours(shipped, domains)))
    print(
        score_line(
            "Validator, guard list off", rows, *ours(lambda: DomainCorrector(providers, slips, ()).correct, domains)
        )
    )
    print(
        score_line(
            "Validator, guard list and map off",
            rows,
            *ours(lambda: DomainCorrector(providers, {}, ()).correct, domains),
        )
    )
    peers = npm_peers(domains)
    if isinstance(peers, str):
        print(peers)
    else:
        for name, (answers, us) in peers.items():
            print(score_line(name, rows, [(said if said != typed else None, None) for (said, _), typed in
                                          zip(answers, domains, strict=True)], us))  # fmt: skip
    rule = flanker_rule([domain for domain, tier in providers.tiers.items() if tier <= 2])
    begin = time.perf_counter()
    said = [(rule(domain), None) for domain in domains]
    print(score_line("flanker's rule, our list", rows, said, (time.perf_counter() - begin) / len(domains) * 1e6))

    whole_addresses(lambda: Sanitizer(reference))
    typed = [row["typo"] for row in rows.typos]
    share = sum(typo in slips for typo in typed) / len(typed)
    near = [typo for typo in typed if typo not in slips]
    far = [row["domain"] for row in rows.legitimate if row["hard"] == "0"]
    print("\n| µs a domain, uncached | |\n| --- | ---: |")
    print(f"| known | {timed(shipped, ['gmail.com', 'yandex.ru', 'orange.fr'] * 300):.1f} |")
    print(f"| near miss | {timed(shipped, near):.0f} |")
    print(f"| far from everything | {timed(shipped, far):.0f} |")
    print(f"\n{100 * share:.1f} % of the typos stand literally in data/typos.tsv ({len(slips)} rows)")


if __name__ == "__main__":
    sys.exit(main())
