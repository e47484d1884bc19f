"""Two processes, each with half of the clips, must hold the state that one process with all of them holds."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from tests.training.losses.oracles import embeddings_and_labels, weights_and_margins
from tests.training.synthetic import adaptive_config
from training.losses.confusion import ConfusionState
from training.losses.prototype import PrototypeSeparation
from training.losses.weighting import GradientWeighting
from training.runtime.distributed import summed


def confusions(parts: slice) -> nn.Module:
    counts = torch.rand(8, 3, 3, generator=torch.Generator().manual_seed(0))
    state = ConfusionState(adaptive_config(), ("a", "b", "c"))
    for _ in range(2):
        own = counts[parts].sum(dim=0)
        state.update(own)
        assert torch.equal(own, counts[parts].sum(dim=0))
    return state


def prototypes(parts: slice) -> nn.Module:
    separation = PrototypeSeparation(4, 6, 0.5)
    for seed in range(3):
        embeddings, labels = embeddings_and_labels(seed, batch=8)
        separation(embeddings[parts], labels[parts], *weights_and_margins(seed))
    return separation


def gradients(parts: slice) -> nn.Module:
    weighting = GradientWeighting(2)
    for size in (1.0, 2.0):
        shared = torch.ones(8, 1, requires_grad=True)
        losses = [size * shared[i].sum() + 0 * shared.sum() for i in range(8)[parts]]
        weighting([torch.stack(losses).mean(), 3 * losses[0]], [1.0, 1.0], shared)
    return weighting


MAKERS = (confusions, prototypes, gradients)


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2, timeout=timedelta(seconds=30)
    )
    half = slice(4 * rank, 4 * rank + 4)
    torch.save({make.__name__: make(half).state_dict() for make in MAKERS}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    """The states that two processes end with. Spawned, since autograd does not survive a fork everywhere."""
    folder = tmp_path_factory.mktemp("processes")
    mp.start_processes(work, (str(folder),), nprocs=2, start_method="spawn")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("make", [confusions, prototypes])
@pytest.mark.slow
def test_two_processes_hold_the_state_of_one(
    make: Callable[[slice], nn.Module], both: list[dict[str, dict[str, Tensor]]]
) -> None:
    whole = make(slice(None)).state_dict()
    for states in both:
        state = states[make.__name__]
        assert state.keys() == whole.keys()
        assert all(torch.allclose(value.float(), whole[name].float(), atol=1e-6) for name, value in state.items())


@pytest.mark.slow
def test_two_processes_weigh_gradients_alike(both: list[dict[str, dict[str, Tensor]]]) -> None:
    one, other = (states["gradients"]["norms"] for states in both)
    assert torch.equal(one, other)
    # A mean over four clips has the gradient 1/4 at each, of norm 1/2; the average of sizes 1 and 2 is 1.1.
    assert one.tolist() == pytest.approx([2 * 0.5 * 1.1, 2 * 3 * 1.1])


def test_alone_a_value_is_its_own_sum() -> None:
    value = torch.ones(2)
    assert summed(value) is value
