"""Running one of Hypothesis's state machines beside the event loop in which its world lives."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


async def run_machine(machine: type[RuleBasedStateMachine], examples: int, steps: int, **world: Any) -> None:
    """The machine finds ``world`` and this ``loop`` in itself; it runs in a thread of its own."""
    bound = {**world, "loop": asyncio.get_running_loop()}
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, type("Bound", (machine,), bound), settings=how)
