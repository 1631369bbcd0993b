"""How AOT and DeAOT are trained: stages, rates, what decays and what stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

from singleout.nn.backbones.swin import Swin
from singleout.systems.aot.network import AOTNetwork

_WARM_UP = 0.05  # share of the steps
_POWER = 0.9
_ENCODER_SHARE = 0.1
_HARDENING = 0.5  # share of the steps over which the loss comes to look at the hardest pixels only


@dataclass(frozen=True)
class Stage:
    """One stage of training. Steps of the published stages: 100,000, with 16 clips of 5 frames."""

    rate: float  #: the highest learning rate
    least_rate: float  #: that it begins with and ends near
    decay: float  #: of weights
    sequential_share: float | None  #: share of the steps after which own decisions are remembered; None is never
    first_frame_share: float  #: share of the steps over which the loss of the first frame fades out
    merge_probability: float  #: that a second sample is pasted over
    steps: int = 100_000  #: of the whole stage

    @property
    def hardening_steps(self) -> float:
        """Steps until only the hardest pixels count."""
        return _HARDENING * self.steps

    @property
    def sequential_from(self) -> float:
        """The first step at which own decisions are remembered."""
        return float("inf") if self.sequential_share is None else self.sequential_share * self.steps

    def first_frame_weight(self, step: int) -> float:
        """What the loss of the first frame counts."""
        fading = self.steps * self.first_frame_share + 1e-5
        return max(fading - step, 0) / fading

    def rate_of(self, name: str, step: int) -> float:
        """The learning rate of a tensor (our names) at a step."""
        if name.startswith("identity_bank.") and step >= self.sequential_from:
            return 0.0
        warm = int(_WARM_UP * self.steps)
        span = self.rate - self.least_rate
        if step <= warm:
            rate = self.least_rate + span * step / warm
        else:
            rate = self.least_rate + span * (1 - (step - warm) / (self.steps - warm + 1)) ** _POWER
        share = _ENCODER_SHARE if name.startswith("encoder.") else 1.0
        return (rate - self.least_rate) * share + self.least_rate

    def decay_of(self, name: str, num_axes: int, step: int) -> float:
        """The weight decay of a tensor at a step: none for biases, norms, tables of offsets and the last layer."""
        tables = ("relative_value", "relative_position_bias_table")
        if num_axes <= 1 or name.endswith(tables) or name == "decoder.out.weight":
            return 0.0
        if name.startswith("identity_bank.") and step >= self.sequential_from:
            return 0.0
        return self.decay

    def average_decay(self, update: int) -> float:
        """How much of the running average of the weights stays at an update, counted from 1."""
        return min(1 - 1 / (0.1 * self.steps), (1 + update) / (10 + update))


def stage(name: str, network: AOTNetwork) -> Stage:
    """A published stage: "pre" on pictures, "main" on videos (``ytb``, ``pre_ytb``, ``pre_ytb_dav``)."""
    if name == "pre":
        return Stage(4e-4, 2e-5, 0.03, None, 0.1, 1.0)
    least = 2e-5 if network.config.encoder == "mobilenet_v2" else 1e-5
    return Stage(2e-4, least, 0.07, 0.5, 1.0, 0.3)


def freeze(network: AOTNetwork) -> None:
    """Keep the beginning of the encoder as it is, up to stride 4. Swin's first merging of patches is trained."""
    if isinstance(network.encoder, Swin):
        for module in (network.encoder.patch_embed, network.encoder.layers[0]):
            module.requires_grad_(False)
    else:
        network.encoder.freeze_low()
