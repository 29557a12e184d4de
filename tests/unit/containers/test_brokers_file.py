"""The compose file of three brokers says what the embedded stack does with them, and changing any one value is seen."""

import copy
import re

from infra.stack import kafka
from tests.unit.containers.broker_facts import document
from tests.unit.containers.compose_checks import mebibytes
from tests.unit.containers.files import PATHS, ContainerFiles, Document, services
from tests.unit.containers.test_consistency import FREE, places, value_at, with_value

LIKE_THE_FIRST = ("mem_limit", "stop_grace_period")
"""What the other brokers have of the first one."""


def held(file: Document) -> Document:
    """Return what the file says, without anchors and without what may be tuned."""
    told: Document = {"services": copy.deepcopy(file["services"]), "volumes": file["volumes"]}
    for name in kafka.PARTS[1:]:
        service = told["services"].get(name, {})
        for timing in FREE:
            service.get("healthcheck", {}).pop(timing, None)
    return told


def expected(base: Document) -> Document:
    """Return what it must say beside this base."""
    wanted = document()
    for part in kafka.PARTS[1:]:
        wanted["services"][part] |= {key: base["services"]["kafka"][key] for key in LIKE_THE_FIRST}
    return wanted


def test_three_brokers_in_compose_are_those_of_the_embedded_stack() -> None:
    files = ContainerFiles.read()
    base, _ = files.documents()
    assert held(files.three_brokers()) == expected(base)


def test_every_value_of_the_three_brokers_is_held() -> None:
    files = ContainerFiles.read()
    base, _ = files.documents()
    file, unseen, checked = files.three_brokers(), [], 0
    for place in places(file["services"], ("services",)):
        if place[-1] in FREE:
            continue
        checked += 1
        for value in ("altered", None):
            if held(with_value(file, place, value)) == expected(base):
                unseen.append((place, value_at(file, place), value))
    assert unseen == []
    assert checked > 90


def test_the_health_of_each_broker_is_looked_at_as_often_as_that_of_the_first() -> None:
    files = ContainerFiles.read()
    base, _ = files.documents()
    first = base["services"]["kafka"]["healthcheck"]
    for part in kafka.PARTS[1:]:
        look = files.three_brokers()["services"][part]["healthcheck"]
        assert {timing: look[timing] for timing in FREE} == {timing: first[timing] for timing in FREE}


def test_what_it_changes_is_in_the_files_before_it() -> None:
    files = ContainerFiles.read()
    there = services(*files.documents())
    added = {name for name in files.three_brokers()["services"] if name not in there}
    assert added == {"kafka-2", "kafka-3"}


def test_the_page_names_the_three_files_their_ports_and_their_memory() -> None:
    files = ContainerFiles.read()
    line = f"COMPOSE_FILE={PATHS['base']}:{PATHS['crypto']}:{PATHS['brokers']}"
    assert f"\n{line}\n" in files.page
    rows = dict(re.findall(r"^\| `(kafka-\d)` \| .* \| (\d+) \| \d+m \|$", files.page, re.MULTILINE))
    memory = dict(re.findall(r"^\| `(kafka-\d)` \| .* \| (\d+m) \|$", files.page, re.MULTILINE))
    brokers = files.three_brokers()["services"]
    for part in kafka.PARTS[1:]:
        assert f":-{rows[part]}}}:" in brokers[part]["ports"][0]
        assert mebibytes(memory[part]) == mebibytes(brokers[part]["mem_limit"])
