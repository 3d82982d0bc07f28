"""Networks as people have them: each function makes one, and all that are not refused compute what `reference` does.

Every function is a factory of its own, so that `FILE.py:FUNCTION` opens it from the command line as well.
"""

import warnings
from types import SimpleNamespace

import torch
from torch import Tensor, nn

SHAPE = (1, 6, 6)
CLASSES = 4


def images(count: int = 20) -> Tensor:
    """Images of four classes, each a pattern of its own with noise, in the middle of the box."""
    generator = torch.Generator().manual_seed(11)
    patterns = 0.2 + 0.6 * torch.rand(CLASSES, 1, 2, 2, generator=generator)
    patterns = patterns.repeat_interleave(3, 2).repeat_interleave(3, 3)
    noise = 0.25 * torch.rand(count, *SHAPE, generator=generator)
    return (patterns.repeat(-(-count // CLASSES), 1, 1, 1)[:count] + noise - 0.125).clamp(0, 1)


class Small(nn.Module):
    """A small convolutional network, by whose features every image is nearest to the mean of its class.

    `body` and `head` are what the others take apart.
    """

    input_shape = SHAPE

    def __init__(self, seed: int = 3):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Sequential(
                nn.Conv2d(1, 6, 3, padding=1), nn.Tanh(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2), nn.Flatten()
            )
            self.head = nn.Linear(24, CLASSES)
        self.eval()
        with torch.no_grad():
            means = torch.stack([self.body(images(40)[label::CLASSES] - 0.5).mean(0) for label in range(CLASSES)])
            self.head.weight.copy_(100 * means)
            self.head.bias.copy_(-50 * means.square().sum(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images - 0.5))


class Around(nn.Module):
    """A network with something before and something after it."""

    input_shape = SHAPE

    def __init__(self, before=None, after=None, network: nn.Module | None = None):
        super().__init__()
        self.network = Small() if network is None else network
        self.before, self.after = before, after

    def forward(self, images: Tensor):
        outputs = self.network(images if self.before is None else self.before(images))
        return outputs if self.after is None else self.after(outputs)


class Parts(nn.Module):
    """Body and head in types of their own."""

    input_shape = SHAPE

    def __init__(self, body: torch.dtype, head: torch.dtype, *, casts: bool, head_first: bool = False):
        super().__init__()
        small = Small()
        if head_first:
            self.head = small.head.to(head)
        self.body, self.casts = small.body.to(body), casts
        self.head = small.head.to(head)

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(self.body[0].weight.dtype) if self.casts else images
        return self.head(self.body(images - 0.5).to(self.head.weight.dtype))


def reference():
    return Small()


# Number formats


def float64():
    return Small().double()


def float16():
    return Small().half()


def float16_casting():
    return Around(lambda x: x.half(), lambda z: z.float(), Small().half())


def bfloat16():
    return Small().bfloat16()


def bfloat16_casting():
    return Around(lambda x: x.bfloat16(), None, Small().bfloat16())


def half_body():
    return Parts(torch.float16, torch.float32, casts=True)


def half_body_uncast():
    return Parts(torch.float16, torch.float32, casts=False)


def half_body_behind_a_head():
    return Parts(torch.float16, torch.float32, casts=False, head_first=True)


def half_head():
    return Parts(torch.float32, torch.float16, casts=False)


def half_head_first():
    return Parts(torch.float32, torch.bfloat16, casts=False, head_first=True)


def autocast():
    class Autocast(Small):
        def forward(self, images: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return super().forward(images)

    return Autocast()


def float8():
    network = Small()
    network.head.weight = nn.Parameter(network.head.weight.to(torch.float8_e4m3fn), requires_grad=False)
    return network


# Code that writes where it should not


def multiplies_in_place():
    return Around(lambda x: x.mul_(2), None, Around(lambda x: x / 2))


def subtracts_in_place():
    class Shifted(Small):
        def forward(self, images: Tensor) -> Tensor:
            images.sub_(0.5)
            return self.head(self.body(images))

    return Shifted()


def clamps_in_place():
    return Around(lambda x: x.clamp_(0, 1))


def zeroes_after_use():
    class Zeroing(Small):
        def forward(self, images: Tensor) -> Tensor:
            outputs = super().forward(images.clone())
            images.detach().zero_()
            return outputs

    return Zeroing()


def writes_through_numpy():
    network = Small()

    def answer(images: Tensor) -> Tensor:
        pixels = images.detach().numpy()
        pixels -= 0.5
        with torch.no_grad():
            return network.head(network.body(torch.from_numpy(pixels)))

    vars(answer)["input_shape"] = SHAPE
    return answer


# Compiled, traced, exported, frozen


def compiled():
    return torch.compile(Small(), backend="aot_eager")


def _quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def scripted():
    return _quietly(lambda: torch.jit.script(Small()))


def traced():
    return _quietly(lambda: torch.jit.trace(Small(), torch.rand(2, *SHAPE)))


def frozen():
    return _quietly(lambda: torch.jit.freeze(torch.jit.script(Small())))


def exported():
    batch = torch.export.Dim("batch", min=1, max=4096)
    return torch.export.export(Small(), (torch.rand(2, *SHAPE),), dynamic_shapes=({0: batch},)).module()


def exported_inside():
    return Around(None, None, exported())


def quantised():
    return _quietly(lambda: torch.ao.quantization.quantize_dynamic(Small(), {nn.Linear}))


def without_gradients_of_weights():
    return Small().requires_grad_(False)


def in_training_mode():
    return Small().train()


def channels_last():
    return Small().to(memory_format=torch.channels_last)


def data_parallel():
    return nn.DataParallel(Small())


# Callables, and weights that torch does not see


def plain_function():
    network = Small()
    return lambda images: network(images)


def numpy_service():
    network = Small()

    def answer(images: Tensor) -> Tensor:
        with torch.no_grad():
            return network(torch.from_numpy(images.numpy().copy()))

    return answer


def held_in_a_list():
    class Held(nn.Module):
        input_shape = SHAPE

        def __init__(self):
            super().__init__()
            self.networks = [Small()]

        def forward(self, images: Tensor) -> Tensor:
            return self.networks[0](images)

    return Held()


def no_grad_inside():
    class Silent(Small):
        @torch.no_grad()
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images)

    return Silent()


# Scales, ties, numbers that are none


def tiny_logits():
    return Around(None, lambda z: z * 1e-3)


def huge_logits():
    return Around(None, lambda z: z * 1e3)


def shifted_logits():
    return Around(None, lambda z: z + 100)


def slope_that_is_none():
    def corner(x: Tensor) -> Tensor:
        return x + (x[:, :, :1, :1] * 0).sqrt() * 0  # the value is x, the slope 0 * infinity

    return Around(corner)


def none_in_a_corner_of_the_box():
    class Hole(Small):
        def forward(self, images: Tensor) -> Tensor:
            hole = images[:, 0, 0, 0] > 0.97
            return super().forward(images).masked_fill(hole[:, None], torch.nan)

    return Hole()


def none_everywhere():
    return Around(None, lambda z: z * torch.nan)


def twins():
    """The last class twice: of two equal logits the first one wins."""
    return Around(None, lambda z: torch.cat([z, z[:, -1:]], 1))


def never_chosen():
    """One more class that is never near."""
    return Around(None, lambda z: torch.cat([z, torch.full_like(z[:, :1], -1e4)], 1))


def noisy():
    return Around(lambda x: x + 0.002 * torch.randn_like(x))


# Outputs of other kinds


def object_with_logits():
    return Around(None, lambda z: SimpleNamespace(logits=z))


def mapping_with_logits():
    class Outputs(dict):
        @property
        def logits(self):
            return self["logits"]

    return Around(None, lambda z: Outputs(logits=z))


def tuple_of_outputs():
    return Around(None, lambda z: (z, z))


def softmax():
    return Around(None, lambda z: z.softmax(1))


def softmax_rounded():
    return Around(None, lambda z: (z.softmax(1) * 1e4).round() / 1e4)


def softmax_in_half():
    return Around(None, lambda z: z.half().softmax(1))


def one_sigmoid():
    return Around(None, lambda z: torch.sigmoid(z[:, :1] - z[:, 1:2]))


def one_output():
    return Around(None, lambda z: z[:, :1] - z[:, 1:2])


def class_numbers():
    return Around(None, lambda z: z.argmax(1))


def class_numbers_as_floats():
    return Around(None, lambda z: z.argmax(1).float())


def map_of_logits():
    return Around(None, lambda z: z[:, :, None, None])


def complex_logits():
    return Around(None, lambda z: torch.complex(z, z))


def whole_numbers():
    return Around(None, lambda z: (z * 100).round().long())


def nothing_returned():
    return Around(None, lambda z: None)


def detached():
    return Around(None, lambda z: z.detach())


def hooked():
    network = Small()
    network.head.register_forward_hook(lambda module, inputs, output: output.clone())
    return network


def tied():
    network = Small()
    network.again = network.head
    return network
