"""Runs the snippets of the exported cards as they are printed, and compares the models that they make with Graft's logits.

    python scripts/interop/run_snippets.py WORK --library transformers|timm [--families NAME ...]

WORK is what check_exports.py takes; a folder's snippets stand in its README.md or USE.md. Only the words in capitals and the
picture's name are filled in. One line of JSON for each folder on standard output: family, check ("FORMAT-DTYPE-snippet"),
and difference (largest |logit difference| of the snippet's model on Graft's pixels), or error.
"""

import argparse
import re
from pathlib import Path

import torch
from check_exports import attempt, exports, kind_of, largest, say, timm_cannot, unreadable


def snippet_of(folder, names):
    """The Python snippets of a folder, with files for the words in capitals; None when it has none."""
    text = next((path.read_text() for path in (folder / "README.md", folder / "USE.md") if path.exists()), "")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.S))
    for word, path in names.items():
        code = code.replace(word, str(path))
    return code or None


def run(library, work, families):
    from PIL import Image

    photo = work / "photo.jpg"
    Image.linear_gradient("L").resize((97, 61)).convert("RGB").save(photo)
    for family, folder, proof in exports(work, families):
        source = work / family / "source"
        kind = kind_of(folder)
        loads = "timm" if kind == "timm" or (kind == "peft" and kind_of(source) == "timm") else "transformers"
        if loads != library or kind == "onnx":
            continue
        # A tower's snippet needs the whole original in the names of its class; originals of other makes are checked elsewhere.
        names = {"THIS_FOLDER": folder, "FOLDER_OF_THE_ORIGINAL_MODEL": source, "photo.jpg": photo}
        code = snippet_of(folder, names)
        if code is None:
            continue
        if kind == "peft" and not (source / "config.json").exists():
            say(family, f"{folder.name}-snippet", skip="the original lies in a folder of its own")
            continue
        if kind == "peft" and (why := (timm_cannot if loads == "timm" else unreadable)(source)) is not None:
            say(family, f"{folder.name}-snippet", skip=why)
            continue

        def compute():
            space = {"print": lambda *_: None}
            exec(compile(code, f"{folder.name} of {family}", "exec"), space)  # noqa: S102
            model = space["model"] if "model" in space else space["classify"].model
            with torch.no_grad():
                found = model.float()(proof["pixel_values"])
            return largest(getattr(found, "logits", found), proof)

        attempt(family, f"{folder.name}-snippet", compute)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--library", choices=["transformers", "timm"], required=True)
    parser.add_argument("--families", nargs="+", help="default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.library == "timm":
        define_operators = torch.library.Library("torchvision", "DEF")
        for operator in ("nms(Tensor x) -> Tensor", "qnms(Tensor x) -> Tensor"):
            try:
                define_operators.define(operator)
            except RuntimeError:
                pass
    run(options.library, options.work, options.families)
