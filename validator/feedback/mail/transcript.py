"""Human-readable parts of a bounce: the words beside an address, and the SMTP dialogue. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from validator.feedback.mail.mime import lines_of
from validator.feedback.reply import Stage, stage_of_command

_COMMAND = re.compile(r"^[> \t]*(?:>>>|sent\s++<<<|---> ?|C:)[ \t]*+([A-Za-z.]{1,9}\b.*|\.)$", re.IGNORECASE)
_ANSWER = re.compile(r"^[> \t]*+(?:<<<|received\s++>>>|<--- ?|S:)[ \t]*+(.*)$", re.IGNORECASE)
_ABOUT = re.compile(r"<([^<>\s@]++@[^<>\s]++)>")
_REPLY_CODE = re.compile(r"^[245]\d\d[ -]")
_MAX_ANSWERS = 100
_MAX_ANSWER_CHARS = 4_000
_MAX_MENTIONS = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """One refusal in a dialogue."""

    stage: Stage
    """The command it answers."""
    about: str
    """The address in the command, lower case, or empty."""
    text: str
    """The lines of the answer, joined."""
    lower: str
    """The same in lower case."""
    line: int
    """Number of its last line."""


class Dialogue:
    """The `>>> command` and `<<< answer` lines of a text."""

    def __init__(self, text: str) -> None:
        self.answers = _answers(text) if "<<<" in text or ">>>" in text else []

    def answer_to(self, recipient: str, words: str, *, between: tuple[int, int] | None = None) -> Answer | None:
        """The refusal about *recipient*, or that repeats *words*, or (within the lines *between*) about nobody."""
        wanted = recipient.lower()
        for answer in self.answers:
            if wanted and (answer.about == wanted or (answer.stage is not Stage.RCPT and wanted in answer.lower)):
                return answer
        for answer in self.answers:
            if words and answer.text[:40] in words:
                return answer
        for answer in self.answers:
            near = between is None or between[0] < answer.line < between[1]
            if near and (not answer.about or answer.stage is Stage.MAIL):
                return answer
        return None


def _answers(text: str) -> list[Answer]:
    answers: list[Answer] = []
    command = ""
    lines: list[str] = []
    last = 0

    def close() -> None:
        joined = " ".join(lines).strip()[:_MAX_ANSWER_CHARS]
        if joined and joined[0] in "45":
            about = _ABOUT.search(command)
            named = about.group(1).lower() if about else ""
            answers.append(Answer(stage_of_command(command), named, joined, joined.lower(), last))
        lines.clear()

    for number, line in enumerate(lines_of(text)):
        if len(answers) >= _MAX_ANSWERS:
            break
        if match := _COMMAND.match(line):
            close()
            command = match.group(1)
        elif match := _ANSWER.match(line):
            reply = match.group(1).strip()
            if lines and _REPLY_CODE.match(reply) and lines[-1][3:4] != "-":
                close()
            lines.append(reply)
            last = number
        elif lines and not line.strip():
            close()
    close()
    return answers


_BEFORE = re.compile(r"[ \t>]*+(?:[45]\d\d )?<?", re.IGNORECASE)
_WORDS_AFTER = re.compile(
    r">?(?:\s{0,99}+\((?:expanded|generated)[^)]*+\))?(?::|\.\.\.)[ \t]*+"
    r"(\S.*+(?:\n[ \t]++\S.*+)*+|(?:\n[ \t]++\S.*+)++)",
    re.IGNORECASE,
)
_REASON_BELOW = re.compile(r">?[ \t]{0,99}+\n[ \t>]*+\(reason:\s*+(.*+(?:\n[ \t]++\S.*+)*+)", re.IGNORECASE)


def human_words(text: str, recipient: str) -> str:
    """The paragraph about *recipient* in the human-readable part: `<address>: words` (Postfix and its kin).

    Looks at the first `_MAX_MENTIONS` of the address only, each at the beginning of a line.
    """
    if not recipient or recipient.lower() not in text.lower():
        return ""
    mention = re.compile(re.escape(recipient), re.IGNORECASE)
    reason = ""
    for number, found in enumerate(mention.finditer(text)):
        if number == _MAX_MENTIONS:
            break
        start = text.rfind("\n", 0, found.start()) + 1
        if not _BEFORE.fullmatch(text, start, found.start()):
            continue
        if match := _WORDS_AFTER.match(text, found.end(), found.end() + _MAX_ANSWER_CHARS):
            return " ".join(match.group(1).split())[:2000]
        if not reason and (match := _REASON_BELOW.match(text, found.end(), found.end() + _MAX_ANSWER_CHARS)):
            words, closed, _ = match.group(1).rpartition(")")
            reason = " ".join(words.split()) if closed else ""
    return reason


_TRANSCRIPT = re.compile(r"transcript of session follows.*\n((?:.*\n?){1,12})", re.IGNORECASE)


def transcript_words(text: str) -> str:
    """The lines under `Transcript of session follows` (Sendmail), joined; empty when there are none."""
    match = _TRANSCRIPT.search(text)
    if not match:
        return ""
    kept = [line.strip("> \t") for line in match.group(1).split("\n")]
    return " ".join(line for line in kept if line and not line.startswith(("while talking", "... while", "--")))[:2000]
