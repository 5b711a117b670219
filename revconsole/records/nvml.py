"""NVML: what NVIDIA's driver says of its cards, by its Python package, an extra. Any of it may be missing."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

MILLI = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process that computes on a card, by its number on this machine, and its bytes there; None if unknown."""

    pid: int
    used: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A card at one moment. Every field but its number may be unknown.

    id: as torch names it. use: share of the last moments in which some kernel ran. used, free, total: bytes.
    temperature: degrees Celsius; hottest: at which the driver slows the card down. power: watts; power_limit: the most
    that the driver allows.
    """

    number: int
    id: str = ""
    name: str = ""
    use: float | None = None
    used: int | None = None
    free: int | None = None
    total: int | None = None
    temperature: float | None = None
    hottest: float | None = None
    power: float | None = None
    power_limit: float | None = None
    processes: tuple[GpuProcess, ...] = ()


class Nvml:
    """A session with the driver. It begins no CUDA context, which would take memory on every card."""

    def __init__(self, library: Any) -> None:
        self._library = library

    @classmethod
    def open(cls) -> Self | None:
        """A session; None without the package or the driver. `close` ends it."""
        try:
            import pynvml  # the extra `gpu`
        except ImportError:
            return None
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return None
        return cls(pynvml)

    def close(self) -> None:
        """End the session."""
        with suppress(self._library.NVMLError):
            self._library.nvmlShutdown()

    def gpus(self) -> tuple[Gpu, ...]:
        """Every card that the driver shows, as it is now."""
        return tuple(self._gpu(number, card) for number, card in self._cards())

    def free_by_id(self) -> dict[str, int]:
        """Free bytes by the id of a card, without the cards that do not say."""
        read = ((self._id(card), self._memory(card)) for _, card in self._cards())
        return {name: int(memory.free) for name, memory in read if name and memory is not None}

    def _cards(self) -> Iterator[tuple[int, Any]]:
        library = self._library
        for number in range(self._asked(library.nvmlDeviceGetCount) or 0):
            card = self._asked(library.nvmlDeviceGetHandleByIndex, number)
            if card is not None:
                yield number, card

    def _gpu(self, number: int, card: Any) -> Gpu:
        library, asked = self._library, self._asked
        memory = self._memory(card)
        busy = asked(lambda: library.nvmlDeviceGetUtilizationRates(card).gpu)
        drawn = asked(lambda: library.nvmlDeviceGetPowerUsage(card))
        allowed = asked(lambda: library.nvmlDeviceGetEnforcedPowerLimit(card))
        return Gpu(
            number=number,
            id=self._id(card) or "",
            name=_text(asked(lambda: library.nvmlDeviceGetName(card))) or "",
            use=None if busy is None else busy / 100,
            used=None if memory is None else int(memory.used),
            free=None if memory is None else int(memory.free),
            total=None if memory is None else int(memory.total),
            temperature=asked(
                lambda: library.nvmlDeviceGetTemperature(card, library.NVML_TEMPERATURE_GPU)
            ),
            hottest=asked(
                lambda: library.nvmlDeviceGetTemperatureThreshold(
                    card, library.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
                )
            ),
            power=None if drawn is None else drawn / MILLI,
            power_limit=None if allowed is None else allowed / MILLI,
            processes=tuple(self._processes(card)),
        )

    def _processes(self, card: Any) -> Iterator[GpuProcess]:
        for each in (
            self._asked(lambda: self._library.nvmlDeviceGetComputeRunningProcesses(card)) or ()
        ):
            yield GpuProcess(pid=int(each.pid), used=each.usedGpuMemory)

    def _memory(self, card: Any) -> Any:
        return self._asked(lambda: self._library.nvmlDeviceGetMemoryInfo(card))

    def _id(self, card: Any) -> str | None:
        uuid = _text(self._asked(lambda: self._library.nvmlDeviceGetUUID(card)))
        return None if uuid is None else uuid.removeprefix("GPU-")

    def _asked(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """The driver's answer; None if it, or the package, has none."""
        try:
            return question(*arguments)
        except (self._library.NVMLError, AttributeError):
            return None


def free_by_id() -> dict[str, int] | None:
    """Free bytes by the id of a card, without the cards that do not say; None without the package or the driver."""
    session = Nvml.open()
    if session is None:
        return None
    try:
        return session.free_by_id()
    finally:
        session.close()


def _text(answer: Any) -> str | None:
    """Text that older packages return as bytes."""
    if answer is None:
        return None
    return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
