"""J and F on masks whose scores can be worked out by hand."""

import numpy as np
import pytest

from metrics import contour_accuracy, jaccard


def square(y: int, x: int, side: int = 20) -> np.ndarray:
    mask = np.zeros((100, 120), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_identical_and_disjoint():
    assert jaccard(square(10, 10), square(10, 10)) == 1.0 and contour_accuracy(square(10, 10), square(10, 10)) == 1.0
    assert jaccard(square(10, 10), square(60, 60)) == 0.0 and contour_accuracy(square(10, 10), square(60, 60)) == 0.0


def test_half_overlap():
    assert jaccard(square(10, 10), square(10, 20)) == pytest.approx(1 / 3)


def test_empty_masks():
    empty = np.zeros((100, 120), bool)
    assert jaccard(empty, empty) == 1.0 and contour_accuracy(empty, empty) == 1.0
    assert contour_accuracy(square(10, 10), empty) == 0.0


def test_boundary_tolerates_a_shift_of_the_radius():
    # 0.008 * hypot(100, 120) = 1.25 -> a radius of 2 pixels
    assert contour_accuracy(square(10, 10), square(12, 10)) == 1.0
    assert contour_accuracy(square(10, 10), square(14, 10)) < 0.9
