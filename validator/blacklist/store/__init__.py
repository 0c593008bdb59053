"""Tables and queries of the blacklist (SQLAlchemy Core); hot look-up and bulk load per dialect in their own files.

Every function takes the connection of a transaction of the caller's, so that an event and the entry it leads to are
written together or not at all. Nothing is imported here: the hot look-up needs no SQLAlchemy.
"""
