"""Writes fev_lsmeans.json: what SAS prints for LSMEANS on mmrm's FEV1 data.

    python -m tests.reference.make_fev_lsmeans FEV.CSV SAS_LOG_REML.TXT

The data are those of fev.json with race and sex.  The listing is PROC MIXED's as mmrm's
authors keep it in design/SAS/sas_log_reml.txt of github.com/openpharma/mmrm (of June
2022): FEV1 = ARMCD AVISIT ARMCD*AVISIT RACE SEX, DDFM=SATTERTHWAITE, REML, REPEATED
AVISIT / SUBJECT=USUBJID TYPE=UN, LSMEANS AVISIT*ARMCD / PDIFF=ALL CL.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd

from .make_fev import NOTICE

NUMBER = r"\s+(-?[\d.]+)"
NUMBERS = 3 * NUMBER + r"\s+-?[\d.]+\s+<?[\d.]+\s+0.05" + 2 * NUMBER
MEAN = re.compile(r"AVISIT\*ARMCD\s+(VIS\d)\s+(TRT|PBO)" + NUMBERS)
DIFFERENCE = re.compile(
    r"AVISIT\*ARMCD\s+(VIS\d)\s+(TRT|PBO)\s+(VIS\d)\s+(TRT|PBO)" + NUMBERS
)


def main() -> None:
    """Write the file."""
    frame = pd.read_csv(sys.argv[1]).dropna(subset=["FEV1"])
    listing = Path(sys.argv[2]).read_text()
    document = {
        "generator": "make_fev_lsmeans.py",
        "notice": NOTICE.replace("four", "six"),
        "fields": ["estimate", "std_error", "df", "ci_lower", "ci_upper"],
        "data": {
            "subject": [*map(int, frame["USUBJID"].str[2:])],
            "visit": [*frame["AVISIT"]],
            "arm": [*frame["ARMCD"]],
            "race": [*frame["RACE"].str.split().str[0]],
            "sex": [*frame["SEX"]],
            "fev1": [*map(float, frame["FEV1"])],
        },
        "means": [[*m.groups()] for m in MEAN.finditer(listing)],
        "differences": [[*m.groups()] for m in DIFFERENCE.finditer(listing)],
    }
    path = Path(__file__).with_name("fev_lsmeans.json")
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
