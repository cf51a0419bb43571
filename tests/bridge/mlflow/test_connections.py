"""Connections that SQLAlchemy has pooled before a fork; its library is in this environment only."""

import subprocess

import pytest

pytestmark = pytest.mark.mlflow

PROGRAM = """
import os
import sqlalchemy
from kedro_pipes.conductor.inherited import leave_connections

engine = sqlalchemy.create_engine("sqlite:///store.db", poolclass=sqlalchemy.pool.QueuePool)


def used():
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        return connection.connection.dbapi_connection


pooled = used()
if os.fork() == 0:
    leave_connections()
    own = used()
    print("child", own is pooled, used() is own, flush=True)
    os._exit(0)
os.wait()
print("parent", used() is pooled)
"""


def test_pooled_before_the_fork(kedro_python, tmp_path):
    """A forked process opens its own connections, and leaves its parent's to the parent."""
    done = subprocess.run(
        [kedro_python, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert ["child False True", "parent True"] == done.stdout.splitlines()
