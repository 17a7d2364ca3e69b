"""Print which nodes of a `.tflite` each delegate leaves to the CPU, and why.

python examples/audit_a_file.py model.tflite
"""

from __future__ import annotations

import argparse

from export.audit.model_audit import audit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    for delegate in audit(parser.parse_args().model).delegates:
        print(f"{delegate.title}: {delegate.taken} of {delegate.total} nodes in {delegate.partitions} partitions")
        for reason in sorted({f"{node.operator}: {node.reason}" for node in delegate.refused}):
            print(f"  {reason}")


if __name__ == "__main__":
    main()
