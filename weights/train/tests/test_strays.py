"""The same cases as packages/pipeline/test/tracking/strays.test.ts."""

import numpy as np

from strays import drop_strays


def label_map(*blocks: tuple[int, int, int, int, int]) -> np.ndarray:
    out = np.zeros((60, 120), np.int64)
    for identity, x0, y0, x1, y1 in blocks:
        out[y0:y1, x0:x1] = identity
    return out


STANDING, LOOKALIKE = (1, 20, 20, 40, 40), (1, 90, 10, 110, 30)


def test_a_lookalike_far_from_the_object_goes():
    other = (2, 50, 50, 60, 55)
    out = drop_strays(label_map(STANDING), label_map(STANDING, LOOKALIKE, other))
    assert (out == label_map(STANDING, other)).all()


def test_what_has_not_jumped_stays():
    before = label_map(STANDING)
    for after in (label_map((1, 20, 20, 28, 40), (1, 30, 20, 41, 40)), label_map(LOOKALIKE), label_map(STANDING, (2, 90, 10, 110, 30))):
        assert (drop_strays(before, after) == after).all()
    both = label_map(STANDING, LOOKALIKE)
    assert (drop_strays(both, both) == both).all()


def test_nothing_goes_while_little_is_left_where_the_object_was():
    for before, after in ((label_map(STANDING), label_map((1, 20, 20, 24, 40), LOOKALIKE)), (label_map(), label_map(STANDING, LOOKALIKE))):
        assert (drop_strays(before, after) == after).all()


def test_what_is_lost_behind_something_may_appear_on_its_other_side():
    after = label_map((1, 20, 20, 36, 40), (1, 90, 10, 94, 20))
    assert (drop_strays(label_map(STANDING), after) == after).all()
    entering = label_map((1, 20, 20, 36, 40), (1, 116, 10, 120, 20))
    assert (drop_strays(label_map(STANDING), entering) == label_map((1, 20, 20, 36, 40))).all()
