"""The command line, as a shell sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_xmixed
from sklearn_xmixed import xtmixed
from sklearn_xmixed.__main__ import main
from sklearn_xmixed.datasets import load_sleepstudy

ROOT = Path(sklearn_xmixed.__file__).parents[1]
COMMAND = "reaction days || subject: days, cov(un)"
SLEEP = load_sleepstudy().frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    SLEEP.to_csv(path / "sleep.csv", index=False)
    SLEEP.to_csv(path / "sleep.tsv", index=False, sep="\t")
    SLEEP.to_stata(path / "sleep.dta", write_index=False)
    SLEEP.to_parquet(path / "sleep.parquet")
    SLEEP.to_feather(path / "sleep.feather")
    (path / "sleep.xyz").write_text((path / "sleep.csv").read_text())
    (path / "broken.dta").write_bytes(b"no Stata file at all")
    return path


def run(*arguments, **options):
    command = [sys.executable, "-m", "sklearn_xmixed", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=120, **options
    )


def test_the_output_is_printed_of_standard_input(folder):
    done = run(COMMAND, "--data", "-", input=(folder / "sleep.csv").read_text())
    assert (done.returncode, done.stderr) == (0, "")
    assert "-875.96967" in done.stdout
    assert done.stdout == str(xtmixed(COMMAND, SLEEP, show=False)) + "\n"


@pytest.mark.slow
def test_a_pipe_that_closes(folder):
    command = (
        f"'{sys.executable}' -m sklearn_xmixed '{COMMAND}' --data sleep.csv | true"
    )
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": str(ROOT)},
        check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode in (0, 141)


@pytest.mark.slow
def test_errors_in_a_shell(folder):
    done = run(
        "reaction days || subject: days, cov(xy)", "--data", folder / "sleep.csv"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "^" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_and_version(capsys):
    for option, told in (
        ("--help", "examples:"),
        ("--version", sklearn_xmixed.__version__),
    ):
        with pytest.raises(SystemExit) as caught:
            main([option])
        assert caught.value.code == 0
        assert told in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["csv", "tsv", "dta", "parquet", "feather"])
def test_kinds_of_files(folder, capsys, kind):
    assert main([COMMAND, "--data", str(folder / f"sleep.{kind}")]) == 0
    assert "-875.96967" in capsys.readouterr().out


def test_formula(folder, capsys):
    data = str(folder / "sleep.csv")
    formula = "reaction ~ days + (days | subject)"
    assert main(["--formula", formula, "--reml", "--data", data]) == 0
    assert "-871.81414" in capsys.readouterr().out


def test_json(folder, capsys):
    data = str(folder / "sleep.csv")
    assert main([COMMAND, "--data", data, "--format", "json", "--level", "90"]) == 0
    found = json.loads(capsys.readouterr().out)
    fit = xtmixed(COMMAND, SLEEP, show=False)
    assert found["log_likelihood"] == fit.log_likelihood_
    assert found["fixed_effects"][0]["term"] == "days"
    assert found["fixed_effects"][0]["estimate"] == fit.coef_[0]
    row = found["variance_components"][0]
    expected = fit.results_.variance_frame("variance", 0.9).iloc[0]
    assert [row["estimate"], row["ci_upper"]] == [expected.estimate, expected.ci_upper]
    assert found["lr_test"]["df"] == 3
    assert found["groups"]["subject"]["n_groups"] == 18


def test_html_into_a_file(folder, capsys):
    output = folder / "out.html"
    arguments = [COMMAND, "--data", str(folder / "sleep.csv"), "--format", "html"]
    assert main([*arguments, "--output", str(output)]) == 0
    assert capsys.readouterr().out == ""
    page = output.read_text()
    assert page.startswith("<!doctype html>")
    assert "<table" in page
    assert main([*arguments, "--output", str(folder / "no" / "out.html")]) == 2


def test_level(folder, capsys):
    data = str(folder / "sleep.csv")
    assert main([COMMAND, "--data", data, "--level", "90"]) == 0
    assert "[90% Conf. Interval]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["reaction days ||", "--data", "sleep.csv"], 2, "^"),
        (["reaction dayz || subject:", "--data", "sleep.csv"], 2, "dayz"),
        ([COMMAND, "--data", "nothing.csv"], 2, "no such file"),
        ([COMMAND, "--data", "sleep.xyz"], 2, "--data-format"),
        ([COMMAND, "--data", "broken.dta"], 2, "cannot be read as dta"),
        (["--formula", "reaction ~ (days", "--data", "sleep.csv"], 2, "not closed"),
        (["--formula", "reaction ~ dayz", "--data", "sleep.csv"], 2, "dayz"),
        (["--formula", "reaction ~ days", "--xtset", "t", "--data", "sleep.csv"], 2, "xtset"),
        ([COMMAND, "--reml", "--data", "sleep.csv"], 2, "reml"),
        ([COMMAND, "--xtset", "a b c", "--data", "sleep.csv"], 2, "xtset"),
    ],
)  # fmt: skip
def test_mistakes(folder, capsys, monkeypatch, arguments, status, message):
    monkeypatch.chdir(folder)
    assert main(arguments) == status
    streams = capsys.readouterr()
    assert streams.out == ""
    assert message in streams.err
    assert streams.err.startswith("sklearn_xmixed: ")


def test_data_format_by_hand(folder, capsys):
    data = str(folder / "sleep.xyz")
    assert main([COMMAND, "--data", data, "--data-format", "csv"]) == 0


def test_a_fit_that_is_no_fit(folder, capsys):
    """One row per group: the output is there, what is wrong is told, the status is 1."""
    path = folder / "single.csv"
    SLEEP.groupby("subject").head(1).assign(z=range(18)).to_csv(path, index=False)
    assert main(["reaction z || subject:", "--data", str(path)]) == 1
    streams = capsys.readouterr()
    assert "Mixed-effects ML regression" in streams.out
    assert "not identified" in streams.err


@pytest.mark.parametrize("level", ["0.9", "100", "x"])
def test_bad_levels(level, capsys):
    with pytest.raises(SystemExit) as caught:
        main([COMMAND, "--data", "x.csv", "--level", level])
    assert caught.value.code == 2
    assert "percentage" in capsys.readouterr().err


def test_lines_after_the_command(folder, capsys):
    data = ["--data", str(folder / "sleep.csv")]
    lines = [
        "margins, at(days=(0 9))",
        "test days",
        "lincom _cons + 9*days",
        "estat ic",
    ]
    then = [word for line in lines for word in ("--then", line)]
    assert main([COMMAND, *data, *then]) == 0
    text = capsys.readouterr().out
    fit = xtmixed(COMMAND, SLEEP, show=False)
    assert text.startswith(str(fit))
    assert f". {lines[0]}\n\n{fit.margins(lines[0])}\n" in text
    assert f". {lines[1]}\n\n{fit.test(lines[1])}\n" in text
    assert main([COMMAND, *data, *then, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [part["line"] for part in document["then"]] == lines
    found = [row["estimate"] for row in document["then"][0]["table"]]
    assert found == pytest.approx(fit.margins(lines[0]).table["estimate"].tolist())
    assert "Prob > chi2" in document["then"][1]["text"]
    assert main([COMMAND, *data, *then, "--format", "html"]) == 0
    html = capsys.readouterr().out
    assert "Adjusted predictions" in html
    assert html.count("<p>. ") == 4


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--then", "margns days"], 2, "a line begins with one of margins, contrast"),
        (["--then", "margins, atx(1)"], 2, "'atx' is not understood"),
        (["--then", "margins", "--formula"], 2, "a formula has none"),
    ],
)
def test_lines_that_are_not_understood(folder, capsys, arguments, status, message):
    data = ["--data", str(folder / "sleep.csv")]
    assert main([COMMAND, *data, *arguments]) == status
    assert message in capsys.readouterr().err
