"""Which spec is a checkpoint's? From its constructor's arguments, or from its tensors' shapes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from msdemucs.errors import DataError, SpecError
from msdemucs.model.importing.checkpoints import Checkpoint, State
from msdemucs.model.importing.names import convert, names_for
from msdemucs.model.separator import build
from msdemucs.spec import Spec, load_spec, parse_spec

Arguments = Mapping[str, object]
Data = dict[str, object]


def spec_of(checkpoint: Checkpoint) -> Spec:
    """The spec of a checkpoint's model.

    Raises:
        DataError: it has no counterpart here, or none that can be told.
    """
    if not checkpoint.klass:
        return _by_shapes(checkpoint)
    constructor = CONSTRUCTORS.get(checkpoint.klass.rpartition(".")[2])
    if constructor is None or not checkpoint.klass.startswith("demucs."):
        known = ", ".join(f"demucs.…{name}" for name in CONSTRUCTORS)
        message = f"holds a model of the class {checkpoint.klass}; what can be imported: {known}"
        raise DataError(message, path=checkpoint.path)
    if checkpoint.klass == "demucs.model.Demucs":
        message = (
            "was made by demucs 2, whose levels pad nothing where those of its successors do; "
            "there is no spec for it"
        )
        raise DataError(message, path=checkpoint.path)
    try:
        return _by_arguments(constructor, checkpoint)
    except (SpecError, TypeError, ValueError) as error:
        message = f"holds a model that no spec describes: {error}"
        raise DataError(message, path=checkpoint.path) from None


# Arguments of the constructors of the package demucs


@dataclass(frozen=True)
class Constructor:
    """What a class of the package demucs is told, and what that is in a spec.

    Attributes:
        data: arguments, defaults filled in → a spec's data.
        defaults: the arguments that may vary, as the class has them.
        fixed: arguments that change the model in ways no spec has → the values that are fine.
        ignored: arguments that change nothing of a trained model while the fixed ones hold.
    """

    data: Callable[[Arguments], Data]
    defaults: Data
    fixed: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()

    def unsupported(self, arguments: Arguments) -> list[str]:
        """What stands in the way, a sentence each."""
        values = {**self.defaults, **arguments}
        faults = [
            f"{name} is {value!r}, only {' or '.join(map(repr, self.fixed[name]))} will do"
            for name, value in values.items()
            if name in self.fixed and value not in self.fixed[name]
        ]
        known = {"sources", *self.defaults, *self.fixed, *self.ignored}
        faults += [f"{name} is not known" for name in arguments if name not in known]
        if "sources" not in arguments:
            faults.append("sources are not told")
        if not faults and "nfft" in values:  # padded there by a fourth of the kernel
            kernel, stride = _int(values["kernel_size"]), _int(values["stride"])
            if stride < 2 or kernel - stride != 2 * (kernel // 4):
                faults.append(f"kernel_size {kernel} with stride {stride} is padded otherwise here")
        return faults


def _by_arguments(constructor: Constructor, checkpoint: Checkpoint) -> Spec:
    """The spec that the arguments describe.

    Raises:
        SpecError: they describe nothing that can be built.
        ValueError: they describe what no spec can.
    """
    faults = constructor.unsupported(checkpoint.arguments)
    if faults:
        raise ValueError("; ".join(faults))
    data = constructor.data({**constructor.defaults, **checkpoint.arguments})
    return parse_spec({"name": checkpoint.title, **data})


def _demucs(arguments: Arguments) -> Data:
    rewrite = {"decoder": 2 * _int(arguments["context"]) + 1} if arguments["rewrite"] else None
    layers = _int(arguments["lstm_layers"])
    return {
        **_common(arguments),
        "kernel_size": arguments["kernel_size"],
        "stride": arguments["stride"],
        "padding": "valid",
        "activation": "gelu" if arguments["gelu"] else "relu",
        "rewrite": rewrite,
        "waveform": {"normalize": False, "resample": 2 if arguments["resample"] else 1},
        "spectral": None,
        "lstm": {"layers": layers} if layers else None,
    }


def _hdemucs(arguments: Arguments) -> Data:
    """The branches merge where the rows left are no more than a kernel is high.

    Raises:
        ValueError: there are not as many levels.
    """
    kernel, stride = _int(arguments["kernel_size"]), _int(arguments["stride"])
    depth, time_stride = _int(arguments["depth"]), _int(arguments["time_stride"])
    rows, merge = _int(arguments["nfft"]) // 2, 0
    while rows > kernel:
        rows, merge = rows // stride, merge + 1
    deeper = depth - merge - 1
    if deeper < 0:
        raise ValueError(f"its {depth} levels are too few to merge at level {merge}")
    return {
        **_spectral(arguments),
        "kernel_size": [*[kernel] * (merge + 1), *[2 * time_stride] * deeper],
        "stride": [*[stride] * (merge + 1), *[time_stride] * deeper],
        "merge": merge,
        "decoder_start": "zeros",
    }


def _htdemucs(arguments: Arguments) -> Data:
    block = {
        "kind": "alternating",
        "cross_first": arguments["t_cross_first"],
        "layers": arguments["t_layers"],
        "heads": arguments["t_heads"],
        "ffn": arguments["t_hidden_scale"],
        "width": arguments["bottom_channels"] or None,
        "dropout": arguments["t_dropout"],
    }
    return {
        **_spectral(arguments),
        "kernel_size": arguments["kernel_size"],
        "stride": arguments["stride"],
        "attention": [block] if arguments["t_layers"] else [],
    }


def _spectral(arguments: Arguments) -> Data:
    """What HDemucs and HTDemucs have in common."""
    n_fft, weight = _int(arguments["nfft"]), arguments["freq_emb"]
    embedding = {
        "weight": weight,
        "scale": arguments["emb_scale"],
        "smooth": arguments["emb_smooth"],
    }
    rewrite = {
        "encoder": 2 * _int(arguments["context_enc"]) + 1,
        "decoder": 2 * _int(arguments["context"]) + 1,
    }
    return {
        **_common(arguments),
        "rewrite": rewrite if arguments["rewrite"] else None,
        "spectral": {
            "resolutions": [{"n_fft": n_fft, "hop_length": n_fft // 4}],
            "frequency_embedding": embedding if weight else None,
        },
    }


def _common(arguments: Arguments) -> Data:
    """What all three have in common."""
    return {
        "sources": arguments["sources"],
        "sample_rate": arguments["samplerate"],
        "audio_channels": arguments["audio_channels"],
        "segment": arguments["segment"],
        "depth": arguments["depth"],
        "channels": _channels(arguments),
        "residual": _residual(arguments),
        "norm": {"starts": arguments["norm_starts"], "groups": arguments["norm_groups"]},
        "init": {"rescale": arguments["rescale"] or None},
    }


def _channels(arguments: Arguments) -> object:
    """Each level as wide as the last times growth, rounded down each time.

    Raises:
        TypeError: growth is no number.
    """
    start, growth = _int(arguments["channels"]), arguments["growth"]
    if not isinstance(growth, int | float):
        raise TypeError(f"growth is {growth!r}")
    if growth == int(growth):
        return {"start": start, "growth": growth}
    widths = [start]
    while len(widths) < _int(arguments["depth"]):
        widths.append(int(growth * widths[-1]))
    return widths


def _residual(arguments: Arguments) -> Data | None:
    mode, depth = _int(arguments["dconv_mode"]), arguments["depth"]
    if not mode:
        return None
    residual: Data = {
        "encoder": bool(mode & 1),
        "decoder": bool(mode & 2),
        "depth": arguments["dconv_depth"],
        "compress": arguments["dconv_comp"],
        "init": arguments["dconv_init"],
    }
    for ours, theirs in (("lstm", "dconv_lstm"), ("attention", "dconv_attn")):
        starts = arguments.get(theirs, depth)  # HTDemucs has neither
        residual[ours] = {"starts": starts} if _int(starts) < _int(depth) else None
    return residual


def _int(value: object) -> int:
    """The value, known to be an integer.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, int):
        raise TypeError(f"{value!r} was found where a whole number belongs")
    return value


