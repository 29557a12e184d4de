"""Vectors of org.apache.kafka.common.utils.UtilsTest.testMurmur2 (Apache Kafka)."""

import pytest

from ingest.murmur2 import murmur2, partition_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_murmur2_equals_the_java_client(text: str, expected: int) -> None:
    assert murmur2(text.encode()) == expected % 2**32


def test_a_negative_hash_chooses_a_partition_as_the_java_client_does() -> None:
    assert partition_of(b"21", 3) == (-973932308 & 0x7FFFFFFF) % 3
