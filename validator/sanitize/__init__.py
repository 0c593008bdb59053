"""Text in, text out: repairs an address as far as that is safe, and names what it is not sure of. Pure.

The order of repairs is in `pipeline`. Each room does one kind: `escapes` and `text` (entities, white space, wrappers),
`symbols` (special characters), `cyrillic`, `script`, `script_local` and `readable` (wrong layout, look-alikes), `hosts`
(the text behind the @), `domain` (typing slips: `targets` indexes the providers, `finding` looks for candidates,
`distance`, `endings` and `compounds` price them). `story` tells it to people.
"""

from __future__ import annotations

from validator.sanitize.correction import Correction, CorrectionAction
from validator.sanitize.pipeline import Sanitizer
from validator.sanitize.result import DomainDoubt, DomainEvidence, Sanitized

__all__ = ["Correction", "CorrectionAction", "DomainDoubt", "DomainEvidence", "Sanitized", "Sanitizer"]
