# SPDX-License-Identifier: Apache-2.0
"""The trade-off figure from a study's plans and stored rows, with pandas and scipy, against what `crest export` wrote.

trade_off.py STUDY ROWS.jsonl VALUES.csv CHANGES.csv OWN-VALUES.csv OWN-CHANGES.csv, the first two at rate 0.2, the others each
setting at the rate that is best in ID: rows are {"key", "value", "nats", "tokens"}. One pretraining run; the first task is
ID, the second OOD. Means, and 95 % intervals of fine-tuning seeds and sequences together (Satterthwaite)."""
import json
import pathlib
import sys

import numpy as np
import pandas as pd
from scipy import stats


def cells(study, rows):
    """Every measured cell: setting (its pull), rate, tokens, seed, task."""
    for file in sorted(pathlib.Path(study).glob("runs/*/run.json")):
        plan = json.loads(file.read_text())
        if plan["probe"]["kind"] != "fine-tuning":
            continue
        pull = plan["probe"]["settings"]["training"].get("l2_to_start", 0)
        for cell in plan["cells"]:
            for task, key in enumerate(cell["keys"]):
                if key in rows:
                    yield {"pull": pull if cell["strength"] else -1, "rate": cell["strength"], "seed": cell["seed"], "task": task,
                           "tokens": plan["checkpoints"][cell["checkpoint"]]["tokens"], **rows[key]}


def interval(values, nats, tokens):
    """Mean over seeds, and its 95 % interval: values by seed; nats by seed and sequence."""
    values = np.asarray(values, float)
    mean = values.mean()
    parts = []
    if len(values) > 1:
        parts.append((values.var(ddof=1) / len(values), len(values) - 1))
    nats, tokens = np.asarray(nats, float).mean(axis=0), np.asarray(tokens, float)
    rest = nats - tokens * nats.sum() / tokens.sum()
    n = len(nats)
    parts.append((n / (n - 1) * (rest**2).sum() / tokens.sum() ** 2, n - 1))
    variance = sum(v for v, _ in parts)
    if variance == 0:
        return mean, mean, mean
    freedom = variance**2 / sum(v**2 / f for v, f in parts)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    return mean, mean - half, mean + half


def expected(frame, change):
    """{(curve, label): (x, x_low, x_high, y, low, high, n)}."""
    plain = frame[frame.pull == 0].set_index(["task", "seed"])
    out = {}
    for pull, own in frame.groupby("pull"):
        seeds = sorted(set(plain.reset_index().seed)) if pull < 0 and change else sorted(set(own.seed))
        result = []
        for task in (0, 1):
            mine = own[own.task == task].set_index("seed")
            values, nats = [], []
            for seed in seeds:
                row = mine.loc[0 if pull < 0 else seed]
                other = plain.loc[(task, seed)] if change else None
                values.append(row.value - (other.value if change else 0))
                nats.append(np.asarray(row.nats) - (np.asarray(other.nats) if change else 0))
            result += interval(values, nats, mine.iloc[0].tokens_of)
        name = {-1: ("base: not tuned", ""), 0: ("plain fine-tuning", "")}.get(pull, ("L2 to the start", f"{pull:g}"))
        out[name] = result + [len(seeds)]
    return out


def main(study, rows_file, *csvs):
    rows = {}
    for line in open(rows_file):
        row = json.loads(line)
        rows[row["key"]] = {"value": row["value"], "nats": row["nats"], "tokens_of": row["tokens"]}
    frame = pd.DataFrame(cells(study, rows))
    frame = frame[frame.tokens == frame.tokens.max()].drop_duplicates(["pull", "rate", "seed", "task"])
    finite = frame.groupby(["pull", "rate"]).value.transform(lambda values: np.isfinite(values).all())
    scores = frame[(frame.task == 0) & finite].groupby(["pull", "rate"]).value.mean()
    best = {pull: scores[pull].idxmin() for pull in scores.index.unique("pull")}
    for number, csv in enumerate(csvs):
        change, own = number % 2, number >= 2
        compare(frame[frame.rate == (frame.pull.map(best) if own else np.where(frame.pull < 0, 0, 0.2))], change, csv)
    print(f"{len(csvs)} figures of {len(frame)} cells agree; best rates {best}")


def compare(frame, change, csv):
    """What is in a file with what is expected of these cells."""
    wanted = expected(frame, bool(change))
    shown = pd.read_csv(csv, comment="#", dtype={"label": str}, keep_default_na=True)
    assert list(shown.columns) == ["panel", "title", "role", "curve", "x", "y", "low", "high", "n", "x_low", "x_high", "label", "runs", "draws"], shown.columns
    assert (shown.runs == 1).all() and (shown.draws[shown.curve != "base: not tuned"] == 4).all() and pd.isna(shown.draws[shown.curve == "base: not tuned"]).all()
    shown = shown[shown.curve != "plain, smaller learning rates"]
    assert len(shown) == len(wanted), (len(shown), list(wanted))
    for _, row in shown.iterrows():
        x, x_low, x_high, y, low, high, n = wanted[(row.curve, "" if pd.isna(row.label) else row.label)]
        assert row.n == n, row
        exact = change and row.curve == "plain fine-tuning"  # 0 by definition, without an error
        pairs = [("x", x), ("y", y)] + ([] if exact else [("x_low", x_low), ("x_high", x_high), ("low", low), ("high", high)])
        for name, value in pairs:
            assert abs(row[name] - value) < 2e-6 * max(1, abs(value)), (csv, row.curve, row.label, name, row[name], value)
        if exact:
            assert row.x == 0 and row.y == 0 and pd.isna(row.low)


main(*sys.argv[1:])
