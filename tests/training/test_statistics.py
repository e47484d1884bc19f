import torch
from torch import nn

from training.loop.batch_norm import recount


def test_statistics_are_means_over_the_batches() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.3), nn.Dropout(0.5)).eval()
    batches = [torch.randn(8, 3) * 5 + 2 for _ in range(3)]
    generator = torch.get_rng_state()
    recount(model, model, batches)
    seen = [model[0](batch) for batch in batches]
    torch.testing.assert_close(model[1].running_mean, torch.stack([x.mean(0) for x in seen]).mean(0))
    torch.testing.assert_close(model[1].running_var, torch.stack([x.var(0) for x in seen]).mean(0))
    assert torch.equal(torch.get_rng_state(), generator)
    assert model[1].momentum == 0.3
    assert not any(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_a_model_without_statistics_reads_no_batch() -> None:
    def nothing() -> object:
        raise AssertionError
        yield

    recount(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False)), nn.Identity(), nothing())
