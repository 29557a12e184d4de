"""The compose file of ZeroMQ says what the code says, and changing any one value in it is seen."""

import copy

from contracts.settings import IngestSettings, TransportSettings
from tests.unit.containers.compose_checks import mebibytes
from tests.unit.containers.files import ContainerFiles, Document
from tests.unit.containers.test_consistency import FREE, places, value_at, with_value
from tests.unit.containers.zmq_facts import ADDRESS, document

TUNED = ("mem_limit", "stop_grace_period")


def held(file: Document) -> Document:
    """Return what the file says, without anchors and without what may be tuned."""
    told = copy.deepcopy({name: part for name, part in file.items() if not name.startswith("x-")})
    for service in told["services"].values():
        for key in TUNED:
            service.pop(key, None)
        for timing in FREE:
            service.get("healthcheck", {}).pop(timing, None)
    return told


def test_it_is_what_the_code_says() -> None:
    files = ContainerFiles.read()
    assert held(files.without_kafka()) == document(files)


def test_every_value_is_held() -> None:
    files = ContainerFiles.read()
    file, wanted, unseen, checked = files.without_kafka(), document(files), [], 0
    for place in places(file["services"], ("services",)):
        if place[-1] in {*FREE, *TUNED}:
            continue
        checked += 1
        for value in ("altered", None):
            if held(with_value(file, place, value)) == wanted:
                unseen.append((place, value_at(file, place), value))
    assert unseen == []
    assert checked > 80


def test_no_kafka_is_in_it_and_only_loopback_is_published() -> None:
    files = ContainerFiles.read()
    text = "\n".join(line.split("#")[0] for line in files.zmq.splitlines()).lower()
    assert "kafka" not in text
    published = [port for service in files.without_kafka()["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_a_generator_has_the_time_to_end_and_every_service_a_limit_of_memory() -> None:
    services = ContainerFiles.read().without_kafka()["services"]
    ingest, transport = IngestSettings.model_fields, TransportSettings.model_fields
    needed = ingest["request_timeout_seconds"].default + ingest["drain_seconds"].default
    grace = int(services["generator"]["stop_grace_period"].removesuffix("s"))
    assert grace > needed + transport["zmq_linger_seconds"].default
    assert all(mebibytes(service["mem_limit"]) > 0 for service in services.values())


def test_the_page_names_the_file_and_its_address() -> None:
    page = ContainerFiles.read().zmq_page
    assert "docker compose -f docker-compose-zmq.yml up" in page
    assert f"zmq://127.0.0.1:{ADDRESS.port}" in page
