"""Put a version of the model in place: ``python use.py NAME``."""

import shutil
import sys
from pathlib import Path

version = Path("versions", sys.argv[1])
for file in version.iterdir():
    if file.is_dir():
        shutil.copytree(file, file.name, dirs_exist_ok=True)
    else:
        shutil.copy(file, file.name)
print(f"{sys.argv[1]}: {', '.join(sorted(file.name for file in version.iterdir()))}")
