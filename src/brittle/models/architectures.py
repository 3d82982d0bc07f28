"""The networks that brittle can build by name; all take images in [0, 1] and return logits."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from torch import nn

from brittle.models.cifar_networks import allconv_cifar, lenet_cifar, nin_cifar, vgg16_cifar
from brittle.models.normalise import Normalise

MNIST_SCALE = ((0.1307,), (0.3081,))
"""Mean and standard deviation of MNIST's training pixels in [0, 1]."""
DIGITS_SCALE = ((0.3,), (0.35,))
"""Mean and standard deviation of scikit-learn's digits, enlarged to 28 x 28; rounded."""


def digits_lenet() -> nn.Sequential:
    """A small LeNet for the digits, 1 x 28 x 28: convolutions of 16 and 32, then 128 units (80 thousand weights)."""
    return nn.Sequential(
        Normalise(*DIGITS_SCALE),
        *(nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def lenet_mnist() -> nn.Sequential:
    """LeNet as distributed with Caffe and MatConvNet for MNIST, 1 x 28 x 28: its only ReLU follows the 500 units."""
    return nn.Sequential(
        Normalise(*MNIST_SCALE),
        *(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2)),
        *(nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)),
    )


def fc500_150_10() -> nn.Sequential:
    """The fully connected MNIST network of the DeepFool paper, 784-500-150-10 with ReLU."""
    return nn.Sequential(
        *(Normalise(*MNIST_SCALE), nn.Flatten()),
        *(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 150), nn.ReLU(), nn.Linear(150, 10)),
    )


def sigmoid_network(*hidden: int) -> nn.Sequential:
    """A fully connected network of sigmoid units for MNIST, 1 x 28 x 28, as in Szegedy et al. 2014, section 4.2.

    784-hidden-...-10 on pixels as they are; without hidden layers a linear classifier. The paper's autoencoder,
    AE400-10, is `sigmoid_network(400)` too: there the hidden layer is trained to give the image back (see
    `brittle.training.autoencoder`).

    Args:
        hidden: units of each hidden layer.

    Example:
        >>> [type(layer).__name__ for layer in sigmoid_network(100)[2:]]
        ['Linear', 'Sigmoid', 'Linear']
    """
    layers: list[nn.Module] = [Normalise((0.0,), (1.0,)), nn.Flatten()]
    for before, after in pairwise((784, *hidden)):
        layers += [nn.Linear(before, after), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear((784, *hidden)[-1], 10))


def mnist_a(part: int = 1) -> nn.Sequential:
    """MNIST-A of the ADef paper, 1 x 28 x 28: the network of Madry et al. 2018 for MNIST.

    Alaifari, Alberti, Gauksson 2019, by their published code: convolutions of 32 and 64 (5 x 5, sizes kept), each with
    ReLU and 2 x 2 pooling, then 1024 units. Pixels are taken as they are; first weights are those of `wide_start`.

    Args:
        part: divides the numbers of channels and units, for a smaller network of the same kind.
    """
    first, second, units = 32 // part, 64 // part, 1024 // part
    return wide_start(
        Normalise((0.0,), (1.0,)),
        *(nn.Conv2d(1, first, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(first, second, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(49 * second, units), nn.ReLU(), nn.Linear(units, 10)),
    )


def mnist_b(part: int = 1) -> nn.Sequential:
    """MNIST-B of the ADef paper, 1 x 28 x 28: network C of Tramer et al. 2018 with the sizes of its layers kept.

    Alaifari, Alberti, Gauksson 2019, by their published code: convolutions of 128 and 64 (3 x 3), dropout of whole
    channels (0.25; of single values in Tramer's code), 128 units, dropout of 0.5. Pixels are taken as they are; first
    weights are those of `wide_start`.

    Args:
        part: divides the numbers of channels and units, for a smaller network of the same kind.
    """
    first, second, units = 128 // part, 64 // part, 128 // part
    return wide_start(
        Normalise((0.0,), (1.0,)),
        *(nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), nn.Conv2d(first, second, 3, padding=1), nn.ReLU()),
        *(nn.Dropout2d(0.25), nn.Flatten(), nn.Linear(784 * second, units), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(units, 10),
    )


def mnist_carlini() -> nn.Sequential:
    """The MNIST network of Carlini & Wagner 2017 (table I), 1 x 28 x 28; one dropout, as in their code."""
    return nn.Sequential(
        Normalise((0.5,), (1.0,)),
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1024, 200), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)),
    )


def wide_start(*layers: nn.Module) -> nn.Sequential:
    """Layers whose first weights are drawn from N(0, 0.1^2) and whose biases begin at 0.1.

    As in the code of Alaifari et al. 2019, after that of Madry et al. 2018 (who cut the distribution off at 0.2).

    Example:
        >>> [round(bias, 6) for bias in wide_start(nn.Linear(2, 3))[0].bias.tolist()]
        [0.1, 0.1, 0.1]
    """
    network = nn.Sequential(*layers)
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.normal_(layer.weight, std=0.1)
            nn.init.constant_(layer.bias, 0.1)
    return network


@dataclass(frozen=True)
class Architecture:
    """A network that can be built by name.

    Attributes:
        name: what the user writes.
        input_shape: channels, height, width.
        classes: number of logits.
        construct: makes the module, with weights drawn from torch's global random state.
        shipped: whether trained weights come with the package.
        digits: whether the classes are the digits 0 to 9.
    """

    name: str
    input_shape: tuple[int, int, int]
    classes: int
    construct: Callable[[], nn.Module]
    shipped: bool = False
    digits: bool = False

    def build(self) -> nn.Module:
        """A new module with random weights, drawn from torch's global random state.

        Example:
            >>> len(ARCHITECTURES["digits-lenet"].build())  # its layers
            11
        """
        return self.construct()


ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture("ae400-10", (1, 28, 28), 10, partial(sigmoid_network, 400), digits=True),
        Architecture("allconv-cifar", (3, 32, 32), 10, allconv_cifar),
        Architecture("digits-lenet", (1, 28, 28), 10, digits_lenet, shipped=True, digits=True),
        Architecture("fc10", (1, 28, 28), 10, sigmoid_network, digits=True),
        Architecture("fc100-100-10", (1, 28, 28), 10, partial(sigmoid_network, 100, 100), digits=True),
        Architecture("fc123-456-10", (1, 28, 28), 10, partial(sigmoid_network, 123, 456), digits=True),
        Architecture("fc200-200-10", (1, 28, 28), 10, partial(sigmoid_network, 200, 200), digits=True),
        Architecture("fc500-150-10", (1, 28, 28), 10, fc500_150_10, digits=True),
        Architecture("lenet-cifar", (3, 32, 32), 10, lenet_cifar),
        Architecture("lenet-mnist", (1, 28, 28), 10, lenet_mnist, digits=True),
        Architecture("mnist-a", (1, 28, 28), 10, mnist_a, digits=True),
        Architecture("mnist-a-quarter", (1, 28, 28), 10, partial(mnist_a, 4), digits=True),
        Architecture("mnist-a-robust", (1, 28, 28), 10, mnist_a, shipped=True, digits=True),
        Architecture("mnist-b", (1, 28, 28), 10, mnist_b, digits=True),
        Architecture("mnist-b-quarter", (1, 28, 28), 10, partial(mnist_b, 4), digits=True),
        Architecture("mnist-carlini", (1, 28, 28), 10, mnist_carlini, digits=True),
        Architecture("nin-cifar", (3, 32, 32), 10, nin_cifar),
        Architecture("vgg16-cifar", (3, 32, 32), 10, vgg16_cifar),
    )
}
"""Every architecture that can be built by name."""
