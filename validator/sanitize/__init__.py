"""Text in, text out: repairs an address as far as that is safe, and names what it is not sure of. Pure.

The order of repairs is in `pipeline`; each room does one kind: `text` (white space, wrappers), `symbols` (special
characters), `cyrillic` and `script` (wrong layout, look-alikes), `domain` (typing slips).
"""

from __future__ import annotations

from validator.sanitize.correction import Correction, CorrectionAction
from validator.sanitize.pipeline import Sanitizer
from validator.sanitize.result import DomainDoubt, DomainEvidence, Sanitized

__all__ = ["Correction", "CorrectionAction", "DomainDoubt", "DomainEvidence", "Sanitized", "Sanitizer"]
