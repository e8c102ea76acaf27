"""Running one of Hypothesis's state machines beside the event loop in which its world lives."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


async def run_machine(
    machine: type[RuleBasedStateMachine], examples: int, steps: int, *, shrinks: bool = True, **world: Any
) -> None:
    """The machine finds ``world`` and this ``loop`` in itself; it runs in a thread of its own. ``shrinks``: whether a
    failure is worth the minutes that looking for a shorter one takes."""
    bound = {**world, "loop": asyncio.get_running_loop()}
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        phases=[phase for phase in Phase if shrinks or phase is not Phase.shrink],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, type("Bound", (machine,), bound), settings=how)
