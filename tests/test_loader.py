"""The loader calls its function once for ids that are requested at about the same time."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Mapping

import pytest

from api.loader import WAITED, Loader

calls: list[list[str]] = []


async def doubled(ids: list[str]) -> Mapping[str, str]:
    calls.append(list(ids))
    await asyncio.sleep(0)
    return {id: id * 2 for id in ids}


async def refused(ids: list[str]) -> Mapping[str, str]:
    calls.append(list(ids))
    raise ValueError(ids)


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    calls.clear()
    asyncio.run(test())


def test_ids_of_one_iteration_of_the_event_loop_are_loaded_together_and_once() -> None:
    async def test() -> None:
        loader = Loader(doubled)
        one, other = await asyncio.gather(loader.values("aba"), loader.values("bc"))
        assert (one["a"], one["b"], other["b"], other["c"]) == ("aa", "bb", "bb", "cc")
        assert (await loader.values("cd"))["d"] == "dd"
        assert await loader.values("") == {}
        assert calls == [["a", "b", "c"], ["d"]]

    run(test)


@pytest.mark.parametrize("iterations", range(WAITED + 2))
def test_ids_that_are_requested_some_iterations_later_are_loaded_together(iterations: int) -> None:
    async def test() -> None:
        async def later() -> Mapping[str, str]:
            for _ in range(iterations):
                await asyncio.sleep(0)
            return await loader.values("b")

        loader = Loader(doubled)
        await asyncio.gather(loader.values("a"), later())
        assert calls == ([["a", "b"]] if iterations <= WAITED else [["a"], ["b"]])

    run(test)


def test_error_of_a_call_is_raised_to_each_waiter() -> None:
    async def test() -> None:
        loader = Loader(refused)
        for _ in range(2):
            errors = await asyncio.gather(
                loader.values("a"), loader.values("b"), return_exceptions=True
            )
            assert [type(error) for error in errors] == [ValueError] * 2
        assert calls == [["a", "b"]]

    run(test)


@pytest.mark.parametrize("iterations", range(WAITED + 3))
def test_call_is_cancelled_only_when_each_of_its_waiters_is(iterations: int) -> None:
    async def test() -> None:
        loader = Loader(endless)
        one, other = (asyncio.ensure_future(loader.values("a")) for _ in range(2))
        for _ in range(iterations):
            await asyncio.sleep(0)
        one.cancel()
        await asyncio.wait([one])
        assert not other.done()
        other.cancel()
        await asyncio.wait([other])
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        again = asyncio.ensure_future(loader.values("a"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not again.done(), "a cancelled call is repeated"
        again.cancel()
        await asyncio.wait([again])

    async def endless(_: list[str]) -> Mapping[str, str]:
        await asyncio.Future()
        return {}

    run(test)


@pytest.mark.parametrize("end", ["error", "cancellation"])
def test_second_call_for_the_ids_of_one_field_ends_with_the_first(
    end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Another field has asked for `a` before. The task for `b` must not run without a waiter."""

    async def test() -> None:
        refuse = asyncio.Event()
        ended: list[str] = []

        async def load(ids: list[str]) -> Mapping[str, str]:
            try:
                await (refuse.wait() if ids == ["a"] else asyncio.Future())
                raise ValueError(ids)
            finally:
                ended.extend(ids)
                if ids == ["b"]:
                    raise OSError(ids)  # as a connection that is lost when a statement is cancelled

        loader = Loader(load)
        fields = []
        for ids in ("a", "ab"):
            fields.append(asyncio.ensure_future(loader.values(ids)))
            for _ in range(WAITED + 2):
                await asyncio.sleep(0)
        if end == "error":
            refuse.set()
        else:
            for field in fields:
                field.cancel()
        errors = await asyncio.gather(*fields, return_exceptions=True)
        assert [type(error) for error in errors] == [
            ValueError if end == "error" else asyncio.CancelledError
        ] * 2
        for _ in range(3):
            await asyncio.sleep(0)
        assert sorted(ended) == ["a", "b"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(test)
    gc.collect()
    assert not caplog.records, "asyncio logs an exception that nobody has retrieved"
