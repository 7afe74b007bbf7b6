"""Fetches the source packages and decodes every picture once into one flat uint8 file (WORK/cache): photographs whole
and as tiles, cut-outs with alpha, glyphs, Fashion-MNIST without the images that ship. Owns the cache's format; knows
nothing of the model. Needs apt-get, dpkg-deb and npm; installs nothing.

    python collect.py --work WORK
"""
import argparse
import hashlib
import io
import json
import random
import re
import subprocess
import zipfile
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import sources
from make_datasets import fashion_shipped_rows, read_idx

SEED = 1
SIDE, TILE, SPRITE = 256, 512, 128  # short side kept; tile cut from the original; cut-outs fit in SPRITE
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".tga", ".bmp")
NOT_PICTURES = re.compile(r"normal|_nm?\.|_norm|_bump|_gloss|_spec|height|_local|_luma|_glow|_emit|_mask|_alpha|sheet|"
                          r"lightmap|_ao\.|rough|metal_|/fonts?/|cursor|lenn?a", re.I)
Image.MAX_IMAGE_PIXELS = 400_000_000


def run(*args, cwd):
    subprocess.run(args, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def fetch(work):
    """Downloads and unpacks what is not there yet; returns {package: version}."""
    debs, packs = work / "debs", work / "npm"
    debs.mkdir(parents=True, exist_ok=True)
    packs.mkdir(exist_ok=True)
    (work / "x").mkdir(exist_ok=True)
    versions = {}
    for name in [*sources.DEBIAN, *sources.FONTS, sources.FASHION]:
        if not list(debs.glob(f"{name}_*.deb")):
            run("apt-get", "download", name, cwd=debs)
        deb = next(debs.glob(f"{name}_*.deb"))
        if not (work / "x" / name).exists():
            run("dpkg-deb", "-x", deb.name, str(work / "x" / name), cwd=debs)
        versions[name] = deb.name.split("_")[1].replace("%3a", ":")
    for name, version in [*((n, v[0]) for n, v in sources.NPM.items()), sources.NOTO]:
        folder = packs / name.replace("/", "-").lstrip("@")
        if not folder.exists():
            run("npm", "pack", f"{name}@{version}", cwd=packs)
            folder.mkdir()
            run("tar", "xzf", f"{folder.name}-{version}.tgz", "-C", folder.name, "--strip", "1", cwd=packs)
        versions[name] = version
    return versions


def licences(work, name):
    """The licence names in a package's copyright file, as its maintainers wrote them."""
    if name in sources.FREE_TEXT_LICENCES:
        return [sources.FREE_TEXT_LICENCES[name]]
    text = (work / "x" / name / "usr/share/doc" / name / "copyright")
    if not text.exists():
        return ["see the package"]
    found = re.findall(r"^License:[ \t]*(\S[^\n]*)", text.read_text(errors="replace"), re.M)
    return sorted(set(f.strip() for f in found)) or ["see the package's copyright file"]


def candidates(folder):
    """Every picture below a folder as (path, member of an archive or None, bytes); of one picture in many sizes the largest.
    Paths are relative to the folder: what is chosen and cut must not depend on where WORK lies."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() in IMAGES:
            found.append((name, None, path.stat().st_size))
        elif path.suffix.lower() in (".pk3", ".zip", ".sh3f", ".jar"):
            try:
                found += [(name, i.filename, i.file_size) for i in zipfile.ZipFile(path).infolist()
                          if i.filename.lower().endswith(IMAGES)]
            except zipfile.BadZipFile:
                continue
    found = [f for f in found if f[2] > 1500 and not NOT_PICTURES.search(f[1] or f[0])]
    largest = {}
    for f in found:
        name = f[1] or f[0]
        key = re.sub(r"\d+x\d+[^/]*$|/\d+x\d+/", "*", name)  # 1920x1080.jpg; icons/64x64/name.png
        if key not in largest or f[2] > largest[key][2]:
            largest[key] = f
    return list(largest.values())


def shrink(picture, short):
    scale = short / min(picture.size)
    if scale >= 1:
        return picture
    return picture.resize([max(1, round(s * scale)) for s in picture.size], Image.BICUBIC, reducing_gap=3)


def cut_out(picture):
    """RGBA, cropped to what is visible, its longer side SPRITE at most."""
    box = picture.getchannel("A").point(lambda a: 255 * (a > 8)).getbbox()
    if box is None:
        return None
    picture = picture.crop(box)
    scale = SPRITE / max(picture.size)
    if scale < 1:
        picture = picture.resize([max(1, round(s * scale)) for s in picture.size], Image.BICUBIC, reducing_gap=3)
    return np.asarray(picture) if min(picture.size) >= 20 else None


def decode(job):
    """One picture -> list of (kind, array [h, w, 3 or 4])."""
    folder, (path, member, _), kind = job
    try:
        file = folder / path
        picture = Image.open(io.BytesIO(zipfile.ZipFile(file).read(member)) if member else file)
        if picture.size[0] * picture.size[1] > 120_000_000:
            return []
        has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
        if has_alpha:
            picture = picture.convert("RGBA")
            clear = (np.asarray(picture.getchannel("A").resize((64, 64), Image.BOX)) < 200).mean()
            if 0.05 < clear < 0.97:
                sprite = cut_out(picture) if min(picture.size) >= 40 else None
                return [] if sprite is None else [("sprite", sprite)]
            if clear >= 0.97:
                return []
        picture = picture.convert("RGB")
        w, h = picture.size
        if kind == "sprite":
            kind = "art"
        if min(w, h) < 100 or max(w, h) > 6 * min(w, h):
            return []
        whole = np.asarray(shrink(picture, SIDE))
        mean = whole.mean((0, 1))
        if whole.std((0, 1)).mean() < 6 or (mean[2] > 215 and abs(mean[0] - 127) < 12 and abs(mean[1] - 127) < 12):
            return []  # empty, or a normal map
        out = [(kind, whole)]
        if min(w, h) >= 800:
            picture = shrink(picture, 2160)
            w, h = picture.size
            spots = [(x, y) for y in range(0, h - TILE + 1, TILE) for x in range(0, w - TILE + 1, TILE)]
            limit = 24 if kind == "photo" else 6
            for x, y in random.Random(f"{SEED} {path} {member}").sample(spots, min(limit, len(spots))):
                tile = picture.crop((x, y, x + TILE, y + TILE)).resize((SIDE, SIDE), Image.BICUBIC)
                tile = np.asarray(tile)
                if tile.std((0, 1)).mean() > 14:
                    out.append((kind, tile))
        return out
    except Exception:  # a damaged or exotic file: one picture less
        return []


def glyphs(work, count=4000):
    rng, out = random.Random(SEED), []
    files = sorted(p for n in sources.FONTS for p in (work / "x" / n).rglob("*") if p.suffix.lower() in (".ttf", ".otf", ".ttc"))
    letters = [chr(c) for c in [*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B), *range(0x3B1, 0x3CA),
                                *range(0x410, 0x450), *range(0x2600, 0x2640)]]
    han = [chr(c) for c in range(0x4E00, 0x6000)]
    while len(out) < count:
        path = rng.choice(files)
        text = rng.choice(han if "ukai" in str(path) else letters)
        font = ImageFont.truetype(str(path), 110)
        mask = Image.new("L", (160, 160))
        ImageDraw.Draw(mask).text((20, 15), text, fill=255, font=font)
        picture = Image.merge("RGBA", [*Image.new("RGB", mask.size, "black").split(), mask])
        sprite = cut_out(picture)
        if sprite is not None:
            out.append(("glyph", sprite))
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, required=True)
    a = p.parse_args()
    versions = fetch(a.work)
    cache = a.work / "cache"
    cache.mkdir(exist_ok=True)
    used, rows, seen, offset = [], [], set(), 0
    with open(cache / "pixels.bin", "wb") as out, Pool(2) as pool:
        def keep(package, kind, array):
            nonlocal offset
            small = np.asarray(Image.fromarray(array).resize((12, 12), Image.BOX))
            key = hashlib.sha1(kind.encode() + (small // 12).tobytes()).digest()
            if key in seen:
                return False  # the same picture in another package or size
            seen.add(key)
            out.write(np.ascontiguousarray(array).tobytes())
            rows.append((package, kind, offset, *array.shape))
            offset += array.size
            return True
        jobs = [(n, k, a.work / "x" / n, cap) for n, (k, cap) in sources.DEBIAN.items()]
        jobs += [(n, "emoji", a.work / "npm" / n.replace("/", "-").lstrip("@") / v[1], 4000)
                 for n, v in sources.NPM.items()]
        for package, kind, folder, cap in jobs:
            found = candidates(folder)
            random.Random(SEED).shuffle(found)
            count = pictures = 0
            for result in pool.imap(decode, [(folder, f, kind) for f in found[:cap]], chunksize=4):
                results = [("emoji" if kind == "emoji" else k, x) for k, x in result]
                kept = sum(keep(package, k, x) for k, x in results)
                count += kept
                pictures += kept > 0
            lic = licences(a.work, package) if package in sources.DEBIAN else [sources.NPM[package][2]]
            used.append({"package": package, "from": "Debian 12" if package in sources.DEBIAN else "npm",
                         "version": versions[package], "kind": kind, "pictures": pictures, "crops": count,
                         "licences": lic})
            print(f"{package:32} {kind:8} {len(found):6} found {pictures:6} used {count:6} cached", flush=True)
        for kind, array in glyphs(a.work):
            keep("fonts", kind, array)
        used += [{"package": n, "from": "Debian 12", "version": versions[n], "kind": "glyph",
                  "licences": licences(a.work, n)} for n in sources.FONTS]
        folder = a.work / "x" / sources.FASHION / "usr/share/datasets/fashion-mnist"
        shipped = {r for rows_of_class in fashion_shipped_rows(folder) for r in rows_of_class}
        images = read_idx(folder / "train-images-idx3-ubyte.gz")
        rest = images[[i for i in range(len(images)) if i not in shipped]]
        np.save(cache / "fashion.npy", rest)
        used.append({"package": sources.FASHION, "from": "Debian 12", "version": versions[sources.FASHION],
                     "kind": "fashion", "pictures": len(rest), "licences": ["Expat (MIT)"]})
    (cache / "index.json").write_text(json.dumps(rows))
    (cache / "sources.json").write_text(json.dumps(used, indent=1) + "\n")
    print(len(rows), "cached,", offset // 1_000_000, "MB")


if __name__ == "__main__":
    main()
