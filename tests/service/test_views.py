"""The captions of a session for those who have its viewing token."""

import asyncio
import logging
from datetime import UTC, datetime

import httpx
import pytest

from service.live import views
from service.live.views import MAX_KEPT, MAX_UNSENT, Viewer, Views
from service.observe.metrics import Metrics
from service.protocol import events
from service.protocol.messages import Continues
from tests.bundles import ASPECT, signing
from tests.service.serving import ROOMY, Client, assert_problem, metric, send_all, serve, wait_until
from tests.service.watching import events_url, headers_of, watching


def sign(client, *glosses):
    """Sign these and stop."""
    send_all(client, signing(*glosses))
    client.send({"type": "stop"})
    client.until_closed()


def test_a_viewer_reads_along(address):
    with Client(address) as client:
        view = client.start(aspect=ASPECT)["view"]
        with watching(address, view) as viewer:
            before = datetime.now(UTC)
            sign(client, "east", "rest", "west")
            viewer.until("ended")
    finals = [m for m in client.of("final") if m["gloss"] != "rest"]
    assert viewer.names() == [
        *("started", "sign_started", "final"),
        *("sign_started", "no_sign"),
        *("sign_started", "final", "ended"),
    ]
    seen = [event for event in viewer.events if event["name"] == "final"]
    for final, event in zip(finals, seen, strict=True):
        assert {name: event[name] for name in ("segment", "gloss", "confidence")} == {
            name: final[name] for name in ("segment", "gloss", "confidence")
        }
        assert "rest" not in [other["gloss"] for other in event["alternatives"]]
        began, ended, at = (datetime.fromisoformat(event[name]) for name in ("started_at", "ended_at", "at"))
        assert (ended - began).total_seconds() == pytest.approx((final["end_ms"] - final["start_ms"]) / 1000, abs=1e-3)
        assert ended <= at  # frames that come faster than they were filmed put no sign into the future
        assert at >= before
    guesses = {event["gloss"] for event in viewer.events if event["name"] == "interim"}
    assert guesses >= {m["gloss"] for m in client.of("interim")} - {"rest"}
    assert "rest" not in guesses
    assert [event["id"] for event in viewer.events if event["id"]] == ["1", "2", "3", "4"]


def test_a_viewer_that_comes_late_or_again_misses_no_caption(address):
    with Client(address) as client:
        view = client.start(aspect=ASPECT)["view"]
        sign(client, "east", "west")
    with watching(address, view) as late:
        late.until("started", "final", "final", "ended")
    with watching(address, view, **{"Last-Event-ID": late.events[1]["id"]}) as again:
        again.until("final", "ended")
    assert again.events == late.events[2:]


def test_the_viewing_token_reads_and_does_nothing_else(address):
    with Client(address) as client:
        started = client.start()
        view = started["view"]
        assert view["session"] == started["session"]
        assert view["token"] != started["token"]
        captions = f"http://{address}/v1/sessions/{started['session']}/captions.vtt"
        assert_problem(httpx.get(captions, headers=headers_of(view)), 404, "no_session")
        with Client(address) as other:
            other.send({"type": "resume", "session": started["session"], "token": view["token"]})
            assert other.until_closed() == 4008
        stolen = {"session": started["session"], "token": view["token"]}
        with Client(address) as other:
            assert other.start(continues=stolen)["view"]["session"] != view["session"]


@pytest.mark.parametrize("path", ["events", "captions.m3u8", "segment-1.vtt"])
def test_another_token_is_the_same_as_an_unknown_session(address, path):
    with Client(address) as one, Client(address) as two:
        started, other = one.start(), two.start()
        own = f"http://{address}/v1/sessions/{started['session']}/{path}"
        unknown = f"http://{address}/v1/sessions/unknown/{path}"

        refusals = [httpx.get(own, headers=headers_of(wrong)) for wrong in (other["view"], started, {"token": "x"})]
        refusals += [httpx.get(own, params={"view": other["view"]["token"]}), httpx.get(unknown, params={"view": "x"})]
        for refusal in refusals:
            assert_problem(refusal, 404, "no_session")
            assert refusal.content == refusals[-1].content
        assert_problem(httpx.get(own), 401, "not_authenticated")
        assert_problem(httpx.get(own, params={"token": started["view"]["token"]}), 401, "not_authenticated")
        evil = headers_of(started["view"], Origin="https://evil.example")
        assert_problem(httpx.get(own, headers=evil), 403, "origin_not_allowed")


