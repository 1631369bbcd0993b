"""A contact sheet: eight frames of a video at a glance, in one picture."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from singleout.errors import InputError
from singleout.media.atomic import atomic_path

_GAP = 8
_SMALLEST_CELL = 400


class ContactSheet:
    """Keeps evenly chosen frames, the first and the last among them, while a video goes by, and lays them out.

    num_frames: of the video. times: (num_frames,) seconds, written beside the frame number where given. The grid
    is `columns` by `rows`, smaller where the video has fewer frames, and about `width` pixels wide. Frames may be
    added in any order; only the chosen ones are kept, at the size at which they are shown.
    """

    def __init__(
        self,
        num_frames: int,
        times: Sequence[float] | npt.NDArray[np.float64] | None = None,
        *,
        columns: int = 4,
        rows: int = 2,
        width: int = 1600,
    ) -> None:
        if num_frames < 1:
            raise InputError("a contact sheet needs at least one frame")
        if times is not None and len(times) != num_frames:
            raise InputError(f"there are {num_frames} frames but {len(times)} times: give one for each")
        count = min(columns * rows, num_frames)
        self.indices: tuple[int, ...] = tuple(
            int(index) for index in np.linspace(0, num_frames - 1, count).round().astype(int)
        )
        self._times = times
        self._columns = min(columns, count)
        self._width = width
        self._cells: dict[int, Image.Image] = {}

    def wants(self, index: int) -> bool:
        """Whether frame `index` belongs on the sheet, so that others need not be drawn."""
        return index in self.indices

    def add(self, index: int, frame: npt.NDArray[np.uint8]) -> None:
        """Offer frame `index`, (height, width, 3) uint8 RGB; one that was not chosen is ignored."""
        if not self.wants(index):
            return
        image = Image.fromarray(frame)
        most = (self._width - _GAP * (self._columns + 1)) // self._columns
        # A small frame is not blown up over a whole sheet, and a tall one must not make it endless.
        width = min(most, max(image.width, _SMALLEST_CELL))
        scale = min(width / image.width, 2 * width / image.height)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        self._cells[index] = image.resize(size, Image.Resampling.LANCZOS)

    def image(self) -> Image.Image:
        """The sheet so far, as an RGB picture. Raises InputError where no frame was added."""
        if not self._cells:
            raise InputError("the contact sheet is empty: none of its frames was added")
        width = max(cell.width for cell in self._cells.values())
        height = max(cell.height for cell in self._cells.values())
        font = ImageFont.load_default(max(12, width // 24))
        line = int(font.size * 1.5) if isinstance(font, ImageFont.FreeTypeFont) else 16
        rows = -(-len(self.indices) // self._columns)
        size = self._columns * (width + _GAP) + _GAP, rows * (height + line + _GAP) + _GAP
        sheet = Image.new("RGB", size, (24, 24, 24))
        pen = ImageDraw.Draw(sheet)
        for place, index in enumerate(self.indices):
            row, column = divmod(place, self._columns)
            x, y = _GAP + column * (width + _GAP), _GAP + row * (height + line + _GAP)
            cell = self._cells.get(index)
            if cell is not None:
                sheet.paste(cell, (x + (width - cell.width) // 2, y + (height - cell.height) // 2))
            pen.text((x + 2, y + height + line // 8), self._caption(index), font=font, fill=(230, 230, 230))
        return sheet

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sheet as PNG, whole or not at all. Raises InputError where the place cannot be written."""
        with atomic_path(path) as temporary:
            self.image().save(temporary, format="PNG")

    def _caption(self, index: int) -> str:
        if self._times is None:
            return f"frame {index}"
        minutes, seconds = divmod(float(self._times[index]), 60)
        hours, minutes = divmod(int(minutes), 60)
        clock = f"{hours}:{minutes:02d}:{seconds:05.2f}" if hours else f"{minutes}:{seconds:05.2f}"
        return f"frame {index}   {clock}"
