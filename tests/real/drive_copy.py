"""DRIVE's 40 photographs with the masks of both observers, laid out as the challenge has them.

    git clone --bare https://github.com/mipple1986/data DATA.git
    python tests/real/drive_copy.py --data DATA.git --out .real/drive
    bench data verify drive --root .real/drive
    bench evaluate --dataset drive --root .real/drive --predictions .real/drive/DRIVE/test/2nd_manual \
        --name "second observer" --family human

DATA.git is a copy that somebody published, fixed by its commit; the challenge itself asks for an account and keeps the
masks of the test images. Its photographs, masks of the first observer and fields of view are, byte for byte, those of
another published copy (hamdan92/retinal-vessel-segmentation, commit 7952b71).
"""

from __future__ import annotations

import argparse
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

COMMIT = "92b9449a2e7a38dbd4c62825418dafcd5eba4fec"
FOLDERS = {"DRIVE/datasets/training": "training", "DRIVE/datasets/testing": "test"}


def copy(data: Path, out: Path) -> int:
    """Write every file below its folder; how many there were."""
    command = ["git", "-C", str(data), "archive", COMMIT, *FOLDERS]
    count = 0
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as packed,
        tarfile.open(fileobj=packed.stdout, mode="r|") as archive,
    ):
        for member in archive:
            path = PurePosixPath(member.name)
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            split = FOLDERS["/".join(path.parts[:3])]
            place = out / "DRIVE" / split / path.parts[-2] / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read())
            count += 1
    return count


def main() -> None:
    """Read the arguments, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="bare clone of mipple1986/data")
    parser.add_argument("--out", type=Path, default=Path(".real/drive"))
    arguments = parser.parse_args()
    print(f"{copy(arguments.data, arguments.out)} files below {arguments.out}")


if __name__ == "__main__":
    main()
