"""Lexicons over REST: signs are taught from clips, read, changed, handed out and taken in."""

import io

import httpx
import numpy as np
import pytest

from glosscast.keypoints import UPPER_BODY
from glosscast.lexicon.file import read_lexicon
from glosscast.lexicon.signs import Lexicon, TaughtSign
from tests.service.lexicons.clips import (
    HOME,
    SIGN_FAR,
    SIGN_NEAR,
    SIGN_NEAR_LONG,
    example_like,
    file_of,
    glosses,
    take_in,
    teach,
)
from tests.service.serving import (
    FAR,
    NEAR,
    SIGN_EAST,
    assert_problem,
    colours,
    metric,
    post,
    video,
)


def test_a_taught_sign_is_read_in_a_clip(client, name):
    assert post(client, SIGN_NEAR).json()["predictions"][0]["gloss"] == "rest"

    answer = post(client, SIGN_NEAR_LONG, lexicon=name).json()

    assert answer["predictions"][0]["gloss"] == "near"
    assert [sign["gloss"] for sign in answer["signs"]] == ["near"]
    assert {p["gloss"] for p in answer["predictions"]} == {"east", "west", "rest", "near"}
    assert post(client, SIGN_FAR, lexicon=name).json()["predictions"][0]["gloss"] == "rest"
    assert post(client, SIGN_EAST, lexicon=name).json()["predictions"][0]["gloss"] == "east"


def test_teaching_answers_what_is_known_of_the_sign(client, name):
    answer = teach(client, name, "Far", SIGN_FAR, SIGN_NEAR, language="mine")

    assert answer.status_code == 201
    sign = answer.json()
    assert set(sign) == {
        *("gloss", "language", "examples", "consistency", "outliers", "look_alikes", "added", "warnings"),
    }
    assert (sign["gloss"], sign["language"], len(sign["examples"])) == ("Far", "mine", 2)
    assert sign["added"] == [example["id"] for example in sign["examples"]]
    assert sign["examples"][0]["duration_ms"] == pytest.approx(20 * 62.5, abs=300)
    assert sign["consistency"] < 0.5
    assert set(sign["outliers"]) == set(sign["added"])
    assert [(o["gloss"], o["taught"]) for o in sign["look_alikes"]] == [("near", True)]
    assert 0.1 <= sign["look_alikes"][0]["risk"] <= 1
    assert [w for w in sign["warnings"] if "unlike" in w and w.startswith("File 1 ('clip1.mp4')")]
    assert client.get(f"{HOME}/{name}/signs/far").json() == {
        key: value for key, value in sign.items() if key not in ("added", "warnings")
    }


def test_captions_name_what_a_taught_sign_is_confused_with(client, name):
    teach(client, name, "nearby", SIGN_NEAR_LONG)

    best, second = post(client, SIGN_NEAR, lexicon=name).json()["predictions"][:2]

    assert {best["gloss"], second["gloss"]} == {"near", "nearby"}
    assert second["gloss"] in best["confusable_with"]


def test_two_signs_in_a_clip_give_a_warning_and_the_longest(client, name):
    sign = teach(
        client, name, "far", video([*colours(NEAR, sign_frames=14, rest_frames=8), *colours(FAR, rest_frames=9)])
    ).json()

    assert [w for w in sign["warnings"] if "2 signs" in w]
    assert post(client, SIGN_FAR, lexicon=name).json()["predictions"][0]["gloss"] == "far"


def test_the_same_clip_is_one_example(client, name):
    sign = teach(client, name, "NEAR", SIGN_NEAR).json()

    assert (sign["gloss"], len(sign["examples"]), sign["added"]) == ("near", 1, [])
    assert sign["warnings"] == ["File 1 ('clip1.mp4'): this example was there already."]
    assert len(teach(client, name, "near", SIGN_NEAR_LONG, SIGN_NEAR_LONG).json()["added"]) == 1


def test_the_list_of_lexicons_is_up_to_date(client, name):
    (found,) = [entry for entry in client.get(HOME).json()["lexicons"] if entry["name"] == name]

    assert found | {"changed_at": ""} == {
        "name": name,
        "signs": 1,
        "examples": 1,
        "bundle": "compass@1",
        "changed_at": "",
    }
    assert found["changed_at"].endswith("Z")
    assert_problem(client.post(HOME, json={"name": name}), 409, "lexicon_exists")


def test_an_example_is_handed_out_as_a_skeleton(client, name):
    sign = client.get(f"{HOME}/{name}/signs/near").json()
    motion = client.get(f"{HOME}/{name}/signs/near/examples/{sign['examples'][0]['id']}").json()

    frames = len(motion["t_ms"])
    assert motion["t_ms"][0] == 0
    assert 0 <= motion["start_ms"] < motion["end_ms"] <= motion["t_ms"][-1]
    assert {len(motion[part]) for part in ("pose", "left_hand", "right_hand")} == {frames}
    assert {len(points) for points in motion["pose"]} == {UPPER_BODY.stop}
    shoulders = np.array([motion["pose"][0][11], motion["pose"][0][12]])
    np.testing.assert_allclose(shoulders, [[0.5, 0], [-0.5, 0]], atol=0.01)  # from the middle, in their own width
    assert motion["pose"][0][0] is None  # not seen
    assert_problem(client.get(f"{HOME}/{name}/signs/near/examples/none"), 404, "unknown_example")


