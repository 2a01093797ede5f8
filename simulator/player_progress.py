"""How far a scenario is: the state of each step, and how it ended. Values for views; plays nothing and knows no clock."""

from __future__ import annotations

from typing import Any

from simulator.scenario import Scenario, Step

WAITING, NOW, DONE, FAILED = "waiting", "now", "done", "failed"


class Progress:
    """Of one scenario. began_at: monotonic s. state: "playing", then "ended", "failed" or "stopped". why: of a failure, in words."""

    def __init__(self, scenario: Scenario, began_at: float) -> None:
        self.scenario = scenario
        self.state = "playing"
        self.why: str | None = None
        self._began_at = began_at
        self._ended_at: float | None = None
        self._due = 0
        self._states = [WAITING] * len(scenario.steps)
        self._entered_at: list[float | None] = [None] * len(scenario.steps)
        self._left_at: list[float | None] = [None] * len(scenario.steps)

    def enter(self, step: Step, at: float) -> None:
        """The step's moment is waited for, or its act is due."""
        self._states[step.number - 1] = NOW
        self._entered_at[step.number - 1] = at

    def come(self, step: Step) -> None:
        """Its moment has come: a device act is to be done now."""
        self._due = step.number

    def leave(self, step: Step, at: float) -> None:
        """It is done."""
        self._states[step.number - 1] = DONE
        self._left_at[step.number - 1] = at

    def end(self, state: str, at: float, why: str | None = None) -> None:
        """It ended; a step that was under way failed, or waits for ever."""
        self.state, self.why, self._ended_at = state, why, at
        self._states = [(FAILED if state == "failed" else WAITING) if each == NOW else each for each in self._states]

    def tell(self, at: float) -> dict[str, Any]:
        """As JSON. seconds: since the beginning; of a step: how long it took, or takes so far. due: somebody has to do it now."""
        until_at = self._ended_at if self._ended_at is not None else at
        return {
            "title": self.scenario.title,
            "description": self.scenario.description,
            "state": self.state,
            "why": self.why,
            "seconds": round(until_at - self._began_at, 1),
            "now": next((self._shown(step) for step, state in self._pairs() if state == NOW), None),
            "steps": [self._step(step, state, until_at) for step, state in self._pairs()],
        }

    def _pairs(self) -> list[tuple[Step, str]]:
        return list(zip(self.scenario.steps, self._states, strict=True))

    def _step(self, step: Step, state: str, until_at: float) -> dict[str, Any]:
        entered_at, left_at = self._entered_at[step.number - 1], self._left_at[step.number - 1]
        took = None if entered_at is None else round((left_at if left_at is not None else until_at) - entered_at, 1)
        device = {"act": step.value, **step.companions} if step.effect else None
        due = device is not None and state == NOW and self._due == step.number
        return {"number": step.number, "text": step.words, "state": state, "due": due, "seconds": took, "device": device}

    def _shown(self, step: Step) -> str:
        """What a person at the device reads while this step is on."""
        return f"now: {step.doing}" if step.effect and self._due == step.number else step.words
