"""One URL: SQLite by default, PostgreSQL for replicas. Transactions, and the tables brought up to date at the start.

Nothing here imports SQLAlchemy before the first transaction: a service that only checks starts in half the time and
memory without it.
"""

from validator.database.location import Engine, Location, locate
from validator.database.moments import microseconds, moment
from validator.database.service import Changed, Database, revision_of

__all__ = ["Changed", "Database", "Engine", "Location", "locate", "microseconds", "moment", "revision_of"]
