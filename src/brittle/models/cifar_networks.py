"""The networks for CIFAR-10 that brittle can build."""

from torch import nn

from brittle.models.normalise import Normalise

CIFAR_SCALE = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
"""Mean and standard deviation of CIFAR-10's training pixels in [0, 1], red, green, blue."""


def lenet_cifar() -> nn.Sequential:
    """LeNet as distributed with MatConvNet for CIFAR-10, 3 x 32 x 32 (the DeepFool paper names no other)."""
    return nn.Sequential(
        Normalise(*CIFAR_SCALE),
        *(nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU()),
        *(nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True)),
        *(nn.Conv2d(64, 64, 4), nn.ReLU(), nn.Conv2d(64, 10, 1), nn.Flatten()),
    )


def _mlpconv(channels: tuple[int, int, int, int], kernel: int) -> list[nn.Module]:
    """A convolution followed by two of 1 x 1, each with ReLU (Lin et al. 2014, section 3.1)."""
    layers: list[nn.Module] = []
    for before, after, size in zip(channels[:-1], channels[1:], (kernel, 1, 1), strict=True):
        layers += [nn.Conv2d(before, after, size, padding=size // 2), nn.ReLU()]
    return layers


def _drawn_by_he(network: nn.Sequential) -> nn.Sequential:
    """Draw the first weights of all convolutions anew, as He et al. 2015 do (equation 10)."""
    for layer in network:
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return network


def nin_cifar() -> nn.Sequential:
    """Network in Network for CIFAR-10, 3 x 32 x 32 (Lin, Chen, Yan 2014): three mlpconv blocks, global average pooling.

    Its last layer has a ReLU before the pooling, as in the authors' network: logits are never negative. First weights
    are drawn as by He et al. 2015, and the last biases are 1, for with torch's own the loss stays where it is: with so
    many layers and a ReLU at the end most logits are 0.
    """
    network = nn.Sequential(
        Normalise(*CIFAR_SCALE),
        *_mlpconv((3, 192, 160, 96), 5),
        *(nn.MaxPool2d(3, 2, ceil_mode=True), nn.Dropout(0.5)),
        *_mlpconv((96, 192, 192, 192), 5),
        *(nn.AvgPool2d(3, 2, ceil_mode=True), nn.Dropout(0.5)),
        *_mlpconv((192, 192, 192, 10), 3),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
    last = [layer for layer in _drawn_by_he(network) if isinstance(layer, nn.Conv2d)][-1]
    nn.init.ones_(last.bias)  # pyright: ignore[reportArgumentType]  # it has one
    return network


def allconv_cifar() -> nn.Sequential:
    """The all-convolutional network for CIFAR-10, 3 x 32 x 32, with the dropout of the one-pixel paper.

    Springenberg et al. 2015 (All-CNN-C); Su, Vargas, Sakurai 2019 take it with a single dropout of 0.3. The seventh
    convolution has stride 1 and no padding, which leaves the 6 x 6 that both papers average over. First weights are
    drawn as by He et al. 2015 (equation 10), for with torch's own the loss stays where it is.
    """
    network = nn.Sequential(
        Normalise(*CIFAR_SCALE),
        *(nn.Conv2d(3, 96, 3, padding=1), nn.ReLU(), nn.Conv2d(96, 96, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(96, 96, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(96, 192, 3, padding=1), nn.ReLU(), nn.Conv2d(192, 192, 3, padding=1), nn.ReLU()),
        *(nn.Dropout(0.3), nn.Conv2d(192, 192, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(192, 192, 3), nn.ReLU(), nn.Conv2d(192, 192, 1), nn.ReLU(), nn.Conv2d(192, 10, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
    return _drawn_by_he(network)


def vgg16_cifar() -> nn.Sequential:
    """VGG16 for CIFAR-10, 3 x 32 x 32, with two layers of 2048 units as in the one-pixel paper.

    Simonyan, Zisserman 2015; Su, Vargas, Sakurai 2019. Deviation: batch normalisation after every convolution, without
    which thirteen of them hardly begin to learn from random weights.
    """
    layers: list[nn.Module] = [Normalise(*CIFAR_SCALE)]
    before = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers,
        *(nn.Flatten(), nn.Linear(512, 2048), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(2048, 2048), nn.ReLU(), nn.Dropout(0.5), nn.Linear(2048, 10)),
    )
