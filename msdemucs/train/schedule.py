"""Which learning rate does a step have?"""

import math


def learning_rate(
    step: int, *, steps: int, lr: float, final_lr: float, warmup_steps: int = 0
) -> float:
    """A linear rise to `lr`, then half a cosine down to `final_lr`.

    A function of the step alone, so that a run can resume anywhere: `lr` is reached at step
    `warmup_steps`, `final_lr` at the last.

    Args:
        step: counted from 1.
        steps: of the whole run.
        lr: the highest rate.
        final_lr: the rate of the last step.
        warmup_steps: fewer than `steps`.

    Source: Loshchilov and Hutter 2017, SGDR (arXiv:1608.03983), equation 5, without restarts.
    """
    if step <= warmup_steps:
        return lr * step / warmup_steps
    # Without a warm-up the first step has the highest rate, as the last of a warm-up would.
    first = max(1, warmup_steps)
    done = (step - first) / max(1, steps - first)
    return final_lr + (lr - final_lr) * (1 + math.cos(math.pi * done)) / 2
