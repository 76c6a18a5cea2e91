"""Check this implementation against recorded goldens.

    python check_goldens.py --goldens DIR [NAME ...]        (or SAMTRACK_GOLDENS=DIR)
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from deaot.goldens import GOLDEN_NAMES, check_golden


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goldens", type=Path, default=os.environ.get("SAMTRACK_GOLDENS"))
    parser.add_argument("names", nargs="*", default=list(GOLDEN_NAMES))
    args = parser.parse_args()
    if args.goldens is None:
        parser.error("give --goldens DIR or set SAMTRACK_GOLDENS")
    failures = 0
    for name in args.names:
        for check in check_golden(Path(args.goldens), name):
            failures += not check.passed
            print(f"{'ok  ' if check.passed else 'FAIL'} {name:14s} {check.tap:22s} {check.error:.2e} (tolerance {check.tolerance:.0e})")
    print(f"{failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