def test_signs_and_examples_are_renamed_and_forgotten(client, name, database):
    sign = teach(client, name, "near", SIGN_NEAR_LONG).json()
    teach(client, name, "far", SIGN_FAR)
    first, second = (example["id"] for example in sign["examples"])
    here = f"{HOME}/{name}/signs"

    assert client.delete(f"{here}/near/examples/{first}").status_code == 204
    assert_problem(client.delete(f"{here}/near/examples/{first}"), 404, "unknown_example")
    assert_problem(client.patch(f"{here}/near", json={"gloss": "FAR"}), 409, "gloss_taken")
    renamed = client.patch(f"{here}/near", json={"gloss": " close  by "})
    assert (renamed.json()["gloss"], renamed.json()["examples"][0]["id"]) == ("close by", second)
    assert glosses(client, name) == ["close by", "far"]
    assert post(client, SIGN_NEAR, lexicon=name).json()["predictions"][0]["gloss"] == "close by"
    assert client.delete(f"{here}/close by/examples/{second}").status_code == 204
    assert glosses(client, name) == ["far"]
    assert client.delete(f"{here}/far").status_code == 204
    assert_problem(client.get(f"{here}/far"), 404, "unknown_gloss")
    assert client.delete(f"{HOME}/{name}").status_code == 204
    assert_problem(client.get(here), 404, "unknown_lexicon")
    assert_problem(post(client, SIGN_NEAR, lexicon=name), 404, "unknown_lexicon")


@pytest.mark.parametrize(
    "gloss", ["שלום", "مرحبا", "и/или", "what?", "a#b", "50 %", "🙂", "nein\u00a0danke", "examples"]
)
def test_a_sign_can_have_any_name_that_people_can_read(client, name, gloss):
    assert teach(client, name, gloss, SIGN_FAR).json()["gloss"] == gloss
    here = httpx.URL(f"http://x{HOME}/{name}/signs/").raw_path.decode() + _encoded(gloss)

    assert client.get(here).json()["gloss"] == gloss
    assert post(client, SIGN_FAR, lexicon=name).json()["predictions"][0]["gloss"] == gloss
    example = client.get(here).json()["examples"][0]["id"]
    assert client.get(f"{here}/examples/{example}").status_code == 200
    assert client.patch(here, json={"gloss": f"{gloss}2"}).json()["gloss"] == f"{gloss}2"
    assert client.delete(here + "2").status_code == 204
    assert glosses(client, name) == ["near"]


def _encoded(gloss):
    return "".join(f"%{byte:02X}" for byte in gloss.encode())


def test_a_lexicon_is_handed_out_and_taken_in(client, name):
    teach(client, name, "far", SIGN_FAR, language="mine")
    answer = client.get(f"{HOME}/{name}/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.lexicon.npz"'

    lexicon = read_lexicon(io.BytesIO(answer.content))
    assert (lexicon.name, lexicon.bundle) == (name, "compass@1")
    assert [(s.gloss, s.language) for s in lexicon] == [("near", ""), ("far", "mine")]
    made = take_in(client, "copy", answer.content)
    assert (made.status_code, made.json()["name"], made.json()["signs"]) == (200, "copy", 2)
    assert take_in(client, "copy", answer.content).json()["examples"] == 2  # each counts once
    assert client.get(f"{HOME}/copy/signs").json() == client.get(f"{HOME}/{name}/signs").json()
    assert post(client, SIGN_FAR, lexicon="copy").json()["predictions"][0]["gloss"] == "far"
    client.delete(f"{HOME}/copy")


def test_a_lexicon_of_another_bundle_is_read_anew(client, name):
    own = read_lexicon(io.BytesIO(client.get(f"{HOME}/{name}/export").content))
    (example,) = own.sign("near").examples
    wrong = example_like(example, np.ones(9, np.float32), np.ones(7, np.float32))
    for lexicon in (
        Lexicon("other", "other@1", "f" * 64, {"close": TaughtSign("close", "", (wrong,))}),
        Lexicon("forged", own.bundle, own.model, {"close": TaughtSign("close", "", (wrong,))}),
    ):
        assert take_in(client, "foreign", file_of(lexicon)).status_code == 200
        assert post(client, SIGN_NEAR_LONG, lexicon="foreign").json()["predictions"][0]["gloss"] == "close"
        back = read_lexicon(io.BytesIO(client.get(f"{HOME}/foreign/export").content))
        np.testing.assert_allclose(back.sign("close").examples[0].embedding, example.embedding, atol=1e-5)
        client.delete(f"{HOME}/foreign")


def test_changes_are_counted(client, name):
    before = metric(client.base_url.netloc.decode(), 'glosscast_lexicon_changes_total{change="taught"}')
    teach(client, name, "far", SIGN_FAR)
    assert metric(client.base_url.netloc.decode(), 'glosscast_lexicon_changes_total{change="taught"}') == before + 1


def test_a_page_of_another_site_changes_nothing(client, name):
    for attempt in (
        client.delete(f"{HOME}/{name}", headers={"Origin": "http://evil.example"}),
        client.post(HOME, json={"name": "x"}, headers={"Origin": "http://evil.example"}),
    ):
        assert_problem(attempt, 403, "origin_not_allowed")
    assert glosses(client, name) == ["near"]


def test_docs_describe_forms_and_bodies(client):
    page = client.get("/docs").text

    for word in ("/v1/lexicons/{name}/signs", "look_alikes[].risk", "right_hand", "language", "changed_at", "added"):
        assert word in page, word
