"""Whom not to send to, why and since when: entries, matching, imports, the guard against rules that are too wide."""
