"""Running an iterator in a thread of its own, a bounded number of items ahead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def read_ahead(make: Callable[[], Iterator[T]], depth: int) -> Iterator[T]:
    """The items of `make()`, which runs in a thread, at most `depth` items ahead of the caller.

    An exception in the thread is raised here, after the items that came before it. When the caller stops early
    (or drops the iterator) the thread ends after the item it is working on, and is waited for.
    """
    slots = threading.Semaphore(depth)
    ready: SimpleQueue[tuple[bool, T | BaseException | None]] = SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        items: Iterator[T] | None = None
        try:
            items = make()
            while True:
                slots.acquire()
                if stopped.is_set():
                    break
                item = next(items, _END)
                if item is _END:
                    break
                ready.put((True, item))  # type: ignore[arg-type]
        except BaseException as error:
            ready.put((False, error))
        else:
            ready.put((False, None))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="singleout-read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            is_item, value = ready.get()
            if not is_item:
                if value is not None:
                    try:
                        raise value  # type: ignore[misc]
                    finally:
                        # Its traceback holds this frame, which must not hold it: nobody would take them apart in time.
                        value = None
                return
            slots.release()
            yield value  # type: ignore[misc]
            # The frame is the caller's now; keeping it here would hold one more in memory.
            value = None
    finally:
        stopped.set()
        slots.release()
        # Of what was dropped in a circle, Python takes care in whatever thread is running.
        if thread is not threading.current_thread():
            thread.join()


_END = object()