def test_a_token_in_the_address_is_not_in_the_log(address, caplog):
    caplog.set_level(logging.DEBUG)
    with Client(address) as client:
        view = client.start(aspect=ASPECT)["view"]
        sign(client, "east")
    for path in ("events", "captions.m3u8", "segment-1.vtt", "segment-x.vtt", "nothing"):
        url = f"http://{address}/v1/sessions/{view['session']}/{path}"
        with httpx.stream("GET", url, params={"view": view["token"]}) as answer:
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "no-referrer"
    wait_until(lambda: "/events 200" in caplog.text)
    own = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert own
    assert not [record for record in own if view["token"] in record.getMessage()]


def test_viewers_are_counted_and_bounded(bundle_folder):
    with serve(bundle_folder, max_viewers=1) as address, Client(address) as client:
        view = client.start()["view"]
        with watching(address, view) as viewer:
            viewer.until("started")
            assert metric(address, "glosscast_viewers") == 1
            refusal = httpx.get(events_url(address, view), headers=headers_of(view))
            assert_problem(refusal, 429, "too_many_requests")
            assert int(refusal.headers["retry-after"]) > 0
        wait_until(lambda: metric(address, "glosscast_viewers") == 0)
        with watching(address, view) as viewer:
            assert viewer.status == 200


def test_without_viewers_there_is_no_token(bundle_folder):
    with serve(bundle_folder, max_viewers=0) as address, Client(address) as client:
        started = client.start()
        assert started["view"] is None
        with watching(address, started) as viewer:
            assert viewer.status == 404


def test_viewers_go_on_with_the_next_session_of_the_client(address):
    with Client(address) as client:
        first = client.start(aspect=ASPECT)
        with watching(address, first["view"]) as viewer:
            sign(client, "east")
            viewer.until("ended")
            with Client(address) as again:
                earlier = {name: first[name] for name in ("session", "token")}
                second = again.start(aspect=ASPECT, continues=earlier)
                assert second["view"] == first["view"]
                sign(again, "west")
            viewer.until("started", "sign_started", "final", "ended")
            with Client(address) as third:  # not of the first: others could go on with it, too
                assert third.start(continues=earlier)["view"] != first["view"]
    assert viewer.glosses() == ["east", "west"]
    assert {event["session"] for event in viewer.events} == {first["session"], second["session"]}


def test_a_session_that_finds_no_place_leaves_the_viewers_where_they_are(bundle_folder):
    with serve(bundle_folder, trackers=1, **ROOMY) as address:
        with Client(address) as client:
            first = client.start()
            client.send({"type": "stop"})
            client.until_closed()
        earlier = {name: first[name] for name in ("session", "token")}
        with Client(address) as other:
            other.start(input="frames")
            with Client(address) as refused:
                refused.send({"type": "start", "input": "frames", "continues": earlier})
                assert refused.until_closed() == 1013
        with Client(address) as again:
            assert again.start(continues=earlier)["view"] == first["view"]


def test_a_view_is_forgotten_with_the_captions(bundle_folder):
    with serve(bundle_folder, captions_s=0.3, **ROOMY) as address:
        with Client(address) as client:
            view = client.start(aspect=ASPECT)["view"]
            with watching(address, view) as viewer:
                sign(client, "east")
                assert viewer.ended.wait(20)  # in order, and not by the client
                assert viewer.names()[-1] == "ended"
        with watching(address, view) as viewer:
            assert viewer.status == 404


