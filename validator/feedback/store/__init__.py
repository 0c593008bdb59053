"""Tables and queries of feedback (SQLAlchemy Core). Every function takes the connection of a transaction."""
