"""The networks of ImageNet that the studies of photographs measure, and which published ones they stand for."""

from dataclasses import dataclass

from brittle.studies.bench.study import Column, Row


@dataclass(frozen=True)
class View:
    """A network of ImageNet and how it is found.

    Attributes:
        row: what it is called in tables; the paper's name where the paper has it.
        spec: a file of the folder of networks, or `torchvision:NAME`.
        small: most images of X, and most held-out ones, at the small scale.
        stands_for: the papers' network whose figures stand beside its own; "" for that of its own name.
        note: in what it is near to that one, and in what it is not.
        images: file of its images in the folder of data; "" for the sample of ImageNet.
        training: file of the images of X; "" for one half of `images`, of which the other is held out then.
    """

    row: str
    spec: str
    small: tuple[int, int] = (60, 100)
    stands_for: str = ""
    note: str = "Not in the papers."
    images: str = ""
    training: str = ""

    @property
    def huge(self) -> bool:
        """Whether it is measured at the scale of the paper alone: it must be fetched, and a processor takes hours."""
        return self.spec.startswith("torchvision:")

    def as_row(self, more: str = "") -> Row:
        """Return its row of a table; `more` is said after the note."""
        return Row(self.row, f"{self.note} {more}".strip(), self.stands_for)

    def as_column(self, sheet: str) -> Column:
        """Return its column of a table of networks, a percentage."""
        title = f"{self.row}, beside {self.stands_for}" if self.stands_for else self.row
        return Column(self.row, title, "percent", sheet, stands_for=self.stands_for)


MOBILENET_V2 = View(
    "MobileNet v2",
    "mobilenet_v2_1.0_224.pt2",
    stands_for="ResNet-152",
    note="Stands for ResNet-152: residual connections, and the most accurate network at hand; but 53 layers, not 152, "
    "and less accurate.",
)
SQUEEZENET = View(
    "SqueezeNet 1.0",
    "squeezenet1_0.pt2",
    stands_for="CaffeNet",
    note="Stands for CaffeNet: built to the accuracy of AlexNet, of which CaffeNet is a copy, with plain ReLU and no "
    "batch normalisation; but of other modules, with a fiftieth of the weights.",
)
_PLAIN = "a plain stack of one kind of block, of which the family has two sizes; but far smaller, with other blocks"
MOBILENET_192 = View(
    "MobileNet v1 0.75 (192)",
    "mobilenet_v1_0.75_192.pt2",
    stands_for="VGG-19",
    note=f"Stands for VGG-19, the larger: {_PLAIN}, and wider than its sibling where VGG-19 is deeper.",
)
MOBILENET_160 = View(
    "MobileNet v1 0.5 (160)",
    "mobilenet_v1_0.5_160.pt2",
    (100, 200),
    stands_for="VGG-16",
    note=f"Stands for VGG-16, the smaller: {_PLAIN}.",
)
MOBILENET_128 = View(
    "MobileNet v1 0.25 (128)",
    "mobilenet_v1_0.25_128.pt2",
    (200, 500),
    stands_for="VGG-F",
    note="Stands for VGG-F, made to be fast: the fastest network at hand; but less accurate than VGG-F, and so small "
    "that noise alone fools it on two images of five.",
)
GIVEN = (MOBILENET_V2, SQUEEZENET, MOBILENET_192, MOBILENET_160, MOBILENET_128)
"""Networks of the folder of networks; none of them is in the papers. For GoogLeNet none stands: no network at hand has
its branches."""
STAND_INS = (
    "Beside a network stand the published figures of the one that it stands for; its note says in what it is near. No "
    "network at hand stands for GoogLeNet."
)
"""The note of every study whose tables are of networks."""
_FETCHED = "Weights of torchvision, not the paper's; measured at the scale of the paper."
FETCHED = tuple(
    View(name, f"torchvision:{file}", note=_FETCHED)
    for name, file in (
        ("VGG-16", "vgg16"),
        ("VGG-19", "vgg19"),
        ("GoogLeNet", "googlenet"),
        ("ResNet-152", "resnet152"),
    )
)
"""The paper's networks as far as torchvision has them, with weights of its own training."""
