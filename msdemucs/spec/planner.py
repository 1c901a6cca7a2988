"""Spec → plan, or the reasons why it cannot be built, each with the field at fault."""

from dataclasses import replace

from msdemucs.errors import PlanError, Problem
from msdemucs.spec.attention import BOTTLENECK, AttentionOptions, BlockPlan, level_of
from msdemucs.spec.levels import (
    Axis,
    DecoderLevel,
    EncoderLevel,
    Grid,
    ResidualPlan,
    Shift,
    shortest,
)
from msdemucs.spec.plan import (
    BranchPlan,
    EmbeddingPlan,
    Front,
    Plan,
    Site,
    TrunkPlan,
    WaveformFront,
)
from msdemucs.spec.schema import Residual, Resolution, Spec, expand

Sizes = tuple[int, ...]


def plan(spec: Spec) -> Plan:
    """The plan of a spec.

    Raises:
        PlanError: what cannot be built, each with the field at fault.
    """
    return _Planner(spec).plan()


class _Planner:
    """Derives a plan, or notes what stands in its way."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.problems: list[Problem] = []

    def plan(self) -> Plan:
        spec = self.spec
        self.check_branches()
        self.expand_schedules()
        self.stop_on_problems()
        self.check_kernels()
        self.check_norms()
        self.check_residuals()
        self.check_merge()
        self.check_middle()
        self.stop_on_problems()
        spectral = tuple(self.spectral_branch(i, r) for i, r in enumerate(spec.resolutions))
        self.stop_on_problems()
        waveform = self.waveform_branch() if spec.waveform else None
        self.stop_on_problems()
        trunk = self.trunk(spectral[0], waveform) if waveform and spec.merge is not None else None
        fewest = 1  # samples for which every level has something left
        if waveform and spec.padding == "same":
            levels = [*waveform.encoder, *(trunk.encoder if trunk else ())]
            fewest = shortest([level.shifts[-1] for level in levels])
        apart = Plan(spec, spectral, waveform, trunk, (), (), None, fewest)
        sites = self.sites(apart)
        blocks = tuple(
            self.block(index, options, sites) for index, options in enumerate(spec.attention)
        )
        self.stop_on_problems()
        fuses = len(spectral) > 1 and bool(sites)
        fusion = spec.fusion.bottleneck if fuses else None
        return replace(apart, blocks=blocks, sites=sites, fusion=fusion)

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

    def expand_schedules(self) -> None:
        self.channels = self.sizes("channels")
        self.kernels, self.strides = self.sizes("kernel_size"), self.sizes("stride")
        self.waveform_kernels = self.sizes("waveform.kernel_size") or self.kernels
        self.waveform_strides = self.sizes("waveform.stride") or self.strides
        self.groups, self.depths = self.sizes("norm.groups"), self.sizes("residual.depth")
        spec = self.spec
        self.outer = spec.depth if spec.merge is None else spec.merge  # levels of branches apart

    def sizes(self, field: str) -> Sizes:
        schedule = self.spec.schedule(field)
        try:
            return () if schedule is None else expand(schedule, self.spec.depth)
        except ValueError as error:
            self.refuse(field, str(error))
            return ()

    def norm_groups(self, level: int) -> int | None:
        """Groups of a level's norms; None where it has none."""
        norm = self.spec.norm
        return self.groups[level] if norm and level >= norm.starts else None

    def hidden(self, residual: Residual, level: int) -> int:
        """Channels inside a level's residual branches."""
        return max(1, int(self.channels[level] / residual.compress))

    # Checks that need no sizes

    def check_branches(self) -> None:
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

    def check_kernels(self) -> None:
        spec = self.spec
        kernels = [("kernel_size", self.kernels, self.strides)]
        if spec.waveform and (spec.waveform.kernel_size or spec.waveform.stride):
            kernels.append(("waveform.kernel_size", self.waveform_kernels, self.waveform_strides))
        for field, sizes, strides in kernels:
            for level, (kernel, stride) in enumerate(zip(sizes, strides, strict=True)):
                where = f"at level {level}: {kernel}, stride {stride}"
                if kernel < stride:
                    self.refuse(field, f"is smaller than the stride {where}", f"try {2 * stride}")
                elif (kernel - stride) % 2 and kernel < 3 * stride - 1 and spec.padding == "same":
                    message = (
                        "kernel_size − stride must be even, or kernel_size at least "
                        f"3 · stride − 1 {where}"
                    )
                    self.refuse(field, message, f"try {kernel + 1}")
        for side in ("encoder", "decoder"):
            taps = getattr(spec.rewrite, side, 1)
            if taps % 2 == 0:
                self.refuse(f"rewrite.{side}", f"must be odd, found {taps}")

    def check_norms(self) -> None:
        spec = self.spec
        parts = 1 if spec.waveform else 2  # a spectrum's are real and imaginary
        before = parts * len(spec.sources) * spec.audio_channels  # the fewest that leave a decoder
        for level, channels in enumerate(self.channels):
            groups = self.norm_groups(level)
            for width in dict.fromkeys((channels, before)):
                if groups and width % groups:
                    self.refuse(
                        "norm.groups", f"{groups} does not divide {width} channels at level {level}"
                    )
            before = channels

    def check_residuals(self) -> None:
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

    def check_merge(self) -> None:
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
            product, hop_length = 1, spec.resolutions[0].hop_length
            for level in range(merge + 1):
                kernel, stride = self.waveform_kernels[level], self.waveform_strides[level]
                product *= stride
                if (kernel - stride) % 2:
                    self.refuse(
                        "kernel_size",
                        f"kernel_size − stride must be even up to the merge; at level {level} it "
                        f"is {kernel} − {stride}",
                    )
            if product != hop_length:
                self.refuse(
                    "merge",
                    f"needs the product of the waveform branch's strides through level {merge} to "
                    f"equal hop_length: {product} ≠ {hop_length}",
                )

    def check_middle(self) -> None:
        """Check what stands between encoders and decoders, and how resolutions become one."""
        spec, output, count = self.spec, self.spec.fusion.output, len(self.spec.resolutions)
        is_merged = spec.merge is not None
        streams = 1 if is_merged else count + (spec.waveform is not None)
        if spec.lstm and (streams > 1 or (spec.spectral and not is_merged)):
            self.refuse(
                "lstm",
                "needs one sequence at the bottleneck: a waveform branch alone, or merged branches",
                "use lstm: null, or attention",
            )
        if spec.decoder_start == "zeros":
            if spec.lstm:
                self.refuse("decoder_start", "zeros would throw the lstm's result away")
            for index, block in enumerate(spec.attention):
                if {BOTTLENECK, f"encoder {spec.depth - 1}"} & set(block.at):
                    message = "decoder_start: zeros would throw its result away"
                    self.refuse(f"attention.{index}.at", message)
        if spec.spectral and count < output.fewest:
            self.refuse(
                "fusion.output.kind",
                f"{output.kind} weighs several resolutions against each other; there is {count}",
                "use kind: sum",
            )

    # Branches

    def spectral_branch(self, index: int, resolution: Resolution) -> BranchPlan:
        spec = self.spec
        assert spec.spectral is not None
        field = f"spectral.resolutions.{index}"
        if resolution.n_fft > spec.n_samples:
            self.refuse(
                field,
                f"n_fft {resolution.n_fft} is longer than the segment: {spec.segment:g} s × "
                f"{spec.sample_rate} Hz = {spec.n_samples} samples",
                "use a smaller n_fft or a longer segment",
            )
        frames = -(-spec.n_samples // resolution.hop_length)
        top = Grid(2 * spec.audio_channels, resolution.n_fft // 2, frames)
        shifts = self.shifts(Axis.ROWS, top, self.kernels, self.strides, field)
        embedding = spec.spectral.frequency_embedding
        table = (
            EmbeddingPlan(shifts[0].inner.rows, self.channels[0], embedding)
            if embedding and shifts
            else None
        )
        shares = "spectral.0" if index and spec.spectral.share else None
        return self.branch(f"spectral.{index}", resolution, table, shifts, shares)

    def waveform_branch(self) -> BranchPlan:
        spec = self.spec
        assert spec.waveform is not None
        kernels, strides = self.waveform_kernels, self.waveform_strides
        fits = tuple(zip(kernels, strides, strict=True)) if spec.padding == "valid" else ()
        front = WaveformFront(spec.waveform, fits)
        top = Grid(spec.audio_channels, 1, front.fitted(spec.n_samples))
        shifts = self.shifts(Axis.FRAMES, top, kernels, strides, "segment")
        return self.branch("waveform", front, None, shifts)

    def shifts(
        self, axis: Axis, top: Grid, kernels: Sizes, strides: Sizes, field: str
    ) -> tuple[Shift, ...]:
        """The shifts of a branch on its own."""
        shifts: list[Shift] = []
        is_padded, outer = self.spec.padding == "same", top
        for level in range(self.outer):
            size = outer.along(axis)
            if axis is Axis.ROWS and size % strides[level]:
                self.refuse(
                    field,
                    f"frequency bins are not divisible by the stride at level {level}: "
                    f"{size} % {strides[level]}",
                    "use fewer levels, smaller strides or a larger n_fft",
                )
                return ()
            kernel, stride, channels = kernels[level], strides[level], self.channels[level]
            shift = Shift.of(axis, kernel, stride, outer, channels, is_padded=is_padded)
            if shift.inner.along(axis) < 1:
                what = "frequency bins" if axis is Axis.ROWS else "samples"
                self.refuse(
                    field, f"no {what} are left at level {level}: {size} are too few for its kernel"
                )
                return ()
            shifts.append(shift)
            outer = shift.inner
        return tuple(shifts)

    def branch(
        self,
        name: str,
        front: Front,
        embedding: EmbeddingPlan | None,
        shifts: tuple[Shift, ...],
        shares: str | None = None,
    ) -> BranchPlan:
        encoder = tuple(self.encoder_level(i, (shift,)) for i, shift in enumerate(shifts))
        decoder = tuple(self.decoder_level(i, (shift,)) for i, shift in enumerate(shifts))
        return BranchPlan(name, front, embedding, encoder, decoder[::-1], shares)

    def trunk(self, spectral: BranchPlan, waveform: BranchPlan) -> TrunkPlan:
        merge = self.outer
        rows = spectral.bottom.rows
        channels = self.channels[merge]
        spectral_shift = Shift(
            Axis.ROWS,
            kernel_size=rows,
            stride=rows,
            padding=0,
            multiple=1,
            outer=spectral.bottom,
            inner=Grid(channels, 1, spectral.bottom.frames),
        )
        kernel, stride = self.waveform_kernels[merge], self.waveform_strides[merge]
        waveform_shift = Shift.of(
            Axis.FRAMES, kernel, stride, waveform.bottom, channels, is_padded=True
        )
        assert waveform_shift.inner == spectral_shift.inner
        levels: list[tuple[Shift, ...]] = [(spectral_shift, waveform_shift)]
        for level in range(merge + 1, self.spec.depth):
            outer, channels = levels[-1][0].inner, self.channels[level]
            kernel, stride = self.kernels[level], self.strides[level]
            shift = Shift.of(Axis.FRAMES, kernel, stride, outer, channels, is_padded=True)
            if shift.inner.frames < 1:
                self.refuse("segment", f"is too short: no frames are left at level {level}")
                self.stop_on_problems()
            levels.append((shift,))
        encoder = [self.encoder_level(merge + i, shifts) for i, shifts in enumerate(levels)]
        decoder = [self.decoder_level(merge + i, shifts) for i, shifts in enumerate(levels)]
        return TrunkPlan(tuple(encoder), tuple(decoder[::-1]))

    def encoder_level(self, level: int, shifts: tuple[Shift, ...]) -> EncoderLevel:
        spec = self.spec
        taps = spec.rewrite.encoder if spec.rewrite else None
        return EncoderLevel(
            shifts,
            self.norm_groups(level),
            spec.activation,
            self.residual(level, is_decoder=False),
            self.context(shifts[0], taps),
        )

    def decoder_level(self, level: int, shifts: tuple[Shift, ...]) -> DecoderLevel:
        spec = self.spec
        taps = spec.rewrite.decoder if spec.rewrite else None
        if level == 0:  # the outermost gives every source its own channels
            outers = [
                replace(s.outer, channels=len(spec.sources) * s.outer.channels) for s in shifts
            ]
            shifts = tuple(replace(s, outer=o) for s, o in zip(shifts, outers, strict=True))
        return DecoderLevel(
            shifts,
            self.norm_groups(level),
            spec.activation if level else None,
            self.residual(level, is_decoder=True),
            self.context(shifts[0], taps),
        )

    def context(self, shift: Shift, taps: int | None) -> tuple[int, int] | None:
        """Taps over rows and frames: over rows too where the level itself runs along them."""
        if taps is None:
            return None
        return (taps, taps) if shift.axis is Axis.ROWS else (1, taps)

    def residual(self, level: int, *, is_decoder: bool) -> ResidualPlan | None:
        options = self.spec.residual
        if options is None or not (options.decoder if is_decoder else options.encoder):
            return None
        lstm, attention = options.lstm, options.attention
        return ResidualPlan(
            self.channels[level],
            self.hidden(options, level),
            tuple(2**index for index in range(self.depths[level])),
            options.init,
            lstm if lstm and level >= lstm.starts else None,
            attention if attention and level >= attention.starts else None,
        )

    # Attention

    def sites(self, apart: Plan) -> tuple[Site, ...]:
        """The places of all blocks, in the order in which audio meets them."""
        depth = self.spec.depth
        order = [f"encoder {level}" for level in range(depth)]
        order += [BOTTLENECK, *(f"decoder {index}" for index in range(depth - 1))]
        used: dict[str, list[int]] = {place: [] for place in order}
        for index, block in enumerate(self.spec.attention):
            for place in block.at:
                if place in used:
                    used[place].append(index)
                else:
                    side, _ = level_of(place)
                    last = depth - 1 if side == "encoder" else depth - 2
                    self.refuse(
                        f"attention.{index}.at",
                        f"there is no {place}: with {depth} levels the last {side} that can "
                        f"attend is {last}",
                    )
        self.stop_on_problems()
        return tuple(
            Site(place, *self.maps(apart, place), tuple(blocks))
            for place, blocks in used.items()
            if blocks
        )

    def maps(self, apart: Plan, place: str) -> tuple[tuple[Grid, ...], int]:
        """The maps that come to a place, and how many of them are resolutions."""
        side, number = level_of(place)
        if side == BOTTLENECK:
            level = self.spec.depth - 1
        else:
            level = number if side == "encoder" else self.spec.depth - 2 - number
        if level >= self.outer:
            assert apart.trunk is not None
            return (apart.trunk.encoder[level - self.outer].output,), 1
        maps = tuple(branch.encoder[level].output for branch in apart.branches)
        return maps, len(apart.spectral)

    def block(self, index: int, options: AttentionOptions, sites: tuple[Site, ...]) -> BlockPlan:
        field = f"attention.{index}"
        places = [site for site in sites if index in site.blocks]
        channels = places[0].maps[0].channels
        kinds = [
            tuple(i < min(1, site.n_spectral) for i in range(len(site.streams))) for site in places
        ]
        for site, kind in zip(places, kinds, strict=True):
            there = site.maps[0].channels
            if there != channels:
                self.refuse(
                    f"{field}.at",
                    f"places share one block's weights, but {places[0].place} has {channels} "
                    f"channels and {site.place} {there}",
                    "give each place a block of its own",
                )
            if kind != kinds[0]:
                self.refuse(
                    f"{field}.at",
                    f"places share one block's weights, but before and after the merge there are "
                    f"{len(kinds[0])} streams at {places[0].place} and {len(kind)} at {site.place}",
                    "give each place a block of its own",
                )
            if options.crosses and len(kind) < 2:
                self.refuse(
                    f"{field}.kind",
                    "crosses between a spectral and a waveform branch; there is one branch at "
                    f"{site.place}",
                    "use kind: self",
                )
        width = options.width or channels
        self.check_width(field, options, width)
        return BlockPlan(options, channels, width, kinds[0])

    def check_width(self, field: str, options: AttentionOptions, width: int) -> None:
        if width % options.heads:
            fitting = [str(heads) for heads in range(1, 17) if width % heads == 0]
            self.refuse(
                f"{field}.heads",
                f"heads {options.heads} do not divide width {width}",
                f"{', '.join(fitting)} heads would",
            )
        if width % 4:
            self.refuse(
                f"{field}.width" if options.width else field,
                f"position tables need a width that 4 divides, found {width}",
            )
