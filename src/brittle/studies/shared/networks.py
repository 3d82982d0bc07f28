"""The networks of digits, small pictures and photographs that several studies measure."""

from brittle.studies.shared.subject import NetworkSource

_MNIST, _CIFAR, _PHOTOGRAPHS = "mnist/test.parquet", "cifar10/test.parquet", "imagenet-sample/val.parquet"
ORIGINS = (
    NetworkSource(
        "LeNet (MNIST)",
        _MNIST,
        ("lenet-mnist.safetensors",),
        "lenet-mnist",
        "mnist/train.parquet",
        (("small", 3), ("paper", None)),
    ),
    NetworkSource(
        "FC500-150-10 (MNIST)",
        _MNIST,
        ("fc500-150-10.safetensors",),
        "fc500-150-10",
        "mnist/train.parquet",
        (("small", 5), ("paper", None)),
    ),
    NetworkSource(
        "NIN (CIFAR-10)",
        _CIFAR,
        ("nin-cifar.safetensors",),
        "nin-cifar",
        "cifar10/train.parquet",
        (("paper", None),),
    ),
    NetworkSource(
        "LeNet (CIFAR-10)",
        _CIFAR,
        ("lenet-cifar.safetensors",),
        "lenet-cifar",
        "cifar10/train.parquet",
        (("small", 5), ("full", 20), ("paper", None)),
    ),
    NetworkSource("SqueezeNet 1.0 (ImageNet)", _PHOTOGRAPHS, ("squeezenet1_0.pt2",), images=100),
    NetworkSource("MobileNet v2 (ImageNet)", _PHOTOGRAPHS, ("mobilenet_v2_1.0_224.pt2",), images=100),
)
"""The networks that several studies measure, in the order of the DeepFool paper's table."""
KERAS = NetworkSource("LeNet from Keras (CIFAR-10)", _CIFAR, ("cifar10_lenet.pt2",))
"""Another LeNet, of 62,006 weights, as it was published with a reimplementation of the one-pixel attack."""
