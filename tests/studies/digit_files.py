"""Files of a few digits, laid out as the studies read them."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from brittle.data import open_source


def write_digits(path, split, count, side=28, mode="L"):
    source = open_source(f"digits:{split}", max_images=count)
    block = next(source.blocks(count))
    cells = []
    for image in block.images:
        buffer = io.BytesIO()
        picture = Image.fromarray((image[0].numpy() * 255).round().astype("uint8")).convert(mode)
        picture.resize((side, side)).save(buffer, "PNG")
        cells.append({"bytes": buffer.getvalue(), "path": ""})
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": pa.array(cells, kind), "label": block.labels.numpy()}), path)
