"""A zip of train/CLASS and test/CLASS from one that has no test images.

    python3 apart.py ALL.zip OUT.zip TRAIN TEST

Of each class the files in order of the SHA-256 of their path: the first TRAIN train, the next TEST are kept apart.
"""

import hashlib
import sys
import zipfile

source, out, train, test = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
classes: dict[str, list[str]] = {}
with zipfile.ZipFile(source) as images, zipfile.ZipFile(out, "w") as apart:
    for path in images.namelist():
        folders = path.split("/")
        if path.lower().endswith((".jpg", ".png")) and len(folders) > 1:
            classes.setdefault(folders[-2], []).append(path)
    for name, paths in sorted(classes.items()):
        paths.sort(key=lambda path: hashlib.sha256(path.encode()).hexdigest())
        for i, path in enumerate(paths[: train + test]):
            split = "train" if i < train else "test"
            # A ZipInfo of its own has a fixed date: the same images give the same bytes.
            apart.writestr(zipfile.ZipInfo(f"{split}/{name}/{path.split('/')[-1]}"), images.read(path))
