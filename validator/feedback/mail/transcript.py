"""What a bounce shows of the session: the SMTP dialogue, and what Sendmail calls its transcript. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from validator.feedback.mail.failure import ADDRESS
from validator.feedback.mail.mime import lines_of
from validator.feedback.reply import Stage, stage_of_command

_COMMAND = re.compile(r"^[> \t]*(?:>>>|sent\s++<<<|---> ?|C:)[ \t]*+([A-Za-z.]{1,9}\b.*|\.)$", re.IGNORECASE)
_ANSWER = re.compile(r"^[> \t]*+(?:<<<|received\s++>>>|<--- ?|S:)[ \t]*+(.*)$", re.IGNORECASE)
_ABOUT = re.compile(r"<([^<>\s@]++@[^<>\s]++)>")
_REPLY_CODE = re.compile(r"^[245]\d\d[ -]")
_ADDRESS = re.compile(rf"(?<![\w.+-]){ADDRESS}")
_MAX_ANSWERS = 100
_MAX_ANSWER_CHARS = 4_000


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
        self._about: dict[str, Answer] = {}
        for answer in self.answers:
            names = [answer.about] if answer.about else []
            if answer.stage is not Stage.RCPT:
                names += [found.lower() for found in _ADDRESS.findall(answer.text)]
            for name in names:
                self._about.setdefault(name, answer)

    def answer_to(self, recipient: str, words: str, *, between: tuple[int, int] | None = None) -> Answer | None:
        """The refusal about *recipient*, or that repeats *words*, or (within the lines *between*) about nobody."""
        found = self._about.get(recipient.lower())
        if found is not None:
            return found
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
            answers.append(Answer(stage_of_command(command), named, joined, last))
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


_TRANSCRIPT = re.compile(r"transcript of session follows.*\n((?:.*\n?){1,12})", re.IGNORECASE)


def transcript_words(text: str) -> str:
    """The lines under `Transcript of session follows` (Sendmail), joined; empty when there are none."""
    match = _TRANSCRIPT.search(text)
    if not match:
        return ""
    kept = [line.strip("> \t") for line in match.group(1).split("\n")]
    return " ".join(line for line in kept if line and not line.startswith(("while talking", "... while", "--")))[:2000]
