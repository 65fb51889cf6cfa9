"""Peak memory of one fit, in a process of its own.

    python memory.py CASE CONTESTANT METHOD

The parent must not be asked: its own peak would hide the fit's.  The data are made
in yet another process and only loaded here, so that scratch space of the simulation
is not counted as available to the fit.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import pickle
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import CASES, Case
from contestant import Contestant
from ours import Ours
from peers import PEERS

HERE = Path(__file__).resolve()
STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclasses.dataclass(frozen=True)
class Peak:
    """Bytes above the data while fitting, and the bytes of the data."""

    extra: int
    data: int

    @property
    def ratio(self) -> float:
        return self.extra / self.data


def measure(case: str, contestant: str, method: str) -> Peak:
    """Start the measuring process and read its answer."""
    command = [sys.executable, str(HERE), case, contestant, method]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:])
    return Peak(**json.loads(done.stdout.splitlines()[-1]))


def _measure_here(name: str, contestant: Contestant, method: str) -> Peak:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.pickle")
        subprocess.run([sys.executable, str(HERE), name, str(path)], check=True)
        with path.open("rb") as stream:
            case: Case = pickle.load(stream)
    small = dataclasses.replace(case, frame=case.frame.head(3000))
    contestant.prepare(small, method)()  # imports and lazy set-up are no data
    # what the estimator is handed is made before the baseline is taken
    fit = contestant.prepare(case, method)
    data = int(case.frame.memory_usage(index=False).sum())
    gc.collect()
    before = _start_of_peak()
    fitted = fit()
    extra = _peak() - before
    del fitted
    return Peak(extra=extra, data=data)


def _start_of_peak() -> int:
    """Forget the peak so far (Linux); elsewhere the peak so far is the baseline."""
    try:
        CLEAR_REFS.write_text("5")
    except OSError:
        pass
    return _peak()


def _peak() -> int:
    if CLEAR_REFS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    if len(sys.argv) == 3:
        with open(sys.argv[2], "wb") as stream:
            pickle.dump(CASES[sys.argv[1]](), stream, protocol=5)
        return
    case, name, method = sys.argv[1:]
    contestant = {c.name: c for c in (Ours(), *PEERS)}[name]
    print(json.dumps(dataclasses.asdict(_measure_here(case, contestant, method))))


if __name__ == "__main__":
    main()
