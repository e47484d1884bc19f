from typing import Any

import pytest

from benchmarks import peer
from benchmarks.live_material import Material
from benchmarks.peer_servers import Server

GOOD: dict[str, Any] = {
    "decision_to_final_ms": {"p95": 100.0},
    "close_codes": ["1000"],
    "dropped_share": 0.0,
    "sender_kept_up": True,
}


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({}, True),
        ({"decision_to_final_ms": {"p95": 501.0}}, False),
        ({"decision_to_final_ms": {}}, False),  # nothing was said
        ({"close_codes": ["1000", "1013"]}, False),
        ({"dropped_share": 0.001}, False),
        ({"sender_kept_up": False}, False),
    ],
)
def test_streams_are_held_if_all_of_them_are_served_in_time(change: dict[str, Any], held: bool) -> None:
    assert peer.is_held(GOOD | change) is held


def test_more_streams_are_tried_until_they_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    room = {"quick": 8, "slow": 2}
    tried = []

    async def together(server: Server, material: Material, number: int, seconds: float) -> tuple[str, int]:
        tried.append((server.address, number))
        return server.address, number

    monkeypatch.setattr(peer, "together", together)
    monkeypatch.setattr(peer, "figures", lambda load: GOOD | {"dropped_share": float(load[1] > room[load[0]])})
    servers = {
        "service": Server("quick", "/readyz", streams=True),
        "ray": Server("slow", "/readyz", streams=True),
        "litserve": Server("none", "/health", streams=False),
    }
    found = peer.streams(servers, Material([b""]), (2, 4, 8, 16), 1.0)

    assert found["held"] == {"service": 8, "ray": 2}
    assert found["ray / service"] == 0.25
    assert tried == [("quick", 2), ("slow", 2), ("slow", 4), ("quick", 4), ("quick", 8), ("quick", 16)]


def test_servers_take_turns_and_ratios_are_those_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def classify(server: Server, clip: bytes, clients: int, count: int) -> dict[str, float]:
        asked.append(server.address)
        busy = 1.0 + len(asked) // 2  # the machine becomes slower and slower
        return {"alone_ms": busy * (30.0 if server.address == "b" else 10.0)}

    monkeypatch.setattr(peer, "classify", classify)
    servers = {"service": Server("a", "/readyz", streams=True), "ray": Server("b", "/readyz", streams=True)}
    found = peer.requests(servers, b"", rounds=2, clients=1, count=1)

    assert asked == ["a", "b", "b", "a"]
    assert found["service"]["alone_ms"] == 20.0
    assert found["ray / service"]["alone_ms"] == pytest.approx((60 / 10 + 60 / 30) / 2)
