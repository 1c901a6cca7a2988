"""A spec's schedules as lists, and what is wrong with them before any size is worked out."""

from msdemucs.errors import PlanError, Problem
from msdemucs.spec.attention import BOTTLENECK
from msdemucs.spec.schedules import AnySchedule, expand
from msdemucs.spec.schema import Residual, Spec

Sizes = tuple[int, ...]


class Given:
    """A spec's schedules, level by level, and what stands in the way of its plan."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.problems: list[Problem] = []

    def check(self) -> None:
        """Expand schedules and check what needs no sizes.

        Raises:
            PlanError: what cannot be built, each with the field at fault.
        """
        self._check_branches()
        self._expand_schedules()
        self.stop_on_problems()
        self._check_kernels()
        self._check_norms()
        self._check_residuals()
        self._check_merge()
        self._check_bottleneck()
        self._check_fusion()
        self.stop_on_problems()

    def refuse(self, field: str, message: str, hint: str = "") -> None:
        """Note what stands in the way; of a schedule the first wrong level is enough."""
        if all(problem.field != field for problem in self.problems):
            self.problems.append(Problem(message, field, hint=hint))

    def stop_on_problems(self) -> None:
        """Raise PlanError for all problems that were noted.

        Raises:
            PlanError: all that was noted.
        """
        if self.problems:
            raise PlanError(self.problems)

    # Schedules

    def _expand_schedules(self) -> None:
        spec, waveform = self.spec, self.spec.waveform
        self.channels = self._schedule("channels", spec.channels)
        self.kernels = self._schedule("kernel_size", spec.kernel_size)
        self.strides = self._schedule("stride", spec.stride)
        self.waveform_kernels, self.waveform_strides = self.kernels, self.strides
        if waveform and waveform.kernel_size is not None:
            self.waveform_kernels = self._schedule("waveform.kernel_size", waveform.kernel_size)
        if waveform and waveform.stride is not None:
            self.waveform_strides = self._schedule("waveform.stride", waveform.stride)
        self.groups = self._schedule("norm.groups", spec.norm.groups) if spec.norm else ()
        self.depths = self._schedule("residual.depth", spec.residual.depth) if spec.residual else ()

    def _schedule(self, field: str, schedule: AnySchedule) -> Sizes:
        try:
            return expand(schedule, self.spec.depth)
        except ValueError as error:
            self.refuse(field, str(error))
            return ()

    @property
    def is_merged(self) -> bool:
        """Whether the branches merge."""
        return self.spec.merge is not None

    @property
    def outer(self) -> int:
        """Levels of the branches on their own."""
        return self.spec.depth if self.spec.merge is None else self.spec.merge

    def norm_groups(self, level: int) -> int | None:
        """Groups of a level's norms; None where it has none."""
        norm = self.spec.norm
        return self.groups[level] if norm and level >= norm.starts else None

    # Checks that need no sizes

    def _check_branches(self) -> None:
        spec = self.spec
        if spec.spectral is None and spec.waveform is None:
            self.refuse("waveform", "there is neither a waveform nor a spectral branch")
        if spec.spectral is None and spec.waveform and spec.waveform.estimate == "discard":
            self.refuse("waveform.estimate", "discards the only branch's estimates")
        if spec.padding == "valid" and spec.spectral:
            self.refuse("padding", "valid is for the waveform branch alone", "use spectral: null")
        if spec.waveform and spec.waveform.resample > 1 and spec.spectral:
            self.refuse(
                "waveform.resample",
                "frames of the spectral branch would no longer line up with the waveform's",
                "use spectral: null, or resample: 1",
            )

    def _check_kernels(self) -> None:
        spec = self.spec
        both = {
            "": (self.kernels, self.strides),
            "waveform.": (self.waveform_kernels, self.waveform_strides),
        }
        own = spec.waveform and (spec.waveform.kernel_size or spec.waveform.stride)
        for prefix, (kernels, strides) in both.items():
            if prefix and not own:
                continue
            for level, (kernel, stride) in enumerate(zip(kernels, strides, strict=True)):
                self._check_kernel(f"{prefix}kernel_size", level, kernel, stride)
        for side in ("encoder", "decoder"):
            if spec.rewrite and getattr(spec.rewrite, side) % 2 == 0:
                taps = getattr(spec.rewrite, side)
                self.refuse(f"rewrite.{side}", f"must be odd, found {taps}")

    def _check_kernel(self, field: str, level: int, kernel: int, stride: int) -> None:
        where = f"at level {level}: {kernel}, stride {stride}"
        if kernel < stride:
            self.refuse(field, f"is smaller than the stride {where}", f"try {2 * stride}")
        elif (kernel - stride) % 2 and kernel < 3 * stride - 1 and self.spec.padding == "same":
            self.refuse(
                field,
                f"kernel_size − stride must be even, or kernel_size at least 3 · stride − 1 "
                f"{where}",
                f"try {kernel + 1}",
            )

    def _check_norms(self) -> None:
        for level, channels in enumerate(self.channels):
            groups = self.norm_groups(level)
            before = self.channels[level - 1] if level else self._final_channels()
            for found in dict.fromkeys((channels, before)):
                if groups and found % groups:
                    self.refuse(
                        "norm.groups", f"{groups} does not divide {found} channels at level {level}"
                    )

    def _final_channels(self) -> int:
        """The fewest channels that an outermost decoder gives."""
        parts = 1 if self.spec.waveform else 2  # a spectrum's are real and imaginary
        return parts * len(self.spec.sources) * self.spec.audio_channels

    def _check_residuals(self) -> None:
        residual = self.spec.residual
        if residual is None:
            return
        if max(self.depths) > 10:
            self.refuse("residual.depth", f"must be at most 10, found {max(self.depths)}")
        attention = residual.attention
        if not (attention and (residual.encoder or residual.decoder)):
            return
        for level in range(attention.starts, self.spec.depth):
            hidden = self.hidden(residual, level)
            if hidden % attention.heads:
                self.refuse(
                    "residual.attention.heads",
                    f"{attention.heads} heads do not divide the {hidden} channels inside the "
                    f"residual branch of level {level}",
                )

    def _check_merge(self) -> None:
        spec, merge = self.spec, self.spec.merge
        if merge is None:
            return
        if merge >= spec.depth:
            self.refuse("merge", f"level {merge} is beyond the last, {spec.depth - 1}")
        elif not (spec.waveform and spec.spectral):
            self.refuse("merge", "needs a waveform and a spectral branch", "use merge: null")
        elif len(spec.resolutions) > 1:
            self.refuse(
                "merge",
                f"needs one resolution, whose frames the waveform branch's meet; there are "
                f"{len(spec.resolutions)}",
            )
        else:
            self._check_meeting(merge, spec.resolutions[0].hop_length)

    def _check_meeting(self, merge: int, hop_length: int) -> None:
        product = 1
        for level in range(merge + 1):
            kernel, stride = self.waveform_kernels[level], self.waveform_strides[level]
            product *= stride
            if (kernel - stride) % 2:
                self.refuse(
                    "kernel_size",
                    f"kernel_size − stride must be even up to the merge; at level {level} it is "
                    f"{kernel} − {stride}",
                )
        if product != hop_length:
            self.refuse(
                "merge",
                f"needs the product of the waveform branch's strides through level {merge} to "
                f"equal hop_length: {product} ≠ {hop_length}",
            )

    def _check_bottleneck(self) -> None:
        spec = self.spec
        streams = 1 if self.is_merged else len(spec.resolutions) + (spec.waveform is not None)
        if spec.lstm and (streams > 1 or (spec.spectral and not self.is_merged)):
            self.refuse(
                "lstm",
                "needs one sequence at the bottleneck: a waveform branch alone, or merged branches",
                "use lstm: null, or attention",
            )
        if spec.decoder_start != "zeros":
            return
        if spec.lstm:
            self.refuse("decoder_start", "zeros would throw the lstm's result away")
        for index, block in enumerate(spec.attention):
            if {BOTTLENECK, f"encoder {spec.depth - 1}"} & set(block.at):
                self.refuse(
                    f"attention.{index}.at", "decoder_start: zeros would throw its result away"
                )

    def _check_fusion(self) -> None:
        output = self.spec.fusion.output
        count = len(self.spec.resolutions)
        if self.spec.spectral and count < output.fewest:
            self.refuse(
                "fusion.output.kind",
                f"{output.kind} weighs several resolutions against each other; there is {count}",
                "use kind: sum",
            )

    def hidden(self, residual: Residual, level: int) -> int:
        """Channels inside a level's residual branches."""
        return max(1, int(self.channels[level] / residual.compress))
