"""Pictures of object ids, as masks are given."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.media.cursor import reason
from singleout.media.sources import MAX_PIXELS, check_size


def read_ids(path: str | os.PathLike[str]) -> npt.NDArray[np.int32]:
    """Object ids of a mask picture: (height, width) int32, 0 is background.

    A palette picture keeps its indices, as DAVIS and YouTube-VOS write them. A grey picture (8 or 16 bits) keeps
    its values, but one that has only 0 and 255 is one object, id 1; so is a picture of one bit. Raises InputError
    for RGB and other pictures that do not hold ids, and for JPEG, whose compression changes them.
    """
    from PIL import Image, UnidentifiedImageError

    file = Path(path).expanduser()
    if not file.exists():
        raise InputError(f"{file}: there is no such mask file")
    if file.is_dir():
        raise InputError(f"{file}: this is a folder; give one mask picture, for example a palette PNG")
    try:
        with Image.open(file) as image:
            check_size(str(file), image.width, image.height)
            if image.format in ("JPEG", "MPO"):
                raise InputError(f"{file}: a mask must not be a JPEG, which blurs object ids; save it as PNG")
            mode = image.mode
            if mode not in ("1", "L", "P") and not mode.startswith("I"):
                raise InputError(
                    f"{file}: the picture is in colour, but a mask holds one object id per pixel; save it as a palette "
                    "or grey PNG (0 is background, 1 the first object)"
                )
            values = np.asarray(image)
    except UnidentifiedImageError as error:
        raise InputError(f"{file}: this is not a picture; give a mask as PNG") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{file}: the mask is larger than {MAX_PIXELS / 1e6:.0f} megapixels") from error
    except (OSError, ValueError, SyntaxError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: the mask cannot be read ({reason(error)})") from error
    if mode != "P" and bool(((values == 0) | (values == 255)).all()):
        return (values > 0).astype(np.int32)
    return values.astype(np.int32)
