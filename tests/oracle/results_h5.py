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


def check_h5py(path, expected):
    with h5py.File(path, "r") as file:
        assert file.attrs["format"] == "crest-results" and file.attrs["complete"] == 1
        table = file["results"][:]
        assert len(table) == len(expected), (len(table), len(expected))
        nats, tokens = file["sequences/nats"][:], file["sequences/tokens"][:]
        for row in table:
            want = expected[text(row["key"])]
            for name in ("checkpoint", "series", "task", "modification", "noise_scale", "unit", "cause", "compute", "task_hash"):
                assert text(row[name]) == want[name], (name, row[name], want[name])
            for name in ("value", "stderr", "strength"):
                assert same(row[name], number(want[name])), (name, row[name], want[name])
            for name in ("seed", "n", "scored_tokens", "numerics", "threads", "tokens", "step", "pretrain_seed"):
                assert row[name] == want[name], (name, row[name], want[name])
            part = slice(row["sequences_first"], row["sequences_first"] + row["n"])
            assert np.array_equal(nats[part], np.float32(want["sequence_nats"]))
            assert tokens[part].tolist() == want["sequence_tokens"]
        for name, run in file["runs"].items():
            assert json.loads(run.attrs["plan"])["id"] == name
        cubes = []
        file["cubes"].visititems(lambda name, node: cubes.append("cubes/" + name) if isinstance(node, h5py.Group) and "checkpoint" in node else None)
        for cube in cubes:
            assert [list(d.keys()) for d in file[cube]["loss"].dims] == [["checkpoint"], ["strength"], ["seed"]]
        return cubes


def check_pandas(path, expected):
    frame = pd.read_hdf(path, "results")
    assert len(frame) == len(expected)
    for _, row in frame.iterrows():
        want = expected[text(row["key"])]
        assert same(row["value"], number(want["value"])) and text(row["task"]) == want["task"]
    assert set(pd.read_hdf(path, "journals").columns) >= {"journal", "bytes", "lines"}


def check_xarray(path, cubes, expected):
    seen = set()
    holes = 0
    for cube in cubes:
        data = xr.open_dataset(path, group=cube, engine="h5netcdf")
        assert data["loss"].dims == ("checkpoint", "strength", "seed")
        assert data["tokens"].dims == ("checkpoint",)
        task = data.attrs["task"]
        for row in expected.values():
            if row["task"] != task:
                continue
            if row["modification"] == "none":
                value = data["base_loss"].sel(checkpoint=row["checkpoint"]).item()
            else:
                value = data["loss"].sel(checkpoint=row["checkpoint"], strength=row["strength"], seed=row["seed"]).item()
            assert same(value, number(row["value"])), (row, value)
            assert data["tokens"].sel(checkpoint=row["checkpoint"]).item() == row["tokens"]
            seen.add(row["key"])
        measured = sum(1 for r in expected.values() if r["task"] == task and r["modification"] != "none" and not math.isnan(number(r["value"])))
        missing = int(np.isnan(data["loss"].values).sum())
        assert missing == data["loss"].size - measured, "what was not measured must be NaN"
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
