"""Writes fev.json: mmrm's FEV1 data with what SAS prints for them.

    python -m tests.reference.make_fev FEV.CSV

The data are artificial, those of the R package mmrm 0.3.18 (`write.csv(mmrm::fev_data)`).
SAS's numbers are PROC MIXED's as mmrm's authors keep them in design/KR of
github.com/openpharma/mmrm: FEV1 = ARMCD, REML, REPEATED AVISIT / SUBJECT=USUBJID.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

NOTICE = (
    "Artificial data of the R package mmrm 0.3.18, copyright its authors (openpharma), "
    "under the Apache License 2.0, http://www.apache.org/licenses/LICENSE-2.0; reduced "
    "to four columns and to the rows with a response."
)

# Per coefficient: estimate, standard error, degrees of freedom, as printed; "sum" is the
# mean of the treated.  "exact" is the difference of the arms once more, with all digits.
SAS = [
    {
        "file": "ar1_sat.txt",
        "type": "ar(1)",
        "ddfm": "satterthwaite",
        "method": "satterthwaite",
        "minus_2_log_likelihood": "3855.12433951",
        "treated": ["4.2257", "0.9599", "188"],
        "_cons": ["40.2881", "0.6659", "194"],
        "sum": ["44.5139", "0.6913", "183"],
    },
    {
        "file": "kr_ar1.txt",
        "type": "ar(1)",
        "ddfm": "kenwardroger",
        "method": "kenward-roger-observed",
        "minus_2_log_likelihood": "3855.12433951",
        "treated": ["4.2257", "0.9587", "188"],
        "_cons": ["40.2881", "0.6651", "194"],
        "sum": ["44.5139", "0.6904", "183"],
    },
    {
        "file": "kr1_ar1.txt",
        "type": "ar(1)",
        "ddfm": "kenwardroger(firstorder)",
        "method": "kenward-roger-linear-observed",
        "minus_2_log_likelihood": "3855.12433951",
        "treated": ["4.2257", "0.9606", "188"],
        "_cons": ["40.2881", "0.6664", "194"],
        "sum": ["44.5139", "0.6918", "183"],
    },
    {
        "file": "kr_cs.txt, kr_cs.csv",
        "type": "cs",
        "ddfm": "kenwardroger",
        "method": "kenward-roger-observed",
        "minus_2_log_likelihood": "3890.97896859",
        "treated": ["4.1966", "0.7965", "177"],
        "_cons": ["40.2495", "0.5560", "187"],
        "sum": ["44.4461", "0.5703", "168"],
        "exact": ["4.19663617897035", "0.7964696053595", "177.038485931223"],
    },
    {
        "file": "kr_us.txt",
        "type": "un",
        "ddfm": "kenwardroger",
        "method": "kenward-roger-observed",
        "minus_2_log_likelihood": "3667.96276376",
        "treated": ["3.8197", "0.6612", "161"],
        "_cons": ["41.0058", "0.4547", "162"],
        "sum": ["44.8255", "0.4801", "159"],
        "estimates": {
            "var(e1)": 108.39,
            "cov(e1,e2)": 45.4113,
            "var(e2)": 40.1721,
            "cov(e1,e3)": -2.6971,
            "cov(e2,e3)": 0.7771,
            "var(e3)": 24.6058,
            "cov(e1,e4)": -47.0103,
            "cov(e2,e4)": -13.0998,
            "cov(e3,e4)": 18.7346,
            "var(e4)": 152.36,
        },
    },
]


def main() -> None:
    """Write the file."""
    frame = pd.read_csv(sys.argv[1]).dropna(subset=["FEV1"])
    data = {
        "subject": [*map(int, frame["USUBJID"].str[2:])],
        "visit": [*map(int, frame["VISITN"])],
        "treated": [*map(int, frame["ARMCD"] == "TRT")],
        "fev1": [*map(float, frame["FEV1"])],
    }
    document = {"generator": "make_fev.py", "notice": NOTICE, "data": data, "sas": SAS}
    path = Path(__file__).with_name("fev.json")
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
