"""State is stored before it is acted on, except a press (law 6); a hung store is waited for half a second, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import SystemClock
from agent.decider import Decider
from agent.kept import PressMade, Write
from agent.model import Asked, Callout, Meaning, Outcome, Press, SafeCode
from agent.signals import CancelAsked, Happening, LocationReplied, Phase, Pressed, RaiseReplied, State

ACCEPTED = RaiseReplied(Outcome(Asked.RAISE, Meaning.ACCEPTED, "ok", callout=Callout(7, "created")), 1, drill=False, at=1.0, wall=1.0)


class SlowStore:
    """A store whose disk answers when it is told to."""

    def __init__(self) -> None:
        self.kept: list[Write] = []
        self.waiting: list[asyncio.Future[None]] = []
        self.hangs = False
        self.asked = asyncio.Event()

    def step(self, *writes: Write) -> Awaitable[None]:
        """Keep; the disk answers at once unless it hangs."""
        self.kept += writes
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.hangs:
            self.waiting.append(future)
            self.asked.set()
        else:
            future.set_result(None)
        return future


def live(story: Callable[[Decider, SlowStore, list[State]], Awaitable[None]]) -> None:
    async def run() -> None:
        store, seen = SlowStore(), []
        decider = Decider(store, SystemClock(), base_url="https://x", customer_id=1, changed=lambda _b, after, _e, _c: seen.append(after))
        task = asyncio.create_task(decider.run())
        try:
            async with asyncio.timeout(10):
                await story(decider, store, seen)
        finally:
            task.cancel()

    asyncio.run(run())


def press(number: int = 1) -> Pressed:
    return Pressed(Press(number, 1.0, 1.8e9, "cli"))


def test_press_is_acted_on_at_once_while_the_disk_hangs_and_is_kept():
    async def story(decider: Decider, store: SlowStore, seen: list[State]) -> None:
        store.hangs = True
        began = asyncio.get_running_loop().time()
        await decider.decide(press())
        assert asyncio.get_running_loop().time() - began < 0.4
        assert seen[-1].phase is Phase.RAISING
        assert any(isinstance(each, PressMade) for each in store.kept)

    live(story)


def test_anything_else_is_acted_on_only_when_it_is_on_disk():
    async def story(decider: Decider, store: SlowStore, seen: list[State]) -> None:
        await decider.decide(press())
        store.hangs = True
        decided = asyncio.ensure_future(decider.decide(ACCEPTED))
        await store.asked.wait()
        assert decider.state.phase is Phase.RAISING, "not before the disk has it"
        store.waiting[0].set_result(None)
        await decided
        assert decider.state.phase is Phase.ACTIVE

    live(story)


def test_disk_that_hangs_holds_up_one_step_for_half_a_second_and_the_next_not_at_all():
    async def story(decider: Decider, store: SlowStore, seen: list[State]) -> None:
        await decider.decide(press())
        store.hangs = True
        now = asyncio.get_running_loop().time
        began = now()
        await decider.decide(ACCEPTED)
        assert 0.4 < now() - began < 2.0
        began = now()
        await decider.decide(CancelAsked(None))
        assert now() - began < 0.4
        assert decider.state.phase is Phase.CANCELLING
        store.waiting[0].set_result(None)

    live(story)


def test_end_of_the_process_is_not_missed_though_the_disk_answers_at_the_same_moment():
    async def story() -> None:
        store = SlowStore()
        decider = Decider(store, SystemClock(), base_url="https://x", customer_id=1, changed=lambda *_: None)
        task = asyncio.create_task(decider.run())
        await decider.decide(press())
        store.hangs = True
        decider.decide(ACCEPTED)
        await store.asked.wait()
        await asyncio.sleep(0)  # the step waits for the disk now
        store.waiting[0].set_result(None)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.cancelled()

    asyncio.run(story())


def test_steps_are_carried_out_in_the_order_of_the_inbox():
    async def story(decider: Decider, _store: SlowStore, seen: list[State]) -> None:
        await asyncio.gather(decider.decide(press(1)), decider.decide(ACCEPTED), decider.decide(press(2)))
        assert [state.phase for state in seen] == [Phase.RAISING, Phase.ACTIVE, Phase.ACTIVE]
        assert [each.number for each in seen[-1].owed] == [2]

    live(story)


# --- law 6 as a property ----------------------------------------------------------------------------------------------------

WAIT_S = 0.02
LOST = RaiseReplied(Outcome(Asked.RAISE, Meaning.RETRY, "reset"), 9, drill=False, at=2.0, wall=2.0)
CLOSED = LocationReplied(Outcome(Asked.LOCATION, Meaning.CLOSED, "closed", callout_id=7, http_status=285), 3.0, 3.0)
HAPPENINGS = st.sampled_from([None, ACCEPTED, LOST, CLOSED, CancelAsked(SafeCode("0042"))])
DISKS = st.sampled_from(["at once", "soon", "hangs", "recovers"])


class MoodyStore(SlowStore):
    """A disk that answers at once, soon, or not before it recovers."""

    def __init__(self) -> None:
        super().__init__()
        self.mood = "at once"
        self.last: asyncio.Future[None] | None = None
        self.asked_at = 0.0

    def step(self, *writes: Write) -> Awaitable[None]:
        """Keep, and answer as the mood is."""
        loop = asyncio.get_running_loop()
        self.kept += writes
        self.last, self.asked_at = loop.create_future(), loop.time()
        if self.mood == "at once":
            self.last.set_result(None)
        elif self.mood == "soon":
            loop.call_later(WAIT_S / 10, self.last.set_result, None)
        else:
            self.waiting.append(self.last)
        return self.last

    def recover(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)
        self.waiting.clear()


@settings(max_examples=60, deadline=None, derandomize=True, phases=[hypothesis.Phase.generate])  # real time: shrinking takes minutes
@given(st.lists(st.tuples(HAPPENINGS, DISKS), min_size=3, max_size=25))
def test_nothing_but_a_press_is_acted_on_before_the_disk_has_it_unless_the_disk_hangs(steps: list[tuple[Happening | None, str]]):
    """And every press is acted on while its own write still waits, whatever the disk does."""

    async def story() -> None:
        store, hung = MoodyStore(), False

        def changed(before: State, after: State, event: Happening, _commands: object) -> None:
            nonlocal hung
            written = store.last
            if written is None or (before == after):
                return
            waited_s = asyncio.get_running_loop().time() - store.asked_at
            if isinstance(event, Pressed):
                assert waited_s < WAIT_S / 2, "law 1: a press waits for no disk"
            elif not written.done():
                assert hung or waited_s >= WAIT_S * 0.9, "law 6: stored before it is acted on, or waited for"
                hung = True
            else:
                hung = False
            store.last = None

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("agent.decider.STORE_WAIT_S", WAIT_S)
            decider = Decider(store, SystemClock(), base_url="https://x", customer_id=1, changed=changed)
            task = asyncio.create_task(decider.run())
            for number, (event, mood) in enumerate(steps, 1):
                if mood == "recovers":
                    store.recover()
                    hung, store.mood = False, "at once"
                else:
                    store.mood = mood
                decided = asyncio.ensure_future(decider.decide(press(number) if event is None else event))
                await asyncio.wait({decided, task}, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    task.result()  # what `changed` found
            assert sum(isinstance(each, PressMade) for each in store.kept) >= sum(event is None for event, _ in steps)
            store.recover()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())


# --- beats ------------------------------------------------------------------------------------------------------------------


def test_beat_is_reached_behind_what_waits_and_never_by_a_decider_that_hangs():
    """The watchdog is fed by whoever works the inbox off; a beat that waits is not joined by another."""

    async def story() -> None:
        gate, order = asyncio.Event(), []

        class Hanging(Decider):
            async def _carry_out(self, event: Happening) -> None:
                await gate.wait()
                order.append("event")

        decider = Hanging(SlowStore(), SystemClock(), base_url="https://x", customer_id=1, changed=lambda *_: None)
        task = asyncio.create_task(decider.run())
        decided = decider.decide(press())
        for _ in range(3):
            decider.beat(lambda: order.append("beat"))
        for _ in range(10):
            await asyncio.sleep(0)
        before = decider.attempts
        assert order == []
        gate.set()
        await decided
        for _ in range(10):
            await asyncio.sleep(0)
        assert order == ["event", "beat"]
        assert decider.attempts > before
        decider.beat(lambda: order.append("again"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert order[-1] == "again"
        task.cancel()

    asyncio.run(story())