EVERYWHERE: Data = {
    "audio_channels": 2,
    "growth": 2,
    "rewrite": True,
    "kernel_size": 8,
    "stride": 4,
    "context": 1,
    "norm_starts": 4,
    "norm_groups": 4,
    "dconv_mode": 1,
    "dconv_depth": 2,
    "rescale": 0.1,
    "samplerate": 44100,
}
SPECTRAL: Data = {
    **EVERYWHERE,
    "channels": 48,
    "nfft": 4096,
    "freq_emb": 0.2,
    "emb_scale": 10,
    "emb_smooth": True,
    "time_stride": 2,
    "context_enc": 0,
}
FIXED_SPECTRAL: dict[str, tuple[object, ...]] = {
    "cac": (True,),
    "multi_freqs": (None, []),
    "channels_time": (None,),
}
UNREAD_SPECTRAL = {"wiener_iters", "end_iters", "wiener_residual", "multi_freqs_depth"}
RECURRENT: Data = {"dconv_comp": 4, "dconv_attn": 4, "dconv_lstm": 4, "dconv_init": 1e-4}

HDEMUCS = Constructor(
    _hdemucs,
    {**SPECTRAL, **RECURRENT, "depth": 6, "segment": 40},
    {**FIXED_SPECTRAL, "hybrid": (True,), "hybrid_old": (False,)},
    frozenset(UNREAD_SPECTRAL),
)

