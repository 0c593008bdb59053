"""Human-readable parts of a bounce: the words beside an address, and the SMTP dialogue. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from validator.feedback.reply import Stage, stage_of_command

_COMMAND = re.compile(r"^[> \t]*(?:>>>|sent\s+<<<|---> ?|C:)[ \t]*([A-Za-z.]{1,9}\b.*|\.)$", re.IGNORECASE)
_ANSWER = re.compile(r"^[> \t]*(?:<<<|received\s+>>>|<--- ?|S:)[ \t]*(.*)$", re.IGNORECASE)
_REPLY_CODE = re.compile(r"^[245]\d\d[ -]")
_REASON = re.compile(r"\(reason:\s*(.*)\)?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """One refusal in a dialogue."""

    stage: Stage
    """The command it answers."""
    about: str
    """The address in the command, lower case, or empty."""
    text: str
    """The lines of the answer, joined."""
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
            if wanted and (
                answer.about == wanted or (answer.stage is not Stage.RCPT and wanted in answer.text.lower())
            ):
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
        joined = " ".join(lines).strip()
        if joined and joined[0] in "45":
            about = re.search(r"<([^<>\s]+@[^<>\s]+)>", command)
            answers.append(Answer(stage_of_command(command), about.group(1).lower() if about else "", joined, last))
        lines.clear()

    for number, line in enumerate(text.split("\n")):
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


def human_words(text: str, recipient: str) -> str:
    """The paragraph about *recipient* in the human-readable part: `<address>: words` (Postfix and its kin)."""
    if not recipient:
        return ""
    pattern = re.compile(
        r"^[ \t>]*(?:[45]\d\d )?<?" + re.escape(recipient) + r">?(?:\s*\((?:expanded|generated)[^)]*\))?(?::|\.\.\.)"
        r"[ \t]*(\S.*(?:\n[ \t]+\S.*)*|(?:\n[ \t]+\S.*)+)",
        re.IGNORECASE | re.MULTILINE,
    )
    if match := pattern.search(text):
        return " ".join(match.group(1).split())[:2000]
    reason = re.search(
        r"^[ \t>]*<?" + re.escape(recipient) + r">?[ \t]*\n[ \t>]*\(reason:\s*(.*(?:\n[ \t]+\S.*)*)\)",
        text,
        re.IGNORECASE | re.MULTILINE,
    )
    return " ".join(reason.group(1).split()) if reason else ""


_TRANSCRIPT = re.compile(r"transcript of session follows.*\n((?:.*\n?){1,12})", re.IGNORECASE)


def transcript_words(text: str) -> str:
    """The lines under `Transcript of session follows` (Sendmail), joined; empty when there are none."""
    match = _TRANSCRIPT.search(text)
    if not match:
        return ""
    kept = [line.strip("> \t") for line in match.group(1).split("\n")]
    return " ".join(line for line in kept if line and not line.startswith(("while talking", "... while", "--")))[:2000]
