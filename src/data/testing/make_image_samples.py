"""Writes testdata/images/sample-*: one tiny picture in every format and kind that the importer tells apart.

Pillow is the independent source for the header readers: the sizes and kinds are in samples.json. Run with Pillow 12
from the top level:
    python src/data/testing/make_image_samples.py
"""
import json
import random

from PIL import Image

FOLDER = "testdata/images"
WIDTH, HEIGHT = 24, 18


def picture(seed, mode="RGB"):
    rng = random.Random(seed)
    image = Image.new("RGB", (WIDTH, HEIGHT))
    image.putdata([(x * 10, y * 14, rng.randrange(256)) for y in range(HEIGHT) for x in range(WIDTH)])
    return image.convert(mode)


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def main():
    rgb = picture(1)
    rgba = rgb.copy()
    rgba.putalpha(Image.linear_gradient("L").resize((WIDTH, HEIGHT)))
    frames = [picture(seed) for seed in (1, 2, 3)]
    deep = Image.new("I;16", (WIDTH, HEIGHT))
    deep.putdata([(i * 977) % 65536 for i in range(WIDTH * HEIGHT)])
    rest = {"save_all": True, "append_images": frames[1:], "duration": 100}
    plain = {"width": WIDTH, "height": HEIGHT, "orientation": 1, "frames": 1, "bitDepth": 8, "alpha": False, "cmyk": False}
    turned = {"width": HEIGHT, "height": WIDTH}
    # name, picture, options of save, what differs from the plain header
    samples = [
        ("baseline.jpg", rgb, {}, {"format": "jpeg"}),
        ("progressive.jpg", rgb, {"progressive": True}, {"format": "jpeg"}),
        ("grey.jpg", rgb.convert("L"), {}, {"format": "jpeg"}),
        ("cmyk.jpg", rgb.convert("CMYK"), {}, {"format": "jpeg", "cmyk": True}),
        ("orientation3.jpg", rgb, {"exif": exif(3)}, {"format": "jpeg", "orientation": 3}),
        ("orientation6.jpg", rgb, {"exif": exif(6)}, {"format": "jpeg", "orientation": 6, **turned}),
        ("rgb.png", rgb, {}, {"format": "png"}),
        ("rgba.png", rgba, {}, {"format": "png", "alpha": True}),
        ("palette.png", rgb.quantize(16), {}, {"format": "png", "bitDepth": 4}),
        ("transparent-palette.png", rgb.quantize(16), {"transparency": 0}, {"format": "png", "bitDepth": 4, "alpha": True}),
        ("orientation6.png", rgb, {"exif": exif(6)}, {"format": "png", "orientation": 6, **turned}),
        ("deep.png", deep, {}, {"format": "png", "bitDepth": 16}),
        ("animated.png", frames[0], rest, {"format": "png", "frames": 3}),
        ("lossy.webp", rgb, {}, {"format": "webp"}),
        ("lossless.webp", rgb, {"lossless": True}, {"format": "webp"}),
        ("alpha.webp", rgba, {}, {"format": "webp", "alpha": True}),
        ("alpha-lossless.webp", rgba, {"lossless": True, "exact": True}, {"format": "webp", "alpha": True}),
        ("not-turned.webp", rgb, {"exif": exif(6)}, {"format": "webp"}),
        ("animated.webp", frames[0], rest, {"format": "webp", "frames": 3}),
        ("still.gif", rgb, {}, {"format": "gif"}),
        ("animated.gif", frames[0], rest, {"format": "gif", "frames": 3}),
        ("rgb.bmp", rgb, {}, {"format": "bmp"}),
        ("rgb.avif", rgb, {"quality": 60}, {"format": "avif"}),
        ("alpha.avif", rgba, {"quality": 60}, {"format": "avif", "alpha": True}),
        ("animated.avif", frames[0], {**rest, "quality": 30}, {"format": "avif", "frames": 3}),
    ]
    for name, image, options, _ in samples:
        image.save(f"{FOLDER}/sample-{name}", **options)
    rgb.save(f"{FOLDER}/sample-unsupported.tif")
    with open(f"{FOLDER}/samples.json", "w") as file:
        json.dump({name: {**plain, **differs} for name, _, _, differs in samples}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
