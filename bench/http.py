"""`POST /check` beside a bare aiohttp handler: rates, latency, CPU per request, memory, start; one interleaved run.

    python3 dev.py bench http [ROUNDS [SECONDS]]

Needs wrk, and NSD for the cold part (every request a domain that was never asked). The load generator shares the
machine, so ratios of one run are what counts; CPU per request hardly depends on who else is working.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench._names import ENDINGS, available, nsd
from bench._served import ROOT, Served, free_port, service, service_environment, serving

CONNECTIONS, CROWD = 50, 1_500
STARTS = 7
_HOT = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"email": "ivan.petrov@hot.test"}'
"""
_COLD = """local n = %d
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  n = n + 1
  return wrk.format(nil, nil, nil, '{"email": "ivan.petrov@firma' .. n .. '.%s"}')
end
"""
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


@dataclass(slots=True)
class Series:
    """What was measured of one server under one load, a value per round."""

    name: str
    rate: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def row(self, bare: Series) -> str:
        """A line of the table; the ratio is the median of the rounds' ratios."""
        ratio = median(ours / theirs for ours, theirs in zip(self.rate, bare.rate, strict=True))
        slower = median(ours / theirs for ours, theirs in zip(self.p99_ms, bare.p99_ms, strict=True))
        return (
            f"| {self.name} | {median(self.rate):,.0f} | {ratio:.2f} | {median(self.cpu_us):.1f} | "
            f"{median(self.p50_ms):.2f} / {median(self.p99_ms):.2f} | {slower:.2f} |"
        )


def measure(series: Series, served: Served, script: Path, seconds: float, connections: int = CONNECTIONS) -> None:
    """One round of wrk against one server."""
    before = served.cpu_s()
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    text = subprocess.run(
        [*words, f"http://127.0.0.1:{served.port}/check"], check=True, capture_output=True, text=True
    ).stdout
    requests = int(re.findall(r"(\d+) requests in", text)[0])
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"{series.name}: not every request was answered with 200\n{text}")
    series.cpu_us.append((served.cpu_s() - before) / requests * 1e6)
    series.rate.append(float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0]))
    for share, values in (("50%", series.p50_ms), ("99%", series.p99_ms)):
        number, unit = re.findall(rf"{share}\s+([\d.]+)(us|ms|s|m)", text)[0]
        values.append(float(number) * _UNITS[unit])


def starts(folder: Path) -> dict[str, float]:
    """Median seconds to the first answer: the bare handler, the same with our packages imported, ours. Interleaved."""
    seen: dict[str, list[float]] = {"bare": [], "packages": [], "ours": []}
    for number in range(STARTS):
        for name in ("bare", "packages"):
            port = free_port()
            words = ["-m", "bench._bare", str(port), *([name] if name == "packages" else [])]
            environment = service_environment(folder)
            with serving(words, port=port, folder=folder, environment=environment, path="/check") as served:
                seen[name].append(served.start_s)
        own = folder / f"start{number}"
        own.mkdir()
        with service(own, dns_zone_file=str(ROOT / "data" / "demo.zone")) as served:
            seen["ours"].append(served.start_s)
    return {name: median(values) for name, values in seen.items()}


def main(rounds: int = 7, seconds: float = 3) -> None:
    """Measure and print Markdown."""
    if shutil.which("wrk") is None or not available():
        raise SystemExit("wrk and nsd are needed: apt-get install wrk nsd")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folders = [folder / "one", folder / "two", folder / "authority"]
        for each in folders:
            each.mkdir()
        ports = [stack.enter_context(nsd(folder)), stack.enter_context(nsd(folders[2], minimal=False))]
        dns, authority = ({"dns_servers": f"127.0.0.1:{port}", "special_use_exceptions": "test"} for port in ports)
        bare_port = free_port()
        bare = stack.enter_context(
            serving(
                ["-m", "bench._bare", str(bare_port)],
                port=bare_port,
                folder=folder,
                environment=service_environment(folder),
                path="/check",
            )
        )
        one = stack.enter_context(service(folders[0], **dns))
        two = stack.enter_context(service(folders[1], workers=2, **dns))
        three = stack.enter_context(service(folders[2], **authority))
        hot = folder / "hot.lua"
        hot.write_text(_HOT)
        bare_series, hot_series, pair_series = Series("bare aiohttp"), Series("hot"), Series("hot, 2 workers")
        cold_series, cold_pair = Series("cold"), Series("cold, 2 workers")
        cold_compared, cold_authority = Series("cold, under .com"), Series("cold, all sections")
        bare_crowd, hot_crowd = Series(f"bare, {CROWD:,} connections"), Series(f"hot, {CROWD:,} connections")
        for number in range(rounds):
            cold, compared = (folder / f"{ending}{number}.lua" for ending in ENDINGS)
            for script, ending in zip((cold, compared), ENDINGS, strict=True):
                script.write_text(_COLD % (number * 10_000_000, ending))
            measure(bare_series, bare, hot, seconds)
            measure(hot_series, one, hot, seconds)
            measure(cold_series, one, cold, seconds)
            measure(cold_compared, one, compared, seconds)
            measure(cold_authority, three, cold, seconds)
            measure(pair_series, two, hot, seconds)
            measure(cold_pair, two, cold, seconds)
            measure(bare_crowd, bare, hot, seconds, CROWD)
            measure(hot_crowd, one, hot, seconds, CROWD)
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
        print("| | requests/s | x bare | CPU µs/request | p50 / p99 ms | p99 x bare |")
        print("| --- | --- | --- | --- | --- | --- |")
        ours = (hot_series, cold_series, cold_compared, cold_authority, pair_series, cold_pair)
        for series in (bare_series, *ours, bare_crowd, hot_crowd):
            print(series.row(bare_series))
        gain = median(two / one for two, one in zip(pair_series.rate, hot_series.rate, strict=True))
        print(f"\n2 workers over 1, hot: x {gain:.2f}. CPU of a hot check over the bare handler's: ", end="")
        print(f"{median(hot_series.cpu_us) - median(bare_series.cpu_us):+.1f} µs.")
        first = starts(folder)
        packages, own = (f"{first[name]:.2f} s ({first[name] / first['bare']:.2f} x)" for name in ("packages", "ours"))
        print(f"Start to first answer, median of {STARTS}: bare {first['bare']:.2f} s, ", end="")
        print(f"bare with our packages imported {packages}, ours {own}.")
        shown = " + ".join(f"{size:.0f}" for size in two.memory_mib())
        print(f"Memory (PSS) after the run: bare {sum(bare.memory_mib()):.0f} MiB, one process ", end="")
        print(f"{sum(one.memory_mib()):.0f} MiB, supervisor and 2 workers {shown} MiB.")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:3]))
