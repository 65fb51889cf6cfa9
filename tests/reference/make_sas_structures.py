"""Writes sas_structures.json: what SAS prints for mmrm's FEV1 data, structure by structure.

    python -m tests.reference.make_sas_structures DESIGN

DESIGN is the folder design/ of github.com/openpharma/mmrm, where its authors keep the
listings of PROC MIXED: FEV1 with REPEATED AVISIT / SUBJECT=USUBJID, each covariance
structure, some by arm.  Numbers are kept as the texts that were printed.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

NOTICE = (
    "Numbers printed by SAS's PROC MIXED, as kept in design/ of the R package mmrm "
    "(github.com/openpharma/mmrm, commit ec290b269)."
)

# which listings have which TYPE=
LISTINGS = {
    "SAS/sas_ar1_*": "AR(1)",
    "SAS/sas_ar1h_*": "ARH(1)",
    "SAS/sas_cs_*": "CS",
    "SAS/sas_csh_*": "CSH",
    "SAS/sas_toep_*.rtf": "TOEP",
    "SAS/sas_toeph_*": "TOEPH",
    "SAS/sas_adh_*": "ANTE(1)",
    "SAS/sas_log_simple*": "UN",
    "SAS/sas_sp_exp_*": "SP(EXP)(visitn)",
    "SAS/sas_sp_exp2_*": "SP(EXP)(visitn visitn2)",
    "SAS/sas_sp_gau_ml*": "SP(GAU)(visitn)",
    "SAS/sas_sp_gau_reml*": "SP(GAU)(visitn)",
    "SAS/sas_sp_gau2_*": "SP(GAU)(visitn visitn2)",
    "SAS/sas_group_ar1_*": "AR(1)",
    "SAS/sas_group_ar1h_*": "ARH(1)",
    "SAS/sas_group_cs_*": "CS",
    "SAS/sas_group_csh_*": "CSH",
    "SAS/sas_group_toeph_*": "TOEPH",
    "SAS/sas_group_adh_*": "ANTE(1)",
    "SAS/sas_weighted_mmrm_*.rtf": "ANTE(1)",
    "SAS/sas_resid_un_grp*": "UN",
    "SAS/sas_resid_spatial*": "SP(POW)(visitn)",
    "SAS/sas_coef_ci_*_ar1*": "AR(1)",
    "SAS/sas_coef_ci_*_un*": "UN",
    "SAS/sas_sp_gau_kr*": "SP(GAU)(visitn visitn2)",
    "ddfm_covtype/kr*_ar1.txt": "AR(1)",
    "ddfm_covtype/kr*_arh1.txt": "ARH(1)",
    "ddfm_covtype/kr*_cs.txt": "CS",
    "ddfm_covtype/kr*_csh.txt": "CSH",
    "ddfm_covtype/kr*_toep.txt": "TOEP",
    "ddfm_covtype/kr*_toeph.txt": "TOEPH",
    "ddfm_covtype/kr*_adh.txt": "ANTE(1)",
    "ddfm_covtype/kr*_us.txt": "UN",
    "ddfm_covtype/kr*_spexp.txt": "SP(EXP)(visitn visitn2)",
}
ROBUST = {
    "ar1": "AR(1)",
    "arh1": "ARH(1)",
    "cs": "CS",
    "csh": "CSH",
    "toep": "TOEP",
    "toeph": "TOEPH",
    "adh": "ANTE(1)",
    "us": "UN",
    "spexp": "SP(EXP)(visitn visitn2)",
}
TERMS = {1: "arm * baseline", 2: "arm * sex + arm:baseline"}
NUMBER = r"-?\d+\.\d+|-?\d+"
CELLS = re.compile(r"\{([^{}]*?)\\cell\}")


def lines_of(path: Path) -> list[str]:
    """The lines of a listing, also where it was saved as rich text."""
    text = path.read_text(encoding="latin-1")
    if path.suffix != ".rtf":
        return text.splitlines()
    rows = (CELLS.findall(row) for row in re.split(r"\\row\b", text))
    return ["  ".join(row) for row in rows if row]


def page(lines: list[str]) -> dict[str, str]:
    """Of "Model Information" and "Class Level Information"; the reference comes last."""
    names = {
        "method": "Estimation Method",
        "se": "Fixed Effects SE Method",
        "ddfm": "Degrees of Freedom Method",
        "group": "Group Effect",
        "weight": "Weight Variable",
    }
    found = {}
    for key, name in names.items():
        values = [line.split(name)[1].strip() for line in lines if name in line]
        if values:
            found[key] = values[0] if key == "group" else values[0].lower()
    visits = re.search(r"AVISIT\s+4\s+((?:VIS\d\s*){4})", "\n".join(lines))
    if visits:
        found["visits"] = " ".join(visits[1].split())
    return found


def parameters(lines: list[str]) -> Iterator[dict[str, str]]:
    """The rows of "Covariance Parameter Estimates": interval if there is one."""
    row = re.compile(
        rf"\s*(\S+(?:\(\d,\d\))?)\s+(?:USUBJID)?\s+(?:ARMCD (\w+))?\s*({NUMBER})"
        rf"(?:\s+0\.05\s+({NUMBER})\s+({NUMBER}))?\s*$"
    )
    inside = False
    for line in lines:
        inside = inside or "Covariance Parameter Estimates" in line
        if "Fit Statistics" in line:
            return
        match = row.match(line) if inside else None
        if match and match[1][0].isalpha():
            keys = ("name", "arm", "estimate", "lower", "upper")
            yield {k: v for k, v in zip(keys, match.groups(), strict=True) if v}


def coefficients(lines: list[str]) -> Iterator[list[str]]:
    """Name, estimate, standard error and degrees of freedom of the fixed effects."""
    row = re.compile(
        rf"\s*(Intercept|ARMCD|SEX)\s+(\w*?)\s+({NUMBER})\s+({NUMBER})\s+(\d+)\s"
    )
    inside = False
    for line in lines:
        inside = inside or "Solution for Fixed Effects" in line
        if "Type 3" in line:
            return
        match = row.match(line) if inside else None
        if match:
            level = f" {match[2]}" if match[2] else ""
            yield [match[1] + level, match[3], match[4], match[5]]


def exact(path: Path) -> list[str] | None:
    """The difference of the arms once more, with all digits."""
    table = path.with_suffix(".csv")
    if not table.exists():
        return None
    row = rows_of(table)[0]
    return [row["Estimate"], row["StdErr"], row["DF"]]


def sections(lines: list[str]) -> list[list[str]]:
    """One listing may hold several models."""
    starts = [i for i, line in enumerate(lines) if "Model Information" in line]
    ends = [*starts[1:], len(lines)]
    return [lines[a:b] for a, b in zip(starts, ends, strict=True)]


def last_step(lines: list[str]) -> tuple[str, str]:
    """-2 log L and the criterion of the last iteration; rich text lacks both."""
    steps = re.findall(
        r"^\s*\d+\s+\d+\s+(\d+\.\d{8})\s+(\d\.\d{8})", "\n".join(lines), re.MULTILINE
    )
    return steps[-1]


def case(path: Path, lines: list[str], kind: str) -> dict[str, object]:
    """What is kept of one model."""
    value, criterion = last_step(lines)
    found: dict[str, object] = {
        "file": f"{path.parent.name}/{path.name}",
        "type": kind,
        **page(lines),
        "minus_2_log_likelihood": value,
        "criterion": criterion,
        "parameters": list(parameters(lines)),
        "coefficients": list(coefficients(lines)),
    }
    digits = exact(path)
    if digits:
        found["exact"] = digits
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    """A table that SAS wrote with all digits."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def robust(design: Path) -> Iterator[dict[str, str]]:
    """FEV1 = ARMCD with the option EMPIRICAL: difference of the arms."""
    for name, kind in ROBUST.items():
        row = rows_of(design / f"Robust/empirical_{name}_lsmean.csv")[0]
        covariance = rows_of(design / f"Robust/empirical_{name}_covb.csv")
        yield {
            "type": kind,
            "estimate": row["Estimate"],
            "std_error": row["StdErr"],
            "df": row["DF"],
            "intercept_variance": covariance[0]["Col1"],
        }


def terms(design: Path) -> Iterator[dict[str, object]]:
    """Tests of types 2 and 3, TYPE=AR(1), Satterthwaite."""
    for number, fixed in TERMS.items():
        for kind in (2, 3):
            rows = rows_of(design / f"anova/test{kind}_{number}.csv")
            keys = ("Effect", "NumDF", "DenDF", "FValue")
            tests = [[row[key] for key in keys] for row in rows]
            yield {"fixed": fixed, "kind": kind, "tests": tests}


def main() -> None:
    """Write the file."""
    design = Path(sys.argv[1])
    cases = []
    for pattern, kind in LISTINGS.items():
        for path in sorted(design.glob(pattern)):
            if path.suffix in (".txt", ".rtf"):
                cases += [case(path, part, kind) for part in sections(lines_of(path))]
    tables = {"cases": cases, "robust": [*robust(design)], "terms": [*terms(design)]}
    text = f'{{"generator":"make_sas_structures.py","notice":{json.dumps(NOTICE)}'
    for name, table in tables.items():
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in table)
        text += f',\n"{name}":[\n{lines}\n]'
    path = Path(__file__).with_name("sas_structures.json")
    path.write_text(text + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
