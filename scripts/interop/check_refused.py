"""Runs a folder's continue.py by several command lines that it must refuse, and prints how each ended.

check_refused.py FOLDER LINES   LINES: JSON, a list of lists of arguments; paths in them are of FOLDER.
Prints JSON: for each its exit code and what it said on its standard error; null where it did not end so.
"""

import contextlib
import importlib.util
import io
import json
import os
import sys

from check_readers import torchvision_is_there


def ended(script, line):
    sys.argv, said = ["continue.py", *line], io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            script.main()
    except SystemExit as end:
        return {"code": end.code, "said": said.getvalue()}
    except Exception as error:
        return {"code": None, "said": f"{type(error).__name__}: {error}"}
    return {"code": None, "said": "it ran"}


torchvision_is_there()
os.chdir(sys.argv[1])
lines = json.loads(sys.argv[2])
spec = importlib.util.spec_from_file_location("continued", "continue.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
print(json.dumps([ended(script, line) for line in lines]))
