"""Writes testdata/images/sample-*: one tiny picture in every format and kind that the importer tells apart.

Pillow is the independent source: for the header readers the sizes and kinds in samples.json, for the browser's decoder
(e2e/pixels.spec.ts) the upright pixels in decoded.json. Run with Pillow 12 from the top level:
    python src/data/testing/make_image_samples.py
"""
import base64
import json
import random
import struct

from PIL import Image, ImageCms, ImageOps, PngImagePlugin

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


# Red, green and blue of Display P3 in the profile connection space.
P3 = {b"rXYZ": (0.51512, 0.24120, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189), b"bXYZ": (0.15710, 0.06657, 0.78407)}


def profile(colorants=None):
    """LittleCMS's sRGB, with other colorants where they are given; its name stays."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for i in range(struct.unpack(">I", data[128:132])[0]):
        tag, offset, _ = struct.unpack(">4sII", data[132 + 12 * i : 144 + 12 * i])
        for j, value in enumerate((colorants or {}).get(tag, ())):
            data[offset + 8 + 4 * j : offset + 12 + 4 * j] = struct.pack(">i", round(value * 65536))
    return bytes(data)


# Whose values a browser could see otherwise: gamma, 16 bits, and what lies on its side, in every format that can.
DECODED = ("rgb.png", "gamma.png", "p3.png", "deep.png", "orientation6.png", "orientation6.jpg", "orientation3.jpg",
           "orientation6.webp", "lossless.webp")


def decoded(name):
    """Width, height and RGB of a sample as Graft takes it: the stored numbers, upright, the high byte of 16 bits."""
    with Image.open(f"{FOLDER}/sample-{name}") as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "I;16":
            upright = Image.frombytes("L", upright.size, upright.tobytes()[1::2])
        rgb = upright.convert("RGB")
    return {"width": rgb.width, "height": rgb.height, "rgb": base64.b64encode(rgb.tobytes()).decode()}


def main():
    rgb = picture(1)
    rgba = rgb.copy()
    rgba.putalpha(Image.linear_gradient("L").resize((WIDTH, HEIGHT)))
    frames = [picture(seed) for seed in (1, 2, 3)]
    deep = Image.new("I;16", (WIDTH, HEIGHT))
    deep.putdata([(i * 977) % 65536 for i in range(WIDTH * HEIGHT)])
    gamma = PngImagePlugin.PngInfo()
    gamma.add(b"gAMA", struct.pack(">I", 100_000))
    rest = {"save_all": True, "append_images": frames[1:], "duration": 100}
    plain = {"width": WIDTH, "height": HEIGHT, "orientation": 1, "frames": 1, "bitDepth": 8, "alpha": False, "cmyk": False,
             "grey16": False, "colours": None}
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
        ("deep.png", deep, {}, {"format": "png", "bitDepth": 16, "grey16": True}),
        ("animated.png", frames[0], rest, {"format": "png", "frames": 3}),
        ("lossy.webp", rgb, {}, {"format": "webp"}),
        ("lossless.webp", rgb, {"lossless": True}, {"format": "webp"}),
        ("alpha.webp", rgba, {}, {"format": "webp", "alpha": True}),
        ("alpha-lossless.webp", rgba, {"lossless": True, "exact": True}, {"format": "webp", "alpha": True}),
        ("orientation6.webp", rgb, {"exif": exif(6)}, {"format": "webp", "orientation": 6, **turned}),
        ("animated.webp", frames[0], rest, {"format": "webp", "frames": 3}),
        ("still.gif", rgb, {}, {"format": "gif"}),
        ("animated.gif", frames[0], rest, {"format": "gif", "frames": 3}),
        ("gamma.png", rgb, {"pnginfo": gamma}, {"format": "png", "colours": "gamma 1"}),
        ("srgb.jpg", rgb, {"icc_profile": profile()}, {"format": "jpeg"}),
        ("p3.jpg", rgb, {"icc_profile": profile(P3)}, {"format": "jpeg", "colours": "sRGB built-in"}),
        ("p3.png", rgb, {"icc_profile": profile(P3)}, {"format": "png", "colours": "sRGB built-in"}),
        ("p3.webp", rgb, {"icc_profile": profile(P3)}, {"format": "webp", "colours": "sRGB built-in"}),
        ("p3.avif", rgb, {"icc_profile": profile(P3), "quality": 60}, {"format": "avif", "colours": "sRGB built-in"}),
        ("rgb.bmp", rgb, {}, {"format": "bmp"}),
        ("rgb.avif", rgb, {"quality": 60}, {"format": "avif"}),
        ("alpha.avif", rgba, {"quality": 60}, {"format": "avif", "alpha": True}),
        ("animated.avif", frames[0], {**rest, "quality": 30}, {"format": "avif", "frames": 3}),
    ]
    for name, image, options, _ in samples:
        image.save(f"{FOLDER}/sample-{name}", **options)
    rgb.save(f"{FOLDER}/sample-unsupported.tif")
    with open(f"{FOLDER}/decoded.json", "w") as file:
        json.dump({name: decoded(name) for name in DECODED}, file, indent=1)
        file.write("\n")
    with open(f"{FOLDER}/samples.json", "w") as file:
        json.dump({name: {**plain, **differs} for name, _, _, differs in samples}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
