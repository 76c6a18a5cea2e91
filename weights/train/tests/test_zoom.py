"""Windows around small objects: the product's rules."""

import numpy as np
import torch

from zoom import Extent, FrameTracker, View, fits_into, network_size, window_input_size, window_size

FRAME = (100, 200)


def labels(*blocks: tuple[int, int, int, int, int]) -> np.ndarray:
    out = np.zeros(FRAME, np.int64)
    for identity, x0, y0, x1, y1 in blocks:
        out[y0:y1, x0:x1] = identity
    return out


def window(*blocks):
    return window_size(FRAME, Extent.of(labels(*blocks)))


def test_the_window_is_half_of_the_frame_at_least_and_none_where_nothing_is_gained():
    assert window((1, 90, 40, 95, 45)) == (50, 100)
    assert window((1, 90, 40, 95, 80)) == (60, 100)
    assert window((1, 20, 10, 150, 90)) is None
    assert window((1, 0, 0, 5, 5), (2, 195, 95, 200, 100)) is None


def test_a_window_costs_no_more_than_the_whole_frame():
    for size in ((240, 427), (245, 430), (480, 427), (333, 444)):
        assert np.prod(window_input_size(size, (480, 854), 641)) <= np.prod(network_size(480, 854, 641))
    assert network_size(480, 854, 641) == (353, 641)


def test_it_is_left_where_an_object_is_not_seen_or_needs_more_room():
    fits = lambda ids, *blocks: fits_into((100, 100), FRAME, Extent.of(labels(*blocks)), Extent.of(labels(*blocks)), ids)  # noqa: E731
    assert fits({1}, (1, 50, 0, 138, 100)) and not fits({1}, (1, 50, 0, 140, 100))
    assert not fits({1, 2}, (1, 50, 0, 60, 100)) and not fits({1})
    # A window around 100 to 110 ends at 155.
    reaches = lambda x1: not fits_into((100, 100), FRAME, Extent.of(labels((1, 100, 0, x1, 100))), Extent.of(labels((1, 100, 0, 110, 100))), {1})  # noqa: E731
    assert not reaches(152) and reaches(153)


class Copying:
    """Finds in every frame what it was last told, and keeps what it was shown."""

    seen: list[tuple[int, int]] = []

    def add_reference(self, image, labels, objects):
        self.labels = labels

    def propagate(self, image):
        self.seen.append(tuple(image.shape[2:]))

    def decode(self, size):
        assert self.labels.shape[1:] == torch.Size(size)
        return torch.stack([self.labels == 0, self.labels > 0], dim=1).float()

    def update_memory(self, labels):
        self.labels = labels


def test_labels_go_back_to_where_they_were_and_an_unseen_object_is_looked_for_in_the_whole_frame():
    frame, thing = np.zeros((*FRAME, 3), np.uint8), labels((1, 150, 60, 170, 75))
    Copying.seen = []
    tracker = FrameTracker(Copying, 201, strays="keep")
    tracker.add_reference(frame, thing, 1)
    near, whole = window_input_size((50, 100), FRAME, 201), network_size(*FRAME, 201)
    assert np.array_equal(tracker.step(frame), thing) and Copying.seen == [near]
    tracker.near.engine.labels = torch.zeros_like(tracker.near.engine.labels)
    assert not tracker.step(frame).any()
    tracker.step(frame)
    # The frame before was seen again, as a whole.
    assert Copying.seen == [near, near, whole, whole] and tracker.zoomed == 2


def test_a_fragment_is_part_of_the_box_and_moves_no_window():
    extent = Extent.of(labels((1, 40, 20, 80, 60), (1, 190, 5, 195, 10), (2, 60, 50, 100, 90)))
    assert extent.ids == {1, 2} and extent.box == ((5, 90), (40, 195))
    # The first has 1425 pixels, 200 of them being hidden: 71 at either end go.
    assert extent.core == ((21, 88), (41, 98))


def test_windows_lie_within_the_frame():
    view = View(None, (50, 100), FRAME, 201)
    assert view.place(Extent.of(labels((1, 150, 60, 190, 95)))) == (slice(50, 100), slice(100, 200))
    assert view.place(None) == (slice(25, 75), slice(50, 150))
