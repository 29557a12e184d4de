"""What Spark, Delta and the JVM below them say when they fail, in one line."""

import re

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException

SPARK_ERRORS = (PySparkException, Py4JError)
"""Every error that a call into Spark raises."""

_LONGEST = 500
_NO_ROOM = ("Status Code: 507", "507 Insufficient Storage", "XMinioStorageFull")
"""HTTP 507, as the SDK of Spark and the one of delta-rs write it, and MinIO's own code for it."""


def reason_of(error: Exception) -> str:
    """Find, in all that is wrapped around an error, our own message, else what is known of it, else its first line."""
    text = str(error)
    ours = re.findall(r"^contracts\.errors\.\w+: (.+)$", text, flags=re.MULTILINE)
    if ours:
        return str(ours[-1])
    if any(words in text for words in _NO_ROOM):
        return "the object store has no room left: free some space and run again"
    said = str(error.java_exception) if isinstance(error, Py4JJavaError) else text
    return next((line.strip()[:_LONGEST] for line in said.splitlines() if line.strip()), type(error).__name__)