CONSTRUCTORS = {
    "Demucs": Constructor(
        _demucs,
        {
            **EVERYWHERE,
            **RECURRENT,
            "channels": 64,
            "depth": 6,
            "lstm_layers": 0,
            "gelu": True,
            "resample": True,
            "normalize": True,
            "segment": 40,
        },
        {"glu": (True,), "normalize": (False,)},  # there by the mono mixture, padded afterwards
    ),
    "HDemucs": HDEMUCS,
    "WDemucs": HDEMUCS,  # its name for a while
    "HTDemucs": Constructor(
        _htdemucs,
        {
            **SPECTRAL,
            "depth": 4,
            "dconv_comp": 8,
            "dconv_init": 1e-3,
            "bottom_channels": 0,
            "t_layers": 5,
            "t_hidden_scale": 4.0,
            "t_heads": 8,
            "t_dropout": 0.0,
            "t_cross_first": False,
            "segment": 10,
        },
        {
            **FIXED_SPECTRAL,
            "t_emb": ("sin",),
            "t_norm_in": (True,),
            "t_group_norm": (False,),
            "t_norm_first": (True,),
            "t_norm_out": (True,),
            "t_max_period": (10000.0,),
            "t_layer_scale": (True,),
            "t_gelu": (True,),
            "t_weight_pos_embed": (1.0,),
            "t_sin_random_shift": (0,),
            "t_sparse_self_attn": (False,),
            "t_sparse_cross_attn": (False,),
        },
        frozenset(
            {
                *UNREAD_SPECTRAL,
                *("t_max_positions", "t_norm_in_group", "t_weight_decay", "t_lr"),
                *("t_cape_mean_normalize", "t_cape_augment", "t_cape_glob_loc_scale"),
                *("t_mask_type", "t_mask_random_seed", "t_sparse_attn_window"),
                *("t_global_window", "t_sparsity", "t_auto_sparsity"),
                "use_train_segment",  # separation pads each chunk to the segment anyway
            }
        ),
    ),
}


# Shapes


CANDIDATES = (
    *("htdemucs_released", "htdemucs", "htdemucs_6s"),
    *("hdemucs", "hdemucs_high", "hdemucs_medium", "hdemucs_low", "demucs"),
)
"""Systems of the zoo whose weights exist outside."""

LAST_BIAS = re.compile(
    r"(?:tdecoder|time_decoder)\.(\d+)\.conv_tr\.bias|decoder\.(\d+)\.(\d+)\.bias"
)
"""Biases of which the one with the highest numbers belongs to the estimates."""

USUAL_SOURCES = {
    4: ("drums", "bass", "other", "vocals"),
    6: ("drums", "bass", "other", "vocals", "guitar", "piano"),
}
"""The order in which every published model of so many sources has them."""


def _by_shapes(checkpoint: Checkpoint) -> Spec:
    """The system of the zoo whose tensors have just these names and shapes.

    Raises:
        DataError: there is none; the nearest is named.
    """
    count = _count_sources(checkpoint.state)
    usual = tuple(f"source_{index + 1}" for index in range(count))
    sources = list(USUAL_SOURCES.get(count, usual))
    faults: dict[str, list[str]] = {}
    for name in CANDIDATES:
        spec = load_spec(name, overrides={"sources": sources})
        with torch.device("meta"):  # nothing is allocated
            ours = build(spec).state_dict()
            theirs = {key: torch.empty(tensor.shape) for key, tensor in checkpoint.state.items()}
        _, faults[name] = convert(theirs, ours, names_for(checkpoint.state, spec))
        if not faults[name]:
            return spec
    nearest = min(faults, key=lambda name: len(faults[name]))
    message = (
        f"does not say what model it holds, and no system of the zoo has its shapes; the nearest, "
        f"{nearest}, differs in {len(faults[nearest])} tensors: {faults[nearest][0]}. Give the "
        "spec (--spec)"
    )
    raise DataError(message, path=checkpoint.path)


def _count_sources(state: State) -> int:
    """Sources of stereo estimates, from the last bias of the decoder that gives waveforms."""
    biases = [(match, key) for key in state if (match := LAST_BIAS.fullmatch(key))]
    if not biases:
        return 4
    _, key = max(biases, key=lambda pair: [int(n) for n in pair[0].groups() if n])
    return max(1, len(state[key]) // 2)
