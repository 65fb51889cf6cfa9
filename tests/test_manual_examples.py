"""Worked examples 1 to 7 of the manual, every printed number.

A number counts as reproduced when ours lies within half a unit of its last
printed place of it, plus SLACK standard errors: the manual's search ends when
g'H^-1 g < 1e-5, which allows 3e-3 standard errors from the optimum, and its seven
digits show where exactly it stopped.  The optima themselves are checked to 1e-6
against another program in tests/reference.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.conftest import manual_data

# standard errors by which the manual's estimates may be off the optimum
SLACK = {
    # sd(hwy) is 0.0046 with an interval from 0.00003 to 0.8: the likelihood is nearly
    # flat in it, and 1e-5 in the criterion is far away
    "5": 2e-2,
}
USUAL = 3e-5


def place_of(text):
    return float(Decimal(1).scaleb(Decimal(text).as_tuple().exponent))


def printed(actual, text, slack=0.0):
    """Whether a number is what the text says, to the places the text has."""
    off = abs(actual - float(text))
    # the last term: numbers that end in 5 and their binary representation
    allowed = 0.5 * place_of(text) + slack + 1e-12 * abs(actual)
    assert off <= allowed, f"{actual!r} is not the printed {text}"


@cache
def data(name):
    frame = manual_data(name)
    if name == "childweight":
        frame["age2"] = frame["age"] ** 2
        frame["boy"] = 1.0 - frame["girl"]
        frame["boyXage"] = frame["boy"] * frame["age"]
        frame["girlXage"] = frame["girl"] * frame["age"]
    return frame


CHILD = ["age", "age2"]
GENDER = ["girl", "boyXage", "girlXage", "age2"]
STATES = ["private", "emp", "hwy", "water", "other", "unemp"]
MODELS = {
    # data, response, fixed, equations, method
    "1": ("pig", "weight", ["week"], [RandomEffects("id")], "ml"),
    "2": ("pig", "weight", ["week"], [RandomEffects("id", ["week"])], "ml"),
    "2 reml": ("pig", "weight", ["week"], [RandomEffects("id", ["week"])], "reml"),
    "3": (
        "pig",
        "weight",
        ["week"],
        [RandomEffects("id", ["week"], covariance="unstructured")],
        "ml",
    ),
    "4": (
        "productivity",
        "gsp",
        STATES,
        [RandomEffects("region"), RandomEffects("state")],
        "ml",
    ),
    "5": (
        "productivity",
        "gsp",
        STATES,
        [RandomEffects("region", ["hwy", "unemp"]), RandomEffects("state")],
        "ml",
    ),
    "5 blocks": (
        "productivity",
        "gsp",
        STATES,
        [
            RandomEffects("region", ["hwy", "unemp"], covariance="identity"),
            RandomEffects("region"),
            RandomEffects("state"),
        ],
        "ml",
    ),
    "6": ("childweight", "weight", CHILD, [RandomEffects("id", ["age"])], "ml"),
    "6 gender": ("childweight", "weight", GENDER, [RandomEffects("id", ["age"])], "ml"),
    "6 blocks": (
        "childweight",
        "weight",
        GENDER,
        [
            RandomEffects("id", ["boy", "boyXage"], intercept=False),
            RandomEffects("id", ["girl", "girlXage"], intercept=False),
        ],
        "ml",
    ),
    "7": (
        "veneer",
        "gcf",
        ["followup", "base_gcf", "cda", "age"],
        [
            RandomEffects("patient", ["followup"], covariance="unstructured"),
            RandomEffects("tooth"),
        ],
        "reml",
    ),
}

# log likelihood, Wald chi2, its df, Prob > chi2, LR statistic, its df
HEADERS = {
    "1": ("-1014.9268", "25337.49", 1, "0.0000", "472.65", 1),
    "2": ("-869.03825", "4689.51", 1, "0.0000", "764.42", 2),
    "2 reml": ("-870.51473", "4592.10", 1, "0.0000", "765.92", 2),
    "3": ("-868.96185", "4649.17", 1, "0.0000", "764.58", 3),
    "4": ("1430.5017", "18829.06", 6, "0.0000", "1154.73", 2),
    "5": ("1447.6787", "17137.94", 6, "0.0000", "1189.08", 4),
    "5 blocks": ("1447.6784", "17136.65", 6, "0.0000", "1189.08", 3),
    "6": ("-258.51915", "1863.46", 2, "0.0000", "114.70", 2),
    "6 gender": ("-253.182", "1942.30", 4, "0.0000", "104.39", 2),
    "6 blocks": ("-248.94752", "2358.11", 4, "0.0000", "112.86", 4),
    "7": ("-420.92761", "7.48", 4, "0.1128", "91.12", 4),
}

COEFFICIENTS = {
    "1": """
        week 6.209896 .0390124 159.18 0.000 6.133433 6.286359
        _cons 19.35561 .5974059 32.40 0.000 18.18472 20.52651
    """,
    "2": """
        week 6.209896 .0906819 68.48 0.000 6.032163 6.387629
        _cons 19.35561 .3979159 48.64 0.000 18.57571 20.13551
    """,
    "2 reml": """
        week 6.209896 .0916387 67.77 0.000 6.030287 6.389504
        _cons 19.35561 .4021144 48.13 0.000 18.56748 20.14374
    """,
    "3": """
        week 6.209896 .0910745 68.18 0.000 6.031393 6.388399
        _cons 19.35561 .3996387 48.43 0.000 18.57234 20.13889
    """,
    "4": """
        private .2671484 .0212591 12.57 0.000 .2254814 .3088154
        emp .754072 .0261868 28.80 0.000 .7027468 .8053973
        hwy .0709767 .023041 3.08 0.002 .0258172 .1161363
        water .0761187 .0139248 5.47 0.000 .0488266 .1034109
        other -.0999955 .0169366 -5.90 0.000 -.1331906 -.0668004
        unemp -.0058983 .0009031 -6.53 0.000 -.0076684 -.0041282
        _cons 2.128823 .1543854 13.79 0.000 1.826233 2.431413
    """,
    "6": """
        age 7.693701 .2381076 32.31 0.000 7.227019 8.160384
        age2 -1.654542 .0874987 -18.91 0.000 -1.826037 -1.483048
        _cons 3.497628 .1416914 24.68 0.000 3.219918 3.775338
    """,
    "6 gender": """
        girl -.5104676 .2145529 -2.38 0.017 -.9309835 -.0899516
        boyXage 7.806765 .2524583 30.92 0.000 7.311956 8.301574
        girlXage 7.577296 .2531318 29.93 0.000 7.081166 8.073425
        age2 -1.654323 .0871752 -18.98 0.000 -1.825183 -1.483463
        _cons 3.754275 .1726404 21.75 0.000 3.415906 4.092644
    """,
    "7": """
        followup .3009815 1.936863 0.16 0.877 -3.4952 4.097163
        base_gcf -.0183127 .1433094 -0.13 0.898 -.299194 .2625685
        cda -.329303 .5292525 -0.62 0.534 -1.366619 .7080128
        age -.5773932 .2139656 -2.70 0.007 -.9967582 -.1580283
        _cons 45.73862 12.55497 3.64 0.000 21.13133 70.34591
    """,
}

# level, term in the printed metric, estimate, standard error, interval
VARIANCES = {
    "1": """
        id sd(_cons) 3.849352 .4058119 3.130769 4.732866
        Residual sd(Residual) 2.093625 .0755472 1.95067 2.247056
    """,
    "2": """
        id sd(week) .6066851 .0660294 .4901417 .7509396
        id sd(_cons) 2.599301 .2969073 2.077913 3.251515
        Residual sd(Residual) 1.264441 .0487958 1.17233 1.363789
    """,
    "2 reml": """
        id sd(week) .6135475 .0673971 .4947037 .7609413
        id sd(_cons) 2.630134 .3028832 2.09872 3.296107
        Residual sd(Residual) 1.26443 .0487971 1.172317 1.363781
    """,
    "3": """
        id var(week) .3715251 .0812958 .2419532 .570486
        id var(_cons) 6.823363 1.566194 4.351297 10.69986
        id cov(week,_cons) -.0984378 .2545767 -.5973991 .4005234
        Residual var(Residual) 1.596829 .123198 1.372735 1.857505
    """,
    "4": """
        region sd(_cons) .038087 .0170591 .0158316 .091628
        state sd(_cons) .0792193 .0093861 .0628027 .0999273
        Residual sd(Residual) .0366893 .000939 .0348944 .0385766
    """,
    "5": """
        region sd(hwy) .0045717 .0120663 .0000259 .8066567
        region sd(unemp) .0048777 .0013807 .0028007 .0084948
        region sd(_cons) .0550901 .0786743 .0033533 .9050571
        state sd(_cons) .0797859 .0097832 .0627412 .101461
        Residual sd(Residual) .0353108 .0009104 .0335708 .037141
    """,
    "5 blocks": """
        region sd(hwy_unemp) .0048802 .001376 .0028082 .0084809
        region_2 sd(_cons) .0530951 .0286555 .0184356 .1529149
        state sd(_cons) .0797369 .0095999 .0629766 .1009577
        Residual sd(Residual) .0353111 .0009104 .0335712 .0371413
    """,
    "6": """
        id sd(age) .5465535 .075708 .4166057 .7170347
        id sd(_cons) .7087917 .0996506 .5380794 .9336647
        Residual sd(Residual) .5561382 .0426951 .4784488 .6464426
    """,
    "6 gender": """
        id sd(age) .5265782 .0730408 .4012307 .6910851
        id sd(_cons) .6385054 .0969921 .4740922 .8599364
        Residual sd(Residual) .5596163 .0426042 .4820449 .6496707
    """,
    "6 blocks": """
        id sd(boy) .5622358 .138546 .3468691 .9113211
        id sd(boyXage) .6880757 .1144225 .4966919 .9532031
        id_2 sd(girl) .7614904 .1286769 .5467994 1.060476
        id_2 sd(girlXage) .257805 .1073047 .1140251 .582884
        Residual sd(Residual) .5548717 .0418872 .4785591 .6433534
    """,
    "7": """
        patient sd(followup) 6.472072 1.452392 4.168943 10.04756
        patient sd(_cons) 22.91255 5.521438 14.28736 36.74472
        patient corr(followup,_cons) -.9469371 .0394744 -.9878843 -.7827271
        tooth sd(_cons) 6.888932 1.207033 4.886635 9.711668
        Residual sd(Residual) 6.990496 .7513934 5.662578 8.629822
    """,
}

# name: groups, minimum, average, maximum of observations per group
GROUPS = {
    "1": {"id": (48, 9, "9.0", 9)},
    "4": {"region": (9, 51, "90.7", 136), "state": (48, 17, "17.0", 17)},
    "6": {"id": (68, 1, "2.9", 5)},
    "7": {"patient": (12, 2, "9.2", 12), "tooth": (55, 2, "2.0", 2)},
}


@cache
def fitted(name):
    table, response, fixed, equations, method = MODELS[name]
    frame = data(table)
    model = MixedLinearRegressor(equations, fixed=fixed, method=method)
    return model.fit(frame.drop(columns=response), frame[response])


def rows(table):
    return [
        pytest.param(
            name, line.split(), id=f"{name}-{line.split()[0]}-{line.split()[1]}"
        )
        for name, text in table.items()
        for line in text.strip().splitlines()
    ]


@pytest.mark.parametrize("name", MODELS)
def test_header(name):
    likelihood, chi2, df, p, lr, lr_df = HEADERS[name]
    model = fitted(name)
    results = model.results_
    assert model.converged_
    printed(results.log_likelihood, likelihood)
    # at least as high as printed
    assert results.log_likelihood >= float(likelihood) - 0.5 * place_of(likelihood)
    # the variances enter its weights
    printed(results.wald_chi2, chi2, SLACK.get(name, USUAL) * results.wald_chi2 / 10)
    assert results.wald_df == df
    printed(results.wald_p, p)
    printed(results.lr_chi2, lr)
    assert results.lr_df == lr_df
    assert results.lr_kind == ("chibar2(01)" if lr_df == 1 else "chi2")
    assert results.n_obs == len(data(MODELS[name][0]))


@pytest.mark.parametrize(("name", "row"), rows(COEFFICIENTS))
def test_coefficient(name, row):
    term, *numbers = row
    ours = fitted(name).coef_table().loc[term]
    columns = ["estimate", "std_error", "z", "p_value", "ci_lower", "ci_upper"]
    slack = SLACK.get(name, USUAL)
    for column, text in zip(columns, numbers, strict=True):
        scale = 1.0 if column in ("z", "p_value") else ours["std_error"]
        printed(ours[column], text, slack * scale)


@pytest.mark.parametrize(("name", "row"), rows(VARIANCES))
def test_variance_component(name, row):
    level, term, *numbers = row
    metric = "variance" if term.startswith(("var", "cov")) else "sd"
    if name == "3":
        metric = "variance"
    frame = fitted(name).results_.variance_frame(metric)
    ours = frame.loc[(level, term.replace("_unemp", " unemp"))]
    columns = ["estimate", "std_error", "ci_lower", "ci_upper"]
    slack = SLACK.get(name, USUAL)
    for column, text in zip(columns, numbers, strict=True):
        scale = ours["std_error"]
        if metric == "sd" and not term.startswith("corr"):  # ends move in proportion
            scale *= max(1.0, ours[column] / ours["estimate"])
        printed(ours[column], text, slack * scale)


@pytest.mark.parametrize("name", GROUPS)
def test_groups(name):
    groups = {g.name: g for g in fitted(name).results_.groups}
    assert list(groups) == list(GROUPS[name])
    for level, (count, least, average, most) in GROUPS[name].items():
        g = groups[level]
        assert (g.n_groups, g.minimum, g.maximum) == (count, least, most)
        printed(g.average, average)


@pytest.mark.parametrize(
    ("large", "small", "chi2", "df"),
    [
        ("2", "1", "291.78", 1),
        ("3", "2", "0.15", 1),
        ("5", "5 blocks", "0.00", 1),
        ("6 blocks", "6 gender", "8.47", 2),
    ],
)
def test_likelihood_ratio_of_two_models(large, small, chi2, df):
    one, other = fitted(large).results_, fitted(small).results_
    printed(2 * (one.log_likelihood - other.log_likelihood), chi2)
    assert one.n_params - other.n_params == df


def test_linear_hypothesis_of_example_6():
    """test 0.girl#c.age = 1.girl#c.age: chi2(1) = 1.66."""
    model = fitted("6 gender")
    names = [("weight", "boyXage"), ("weight", "girlXage")]
    V = model.vcov().loc[names, names].to_numpy()
    difference = model.coef_[1] - model.coef_[2]
    printed(difference**2 / (V[0, 0] + V[1, 1] - 2 * V[0, 1]), "1.66")
