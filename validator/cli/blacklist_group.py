"""`validator blacklist`: its commands, from the files that hold them."""

from __future__ import annotations

from validator.cli import allowlist, blacklist, blacklist_files, blacklist_story, blacklist_whole

app = blacklist.app
app.command("show")(blacklist_story.show_command)
for part in (blacklist_files, blacklist_whole, allowlist):
    part.register(app)
