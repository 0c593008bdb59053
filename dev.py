#!/usr/bin/env python3
"""One command for everything a developer does; standard library only.

    python3 dev.py run          make the environment, serve on 127.0.0.1:8080, print a line to try
    python3 dev.py demo         judge twenty telling addresses without any network
    python3 dev.py test         the test suite                  (further words go to pytest)
    python3 dev.py check        format, lint, types, imports, data, OpenAPI drift, guard tests
    python3 dev.py bench NAME   one benchmark: sanitize, dns, blacklist, classify, bulk, http
    python3 dev.py soak         the load and fault runs in full; `soak short` as in CI
    python3 dev.py fuzz [SECONDS [TARGET ...]]   the fuzzers, 60 s each by default
    python3 dev.py lock         pin every dependency anew, with hashes
    python3 dev.py build        wheel and SBOM into dist/

The environment is `.venv` beside this file. It is rebuilt only when the lock that it was made from changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "lock.sha256"
RUN_LOCK = ROOT / "requirements" / "run.txt"
DEV_LOCK = ROOT / "requirements" / "dev.txt"
FUZZ_LOCK = ROOT / "requirements" / "fuzz.txt"
OLDEST = (3, 11)


def say(text: str) -> None:
    """One line to the person, at once."""
    print(text, file=sys.stderr, flush=True)


def fail(text: str) -> None:
    """Stop with a sentence and exit code 2."""
    say(f"dev.py: {text}")
    raise SystemExit(2)


def digest(*locks: Path) -> str:
    """What the environment was made from: the interpreter and the locks."""
    summary = hashlib.sha256(sys.version.encode())
    for lock in locks:
        summary.update(lock.read_bytes())
    return f"{'+'.join(lock.stem for lock in locks)} {summary.hexdigest()}"


def call(*words: str | Path, **extra: object) -> None:
    """Run a command; stop with its exit code when it fails."""
    environment = {**os.environ, **{key: str(value) for key, value in extra.items()}}
    code = subprocess.call([str(word) for word in words], cwd=ROOT, env=environment)
    if code:
        raise SystemExit(code if code > 0 else 128 - code)


def has_module(name: str) -> bool:
    """True when this interpreter has a module, without importing it here."""
    return subprocess.call([sys.executable, "-c", f"import {name}"], stderr=subprocess.DEVNULL) == 0


def make_venv() -> None:
    """A fresh environment with something that can install into it: uv, its own pip, or the outer pip."""
    if VENV.exists():
        shutil.rmtree(VENV)
    with_pip = has_module("ensurepip")
    if not with_pip and not shutil.which("uv") and not has_module("pip"):
        if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
            say("This Python has no ensurepip; installing Debian's python3-venv.")
            subprocess.call(["apt-get", "update", "-q"])
            call("apt-get", "install", "-y", "-q", "python3-venv", DEBIAN_FRONTEND="noninteractive")
            with_pip = has_module("ensurepip")
        if not with_pip:
            fail("this Python has neither ensurepip nor pip: install python3-venv (Debian) or uv, then try again")
    import venv

    venv.EnvBuilder(with_pip=with_pip and not shutil.which("uv"), symlinks=True).create(VENV)


def install(*words: str | Path) -> None:
    """Install into the environment with whatever installer there is."""
    if shutil.which("uv"):
        call("uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", PYTHON, *words)  # as pip does
    elif (VENV / "bin" / "pip").exists():
        call(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words)
    else:
        call(sys.executable, "-m", "pip", "--python", PYTHON, "install", "--quiet", *words)


def environment(*, development: bool) -> None:
    """Make `.venv` fit the lock; a development environment also serves for running."""
    if sys.version_info < OLDEST:
        fail(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sys.version.split()[0]}")
    stamp = STAMP.read_text() if STAMP.exists() else ""
    wanted = digest(DEV_LOCK) if development else digest(RUN_LOCK)
    if stamp != wanted and (development or stamp != digest(DEV_LOCK)):
        say("Making the environment in .venv (once; about a minute) ...")
        make_venv()
        install("--require-hashes", "-r", DEV_LOCK if development else RUN_LOCK)
        install("--no-deps", "--no-build-isolation", "-e", ROOT)
        STAMP.write_text(wanted)
    compile_package()


def compile_package() -> None:
    """Keep bytecode where Python may not write it itself, else every start takes twice the time; good will, no duty."""
    if os.access(ROOT / "validator", os.W_OK):
        subprocess.call([str(PYTHON), "-m", "compileall", "-qq", "validator"], cwd=ROOT)


def run(words: list[str]) -> None:
    """Serve on loopback with a SQLite file in this folder."""
    environment(development=False)
    host = os.environ.get("VALIDATOR_HOST", "127.0.0.1")
    port = os.environ.get("VALIDATOR_PORT", "8080")
    say(f"Serving on http://{host}:{port} - the API is described at /docs. Try:")
    say(f"""  curl -s http://{host}:{port}/check -d '{{"email": "ivan@gmial.com"}}'""")
    os.chdir(ROOT)
    # in our place: Ctrl-C reaches everybody at the terminal, and passing it on would make it two, which means "at once"
    os.execv(PYTHON, [str(PYTHON), "-m", "validator", "serve", *words])


