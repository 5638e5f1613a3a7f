"""Whether commits wait for more answers: when the loop is busy, and as long as that pays."""

import pytest

from fenliu.dispatch.pacing import BUSY, LONGEST_REST_S, LOOK_S, MANY, PACE_S, PAYS, Pacing


class Played:
    """Commits of so many answers, so often, on a clock of its own."""

    def __init__(self, busy: float | None = 1.0) -> None:
        self.pacing = Pacing()
        if busy is not None:
            self.pacing.busy = lambda: busy
        self.now = 10.0

    def commits(self, answers: int, apart_s: float, seconds: float) -> list[bool]:
        """Whether the next one had to wait, behind each."""
        end, waits = self.now + seconds, []
        while self.now < end:
            not_before = self.pacing.begun(self.now, answers)
            assert not_before in (self.now, self.now + PACE_S)
            waits.append(not_before > self.now)
            self.now += apart_s
        return waits


@pytest.mark.parametrize("busy", [1.0, BUSY, None])
def test_a_busy_loops_commits_wait_and_go_on_while_many_come(busy):
    played = Played(busy)
    played.commits(4, 0.0005, LOOK_S)
    played.commits(16, PACE_S, LOOK_S)
    assert all(played.commits(16, PACE_S, 5 * LOOK_S))


def test_with_time_to_spare_none_waits():
    played = Played(BUSY - 0.01)
    assert not any(played.commits(16, PACE_S, 5 * LOOK_S))


def test_behind_a_commit_of_many_none_waits():
    played = Played()
    played.commits(16, PACE_S, 2 * LOOK_S)
    assert not any(played.commits(MANY, PACE_S, LOOK_S))


def test_where_few_come_waiting_ends_and_is_tried_again_ever_more_seldom():
    played = Played()
    waits = played.commits(PAYS - 1, PACE_S, 60.0)
    assert sum(waits) / len(waits) < 3 * LOOK_S / LONGEST_REST_S
    assert any(waits[-int(2 * LONGEST_REST_S / PACE_S) :])


def test_where_callers_wait_for_answers_to_ask_again_it_ends():
    played, waited = Played(), []
    for _ in range(40_000):  # eight callers, all in one commit: each 1.3 ms, or 2 where it waits
        waited += played.commits(8, 0.0013 if not waited or not waited[-1] else PACE_S, 0.0001)
    assert any(waited[-int(2 * LONGEST_REST_S / 0.0013) :])
    assert sum(waited) / len(waited) < 3 * LOOK_S / LONGEST_REST_S


def test_as_many_as_before_and_more_keep_it_going():
    played = Played()
    played.commits(1, 0.0002, LOOK_S)  # 5,000 a second one by one, and then ten at a time
    played.commits(10, PACE_S, 2 * LOOK_S)
    assert all(played.commits(10, PACE_S, 20 * LOOK_S))


def test_after_a_lull_it_begins_anew():
    played = Played()
    played.commits(16, PACE_S, 5 * LOOK_S)
    assert not all(played.commits(1, 0.1, 1.0))
    played.now += 10
    played.commits(16, PACE_S, 2 * LOOK_S)
    assert all(played.commits(16, PACE_S, 5 * LOOK_S))


def test_commits_that_nobody_waits_for_count_for_nothing():
    played = Played()
    played.commits(16, PACE_S, 2 * LOOK_S)
    waits = []
    for _ in range(200):
        waits += played.commits(16, PACE_S / 2, PACE_S / 2) + played.commits(
            0, PACE_S / 2, PACE_S / 2
        )
    assert all(waits)
