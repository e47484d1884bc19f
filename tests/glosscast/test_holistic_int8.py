"""Models whose middle operators are computed in int8."""

from dataclasses import replace

import numpy as np
import pytest

from glosscast.holistic import models
from glosscast.holistic.effort import FULL, serving
from glosscast.holistic.int8 import in_int8, without_range
from glosscast.holistic.litert import LiteRtTracker
from glosscast.holistic.models import HAND_LANDMARK, read
from glosscast.holistic.networks import Network, NetworkPool
from tests.glosscast.trackers import needs_litert

pytestmark = needs_litert


def picture(side, seed=0):
    """A picture of soft colours, which is less noise than a model ever sees and more than nothing."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
    return np.kron(coarse, np.ones((side // 8, side // 8, 1))).astype(np.uint8)


def test_the_model_of_hands_is_the_one_in_int8():
    assert [model for model in models.MODELS if model.int8 is not None] == [HAND_LANDMARK]


def test_the_same_model_gives_the_same_bytes(litert_models):
    content = read(HAND_LANDMARK, litert_models)
    assert in_int8(content, HAND_LANDMARK.int8) == in_int8(content, HAND_LANDMARK.int8)
    assert content == read(HAND_LANDMARK, litert_models)


def test_weights_are_int8_inside_the_span_and_as_before_outside(litert_models):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    content = in_int8(read(HAND_LANDMARK, litert_models), HAND_LANDMARK.int8)
    plain = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    kinds = {tensor["index"]: tensor["dtype"] for tensor in plain.get_tensor_details()}
    given = [kinds[operator["outputs"][0]] for operator in plain._get_ops_details() if operator["op_name"] == "CONV_2D"]
    assert given[0] == given[-1] == np.float32
    assert given.count(np.int8) > len(given) / 2
    changes = np.flatnonzero(np.diff([kind == np.int8 for kind in given]))
    assert len(changes) == 2


def test_landmarks_of_a_hand_are_nearly_those_of_fp32(litert_models):
    exact, rounded = (Network(HAND_LANDMARK, litert_models, exact=exact) for exact in (True, False))
    for seed in range(3):
        one, two = (network(picture(network.side, seed)) for network in (exact, rounded))
        assert not np.array_equal(one[0], two[0])
        assert np.abs(one[0] - two[0]).mean() < 0.01 * exact.side


def test_two_hands_at_once_are_read_as_one_after_the_other(litert_models):
    network = Network(HAND_LANDMARK, litert_models, exact=False)
    pictures = [picture(network.side, seed) for seed in range(2)]
    together, apart = network(*pictures), [network(one) for one in pictures]
    for values, *singly in zip(together, *apart, strict=True):
        assert np.array_equal(values, np.concatenate(singly))


def test_each_operator_without_a_range_of_its_own_needs_one(litert_models):
    content = read(HAND_LANDMARK, litert_models)
    assert without_range(content, HAND_LANDMARK.int8).keys() == HAND_LANDMARK.int8.ranges.keys()
    fewer = dict(list(HAND_LANDMARK.int8.ranges.items())[1:])
    with pytest.raises(ValueError, match="has no range"):
        in_int8(content, replace(HAND_LANDMARK.int8, ranges=fewer))


def test_an_operator_that_has_no_int8_here_is_refused(litert_models):
    span = replace(HAND_LANDMARK.int8, last=56)  # MEAN
    ranges = dict.fromkeys(range(span.last), (-50.0, 50.0))
    with pytest.raises(ValueError, match="cannot be computed in int8"):
        in_int8(read(HAND_LANDMARK, litert_models), replace(span, ranges=ranges))


def test_a_pool_keeps_exact_sets_and_rounded_ones_apart(litert_models):
    pool = NetworkPool(2, litert_models)
    with pool.lease(exact=True) as exact, pool.lease(exact=False) as rounded:
        assert exact is not rounded
    with pool.lease(exact=False) as again:
        assert again is rounded
    with pool.lease() as again:
        assert again is exact


def test_trackers_have_their_models_before_their_first_frames(litert_models, monkeypatch):
    pool = NetworkPool(2, litert_models)
    for _ in range(3):  # more than there are sets
        LiteRtTracker(pool, FULL)
    monkeypatch.setattr("glosscast.holistic.networks.Networks", lambda *_: pytest.fail("a set too many"))
    with pool.lease(FULL.exact), pool.lease(FULL.exact):
        LiteRtTracker(pool, FULL)


def test_a_frame_gets_more_threads_only_while_no_other_is_worked_on(monkeypatch, tmp_path):
    made = []

    def networks(folder, threads, exact):
        made.append(threads)
        return threads

    monkeypatch.setattr("glosscast.holistic.networks.Networks", networks)
    pool = NetworkPool(2, tmp_path, threads=2)
    with pool.lease() as alone, pool.lease() as beside:
        assert (alone, beside) == (2, 1)
    with pool.lease() as again:
        assert again == 2
    for _ in range(4):
        pool.prepare()
    assert sorted(made) == [1, 1, 2]  # one for whoever works alone, and as many others as there are cores


def test_what_is_served_is_rounded_and_what_is_extracted_for_training_is_not(litert_models, monkeypatch):
    leased = []
    lease = NetworkPool.lease

    def noting(pool, exact=True):
        leased.append(exact)
        return lease(pool, exact)

    monkeypatch.setattr(NetworkPool, "lease", noting)
    pool = NetworkPool(1, litert_models)
    for effort in (serving(face=False), FULL):
        LiteRtTracker(pool, effort).track(np.zeros((48, 64, 3), np.uint8))
    assert leased == [False, True]
