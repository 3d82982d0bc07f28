"""Files as people have them: each function writes the same twenty images, or the same network, in another way."""

import json
from collections.abc import Callable
from pathlib import Path

import networks
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import save_file


def pixels() -> np.ndarray:
    """The images as bytes, (n, height, width)."""
    return (networks.images()[:, 0] * 255).round().to(torch.uint8).numpy()


def labels() -> np.ndarray:
    with torch.no_grad():
        return networks.reference()(torch.from_numpy(pixels())[:, None] / 255).argmax(1).numpy()


def _folder(folder: Path, make: Callable[[np.ndarray], Image.Image], ending: str = "png", **options) -> str:
    for number, (image, label) in enumerate(zip(pixels(), labels(), strict=True)):
        path = folder / "images" / str(label) / f"{number:02d}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        make(image).save(path, **options)
    return str(folder / "images")


def bytes_in_npz(folder: Path) -> str:
    np.savez(folder / "a.npz", images=pixels()[:, None], labels=labels())
    return str(folder / "a.npz")


def doubles_in_npz(folder: Path) -> str:
    np.savez_compressed(folder / "a.npz", x=pixels()[:, None].astype(np.float64) / 255, y=labels().astype(np.int32))
    return str(folder / "a.npz")


def grey_png(folder: Path) -> str:
    return _folder(folder, Image.fromarray)


def grey_16_bits(folder: Path) -> str:
    return _folder(folder, lambda image: Image.fromarray(image.astype(np.uint16) * 257))


def grey_tiff(folder: Path) -> str:
    return _folder(folder, Image.fromarray, "tif")


def floats_in_tiff(folder: Path) -> str:
    return _folder(folder, lambda image: Image.fromarray(image.astype(np.float32) / 255), "tiff")


def colours_for_grey(folder: Path) -> str:
    return _folder(folder, lambda image: Image.fromarray(image).convert("RGB"))


def with_transparency(folder: Path) -> str:
    return _folder(folder, lambda image: Image.fromarray(image).convert("RGBA"))


def a_few_in_colour(folder: Path) -> str:
    return _folder(
        folder, lambda image: Image.fromarray(image) if image[0, 0] % 2 else Image.fromarray(image).convert("RGB")
    )


def palette(folder: Path) -> str:
    return _folder(folder, lambda image: Image.fromarray(image).convert("P"))


def bitmaps(folder: Path) -> str:
    return _folder(folder, Image.fromarray, "bmp")


def beside_a_notebook(folder: Path) -> str:
    where = Path(_folder(folder, Image.fromarray))
    (where / "0" / ".ipynb_checkpoints").mkdir()
    Image.fromarray(pixels()[0]).save(where / "0" / ".ipynb_checkpoints" / "00-checkpoint.png")
    (where / "0" / "Thumbs.db").write_bytes(b"no image")
    return str(where)


def struct_in_parquet(folder: Path) -> str:
    return _parquet(folder, pa.array([{"bytes": one, "path": "x.png"} for one in _encoded()]))


def views_in_parquet(folder: Path) -> str:
    return _parquet(folder, pa.array(_encoded(), pa.binary_view()))


def dictionary_in_parquet(folder: Path) -> str:
    return _parquet(folder, pa.array(_encoded(), pa.binary()).dictionary_encode())


def numbers_in_parquet(folder: Path) -> str:
    return _parquet(folder, pa.array(pixels().tolist(), pa.list_(pa.list_(pa.uint8()))))


def _encoded() -> list[bytes]:
    import io

    found = []
    for image in pixels():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "png")
        found.append(file.getvalue())
    return found


def _parquet(folder: Path, images: pa.Array) -> str:
    pq.write_table(pa.table({"image": images, "label": labels()}), folder / "a.parquet")
    return str(folder / "a.parquet")


def normalised_in_npz(folder: Path) -> str:
    np.savez(folder / "a.npz", images=(pixels()[:, None] / 255 - 0.5) / 0.25, labels=labels())
    return str(folder / "a.npz")


def whole_numbers_in_floats(folder: Path) -> str:
    np.savez(folder / "a.npz", images=pixels()[:, None].astype(np.float32), labels=labels())
    return str(folder / "a.npz")


def one_hot_labels(folder: Path) -> str:
    np.savez(folder / "a.npz", images=pixels()[:, None], labels=np.eye(4)[labels()])
    return str(folder / "a.npz")


def labels_from_one(folder: Path) -> str:
    np.savez(folder / "a.npz", images=pixels()[:, None], labels=labels() + 1)
    return str(folder / "a.npz")


def whole_numbers_of_32_bits(folder: Path) -> str:
    return _folder(folder, lambda image: Image.fromarray(image.astype(np.int32) * 2**16), "tiff")


DATA = {
    bytes_in_npz: None,
    doubles_in_npz: None,
    grey_png: None,
    grey_16_bits: None,
    grey_tiff: None,
    floats_in_tiff: None,
    colours_for_grey: None,
    with_transparency: None,
    a_few_in_colour: None,
    palette: None,
    bitmaps: None,
    beside_a_notebook: None,
    struct_in_parquet: None,
    views_in_parquet: None,
    dictionary_in_parquet: None,
    numbers_in_parquet: None,
    normalised_in_npz: "normalised",
    whole_numbers_in_floats: "255",
    one_hot_labels: "one-hot|shape",
    labels_from_one: "label",
    whole_numbers_of_32_bits: "white",
}
"""Each way to write the images, and what refuses it where it is refused."""


def _exported(folder: Path, module: torch.nn.Module, dtype: torch.dtype = torch.float32) -> str:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(module, (torch.rand(2, *networks.SHAPE).to(dtype),), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "network.pt2")
    return str(folder / "network.pt2")


def archive(folder: Path) -> str:
    return _exported(folder, networks.reference())


def archive_in_half(folder: Path) -> str:
    return _exported(folder, networks.float16(), torch.float16)


def factory_around_an_archive(folder: Path) -> str:
    archive(folder)
    (folder / "network.py").write_text(
        "from pathlib import Path\n\nimport torch\n\n\ndef make():\n"
        "    return torch.export.load(Path(__file__).with_name('network.pt2')).module()\n"
    )
    return f"{folder / 'network.py'}:make"


def weights_of_halves(folder: Path) -> str:
    save_file({name: one.half() for name, one in networks.reference().state_dict().items()}, folder / "w.safetensors")
    return f"{networks.__file__}:float16"


def pickle(folder: Path) -> str:
    (folder / "network.pth").write_bytes(b"\x80\x02}q\x00.")  # an empty dictionary
    return str(folder / "network.pth")


def text(folder: Path) -> str:
    (folder / "network.pt2").write_text(json.dumps({"no": "network"}))
    return str(folder / "network.pt2")


NETWORKS = {
    archive: None,
    archive_in_half: None,
    factory_around_an_archive: None,
    weights_of_halves: None,
    pickle: "pickle",
    text: "archive|zip",
}
"""The same for networks."""
