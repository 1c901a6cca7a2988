"""A forward and a backward pass in which tensors have sizes and no contents.

Tensors are freed as Python frees them: by their last reference. Code that passes `Tensor`s along as
a module passes torch's therefore holds as much as the module does, at every moment. What training
keeps for the way back, a step of the tape refers to until the way back has passed it.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class Storage:
    """So many values, alive as long as something refers to them."""

    __slots__ = ("size", "tape")

    def __init__(self, tape: "Tape", size: int) -> None:
        self.tape, self.size = tape, size
        tape.live += tape.batch * size
        tape.peak = max(tape.peak, tape.live)

    def __del__(self) -> None:
        self.tape.live -= self.tape.batch * self.size


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor, perhaps a view of another's values.

    Attributes:
        size: its values.
        storage: where they are.
        key: of its gradient; None where none is wanted.
    """

    size: int
    storage: Storage
    key: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """What the way back needs to know of an operator.

    Attributes:
        key: of the gradient that comes.
        made: (key, values) of every gradient that it makes.
        passed: keys that are given the gradient as it is.
        kept: what the operator looks at again.
        extras: values of intermediate results, of each item and of all together with the gradients
            of parameters.
    """

    key: int
    made: tuple[tuple[int, int], ...]
    passed: tuple[int, ...]
    kept: tuple[Storage, ...]
    extras: tuple[int, int]


class Tape:
    """Counts the values that are alive, and the most that ever were.

    Args:
        is_training: whether steps are recorded for the way back.
        batch: items; sizes are those of one, but for what is said to be shared.
    """

    def __init__(self, *, is_training: bool, batch: int = 1) -> None:
        self.is_training, self.batch = is_training, batch
        self.live = self.peak = 0
        self.steps: list[Step] = []
        self.keys = 0

    def input(self, size: int) -> Tensor:
        """What the caller holds anyway: it takes no memory and wants no gradient."""
        return Tensor(size, Storage(self, 0), None)

    def scratch(self, size: int, shared: int = 0) -> None:
        """Values that an operator needs beside its operands, for a moment.

        Args:
            size: for each item.
            shared: for all items together.
        """
        self.peak = max(self.peak, self.live + self.batch * size + shared)

    def make(self, size: int, *inputs: Tensor) -> Tensor:
        """A result that keeps nothing; every input that wants a gradient is given one of its own.

        As pads, products with constants, copies and transforms.
        """
        return self.apply(size, inputs)

    def add(self, left: Tensor, right: Tensor) -> Tensor:
        """A sum: both are given the same gradient."""
        return self.apply(max(left.size, right.size), (), passed=(left, right))

    def view(self, base: Tensor, size: int | None = None) -> Tensor:
        """The same values, or a part of them, whose gradient is filled up with zeros."""
        if size is None or size == base.size or base.key is None:
            return Tensor(size or base.size, base.storage, base.key)
        key = self._record((base,), (), (), (0, 0))
        return Tensor(size, base.storage, key)

    def apply(  # noqa: PLR0913 (one argument a thing that an operator may leave behind)
        self,
        size: int,
        inputs: Sequence[Tensor],
        *,
        kept: Sequence[Tensor] = (),
        passed: Sequence[Tensor] = (),
        parameters: int = 0,
        extra: int = 0,
        shared: int = 0,
    ) -> Tensor:
        """An operator's result.

        Args:
            size: its values.
            inputs: what is given a gradient of its own.
            kept: what the way back looks at again, beside the result itself.
            passed: what is given the result's gradient as it is.
            parameters: learned values, which are given a gradient too.
            extra: values of intermediate results on the way back.
            shared: the same, for all items together.
        """
        storage = Storage(self, size)
        stores = tuple(tensor.storage for tensor in kept)
        extras = (extra, shared + parameters)
        key = self._record(inputs, passed, stores, extras, is_leaf=parameters > 0)
        return Tensor(size, storage, key)

    def keep(self, result: Tensor) -> Tensor:
        """The result, which the way back looks at itself."""
        if result.key is not None:
            last = self.steps[-1]
            kept = (*last.kept, result.storage)
            self.steps[-1] = Step(last.key, last.made, last.passed, kept, last.extras)
        return result

    def _record(
        self,
        inputs: Sequence[Tensor],
        passed: Sequence[Tensor],
        kept: tuple[Storage, ...],
        extras: tuple[int, int],
        *,
        is_leaf: bool = False,
    ) -> int | None:
        if not self.is_training:
            return None
        made = tuple((one.key, one.size) for one in inputs if one.key is not None)
        on = tuple(one.key for one in passed if one.key is not None)
        if not (made or on or is_leaf):
            return None
        self.keys += 1
        self.steps.append(Step(self.keys, made, on, kept, extras))
        return self.keys

    def backward(self, result: Tensor) -> None:
        """The way back from a result's gradient, which is made first."""
        assert result.key is not None
        gradients = {result.key: Storage(self, result.size)}
        while self.steps:
            step = self.steps.pop()
            gradient = gradients.pop(step.key, None)
            if gradient is None:  # nothing came of it
                continue
            new = [(key, Storage(self, size)) for key, size in step.made]
            new += [(key, gradient) for key in step.passed]
            self.scratch(*step.extras)
            for key, one in new:
                old = gradients.get(key)
                if old is None:
                    gradients[key] = one
                elif any(other is old for name, other in gradients.items() if name != key):
                    gradients[key] = Storage(self, old.size)  # another one's too: not in place
