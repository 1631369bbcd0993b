"""Pack everything that the starter's training looks at into one small zip.

    python -m tools.starter.prepare --train-data ../shared/train --debs FOLDER --out atlas.zip

`--train-data` holds `ccp` (people with garments) and `camvid` (streets), as images with label maps. `--debs` holds the
unpacked Debian packages `openclipart-png`, `fonts-noto-color-emoji`, `tuxpaint-stamps-default`, `gcompris-qt-data`,
`gnome-backgrounds`, `mate-backgrounds` and `plasma-workspace-wallpapers` (`dpkg -x PACKAGE.deb FOLDER/PACKAGE`), for
sprites and background photographs.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

NAMES = Path(__file__).parent / "names"
SPRITE_SIZE = 144
PERSON_SIZE = 320
PHOTO_WIDTH, PHOTO_HEIGHT = 640, 448
PHOTO_ACTIVITIES = ("categorization", "clickgame", "erase", "explore_farm_animals", "explore_world_animals")
"""Resource files of gcompris-qt-data whose large pictures are photographs of animals, tools and landscapes."""


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    """An image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def shrink(image: Image.Image, longest: int, *, labels: bool = False) -> Image.Image:
    """Bring the longest side to `longest` pixels; label maps keep their values."""
    scale = longest / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if labels else Image.Resampling.LANCZOS)


def cover(image: Image.Image) -> Image.Image:
    """Cut the middle of a photograph at the size of a background."""
    scale = max(PHOTO_WIDTH / image.width, PHOTO_HEIGHT / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    left, top = (image.width - PHOTO_WIDTH) // 2, (image.height - PHOTO_HEIGHT) // 2
    return image.crop((left, top, left + PHOTO_WIDTH, top + PHOTO_HEIGHT))


def backgrounds(debs: Path) -> list[Path]:
    """The photographs among the background packages, each once: the widest file of every folder of variants."""
    found: dict[str, Path] = {}
    for package in ("gnome-backgrounds", "mate-backgrounds", "plasma-workspace-wallpapers"):
        for path in sorted((debs / package).rglob("*")):
            if path.suffix.lower() not in {".jpg", ".jpeg", ".png", ".webp"} or path.stem == "screenshot":
                continue
            parts = path.parts
            key = str(path.parent.parent.parent) if "contents" in parts else str(path.with_suffix(""))
            with Image.open(path) as image:
                width, height = image.size
            if width > height:
                found.setdefault(key, path)
    return sorted(found.values())


def resources(path: Path) -> list[Image.Image]:
    """The JPEG and WebP photographs in a Qt resource file, where each file's bytes follow their length."""
    held, found = path.read_bytes(), []
    for start in (match.start() for match in re.finditer(rb"\xff\xd8\xff|RIFF....WEBP", held, re.DOTALL)):
        size = int.from_bytes(held[start - 4 : start], "big")
        try:
            image = Image.open(io.BytesIO(held[start : start + size])).convert("RGB")
        except OSError:  # a thumbnail inside another picture has no length of its own before it
            continue
        if min(image.size) >= 240:
            found.append(image)
    return found


def sprite(entry: dict[str, Any], debs: Path, font: ImageFont.FreeTypeFont) -> Image.Image | None:
    """One named picture with an alpha channel, or None where the font has no such glyph."""
    if "codepoint" in entry:
        text = "".join(chr(int(code, 16)) for code in entry["codepoint"].split("-"))
        image = Image.new("RGBA", (160, 160))
        ImageDraw.Draw(image).text((12, 12), text, font=font, embedded_color=True)
    else:
        path = Path(entry["file"])
        image = Image.open(path if path.is_absolute() else debs / path).convert("RGBA")
    box = image.getchannel("A").point(lambda value: 255 if value > 64 else 0).getbbox()
    if box is None or min(box[2] - box[0], box[3] - box[1]) < 12:
        return None
    image = shrink(image.crop(box), SPRITE_SIZE)
    alpha = np.asarray(image.getchannel("A"))
    # A clip art that fills its whole rectangle is a scene, not a thing.
    return None if (alpha > 128).mean() > 0.97 else image


def pack(train_data: Path, debs: Path, out: Path) -> dict[str, int]:
    """Write the zip; returns how many pictures of each kind it holds."""
    font = ImageFont.truetype(
        str(debs / "fonts-noto-color-emoji/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"), 109
    )
    counts: dict[str, int] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive, ThreadPoolExecutor(2) as pool:

        def person(path: Path) -> tuple[str, bytes, bytes]:
            image = shrink(Image.open(path).convert("RGB"), PERSON_SIZE)
            labels = shrink(Image.open(path.parent.parent / "labels" / f"{path.stem}.png"), PERSON_SIZE, labels=True)
            return path.stem, encoded(image, "JPEG", quality=80), encoded(labels, "PNG", optimize=1)

        for stem, image, labels in pool.map(person, sorted((train_data / "ccp/images").glob("*.jpg"))):
            archive.writestr(f"ccp/{stem}.jpg", image)
            archive.writestr(f"ccp/{stem}.png", labels)
            counts["ccp"] = counts.get("ccp", 0) + 1
        for split in ("train", "val"):
            for path in sorted((train_data / "camvid" / split / "images").glob("*.jpg")):
                image = encoded(Image.open(path).convert("RGB"), "JPEG", quality=85)
                archive.writestr(f"camvid-{split}/{path.stem}.jpg", image)
                labels_path = path.parent.parent / "labels" / f"{path.stem}.png"
                archive.writestr(f"camvid-{split}/{path.stem}.png", encoded(Image.open(labels_path), "PNG", optimize=1))
                counts[f"camvid-{split}"] = counts.get(f"camvid-{split}", 0) + 1
        for path in backgrounds(debs):
            with Image.open(path) as photo:
                archive.writestr(
                    f"photos/{path.stem}-{counts.get('photos', 0)}.jpg",
                    encoded(cover(photo.convert("RGB")), "JPEG", quality=85),
                )
            counts["photos"] = counts.get("photos", 0) + 1
        for activity in PHOTO_ACTIVITIES:
            held = resources(debs / f"gcompris-qt-data/usr/share/gcompris-qt/rcc/{activity}.rcc")
            for number, picture in enumerate(held):
                archive.writestr(f"photos/{activity}-{number}.jpg", encoded(cover(picture), "JPEG", quality=85))
            counts["photos"] = counts.get("photos", 0) + len(held)
        kept: list[dict[str, Any]] = []
        for entry in json.loads((NAMES / "sprites.json").read_text()):
            drawn = sprite(entry, debs, font)
            if drawn is None:
                continue
            archive.writestr(f"sprites/{len(kept):04d}.webp", encoded(drawn, "WEBP", quality=80))
            kept.append({"name": entry["name"], "kind": entry["kind"], "photo": entry.get("photo", False)})
        archive.writestr("sprites.json", json.dumps(kept))
        counts["sprites"] = len(kept)
    return counts


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Pack the starter's training pictures into one zip.")
    parser.add_argument("--train-data", type=Path, required=True)
    parser.add_argument("--debs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    print(pack(options.train_data, options.debs, options.out), options.out.stat().st_size)


if __name__ == "__main__":
    main()
