"""Spec → plan, or the reasons why it cannot be built, each with the field at fault."""

from dataclasses import replace

from msdemucs.spec.attention import BOTTLENECK, AttentionOptions, BlockPlan, level_of
from msdemucs.spec.given import Given, Sizes
from msdemucs.spec.levels import (
    Axis,
    DecoderLevel,
    EncoderLevel,
    Grid,
    ResidualPlan,
    Shift,
    shift,
    shortest,
    with_channels,
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
from msdemucs.spec.schema import Resolution, Spec


def plan(spec: Spec) -> Plan:
    """The plan of a spec.

    Raises:
        PlanError: what cannot be built, each with the field at fault.
    """
    return _Planner(spec).plan()


class _Planner:
    """Derives a plan, or tells `given` what stands in its way."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.given = spec, Given(spec)

    def plan(self) -> Plan:
        spec = self.spec
        self.given.check()
        spectral = tuple(self.spectral_branch(i, r) for i, r in enumerate(spec.resolutions))
        self.given.stop_on_problems()
        waveform = self.waveform_branch() if spec.waveform else None
        self.given.stop_on_problems()
        trunk = self.trunk(spectral[0], waveform) if waveform and self.given.is_merged else None
        apart = Plan(spec, spectral, waveform, trunk, (), (), None, self.shortest(waveform, trunk))
        sites = self.sites(apart)
        blocks = tuple(
            self.block(index, options, sites) for index, options in enumerate(spec.attention)
        )
        self.given.stop_on_problems()
        fuses = len(spectral) > 1 and bool(sites)
        fusion = spec.fusion.bottleneck if fuses else None
        return replace(apart, blocks=blocks, sites=sites, fusion=fusion)

    # Branches

    def spectral_branch(self, index: int, resolution: Resolution) -> BranchPlan:
        spec = self.spec
        assert spec.spectral is not None
        field = f"spectral.resolutions.{index}"
        if resolution.n_fft > spec.n_samples:
            self.given.refuse(
                field,
                f"n_fft {resolution.n_fft} is longer than the segment: {spec.segment:g} s × "
                f"{spec.sample_rate} Hz = {spec.n_samples} samples",
                "use a smaller n_fft or a longer segment",
            )
        frames = -(-spec.n_samples // resolution.hop_length)
        top = Grid(2 * spec.audio_channels, resolution.n_fft // 2, frames)
        shifts = self.shifts(Axis.ROWS, top, self.given.kernels, self.given.strides, field)
        embedding = spec.spectral.frequency_embedding
        table = (
            EmbeddingPlan(shifts[0].inner.rows, self.given.channels[0], embedding)
            if embedding and shifts
            else None
        )
        shares = "spectral.0" if index and spec.spectral.share else None
        return self.branch(f"spectral.{index}", resolution, table, shifts, shares)

    def waveform_branch(self) -> BranchPlan:
        spec = self.spec
        assert spec.waveform is not None
        kernels, strides = self.given.waveform_kernels, self.given.waveform_strides
        fits = tuple(zip(kernels, strides, strict=True)) if spec.padding == "valid" else ()
        front = WaveformFront(spec.waveform, fits)
        top = Grid(spec.audio_channels, 1, front.fitted(spec.n_samples))
        shifts = self.shifts(Axis.FRAMES, top, kernels, strides, "segment")
        return self.branch("waveform", front, None, shifts)

    def shifts(
        self, axis: Axis, top: Grid, kernels: Sizes, strides: Sizes, field: str
    ) -> tuple[Shift, ...]:
        """The shifts of a branch on its own."""
        found: list[Shift] = []
        outer = top
        for level in range(self.given.outer):
            size = outer.along(axis)
            if axis is Axis.ROWS and size % strides[level]:
                self.given.refuse(
                    field,
                    f"frequency bins are not divisible by the stride at level {level}: "
                    f"{size} % {strides[level]}",
                    "use fewer levels, smaller strides or a larger n_fft",
                )
                return ()
            padded = self.spec.padding == "same"
            channels = self.given.channels[level]
            one = shift(axis, kernels[level], strides[level], outer, channels, is_padded=padded)
            if one.inner.along(axis) < 1:
                what = "frequency bins" if axis is Axis.ROWS else "samples"
                self.given.refuse(
                    field, f"no {what} are left at level {level}: {size} are too few for its kernel"
                )
                return ()
            found.append(one)
            outer = one.inner
        return tuple(found)

    def branch(
        self,
        name: str,
        front: Front,
        embedding: EmbeddingPlan | None,
        shifts: tuple[Shift, ...],
        shares: str | None = None,
    ) -> BranchPlan:
        encoder = tuple(self.encoder_level(i, (one,)) for i, one in enumerate(shifts))
        decoder = tuple(self.decoder_level(i, (one,)) for i, one in enumerate(shifts))
        return BranchPlan(name, front, embedding, encoder, decoder[::-1], shares)

    def trunk(self, spectral: BranchPlan, waveform: BranchPlan) -> TrunkPlan:
        merge = self.given.outer
        rows = spectral.bottom.rows
        channels = self.given.channels[merge]
        spectral_shift = Shift(
            Axis.ROWS,
            kernel_size=rows,
            stride=rows,
            padding=0,
            multiple=1,
            outer=spectral.bottom,
            inner=Grid(channels, 1, spectral.bottom.frames),
        )
        kernel, stride = self.given.waveform_kernels[merge], self.given.waveform_strides[merge]
        waveform_shift = shift(
            Axis.FRAMES, kernel, stride, waveform.bottom, channels, is_padded=True
        )
        assert waveform_shift.inner == spectral_shift.inner
        levels: list[tuple[Shift, ...]] = [(spectral_shift, waveform_shift)]
        for level in range(merge + 1, self.spec.depth):
            outer = levels[-1][0].inner
            kernel, stride = self.given.kernels[level], self.given.strides[level]
            one = shift(
                Axis.FRAMES, kernel, stride, outer, self.given.channels[level], is_padded=True
            )
            if one.inner.frames < 1:
                self.given.refuse("segment", f"is too short: no frames are left at level {level}")
                self.given.stop_on_problems()
            levels.append((one,))
        encoder = [self.encoder_level(merge + i, shifts) for i, shifts in enumerate(levels)]
        decoder = [self.decoder_level(merge + i, shifts) for i, shifts in enumerate(levels)]
        return TrunkPlan(tuple(encoder), tuple(decoder[::-1]))

    def encoder_level(self, level: int, shifts: tuple[Shift, ...]) -> EncoderLevel:
        spec = self.spec
        taps = spec.rewrite.encoder if spec.rewrite else None
        return EncoderLevel(
            shifts,
            self.given.norm_groups(level),
            spec.activation,
            self.residual(level, is_decoder=False),
            self.context(shifts[0], taps),
        )

    def decoder_level(self, level: int, shifts: tuple[Shift, ...]) -> DecoderLevel:
        spec = self.spec
        taps = spec.rewrite.decoder if spec.rewrite else None
        if level == 0:
            sources = len(spec.sources)
            shifts = tuple(with_channels(one, sources * one.outer.channels) for one in shifts)
        return DecoderLevel(
            shifts,
            self.given.norm_groups(level),
            spec.activation if level else None,
            self.residual(level, is_decoder=True),
            self.context(shifts[0], taps),
        )

    def context(self, one: Shift, taps: int | None) -> tuple[int, int] | None:
        """Taps over rows and frames: over rows too where the level itself runs along them."""
        if taps is None:
            return None
        return (taps, taps) if one.axis is Axis.ROWS else (1, taps)

    def residual(self, level: int, *, is_decoder: bool) -> ResidualPlan | None:
        options = self.spec.residual
        if options is None or not (options.decoder if is_decoder else options.encoder):
            return None
        lstm, attention = options.lstm, options.attention
        return ResidualPlan(
            self.given.channels[level],
            self.given.hidden(options, level),
            tuple(2**index for index in range(self.given.depths[level])),
            options.init,
            lstm if lstm and level >= lstm.starts else None,
            attention if attention and level >= attention.starts else None,
        )

    def shortest(self, waveform: BranchPlan | None, trunk: TrunkPlan | None) -> int:
        """The fewest samples for which every level has something left."""
        if waveform is None or self.spec.padding == "valid":
            return 1
        deeper = [level.shifts[-1] for level in trunk.encoder] if trunk else []
        return shortest([level.shifts[0] for level in waveform.encoder] + deeper)

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
                    self.given.refuse(
                        f"attention.{index}.at",
                        f"there is no {place}: with {depth} levels the last {side} that can "
                        f"attend is {last}",
                    )
        self.given.stop_on_problems()
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
        if level >= self.given.outer:
            assert apart.trunk is not None
            return (apart.trunk.encoder[level - self.given.outer].output,), 1
        maps = tuple(branch.encoder[level].output for branch in apart.branches)
        return maps, len(apart.spectral)

    def block(self, index: int, options: AttentionOptions, sites: tuple[Site, ...]) -> BlockPlan:
        field = f"attention.{index}"
        own = [site for site in sites if index in site.blocks]
        channels = own[0].maps[0].channels
        kinds = [
            tuple(i < min(1, site.n_spectral) for i in range(len(site.streams))) for site in own
        ]
        for site, kind in zip(own, kinds, strict=True):
            found = site.maps[0].channels
            if found != channels:
                self.given.refuse(
                    f"{field}.at",
                    f"places share one block's weights, but {own[0].place} has {channels} "
                    f"channels and {site.place} {found}",
                    "give each place a block of its own",
                )
            if kind != kinds[0]:
                self.given.refuse(
                    f"{field}.at",
                    f"places share one block's weights, but before and after the merge there are "
                    f"{len(kinds[0])} streams at {own[0].place} and {len(kind)} at {site.place}",
                    "give each place a block of its own",
                )
            if options.crosses and len(kind) < 2:
                self.given.refuse(
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
            self.given.refuse(
                f"{field}.heads",
                f"heads {options.heads} do not divide width {width}",
                f"{', '.join(fitting)} heads would",
            )
        if width % 4:
            self.given.refuse(
                f"{field}.width" if options.width else field,
                f"position tables need a width that 4 divides, found {width}",
            )
