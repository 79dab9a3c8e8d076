"""ESPNetv2: its dilations and pooling, any size, and weights in the published names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segbench.baselines.espnetv2 import ESPNetv2Config, build_network
from segbench.methods.training.espnetv2_network import dilations, pooling_matrix
from segbench.methods.training.transfer import encoder_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("size", "into"), [(24, 12), (36, 24), (24, 5), (5, 24), (7, 7)])
def test_pooling_by_a_matrix_is_adaptive_average_pooling(size: int, into: int) -> None:
    values = torch.rand(1, 2, size, size + 1)
    wanted = torch.nn.functional.adaptive_avg_pool2d(values, (into, into + 1))
    down, across = torch.tensor(pooling_matrix(size, into)), torch.tensor(pooling_matrix(size + 1, into + 1))
    assert torch.allclose(down @ values @ across.T, wanted, atol=1e-6)


def test_dilations_stay_in_the_receptive_field() -> None:
    assert [dilations(field) for field in (13, 9, 7, 5)] == [[1, 2, 3, 4], [1, 2, 3, 4], [1, 1, 2, 3], [1, 1, 1, 2]]


@pytest.mark.parametrize("shape", [(16, 48), (64, 32)])
def test_logits_have_the_size_of_the_image(shape: tuple[int, int]) -> None:
    network = build_network(ESPNetv2Config(width=0.5), 5).eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 3, *shape)).shape == (2, 5, *shape)


def test_weights_are_named_as_in_the_published_files() -> None:
    """Names and shapes of sacmehta/EdgeNets' espnetv2_s_2.0_pascal_384x384.pth: 526 tensors, 21 classes."""
    network = build_network(ESPNetv2Config(width=2.0), 21)
    state = network.state_dict()
    assert len(state) == 526
    wanted = {
        "base_net.level1.conv.weight": (32, 3, 3, 3),
        "base_net.level2_0.eesp.spp_dw.3.conv.weight": (24, 1, 3, 3),
        "base_net.level2_0.inp_reinf.1.bn.weight": (128,),
        "base_net.level4.6.conv_1x1_exp.conv.weight": (512, 128, 1, 1),
        "base_net.level4.6.module_act.weight": (512,),
        "bu_dec_l1.projection_layer.cbr.0.weight": (10, 512, 1, 1),
        "bu_dec_l1.merge_layer.2.cbr.0.weight": (10, 5, 3, 3),
        "bu_dec_l4.merge_layer.3.bias": (21,),
        "merge_enc_dec_l2.wt_layer.1.weight": (64, 256, 1, 1),
        "bu_br_l4.1.weight": (32,),
    }
    assert {name: tuple(state[name].shape) for name in wanted} == wanted
    assert encoder_of(network) is network.get_submodule("base_net")
    assert np.isclose(sum(each.numel() for each in network.parameters()) / 1e6, 0.79, atol=0.02)
