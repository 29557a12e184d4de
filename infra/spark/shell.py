"""Spark's own three shells on the lake: spark-shell, pyspark and spark-sql, with the tables under their names."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from contracts.settings import LakeSettings
from infra.spark import catalog
from infra.spark.home import spark_home
from infra.spark.options import Submission, environment, options, s3_conf, s3_key, scratch_folder
from infra.spark.settings import SparkSettings
from infra.spark.submit import spark_archive
from infra.stack import class_archive
from infra.stack.layout import write_private

FLAGS = ("-XX:+UseSerialGC", "-XX:-UsePerfData")


class Language(StrEnum):
    """What is typed into a shell."""

    SCALA = "scala"
    PYTHON = "python"
    SQL = "sql"


_PROGRAMS = {Language.SCALA: "spark-shell", Language.PYTHON: "pyspark", Language.SQL: "spark-sql"}
_SUFFIXES = {Language.SCALA: "scala", Language.PYTHON: "py", Language.SQL: "sql"}


def shell(
    language: Language,
    tables: Mapping[str, str],
    arguments: Sequence[str],
    settings: SparkSettings,
    lake: LakeSettings,
) -> Submission:
    """Return how to start a shell in which the tables of `catalog.registrations` are there; arguments are passed on."""
    start = _start_file(language, list(tables.values()))
    archive = class_archive.use_option(spark_archive(settings))
    conf = {**s3_conf(lake), **catalog.CONF}
    key = s3_key(lake)
    first: list[str] = []
    env = {**environment(settings), **key}
    if language is Language.PYTHON:
        # Interactive also where a script comes by standard input: else it would never see its session.
        env |= {"PYTHONSTARTUP": str(start), "PYSPARK_DRIVER_PYTHON_OPTS": "-i"}
    else:
        first = ["-i", str(start)]
    command = [
        str(spark_home(settings) / "bin" / _PROGRAMS[language]),
        *options(settings, lake, [*FLAGS, *archive], FLAGS, conf),
        *first,
        *arguments,
    ]
    return Submission(command, env, frozenset(key))


def _start_file(language: Language, statements: list[str]) -> Path:
    """Write the script that registers the tables, named by its content: shells on several lakes may start at once."""
    folder = scratch_folder() / "shell"
    folder.mkdir(exist_ok=True)
    script = _script(language, statements)
    file = folder / f"start-{hashlib.sha256(script.encode()).hexdigest()[:12]}.{_SUFFIXES[language]}"
    if not file.exists():
        write_private(file, script)
    return file


def _script(language: Language, statements: list[str]) -> str:
    if language is Language.SQL:
        return "".join(f"{statement};\n" for statement in statements)
    if language is Language.SCALA:
        listed = ",\n".join(f'  """{statement}"""' for statement in statements)
        return f"Seq[String](\n{listed}\n).foreach(spark.sql)\n"
    return f"for _statement in {json.dumps(statements, indent=2)}:\n    spark.sql(_statement)\ndel _statement\n"
