"""The handlers' tests keep one database a process."""

from tests.rest.databases import database, kept_database

__all__ = ["database", "kept_database"]
