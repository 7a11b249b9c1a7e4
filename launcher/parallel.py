"""The same done with several machines at once, in their turns."""

import concurrent.futures
import threading
from collections.abc import Callable, Mapping

from launcher import model, plan, turns

AT_ONCE = 8  # boots are bound by processors, and the engine attaches to one network one by one

Act = Callable[[str], model.Result]
Rest = Callable[[str, float], None]

_UP = plan.DONE[plan.Action.NOTHING]


def each(
    order: Mapping[str, turns.Turn], act: Act, *, rest: Rest, interrupted: threading.Event
) -> tuple[model.Result, ...]:
    """Do it with each machine once its turn has come; a refusal is a result, and the others go on.

    A machine that comes after one that failed is not touched, and its result says so. `rest` lets the delay of a
    machine pass that others wait for; `interrupted` is set where all of it ends early.
    """

    def attempt(name: str) -> model.Result:
        try:
            result = act(name)
        except model.Cannot as error:
            return model.Result(name=name, refused=error)
        delay = order[name].delay
        if delay and result.done != _UP and any(name in turn.after | turn.behind for turn in order.values()):
            rest(name, delay)
        return result

    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
    try:
        done = _run(order, lambda name: pool.submit(attempt, name))
    except BaseException:
        interrupted.set()
        raise
    finally:  # what is interrupted is told at once, and not when the last thread has undone what it began
        pool.shutdown(wait=not interrupted.is_set(), cancel_futures=True)
    return tuple(done[name] for name in order)


def _run(
    order: Mapping[str, turns.Turn], begin: Callable[[str], concurrent.futures.Future[model.Result]]
) -> Mapping[str, model.Result]:
    waiting, done = dict(order), dict[str, model.Result]()
    running: dict[concurrent.futures.Future[model.Result], str] = {}
    while waiting or running:
        for name, turn in tuple(waiting.items()):
            if not (turn.after | turn.behind) <= done.keys():
                continue
            del waiting[name]
            if failed := sorted(other for other in turn.after if done[other].refused is not None):
                done[name] = model.Result(name=name, refused=_held(name, failed[0]))
            else:
                running[begin(name)] = name
        ended, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
        done.update((running.pop(future), future.result()) for future in ended)
    return done


def _held(name: str, other: str) -> model.Cannot:
    return model.Cannot(
        f"cannot start {name}: it comes after {other}, which failed", hint=f"mend {other}, then: fhv start {name}"
    )
