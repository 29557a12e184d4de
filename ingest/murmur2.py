"""The hash with which Kafka's Java client chooses a partition."""

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """Hash bytes as `org.apache.kafka.common.utils.Utils.murmur2` does, as an unsigned 32-bit number.

    >>> murmur2(b"21") == -973932308 & 0xFFFFFFFF
    True
    """
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = h * _M & _MASK ^ k
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


def partition_of(symbol: bytes, partitions: int) -> int:
    """Choose the partition of a symbol as Kafka's default partitioner does for a key."""
    return (murmur2(symbol) & 0x7FFFFFFF) % partitions
