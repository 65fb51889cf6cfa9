"""scikit-learn's callbacks, where they are (1.9 and newer)."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import make_multilevel
from sklearn_xmixed.exceptions import NotConvergedWarning

callback = pytest.importorskip("sklearn.callback", reason="came with scikit-learn 1.9")
FitCallback = callback.FitCallback
ProgressBar, ScoringMonitor = callback.ProgressBar, callback.ScoringMonitor

LEVELS = ["school", "class"]
SOLVERS = {
    "newton": {},
    "no EM": {"em_iter": 0},
    "lbfgs": {"solver": "lbfgs"},
    "em": {"em_only": True, "em_iter": 500},
    "reml": {"method": "reml"},
    "matlog": {"parameterization": "matlog"},
    "slopes": {
        "random_effects": [
            RandomEffects("school", ["x1"], covariance="unstructured"),
            "class",
        ]
    },
}

data = make_multilevel((10, 3), 6, level_names=LEVELS, random_state=0)
X, y = data.data, data.target
F, G = X[["x1", "x2"]], X[LEVELS]


def model(**parameters) -> MixedLinearRegressor:
    return MixedLinearRegressor(**{"random_effects": LEVELS, **parameters})


class Recorder:
    """Writes down every iteration; asks once to stop after ``stop`` of them."""

    def __init__(self, stop=None):
        self.stop = stop
        self.events, self.likelihoods = [], []
        self.open, self.predictions, self.fitted_estimator = 0, None, None

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.open += 1
        self.metadata = metadata
        assert len(X) == len(y)

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.open -= 1
        self.events.append(context.task_name)
        if context.parent is None:
            return False
        assert not hasattr(estimator, "coef_")
        assert fitted_estimator is not estimator
        self.fitted_estimator = fitted_estimator
        self.likelihoods.append(fitted_estimator.log_likelihood_)
        self.predictions = fitted_estimator.predict(X)
        return len(self.likelihoods) == self.stop


def test_protocol():
    assert isinstance(Recorder(), FitCallback)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_iteration_is_reported(name):
    recorder = Recorder()
    watched = model(**SOLVERS[name]).set_callbacks(recorder).fit(X, y)
    history = watched.history_
    assert_allclose(recorder.likelihoods, history["log_likelihood"], rtol=1e-12)
    phases = ["em" if "em" in event else "gradient" for event in recorder.events[1:-2]]
    assert phases == history["phase"].tolist()
    assert recorder.events[0] == "setup"
    assert recorder.events[-2:] == ["fit", "teardown"]
    assert recorder.open == 0
    # the last iteration is the result
    assert_allclose(recorder.likelihoods[-1], watched.log_likelihood_, rtol=1e-10)
    assert_allclose(recorder.predictions, watched.predict(X), atol=1e-5)
    # and watching changes nothing
    alone = model(**SOLVERS[name]).fit(X, y)
    np.testing.assert_array_equal(alone.predict(X), watched.predict(X))


@pytest.mark.parametrize("name", SOLVERS)
def test_likelihood_never_falls(name):
    recorder = Recorder()
    model(**SOLVERS[name]).set_callbacks(recorder).fit(X, y)
    assert np.diff(recorder.likelihoods).min() > -1e-8


def test_half_fitted_model_is_complete():
    """What a callback gets can do what a fitted model can."""
    recorder = Recorder(stop=1)
    with pytest.warns(NotConvergedWarning):
        model(em_iter=0).set_callbacks(recorder).fit(X, y)
    half = recorder.fitted_estimator
    assert not half.converged_
    assert half.random_effects_["class"].shape == (30, 1)
    assert set(half.get_params()) == set(model().get_params())
    assert half.score(X, y) == r2_score(y, recorder.predictions)


@pytest.mark.parametrize("stop", [1, 2, 4])
@pytest.mark.parametrize("name", SOLVERS)
def test_early_stop(name, stop):
    """One request ends all iterations, those of EM before the gradient search too."""
    recorder = Recorder(stop)
    stopped = model(**SOLVERS[name]).set_callbacks(recorder)
    with pytest.warns(NotConvergedWarning, match=r"did not converge|stopped"):
        stopped.fit(X, y)
    assert len(recorder.likelihoods) == stop
    assert len(stopped.history_) == stop
    assert not stopped.converged_
    assert recorder.open == 0
    assert recorder.events[-1] == "teardown"
    # the model of the last iteration stays
    assert stopped.log_likelihood_ >= recorder.likelihoods[-1] - 1e-8


def test_linear_regression_is_one_step():
    recorder = Recorder()
    plain = MixedLinearRegressor().set_callbacks(recorder).fit(F, y)
    assert recorder.events == ["setup", "gradient iteration", "fit", "teardown"]
    assert_allclose(recorder.likelihoods, [plain.log_likelihood_])


def test_failing_fit_tears_down():
    recorder = Recorder()
    with pytest.raises(ValueError, match="No labels"):
        model().set_callbacks(recorder).fit(F, y)
    assert recorder.events[-1:] in (["teardown"], [])
    assert recorder.open == 0


def test_sample_weight_is_metadata():
    recorder = Recorder()
    weights = np.arange(len(y)) % 3
    model().set_callbacks(recorder).fit(X, y, weights)
    np.testing.assert_array_equal(recorder.metadata["sample_weight"], weights)


class Names:
    """Writes down what has begun and what is over."""

    def __init__(self):
        self.begun, self.over = [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.over.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X, y, metadata):
        self.over.append(context.task_name)


@pytest.mark.parametrize("verbose", [0, 1])
def test_passes_over_a_lazy_table_are_reported(verbose, capsys):
    polars = pytest.importorskip("polars")
    rows = polars.from_pandas(X.assign(y=y)).lazy()
    names = Names()
    watched = model(verbose=verbose).set_callbacks(names).fit(rows, "y")
    assert names.begun[:4] == [
        "fit",
        "pass: counts and ranges",
        "pass: 10 sums of products",
        "pass: 4 sums of products by school, class",
    ]
    assert set(names.begun[4:]) == {"em iteration", "gradient iteration"}
    assert len(names.begun[4:]) == len(watched.history_)
    assert names.over == [*names.begun[1:], "fit", "teardown"]
    assert ("Pass 3" in capsys.readouterr().out) == bool(verbose)
    watched.set_callbacks(ProgressBar()).fit(rows, "y")


def test_a_table_that_is_refused_tears_down():
    polars = pytest.importorskip("polars")
    rows = polars.from_pandas(X.assign(y=np.nan)).lazy()
    names = Names()
    with pytest.raises(ValueError, match="contains NaN"):
        model().set_callbacks(names).fit(rows, "y")
    assert names.over[-1] == "teardown"


# --------------------------------------------------------- ready-made ones


@pytest.mark.parametrize("scoring", ["r2", "neg_root_mean_squared_error"])
def test_scoring_monitor(scoring):
    """The last value is the score of the fitted model."""
    monitor = ScoringMonitor(scoring=scoring)
    watched = model().set_callbacks(monitor).fit(X, y)
    table = monitor.get_logs().data_as_pandas
    values = table.iloc[:, -1].to_numpy()
    assert len(values) == len(watched.history_)
    right = watched.score(X, y)
    if scoring == "neg_root_mean_squared_error":
        right = -np.sqrt(np.mean((y - watched.predict(X)) ** 2))
    assert_allclose(values[-1], right, rtol=1e-6)
    assert values[-1] > values[0]


def test_scoring_monitor_with_weights():
    weights = np.arange(len(y)) % 3
    monitor = ScoringMonitor(scoring="r2")
    watched = model().set_callbacks(monitor).fit(X, y, weights)
    last = monitor.get_logs().data_as_pandas["r2"].iloc[-1]
    assert_allclose(last, watched.score(X, y, weights), rtol=1e-6)


def test_progress_bar(capsys):
    model().set_callbacks(ProgressBar()).fit(X, y)
    shown = capsys.readouterr().out
    assert "MixedLinearRegressor - fit" in shown
    assert "100%" in shown


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar_of_a_search(n_jobs, capsys):
    search = GridSearchCV(model(), {"method": ["ml", "reml"]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar()).fit(X, y)
    assert "GridSearchCV - fit" in capsys.readouterr().out
    plain = GridSearchCV(model(), {"method": ["ml", "reml"]}, cv=2).fit(X, y)
    assert search.best_params_ == plain.best_params_


def test_progress_bar_of_a_pipeline(capsys):
    pipeline = make_pipeline(
        StandardScaler(), MixedLinearRegressor("_all", method="ml")
    )
    pipeline.set_callbacks(ProgressBar()).fit(F, y)
    assert "MixedLinearRegressor - fit" in capsys.readouterr().out


def test_callbacks_are_kept_by_clone_and_pickle():
    monitor = ScoringMonitor(scoring="r2")
    watched = model().set_callbacks(monitor).fit(X, y)
    assert pickle.loads(pickle.dumps(watched)).predict(X).shape == y.shape
    again = clone(watched).fit(X, y)
    assert again.log_likelihood_ == watched.log_likelihood_
    assert len(monitor.get_logs(select="all")) >= 1
