"""From decoded pictures to upright 8-bit RGB, for FFmpeg's frames and for Pillow's images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from singleout.media.sources import Frame, Size

if TYPE_CHECKING:
    import av
    from PIL import Image


class Upright(NamedTuple):
    """How to turn a stored picture into the shown one: transpose first, then flip."""

    transpose: bool = False
    flip_vertical: bool = False
    flip_horizontal: bool = False

    def size(self, height: int, width: int) -> Size:
        """The size after turning (or before it: the rule is its own inverse)."""
        return (width, height) if self.transpose else (height, width)

    def apply(self, picture: Frame) -> Frame:
        """The turned picture, contiguous; the very same array where nothing is to be done."""
        if not any(self):
            return picture
        turned = picture.transpose(1, 0, 2) if self.transpose else picture
        turned = turned[::-1] if self.flip_vertical else turned
        turned = turned[:, ::-1] if self.flip_horizontal else turned
        return np.ascontiguousarray(turned)


def upright_of(frame: av.VideoFrame) -> Upright:
    """The turn that the display matrix of a frame asks for; angles between quarter turns are rounded to one.

    The matrix maps a stored point (x, y) to (a x + c y, b x + d y), in 16.16 fixed point.
    """
    from av.sidedata.sidedata import SideData

    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return Upright()
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Upright(False, d < 0, a < 0)
    return Upright(True, b < 0, c < 0)


def frame_to_rgb(frame: av.VideoFrame, size: Size, upright: Upright) -> Frame:
    """A decoded frame as (height, width, 3) uint8 RGB of `size`, its shown size.

    10 bits and more are scaled down to 8; alpha is composited on black; matrix and range are those that the
    frame names, and BT.601 where it names none, as in FFmpeg.
    """
    height, width = upright.size(*size)
    alpha = any(component.is_alpha for component in frame.format.components) or frame.format.has_palette
    shrinks = height * width < frame.height * frame.width
    rgb: npt.NDArray[Any] = frame.reformat(
        width=width,
        height=height,
        format="rgba" if alpha else "rgb24",
        interpolation="AREA" if shrinks else "BICUBIC",
    ).to_ndarray()
    if alpha:
        rgb = on_black(rgb)
    return upright.apply(rgb)


def on_black(rgba: npt.NDArray[np.uint8]) -> Frame:
    """Composite (height, width, 4) uint8 on black; wholly opaque pictures only lose their fourth channel."""
    if bool((rgba[..., 3] == 255).all()):
        return np.ascontiguousarray(rgba[..., :3])
    product = rgba[..., :3].astype(np.uint16) * rgba[..., 3:] + np.uint16(127)
    return (product // 255).astype(np.uint8)


def image_to_rgb(image: Image.Image, size: Size | None = None) -> Frame:
    """A Pillow image of any mode as (height, width, 3) uint8 RGB, EXIF orientation obeyed, alpha on black.

    16-bit grey keeps its upper 8 bits. size: (height, width) to scale to, None for its own.
    """
    from PIL import Image, ImageOps

    if size is not None and image.format in ("JPEG", "MPO"):
        # Lets the decoder leave out what a small picture does not need; never goes below the size asked for.
        longest = max(size)
        image.draft("RGB", (longest, longest))
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        values = np.asarray(image)
        if image.mode == "I" and int(values.max(initial=0)) > 255:
            values = values >> 8
        image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode != "RGB":
        image = image.convert("RGB")
    if image.mode == "RGBA":
        image = Image.fromarray(on_black(np.asarray(image)))
    return resize_image(image, size)


def resize_image(image: Image.Image, size: Size | None) -> Frame:
    """An RGB image at `size` (height, width): averaged when it shrinks, bicubic when it grows."""
    from PIL import Image

    if size is not None and (image.height, image.width) != size:
        shrinks = size[0] * size[1] < image.height * image.width
        image = image.resize((size[1], size[0]), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
    return np.array(image)
