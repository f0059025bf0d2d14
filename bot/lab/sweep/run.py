"""A walk-forward search over settings: train windows choose, the windows after them say what the choice was worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bot
from bot.lab.backtest.figures import CAVEAT, excess
from bot.lab.backtest.history import HistoryProblem, refuse_wrong
from bot.lab.backtest.record import day_of
from bot.lab.data.span import fingerprint, span_of
from bot.lab.sweep.engines import Engine
from bot.lab.sweep.score import joined, score_of
from bot.lab.sweep.search import Search
from bot.lab.sweep.space import Combination, Space, assignments_of
from bot.lab.sweep.store import Results
from bot.lab.sweep.trial import Trial, deciding_digest, without_secrets
from bot.lab.sweep.walk_forward import Fold, WindowProblem, folds_of
from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import Settings, load_settings

FORCED = ('environment="sim"', 'mode="trade"', 'kill_switch="off"')
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What the command line asks for; times are UTC ms. `train_days` 0: no split, the whole span chooses."""

    folder: Path
    start_ms: int
    end_ms: int
    space: Space
    search: str
    trials: int
    objective: str
    train_days: int
    test_days: int
    files: tuple[Path, ...] = ()
    assignments: tuple[str, ...] = ()
    decide_hours: int = 24
    guard_hours: int = 1
    seed: int = 1

    def load(self, more: Sequence[str] = ()) -> Settings:
        """The settings as given, and more of them.

        Raises:
            SettingsProblem: they cannot be used.
        """
        return without_secrets(load_settings(self.files, (*self.assignments, *more, *FORCED)))

    def identity(self) -> dict[str, Any]:
        """What makes two searches the same; how many trials and where they run is no part of it."""
        return {
            "version": bot.__version__,
            "data": fingerprint(self.folder),
            "from": day_of(self.start_ms),
            "to": day_of(self.end_ms),
            "settings": deciding_digest(self.load()),
            "space": self.space.document(),
            "search": self.search,
            "objective": self.objective,
            "seed": self.seed,
            "windows": [self.train_days, self.test_days],
            "hours": [self.decide_hours, self.guard_hours],
        }


def folds_for(plan: SweepPlan) -> tuple[Fold, ...]:
    """The windows; one fold without a test where the plan wants no split.

    Raises:
        CommandFailed: windows and span, or span and candles, do not fit.
    """
    if plan.end_ms <= plan.start_ms:
        raise CommandFailed(f"--to {day_of(plan.end_ms)} is not after --from {day_of(plan.start_ms)}", ExitCode.USAGE)
    try:
        first_ms, last_ms = span_of(plan.folder)
        refuse_wrong(plan.folder)  # once, not in each trial
    except HistoryProblem as problem:
        raise CommandFailed(f"--data {problem}") from problem
    for name, at_ms in (("--from", plan.start_ms), ("--to", plan.end_ms)):
        if not first_ms <= at_ms <= last_ms:
            raise CommandFailed(
                f"{name} {day_of(at_ms)}: candles in {plan.folder} reach from {day_of(first_ms)} to "
                f"{day_of(last_ms)}; choose a day between them"
            )
    if not plan.train_days:
        return (Fold(1, plan.start_ms, plan.end_ms, plan.end_ms),)
    try:
        return folds_of(plan.start_ms, plan.end_ms, train_days=plan.train_days, test_days=plan.test_days)
    except WindowProblem as problem:
        raise CommandFailed(str(problem), ExitCode.USAGE) from problem


