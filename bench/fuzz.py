"""Coverage-guided fuzzing of everything that reads what strangers send; `python3 dev.py fuzz [SECONDS [TARGET …]]`.

Each target runs in a process of its own, two at a time: the engine never returns. A crash, or an input that costs more
than 5 ms a KiB (with 10 ms to begin with), ends the run with exit code 1; the input is left in `fuzz-findings/`. The
engine makes the code that it watches several times slower, so what seems too dear is weighed where nobody watches.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FINDINGS = ROOT / "fuzz-findings"
COST_S_PER_KIB = 0.005
COST_TO_BEGIN_WITH_S = 0.01
AT_A_TIME = 2
ROUNDS = 3
"""An input is too slow when it was so this many times in a row: other work on the machine is not its fault."""

Target = Callable[[bytes], object]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def address() -> Target:
    """Address syntax: never raises, and what it accepts it accepts again."""
    from validator.address import EmailAddress, parse_address

    def run(data: bytes) -> None:
        parsed = parse_address(_text(data))
        if isinstance(parsed, EmailAddress):
            assert parse_address(parsed.text) == parsed

    return run


def sanitize() -> Target:
    """Repairs: never raises, idempotent."""
    from validator.reference import load_reference
    from validator.sanitize import Sanitizer

    sanitizer = Sanitizer(load_reference())

    def run(data: bytes) -> None:
        once = sanitizer.sanitize(_text(data))
        if once.fault is None and once.doubt is None:
            assert sanitizer.sanitize(once.text).text == once.text

    return run


def dns() -> Target:
    """DNS answers: the fast reader and dnspython agree wherever the fast one speaks."""
    from validator.mx.parse import read_message
    from validator.mx.wire import encode_query, encode_question, read_plain

    question = encode_question("example.test", 15)
    query = encode_query(b"\0\1", question, False)

    def run(data: bytes) -> None:
        message = query[:2] + b"\x81\x80" + query[4:6] + data[:6].ljust(6, b"\0") + question + data[6:]
        fast = read_plain(message, "example.test", 15, len(question))
        whole = read_message(message, "example.test", 15)
        assert fast is None or fast == whole, (fast, whole)

    return run


def importing() -> Target:
    """Imported files: never raises, and where the chunks are cut does not matter."""
    from validator.blacklist.importing import Defaults, Reader

    def read(chunks: Iterable[bytes]) -> list[object]:
        reader = Reader(Defaults())
        found: list[object] = []
        for chunk in chunks:
            found += reader.feed(chunk)
        return [*found, *reader.finish()]

    def run(data: bytes) -> None:
        cut = len(data) // 3
        assert read([data]) == read([data[:cut], data[cut:]])

    return run


def message() -> Target:
    """Returned messages: never raises."""
    from validator.feedback.classify import Classifier
    from validator.feedback.message import judge_message
    from validator.reference import load_reference

    classifier = Classifier(load_reference())

    def run(data: bytes) -> None:
        for outcome in judge_message(data, classifier).outcomes:
            outcome.document()

    return run


def json() -> Target:
    """Request bodies: an answer or a problem, nothing else."""
    from validator.server.check import parse_check
    from validator.server.problems import ProblemException

    def run(data: bytes) -> None:
        for body in (data, b'{"email": "' + data + b'"}'):
            try:
                parse_check(body)
            except ProblemException:
                continue

    return run


TARGETS: dict[str, Callable[[], Target]] = {
    "address": address,
    "sanitize": sanitize,
    "dns": dns,
    "importing": importing,
    "message": message,
    "json": json,
}
_BOUNCE = b"From: MAILER-DAEMON@x\nSubject: Undelivered Mail\nReturn-Path: <>\n\nfailed:\n\n"
_REPORT = (
    b"From: MAILER-DAEMON@x\nContent-Type: multipart/report; boundary=b\n\n--b\n\n<a1@b>: 550 no\n\n--b\n"
    b"Content-Type: message/delivery-status\n\n"
)
SEEDS: dict[str, tuple[bytes, ...]] = {
    "address": (b"ivan.petrov+x@gmail.com", "иван@пример.рф".encode(), b'"a b"@x.test'),
    "sanitize": (b"Name <a@gmial.com>", "шмфт@ьфшд.кг".encode(), b"a(at)b,com", b"mailto:a%40b.com?x=y"),
    "importing": (
        b"a@b.com\nc@d.com,550 5.1.1\n",
        b"email,reason\na@b.com,bounce\n",
        b'{"email":"a@b.com"}\n',
        b'[{"email":"a@b.com"},\n"c@d.com"]',
        b'{"n":2,"items":[{"email":"a@b.com"}],"x":[]}',
    ),
    "message": (
        b"Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n",
        _BOUNCE + b"".join(b"a%d@b\n" % number for number in range(390)),
        _BOUNCE + b"".join(b"a%d@b: x%d\n" % (number, number) for number in range(390)),
        _BOUNCE + b"".join(b"user: a%d@b\n" % number for number in range(390)),
        _BOUNCE + b"".join(b">>> MAIL FROM:<z@y>\n<<< 550 no %d\na%d@b: x\n" % (n, n) for n in range(100)),
        _BOUNCE + b"".join(b"a%d@b (expanded from <c@d>): 550 5.1.1 user unknown\n" % number for number in range(90)),
        b"X-Failed-Recipients: " + b"a@b," * 2_000 + b"\n" + _BOUNCE,
        _REPORT
        + b"".join(b"Final-Recipient:rfc822;a%d@b\nDiagnostic-Code:smtp;550 x%d\n\n" % (n, n) for n in range(150)),
    ),
    "json": (b'{"email": "a@b.com", "explain": true}', b"[[[[", b'{"email": "\\ud800"}'),
}


def too_slow(target: Target, data: bytes) -> bool:
    """True when an input costs too much CPU, however often it is tried."""
    allowed_s = COST_TO_BEGIN_WITH_S + COST_S_PER_KIB * len(data) / 1024
    for _ in range(ROUNDS):
        started = time.process_time()
        target(data)
        if time.process_time() - started <= allowed_s:
            return False
    return True


class Scales:
    """A process that runs a target as it ships, and says of an input whether it is too slow."""

    def __init__(self, name: str) -> None:
        words = [sys.executable, "-m", "bench.fuzz", "--weigh", name]
        self._process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def too_slow(self, data: bytes) -> bool:
        """The answer of the process; it ends with this one."""
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answered is not None
        asked.write(len(data).to_bytes(4, "big") + data)
        asked.flush()
        return answered.read(1) == b"!"


def weigh(name: str) -> None:
    """The other end of `Scales`."""
    target = TARGETS[name]()
    while size := sys.stdin.buffer.read(4):
        data = sys.stdin.buffer.read(int.from_bytes(size, "big"))
        sys.stdout.buffer.write(b"!" if too_slow(target, data) else b".")
        sys.stdout.buffer.flush()


def run_one(name: str, seconds: int) -> None:
    """Fuzz one target in this process; does not return."""
    import atheris

    with atheris.instrument_imports(include=["validator"]):
        target = TARGETS[name]()

    scales = Scales(name)

    def once(data: bytes) -> None:
        if too_slow(target, data) and scales.too_slow(data):
            raise RuntimeError(f"{len(data)} bytes cost too much")

    corpus = FINDINGS / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS.get(name, ())):
        (corpus / f"seed{number}").write_bytes(seed)
    words = [f"-max_total_time={seconds}", "-max_len=16384", "-timeout=20", "-rss_limit_mb=2048", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *words, f"-artifact_prefix={FINDINGS / name}-", str(corpus)], once)
    atheris.Fuzz()


def fuzzed(name: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own and say what came of it; True when nothing was found."""
    started = time.monotonic()
    words = [sys.executable, "-m", "bench.fuzz", "--one", name, str(seconds)]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    told = "ok" if done.returncode == 0 else f"FAILED ({done.returncode})"
    print(f"{name}: {told}, {time.monotonic() - started:.0f} s", flush=True)
    if done.returncode:
        print(done.stdout.decode("utf-8", "replace")[-6000:], flush=True)
    return done.returncode == 0


def main(words: list[str]) -> int:
    """Every target, or those that are named."""
    if words[:1] == ["--one"]:
        run_one(words[1], int(words[2]))
    if words[:1] == ["--weigh"]:
        weigh(words[1])
        return 0
    seconds = int(words[0]) if words and words[0].isdigit() else 60
    names = [word for word in words if not word.isdigit()] or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        print(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(lambda name: fuzzed(name, seconds), names))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
