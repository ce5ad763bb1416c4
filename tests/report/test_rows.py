import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from motherlode.report.projection import project
from motherlode.report.rows import Best, numbered


@given(
    arrays(np.float32, st.integers(0, 60), elements=st.integers(0, 9).map(float)), st.integers(0, 8), st.integers(1, 20)
)
def test_best_is_the_head_of_a_stable_sort_however_it_is_offered(keys: np.ndarray, count: int, step: int):
    best = Best(count)
    for start in range(0, len(keys), step):
        part = keys[start : start + step]
        best.offer(part, numbered(0, start, len(part)))
    expected = np.argsort(keys, kind="stable")[:count]
    assert list(best.rows) == list(expected) and list(best.keys) == list(keys[expected].astype(float))


def clouds(each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = np.eye(3, 20) * 3
    labels = np.repeat(np.arange(3), each)
    return (centres[labels] + generator.normal(size=(3 * each, 20)) * 0.4).astype(np.float32), labels


def test_projection_keeps_neighbours_together():
    vectors, labels = clouds(60)
    groups = np.arange(len(vectors)) % 5 == 0
    places = project(vectors, labels, groups)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(places)) * 1e9
    assert (labels[distance.argmin(axis=1)] == labels).mean() > 0.98


def test_projection_takes_away_what_sets_a_group_apart():
    vectors, labels = clouds(60)
    groups = np.arange(len(vectors)) % 2 == 0
    vectors[groups] += 5  # seeds are written in another style
    places = project(vectors, labels, groups)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(places)) * 1e9
    nearest = distance.argmin(axis=1)
    assert (labels[nearest] == labels).mean() > 0.98 and (groups[nearest] != groups).mean() > 0.3


def test_projection_is_the_same_every_time():
    vectors, labels = clouds(40)
    groups = np.zeros(len(vectors), dtype=bool)
    assert (project(vectors, labels, groups, 3) == project(vectors, labels, groups, 3)).all()


@given(st.integers(0, 9), st.integers(1, 4), st.booleans())
def test_few_or_equal_vectors_have_finite_places(count: int, size: int, equal: bool):
    generator = np.random.default_rng(count)
    vectors = np.ones((count, size), np.float32) if equal else generator.normal(size=(count, size)).astype(np.float32)
    places = project(vectors, np.zeros(count, dtype=np.int64), np.arange(count) < 2)
    assert places.shape == (count, 2) and np.isfinite(places).all()


def test_equal_vectors_in_number_have_finite_places():
    vectors = np.ones((200, 8), np.float32)
    vectors[:3] = np.eye(3, 8)
    places = project(vectors, np.arange(200) % 2, np.arange(200) < 5)
    assert places.shape == (200, 2) and np.isfinite(places).all()
