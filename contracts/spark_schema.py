"""Spark types derived from the records, so that wire and lake cannot drift apart."""

import datetime as dt
from decimal import Decimal

import msgspec
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DataType,
    DecimalType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from contracts.decimals import MONEY_PRECISION, MONEY_SCALE, PRICE_PRECISION, PRICE_SCALE
from contracts.records import Record, fields_of

PRICE = DecimalType(PRICE_PRECISION, PRICE_SCALE)
MONEY = DecimalType(MONEY_PRECISION, MONEY_SCALE)

_PLAIN: dict[type, DataType] = {
    str: StringType(),
    int: LongType(),
    bool: BooleanType(),
    bytes: BinaryType(),
    dt.datetime: TimestampType(),
}


def struct_type(record_type: type[Record]) -> StructType:
    """Derive the Spark schema of a record: same names, same order, null only where the record allows it."""
    return StructType([_field(field) for field in fields_of(record_type)])


def _field(field: msgspec.structs.FieldInfo) -> StructField:
    info = msgspec.inspect.type_info(field.type)
    members = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    nullable = any(isinstance(member, msgspec.inspect.NoneType) for member in members)
    (value,) = (member for member in members if not isinstance(member, msgspec.inspect.NoneType))
    return StructField(field.name, _data_type(value), nullable)


def _data_type(info: msgspec.inspect.Type) -> DataType:
    if isinstance(info, msgspec.inspect.Metadata):
        extra = info.extra or {}
        return DecimalType(extra["precision"], extra["scale"])
    python_type = {
        msgspec.inspect.StrType: str,
        msgspec.inspect.LiteralType: str,
        msgspec.inspect.IntType: int,
        msgspec.inspect.BoolType: bool,
        msgspec.inspect.BytesType: bytes,
        msgspec.inspect.DateTimeType: dt.datetime,
        msgspec.inspect.DecimalType: Decimal,
    }[type(info)]
    return _PLAIN[python_type]