class Sweep:
    """One search from its plan to its document; `results` stores the trials, `engine` runs them."""

    def __init__(
        self,
        plan: SweepPlan,
        folds: Sequence[Fold],
        results: Results,
        engine: Engine,
        *,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._plan, self._folds, self._results, self._engine, self._on_progress = (
            plan,
            folds,
            results,
            engine,
            on_progress,
        )
        self._known: dict[Combination, Settings | str] = {}
        self.ran = 0

    def run(self, make_search: Callable[[Fold], Search]) -> dict[str, Any]:
        """Every fold's search side by side, then the tests.

        Raises:
            CommandFailed: the engine fails, or all trials of a window do.
        """
        tables = self._train(make_search)
        chosen = {fold: self._best(fold, tables[fold]) for fold in self._folds}
        if not self._plan.train_days:
            baseline = self._scores(self._folds[0], {(): None})
            return self._document(chosen, tables) | {"whole": {"defaults": baseline, "split": False}}
        self._run_all([(picked, fold.test) for fold in self._folds for picked in (chosen[fold], ())])
        return self._document(chosen, tables) | {"out_of_sample": self._out_of_sample(chosen)}

    def _train(self, make_search: Callable[[Fold], Search]) -> dict[Fold, dict[Combination, float | None]]:
        searches = {fold: make_search(fold) for fold in self._folds}
        tables: dict[Fold, dict[Combination, float | None]] = {fold: {} for fold in self._folds}
        while True:
            requested = {fold: search.ask() for fold, search in searches.items()}
            if not any(requested.values()):
                return tables
            self._run_all([(own, fold.train) for fold, many in requested.items() for own in many])
            for fold, many in requested.items():
                scores = {own: self._score(own, fold.train) for own in many}
                searches[fold].tell(scores)
                tables[fold].update(scores)

    def _best(self, fold: Fold, table: Mapping[Combination, float | None]) -> Combination:
        scored = {own: score for own, score in table.items() if score is not None}
        if not scored:
            first = next(iter(table))
            raise CommandFailed(
                f"none of {len(table)} trials from {day_of(fold.train_start_ms)} to {day_of(fold.train_end_ms)} has "
                f"ended well; {' '.join(assignments_of(first))}: {self._problem(first, fold.train)}"
            )
        return max(scored, key=scored.__getitem__)  # the first of equals, in the order of the space

    def _run_all(self, wanted: Sequence[tuple[Combination, tuple[int, int]]]) -> None:
        """Run what is not in the results yet, each once, and keep each outcome as it comes."""
        todo: dict[str, tuple[Trial, Combination]] = {}
        for combination, window in wanted:
            settings = self._settings(combination)
            if isinstance(settings, Settings):
                trial = self._trial(settings, window)
                if self._results.load(trial.key) is None:
                    todo.setdefault(trial.key, (trial, combination))
        if not todo:
            return
        for done, outcome in enumerate(self._engine.run([trial for trial, _ in todo.values()]), start=1):
            trial, combination = todo[outcome.key]
            score = None if outcome.problem else score_of(outcome.equity)
            self._results.keep(trial, assignments_of(combination), outcome, score)
            self.ran += 1
            self._on_progress(done, len(todo))

    def _settings(self, combination: Combination) -> Settings | str:
        """Of a combination, or why it cannot be: values that are fine alone may contradict each other."""
        if combination not in self._known:
            try:
                self._known[combination] = self._plan.load(assignments_of(combination))
            except SettingsProblem as problem:
                self._known[combination] = problem.problems[0]
        return self._known[combination]

    def _trial(self, settings: Settings, window: tuple[int, int]) -> Trial:
        plan = self._plan
        key = f"{deciding_digest(settings)}-{window[0]}-{window[1]}"
        folder = plan.folder.resolve()
        return Trial(key, settings, folder, *window, plan.decide_hours, plan.guard_hours)

    def _curve(self, combination: Combination, window: tuple[int, int]) -> tuple[float, ...] | None:
        settings = self._settings(combination)
        return self._results.load(self._trial(settings, window).key) if isinstance(settings, Settings) else None

    def _score(self, combination: Combination, window: tuple[int, int]) -> float | None:
        curve = self._curve(combination, window)
        return None if curve is None else score_of(curve).of(self._plan.objective)

    def _problem(self, combination: Combination, window: tuple[int, int]) -> str:
        settings = self._settings(combination)
        if isinstance(settings, str):
            return settings
        return self._results.load_problem(self._trial(settings, window).key)

    def _scores(self, fold: Fold, table: Mapping[Combination, object]) -> dict[str, Any]:
        self._run_all([(own, fold.train) for own in table])
        curve = self._curve((), fold.train)
        return {} if curve is None else asdict(score_of(curve))

    def _out_of_sample(self, chosen: Mapping[Fold, Combination]) -> dict[str, Any]:
        """The test windows in a row: chosen settings beside the defaults, and what lies between them."""
        tuned, plain = [], []
        for fold, picked in chosen.items():
            curves = [self._curve(own, fold.test) for own in (picked, ())]
            for own, curve in zip((picked, ()), curves, strict=True):
                if curve is None:
                    raise CommandFailed(
                        f"the test from {day_of(fold.train_end_ms)} to {day_of(fold.test_end_ms)} with "
                        f"{' '.join(assignments_of(own)) or 'the defaults'} has failed: "
                        f"{self._problem(own, fold.test)}; repeat the command to try it again"
                    )
            tuned.append(curves[0] or ())
            plain.append(curves[1] or ())
        ours, theirs = joined(tuned), joined(plain)
        gap, interval, share = excess(ours, theirs, seed=self._plan.seed)
        return {
            "from": day_of(self._folds[0].train_end_ms),
            "to": day_of(self._folds[-1].test_end_ms),
            "tuned": asdict(score_of(ours)),
            "defaults": asdict(score_of(theirs)),
            "excess_log_growth_year": gap,
            "excess_interval": asdict(interval),
            "share_of_resamples_above": share,
        }

    def _document(
        self, chosen: Mapping[Fold, Combination], tables: Mapping[Fold, Mapping[Combination, float | None]]
    ) -> dict[str, Any]:
        plan = self._plan
        return {
            "schema": SCHEMA,
            "objective": plan.objective,
            "search": plan.search,
            "results": str(self._results.path),
            "ran": self.ran,
            "seed": plan.seed,
            "folds": [self._row(f, chosen[f], tables[f]) for f in self._folds],
            "caveat": CAVEAT,
        }

    def _row(self, fold: Fold, picked: Combination, table: Mapping[Combination, float | None]) -> dict[str, Any]:
        row = {
            "train": [day_of(at) for at in fold.train],
            "settings": dict(picked),
            "train_score": table[picked],
            "tried": len(table),
            "failed": sum(score is None for score in table.values()),
        }
        if self._plan.train_days:
            row |= {
                "test": [day_of(at) for at in fold.test],
                "test_score": self._score(picked, fold.test),
                "defaults_test_score": self._score((), fold.test),
            }
        return row


def summary_of(document: Mapping[str, Any]) -> str:
    """A line per fold, then what tuning was worth."""
    lines = []
    for row in document["folds"]:
        picked = " ".join(f"{key}={value}" for key, value in row["settings"].items())
        line = f"{row['train'][0]} → {row['train'][1]}: {picked}, {document['objective']} {row['train_score']:.2f}"
        if "test" in row:
            line += (
                f" in training, {row['test_score']:.2f} until {row['test'][1]}, "
                f"defaults {row['defaults_test_score']:.2f}"
            )
        failed = f", {row['failed']} failed" if row["failed"] else ""
        lines.append(f"{line} ({row['tried']} tried{failed})")
    result = document.get("out_of_sample")
    if result is None:
        plain = document["whole"]["defaults"]
        lines.append(
            f"the defaults have {document['objective']} {plain[document['objective']]:.2f}"
            if plain
            else "the defaults could not be run"
        )
        lines.append("Chosen and judged by the same days: this says nothing about any other.")
    else:
        lines.append(f"out of sample {result['from']} → {result['to']}:")
        lines += [
            f"  {name:9} {result[name]['growth']:+.1%} log growth a year, Sharpe {result[name]['sharpe']:.2f}, "
            f"drawdown {result[name]['drawdown_max']:.1%}"
            for name in ("tuned", "defaults")
        ]
        span = result["excess_interval"]
        lines.append(
            f"  tuning was worth {result['excess_log_growth_year']:+.1%} a year (90 %: {span['low']:+.1%} … "
            f"{span['high']:+.1%})"
        )
    return "\n".join([*lines, f"{document['ran']} trials run, all are in {document['results']}", document["caveat"]])
