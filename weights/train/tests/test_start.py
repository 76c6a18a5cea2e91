"""The analytic start: exact pass-through, an identity path that carries masks, equivariance that survives a step."""

import pytest
import torch

from deaot import DeAOT, Features, one_hot
from deaot.equivariance import ClassLayout, Equivariance, Layouts, symmetrise_matrix, symmetrise_vector
from deaot.init import initialise
from deaot.mobilenetv2 import DilatedDepthwise


@pytest.fixture(scope="module")
def model():
    network = DeAOT.named("deaott")
    initialise(network, None, seed=1)
    return network.eval()


def permute_objects(model: DeAOT, permutation: torch.Tensor, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights that answer with permuted ids, by moving the bank's inputs and the decoder's outputs."""
    out = dict(weights)
    out["patch_wise_id_bank.weight"] = weights["patch_wise_id_bank.weight"][:, permutation]
    out["decoder.conv_out.weight"] = weights["decoder.conv_out.weight"][permutation]
    out["decoder.conv_out.bias"] = weights["decoder.conv_out.bias"][permutation]
    return out


def test_last_map_carries_the_16x_features(model):
    with torch.no_grad():
        features = model.encode(torch.randn(1, 3, 97, 129))
    expected = features.f16.flatten(2).transpose(1, 2)
    inside = expected.abs() < 6
    assert inside.float().mean() > 0.9
    assert torch.allclose(features.tokens[..., :96][inside], expected[inside], atol=1e-5)
    assert torch.allclose(features.tokens[..., 96:192], -features.tokens[..., :96], atol=1e-6)


def test_masks_travel_from_memory_to_logits(model):
    """Tokens that differ from place to place, matched with themselves: the decoder's labels are the memory's."""
    torch.manual_seed(3)
    h, w = 13, 17
    x = torch.randn(1, h * w, 96)
    tokens = torch.cat([x, -x, torch.zeros(1, h * w, 64)], dim=-1)
    features = Features(torch.randn(1, 24, 49, 65) * 0.1, torch.randn(1, 32, 25, 33) * 0.1, torch.randn(1, 96, h, w) * 0.1, tokens)
    labels = torch.zeros(1, 193, 257, dtype=torch.long)
    labels[:, 48:144, 32:128] = 1
    labels[:, 80:176, 160:240] = 4
    with torch.no_grad():
        out, _, _ = model.LSTT(tokens, (h, w), model.id_embedding(one_hot(labels, 11)))
        logits = torch.nn.functional.interpolate(model.decode(out, features), (193, 257), mode="bilinear", align_corners=True)
    predicted = logits[:, [0, 1, 4]].argmax(1)
    for k, i in enumerate((1, 4), start=1):
        a, b = predicted == k, labels == i
        assert (a & b).sum() / (a | b).sum() > 0.7


def test_start_is_equivariant_and_random_weights_are_not(model):
    torch.manual_seed(4)
    permutation = torch.cat([torch.tensor([0]), 1 + torch.randperm(10)])
    image, masks = torch.randn(1, 3, 97, 97), one_hot(torch.randint(0, 11, (1, 97, 97)), 11)

    def answer(network: DeAOT, m: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            features = network.encode(image)
            out, _, _ = network.LSTT(features.tokens, features.size, network.id_embedding(m))
            return network.decode(out, features)

    direct, permuted = answer(model, masks), answer(model, masks[:, permutation])
    assert torch.allclose(direct[:, permutation], permuted, atol=1e-3 * direct.abs().max())
    other = DeAOT.named("deaott").eval()
    direct, permuted = answer(other, masks), answer(other, masks[:, permutation])
    assert not torch.allclose(direct[:, permutation], permuted, atol=1e-2 * direct.abs().max())


def test_symmetrised_matrix_commutes_with_permutations():
    torch.manual_seed(5)
    rows, columns = ClassLayout.plain(36, 11), ClassLayout.grouped(96, 4, 11)
    m = symmetrise_matrix(torch.randn(36, 96), rows, columns)
    order = torch.cat([torch.tensor([0]), 1 + torch.randperm(10)])

    def axis(layout: ClassLayout) -> torch.Tensor:
        p = torch.arange(layout.size)
        p[layout.index.flatten()] = layout.index[order].flatten()
        return p

    assert torch.allclose(m[axis(rows)][:, axis(columns)], m, atol=1e-6)
    assert torch.allclose(symmetrise_matrix(m, rows, columns), m, atol=1e-6)
    v = symmetrise_vector(torch.randn(36), rows)
    assert torch.allclose(v[axis(rows)], v, atol=1e-6)


def test_layouts_cover_each_axis_once(model):
    layouts = Layouts.of(model)
    for layout in (layouts.stream, layouts.value, layouts.wide, layouts.narrow, layouts.out, layouts.stream.after(256)):
        channels = torch.cat([layout.index.flatten(), layout.rest])
        assert channels.sort().values.tolist() == list(range(layout.size))
    assert (layouts.wide.index // 32).unique(return_counts=True)[1].tolist() == [22] * 8


def test_projected_gradients_keep_weights_equivariant():
    network = DeAOT.named("deaott")
    initialise(network, None, seed=2)
    equivariance = Equivariance(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(2):
        for p in network.parameters():
            p.grad = torch.randn_like(p)
        equivariance.project_gradients()
        optimiser.step()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    equivariance.project_weights()
    for key, value in network.state_dict().items():
        assert torch.allclose(value, before[key], atol=1e-5), key


@pytest.mark.parametrize("size", [(17, 23), (16, 16), (5, 4)])
def test_fast_dilated_convolution_is_the_same_convolution(size):
    conv = DilatedDepthwise(8, 8, 3, padding=2, dilation=2, groups=8, bias=False)
    x = torch.randn(2, 8, *size)
    assert torch.allclose(conv.train()(x), conv.eval()(x), atol=1e-5)
