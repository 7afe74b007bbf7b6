"""From the cache to a batch of crops: uint8 [batch, 128, 128, 3], the same for teacher and student. Owns the mixture of
kinds, cropping, compositing and geometric augmentation; colour jitter is in pretrain.py, on whole batches. Batch number
i depends on (seed, i) alone, so a run can be continued anywhere."""
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from torch.utils.data import Dataset

from sources import SHARE

SIDE = 128


class Crops(Dataset):
    def __init__(self, cache, batch, batches, first=0, seed=7):
        cache = Path(cache)
        self.pixels = np.memmap(cache / "pixels.bin", np.uint8, "r")
        self.fashion = np.load(cache / "fashion.npy", mmap_mode="r")
        self.batch, self.batches, self.first, self.seed = batch, batches, first, seed
        by_kind = {}
        for package, kind, *place in json.loads((cache / "index.json").read_text()):
            by_kind.setdefault(kind, {}).setdefault(package, []).append(place)
        # within a kind a package's weight grows with the root of its size: no package drowns the others
        self.places = {k: list(v.values()) for k, v in by_kind.items()}
        self.weights = {k: [len(p) ** 0.6 for p in v] for k, v in self.places.items()}

    def __len__(self):
        return self.batches

    def picture(self, rng, kind):
        offset, h, w, c = rng.choice(rng.choices(self.places[kind], self.weights[kind])[0])
        return Image.fromarray(np.asarray(self.pixels[offset:offset + h * w * c]).reshape(h, w, c))

    def crop(self, rng, picture, smallest):
        w, h = picture.size
        for _ in range(8):
            area = w * h * rng.uniform(smallest, 1.0)
            ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
            cw, ch = (area * ratio) ** 0.5, (area / ratio) ** 0.5
            if cw <= w and ch <= h:
                break
        else:
            cw = ch = min(w, h)
        x, y = rng.uniform(0, w - cw), rng.uniform(0, h - ch)
        return picture.resize((SIDE, SIDE), rng.choice((Image.BICUBIC, Image.BILINEAR)), box=(x, y, x + cw, y + ch))

    def colour(self, rng):
        return tuple(rng.randrange(256) for _ in range(3))

    def ground(self, rng):
        r = rng.random()
        if r < 0.4:
            return Image.new("RGB", (SIDE, SIDE), "white")
        if r < 0.6:
            return Image.new("RGB", (SIDE, SIDE), self.colour(rng))
        return self.crop(rng, self.picture(rng, rng.choice(("photo", "photo", "texture"))), 0.2)

    def composite(self, rng, kind):
        ground = self.ground(rng)
        for _ in range(1 if rng.random() < 0.8 else rng.randint(2, 4)):
            sprite = self.picture(rng, kind).convert("RGBA")  # a few emoji fill their square and have no alpha
            if kind == "glyph":
                sprite = Image.merge("RGBA", [*Image.new("RGB", sprite.size, self.colour(rng)).split(), sprite.getchannel("A")])
            if rng.random() < 0.3:
                sprite = sprite.rotate(rng.uniform(-40, 40), Image.BILINEAR, expand=True)
            scale = SIDE * rng.uniform(0.5, 1.05) / max(sprite.size)
            sprite = sprite.resize([max(4, round(s * scale * rng.uniform(0.9, 1.1))) for s in sprite.size], Image.BILINEAR)
            x, y = ((SIDE - s) // 2 + round(rng.gauss(0, SIDE * 0.08)) for s in sprite.size)
            ground.paste(sprite, (x, y), sprite)
        return ground

    def clothing(self, rng):
        grey = Image.fromarray(np.asarray(self.fashion[rng.randrange(len(self.fashion))]))
        if rng.random() < 0.5:
            m = 28 * rng.uniform(0, 0.15)
            x, y = rng.uniform(0, m), rng.uniform(0, m)
            grey = grey.resize((SIDE, SIDE), Image.BICUBIC, box=(x, y, x + 28 - m, y + 28 - m))
        grey = grey.resize((SIDE, SIDE), Image.BICUBIC)
        if rng.random() < 0.75:
            return grey.convert("RGB")
        tint = Image.new("RGB", grey.size, self.colour(rng))
        return Image.composite(tint, self.ground(rng), grey)

    def one(self, rng):
        kind = rng.choices(list(SHARE), SHARE.values())[0]
        if kind in ("sprite", "emoji", "glyph"):
            out = self.composite(rng, kind)
        elif kind == "fashion":
            out = self.clothing(rng)
        else:
            picture = self.picture(rng, kind)
            if rng.random() < 0.15:
                picture = picture.rotate(rng.uniform(-30, 30), Image.BILINEAR)
                w, h = picture.size
                picture = picture.crop((w // 6, h // 6, w - w // 6, h - h // 6))
            for _ in range(3):  # prefer a crop with something in it
                out = self.crop(rng, picture, 0.12 if kind == "photo" else 0.25)
                if np.asarray(out)[::8, ::8].std() > 20:
                    break
        if rng.random() < 0.5:
            out = out.transpose(Image.FLIP_LEFT_RIGHT)
        if rng.random() < 0.08:
            out = out.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2)))
        return np.asarray(out)

    def __getitem__(self, i):
        rng = random.Random(f"{self.seed} {self.first + i}")
        return np.stack([self.one(rng) for _ in range(self.batch)])