def test_a_service_that_stops_does_not_wait_for_viewers(bundle_folder):
    with serve(bundle_folder, grace_s=600, **ROOMY) as address:
        client = Client(address)
        view = client.start(aspect=ASPECT)["view"]
        viewer = watching(address, view)
        seen = viewer.__enter__()
        seen.until("started")
    assert seen.ended.wait(20)
    assert seen.names() == ["started", "ended"]


def test_a_viewer_hears_now_and_then_that_the_service_is_there(address, monkeypatch):
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    with Client(address) as client, watching(address, client.start()["view"]) as viewer:
        wait_until(lambda: len(viewer.comments) > 1)


# --- without a service


@pytest.fixture
def store():
    return Views(600.0, 2, Metrics())


def final(session="a", segment=0):
    now = datetime.now(UTC)
    return events.Final(
        session=session, at=now, segment=segment, gloss="yes", confidence=0.9, alternatives=[], confusable_with=[],
        started_at=now, ended_at=now,
    )  # fmt: skip


def ended(session):
    return events.Ended(session=session, at=datetime.now(UTC))


def test_a_slow_viewer_is_let_go_and_asks_again(store):
    async def run():
        view = store.open("a", "t", "", None)
        with store.watching(view, 0) as slow, store.watching(view, 0) as quick:
            reading = asyncio.create_task(heard(quick))
            for segment in range(MAX_UNSENT + 1):
                store.publish(view, final(segment=segment))
                await asyncio.sleep(0)
            assert view.viewers == {quick}
            assert await heard(slow) == []  # it ends at once, and asks for what it has not read
            store.close()
            assert await reading == list(range(MAX_UNSENT + 1))

    asyncio.run(run())


async def heard(viewer: Viewer) -> list[int]:
    return [entry.event.segment async for entry in viewer]


def test_a_viewer_from_far_behind_has_room_for_what_is_kept(store):
    async def run():
        view = store.open("a", "t", "", None)
        for segment in range(2 * MAX_UNSENT):
            store.publish(view, final(segment=segment))
        with store.watching(view, 0) as viewer:
            store.publish(view, final(segment=-1))
            store.close()
            assert await heard(viewer) == [*range(2 * MAX_UNSENT), -1]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("caller", "continues", "goes_on"),
    [
        ("me", Continues(session="a", token="t"), True),
        ("other", Continues(session="a", token="t"), False),
        ("me", Continues(session="a", token="x"), False),
        ("me", Continues(session="x", token="t"), False),
        ("me", None, False),
    ],
)
def test_only_the_same_caller_with_the_token_goes_on(store, caller, continues, goes_on):
    first = store.open("a", "t", "me", None)
    assert (store.open("b", "u", caller, continues) is first) == goes_on


def test_the_end_of_an_earlier_session_does_not_end_the_view(store):
    async def run():
        view = store.open("a", "t", "", None)
        store.open("b", "u", "", Continues(session="a", token="t"))
        store.publish(view, ended("a"))
        assert view.live
        assert not view.since(0)
        store.publish(view, ended("b"))
        assert not view.live

    asyncio.run(run())


def test_views_without_captions_push_out_no_others(store):
    async def run():
        read = store.open("read", "t", "", None)
        store.publish(read, final("read"))
        store.publish(read, ended("read"))
        for number in range(MAX_KEPT + 5):
            store.publish(store.open(str(number), "t", "", None), ended(str(number)))
        assert store.find("read", read.token) is read
        assert store.find("0", "") is None
        assert len(store._views) == MAX_KEPT

    asyncio.run(run())


def test_an_old_number_of_another_view_hides_nothing(store):
    view = store.open("a", "t", "", None)
    store.publish(view, final())
    assert [entry.number for entry in view.since(99)] == [1]
    assert view.since(1) == []
    assert views.MAX_RECALLED > MAX_UNSENT
