# Python loads this module first in every process of the image services.
#
# oslo.db begins each SQLite transaction with BEGIN, which takes the write lock
# only at the first write. When two such transactions have read and then want to
# write, SQLite refuses one at once with "database is locked", which Glance
# answers with status 500: half of all parallel updates. The databases of real
# clouds let the second writer wait instead. BEGIN IMMEDIATE does the same here.
# It orders single transactions only: a request reads the image in one and saves
# it in another, so the updates of two requests still overwrite each other.
import sqlite3


class Cursor(sqlite3.Cursor):
    def execute(self, statement, *arguments):
        if statement == "BEGIN":
            statement = "BEGIN IMMEDIATE"
        return super().execute(statement, *arguments)


class Connection(sqlite3.Connection):
    def cursor(self, factory=Cursor):
        return super().cursor(factory)


connect = sqlite3.connect


def connect_immediate(*arguments, **options):
    options.setdefault("factory", Connection)
    return connect(*arguments, **options)


sqlite3.connect = sqlite3.dbapi2.connect = connect_immediate