def demo(words: list[str]) -> None:
    """About twenty telling addresses against a bundled zone file; no network."""
    environment(development=False)
    call(PYTHON, "-m", "validator", "demo", *words)


def test(words: list[str]) -> None:
    """The whole suite but the load tests."""
    environment(development=True)
    if "-m" not in words:
        words = ["-m", "not load", *words]
    parallel = [] if any(word.startswith("-n") or word == "-p" for word in words) else ["-n", "3", "--dist", "loadfile"]
    call(PYTHON, "-m", "pytest", *parallel, *words)


def check(words: list[str]) -> None:
    """Everything that can be said without running the whole suite; with --online also known vulnerabilities."""
    environment(development=True)
    ruff = VENV / "bin" / "ruff"
    steps: tuple[tuple[str, tuple[str | Path, ...]], ...] = (
        ("format", (ruff, "format", "--check", ".")),
        ("lint", (ruff, "check", ".")),
        ("types", (PYTHON, "-m", "mypy")),
        ("imports", (VENV / "bin" / "lint-imports", "--no-cache")),
        ("data", (PYTHON, "-m", "validator", "data", "verify")),
        ("openapi", (PYTHON, "-m", "validator", "openapi", "--check", ROOT / "openapi.yaml")),
        ("guard tests", (PYTHON, "-m", "pytest", "tests/guard")),
    )
    for name, command in steps:
        say(f"--- {name}")
        call(*command)
    if "--online" in words:
        say("--- known vulnerabilities")
        call(PYTHON, "-m", "pip_audit", "--require-hashes", "--disable-pip", "-r", RUN_LOCK)
    say("All good.")


def bench(words: list[str]) -> None:
    """One benchmark by name."""
    names = sorted(path.stem for path in (ROOT / "bench").glob("*.py") if not path.stem.startswith("_"))
    if not words or words[0] not in names:
        fail(f"name one of: {', '.join(names)}")
    environment(development=True)
    call(PYTHON, "-m", f"bench.{words[0]}", *words[1:])


def soak(words: list[str]) -> None:
    """The load and fault runs: `short` as in CI, else in full, which takes many minutes."""
    environment(development=True)
    if words[:1] == ["short"]:
        call(PYTHON, "-m", "pytest", "tests", "-m", "load", *words[1:])
    else:
        call(PYTHON, "-m", "pytest", "tests/load", "-m", "load", "-s", *words, VALIDATOR_SOAK="1")


def fuzz(words: list[str]) -> None:
    """The fuzzers, two at a time."""
    environment(development=True)
    install("--require-hashes", "-r", FUZZ_LOCK)
    call(PYTHON, "-m", "bench.fuzz", *words)


def lock(_: list[str]) -> None:
    """Pin every dependency anew; the files name no package index."""
    uv = shutil.which("uv") or fail("uv is needed to write the locks: pip install uv")
    common = ["--generate-hashes", "--universal", "--python-version", "3.11", "--no-header", "--no-annotate", "--quiet"]
    folder = ROOT / "requirements"
    call(uv, "pip", "compile", *common, "pyproject.toml", folder / "run.in", "--extra", "serve", "-o", RUN_LOCK)
    container = folder / "container.txt"
    extras = ["--extra", "serve", "--extra", "postgres", "--extra", "redis"]
    call(uv, "pip", "compile", *common, "pyproject.toml", folder / "run.in", *extras, "-c", RUN_LOCK, "-o", container)
    heavy = ["--no-emit-package", "pyspark", "--no-emit-package", "py4j"]
    call(
        uv, "pip", "compile", *common, "pyproject.toml", folder / "run.in", folder / "dev.in", "--all-extras", *heavy,
        "-c", RUN_LOCK, "-o", DEV_LOCK,
    )  # fmt: skip
    for name in ("fuzz", "spark"):
        call(uv, "pip", "compile", *common, folder / f"{name}.in", "-o", folder / f"{name}.txt")


def build(_: list[str]) -> None:
    """A reproducible wheel and its SBOM."""
    environment(development=True)
    when = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    call(PYTHON, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", SOURCE_DATE_EPOCH=when)
    call(PYTHON, "-m", "cyclonedx_py", "requirements", RUN_LOCK, "-o", ROOT / "dist" / "sbom.json")


COMMANDS = {
    "run": run, "demo": demo, "test": test, "check": check, "bench": bench, "soak": soak, "fuzz": fuzz, "lock": lock,
    "build": build,
}  # fmt: skip


def main() -> None:
    """Choose the command."""
    words = sys.argv[1:]
    if not words or words[0] not in COMMANDS:
        print(__doc__)
        raise SystemExit(0 if words in (["-h"], ["--help"], ["help"]) else 2)
    COMMANDS[words[0]](words[1:])


if __name__ == "__main__":
    main()
