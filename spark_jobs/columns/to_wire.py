"""From typed columns to wire JSON, the other way round than `wire`."""

import pyspark.sql.functions as F
from pyspark.sql import Column
from pyspark.sql.types import DataType, DecimalType, StructType, TimestampType

_WIRE_TIME = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"


def wire_json(record: StructType) -> Column:
    """Write the columns of a record as the JSON that `contracts.records.decode` reads.

    Decimals (each has digits after its point) are strings without zeros at their end, times RFC 3339 with milliseconds
    (the session's zone is UTC); null fields are left out.
    """
    return F.to_json(F.struct(*(_written(F.col(field.name), field.dataType).alias(field.name) for field in record)))


def _written(value: Column, kind: DataType) -> Column:
    if isinstance(kind, DecimalType):
        return F.rtrim(F.rtrim(value.cast("string"), F.lit("0")), F.lit("."))
    if isinstance(kind, TimestampType):
        return F.date_format(value, _WIRE_TIME)
    return value
