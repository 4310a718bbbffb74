# SPDX-License-Identifier: Apache-2.0
"""Opens results.h5 with h5py, pandas and xarray and compares it with rows that Crest printed: results_h5.py RESULTS.h5 EXPECTED.jsonl"""
import json
import math
import sys

import h5py
import numpy as np
import pandas as pd
import xarray as xr


def number(value):
    return float(value.replace("Infinity", "inf")) if isinstance(value, str) else value


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def metrics_of(want):
    """What a result's rows of the table say: one for each metric of a suite's task, else the row's own."""
    own = {name: want[name] for name in ("metric", "unit", "value", "stderr")}
    return want["metrics"] or [{**own, "values": None}]


def check_details(items, row, want):
    """Everything that was answered, through row `details` of /items/details."""
    at = items["details"][row["details"]]
    details = want["details"]
    assert text(at["key"]) == want["key"]
    of_items = slice(at["items_first"], at["items_first"] + at["items"])
    for name in ("documents", "gold", "requests"):
        assert items[name][of_items].tolist() == details[name], name
    for name, first in (("request_nats", "nats_first"), ("request_greedy", "greedy_first"), ("request_tokens", "tokens_first")):
        if at[first] == -1:
            assert not details[name]
        else:
            assert np.array_equal(items[name][at[first]:at[first] + at["requests"]], np.asarray(details[name], items[name].dtype))
    if at["texts_first"] == -1:
        assert not details["texts"]
        return
    ends = [0, *items["text_ends"][:]]
    texts = [items["text_bytes"][ends[i]:ends[i + 1]].tobytes().decode() for i in range(at["texts_first"], at["texts_first"] + at["items"])]
    assert texts == details["texts"], (texts, details["texts"])


def check_items(items, row, want, metric):
    if metric["values"] is not None:
        values = items["values"][row["items_first"]:row["items_first"] + row["n"]]
        assert np.array_equal(values, np.float32(metric["values"]))
        if row["weights_first"] == -1:
            assert not metric["weights"]
        else:
            weights = items["weights"][row["weights_first"]:row["weights_first"] + row["n"]]
            assert np.array_equal(weights, np.float32(metric["weights"]))
    check_details(items, row, want)


def check_h5py(path, expected):
    with h5py.File(path, "r") as file:
        assert file.attrs["format"] == "crest-results" and file.attrs["complete"] == 1
        table = file["results"][:]
        count = sum(len(metrics_of(want)) for want in expected.values())
        assert len(table) == count, (len(table), count)
        nats, tokens = file["sequences/nats"][:], file["sequences/tokens"][:]
        items = {name: file["items"][name][:] for name in file["items"]}
        seen = set()
        for row in table:
            want = expected[text(row["key"])]
            for name in ("checkpoint", "series", "task", "modification", "noise_scale", "cause", "compute", "task_hash"):
                assert text(row[name]) == want[name], (name, row[name], want[name])
            metric = next(m for m in metrics_of(want) if m["metric"] == text(row["metric"]))
            seen.add((want["key"], metric["metric"]))
            assert text(row["unit"]) == metric["unit"]
            for name in ("value", "stderr"):
                assert same(row[name], number(metric[name])), (name, row[name], metric[name])
            assert row["strength"] == want["strength"]
            for name in ("seed", "n", "scored_tokens", "numerics", "threads", "tokens", "step", "pretrain_seed"):
                assert row[name] == want[name], (name, row[name], want[name])
            if row["sequences_first"] == -1:
                check_items(items, row, want, metric)
                continue
            assert row["items_first"] == row["details"] == -1
            part = slice(row["sequences_first"], row["sequences_first"] + row["n"])
            assert np.array_equal(nats[part], np.float32(want["sequence_nats"]))
            assert tokens[part].tolist() == want["sequence_tokens"]
        assert len(seen) == count
        for name, run in file["runs"].items():
            assert json.loads(run.attrs["plan"])["id"] == name
        cubes = []
        file["cubes"].visititems(lambda name, node: cubes.append("cubes/" + name) if isinstance(node, h5py.Group) and "checkpoint" in node else None)
        return cubes


def check_pandas(path, expected):
    frame = pd.read_hdf(path, "results")
    assert len(frame) == sum(len(metrics_of(want)) for want in expected.values())
    for _, row in frame.iterrows():
        want = expected[text(row["key"])]
        metric = next(m for m in metrics_of(want) if m["metric"] == text(row["metric"]))
        assert same(row["value"], number(metric["value"])) and text(row["task"]) == want["task"]
    assert len(pd.read_hdf(path, "items/details")) == sum(1 for want in expected.values() if want["details"]["documents"])
    assert set(pd.read_hdf(path, "journals").columns) >= {"journal", "bytes", "lines"}


def check_xarray(path, cubes, expected):
    seen = set()
    holes = 0
    for cube in cubes:
        data = xr.open_dataset(path, group=cube, engine="h5netcdf")
        assert data["tokens"].dims == ("checkpoint",)
        task = data.attrs["task"]
        rows = [row for row in expected.values() if row["task"] == task]
        for metric in [m["metric"] for m in metrics_of(rows[0])]:
            variable = metric + "_" if metric in ("tokens", "seed", "strength", "weights") else metric  # the axes' names are taken
            assert data[variable].dims == ("checkpoint", "strength", "seed")
            error = "stderr" if metric == "loss" else variable + "_stderr"
            finite = 0
            for row in rows:
                want = next(m for m in metrics_of(row) if m["metric"] == metric)
                where = {"checkpoint": row["checkpoint"]}
                base = row["modification"] == "none"
                if not base:
                    where |= {"strength": row["strength"], "seed": row["seed"]}
                    finite += not math.isnan(number(want["value"]))
                prefix = "base_" if base else ""
                assert same(data[prefix + variable].sel(where).item(), number(want["value"])), (row, metric)
                assert same(data[prefix + error].sel(where).item(), number(want["stderr"])), (row, metric)
                assert data["tokens"].sel(checkpoint=row["checkpoint"]).item() == row["tokens"]
                seen.add(row["key"])
            missing = int(np.isnan(data[variable].values).sum())
            assert missing == data[variable].size - finite, "what was not measured must be NaN"
            holes += missing
    assert seen == set(expected), "xarray does not see every result"
    return holes


def main():
    path = sys.argv[1]
    with open(sys.argv[2]) as lines:
        expected = {row["key"]: row for row in map(json.loads, lines)}
    cubes = check_h5py(path, expected)
    check_pandas(path, expected)
    holes = check_xarray(path, cubes, expected)
    print(f"h5py {h5py.__version__}, pandas {pd.__version__}, xarray {xr.__version__}: {len(expected)} results, {len(cubes)} cubes, {holes} gaps")


main()
