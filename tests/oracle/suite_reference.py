# SPDX-License-Identifier: Apache-2.0
"""What lm-evaluation-harness 0.4.13 asks and counts for the tasks of resources/suites, on synthetic rows.

suite_reference.py FOLDER: writes the rows as people have them (hub folders with Parquet or JSON lines, the authors' own
files and archives) below FOLDER/hub and FOLDER/original, and FOLDER/cases.json: for each task and number of shots the
requests of the harness's own task objects, and for random scores its metrics and standard errors. No network:
datasets.load_dataset gives the rows from here.
"""
import csv
import gzip
import io
import json
import math
import os
import random
import sys
import tarfile
import zipfile
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", DISABLE_MULTIPROC="1", TOKENIZERS_PARALLELISM="false")
import datasets  # noqa: E402

ROWS = {}  # (path, name) -> {split: [row]}


def load_dataset(path, name=None, **_):
    splits = ROWS[(path, name)]
    return datasets.DatasetDict({s: datasets.Dataset.from_list(rows) for s, rows in splits.items()})


datasets.load_dataset = load_dataset
from lm_eval.api.metrics import pooled_sample_stderr, stderr_for_metric  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

rng = random.Random(20261126)
WORDS = ("the a of water light Energy is was because river stone Peter's naïve œuvre Ærø cells gravity moves up down faster "
         "never 3 42 1,000 $5 “quoted” don't e-mail 東京 Привет ǆungla ﬁre ß ΟΔΟΣ İstanbul x= {y} [z] 🙂").split()
SPACES = [" ", " ", " ", " ", "  ", "\t", "\u00a0", "\u2028", " \n"]


def text(low=3, high=14, plain=False):
    words = [rng.choice(WORDS) for _ in range(rng.randint(low, high))]
    out = words[0]
    for word in words[1:]:
        out += (" " if plain else rng.choice(SPACES)) + word
    return out


def maybe_padded(value):
    return rng.choice(["", "", " ", "\n", "\x1f", "\u3000"]) + value + rng.choice(["", "", " ", "\u0085"])


def choice_texts(n):
    if rng.random() < 0.3:  # digits, which templates of the harness may take for numbers
        return [str(rng.randint(0, 2000)) for _ in range(n)]
    out = []
    while len(out) < n:
        one = text(1, 6)
        if one not in out:
            out.append(one)
    return out


def arc_row(i):
    n = rng.choice([3, 4, 4, 4, 5])
    labels = list("12345" if rng.random() < 0.3 else "ABCDE")[:n]
    return {"id": f"Q_{i}", "question": maybe_padded(text()), "choices": {"text": choice_texts(n), "label": labels},
            "answerKey": rng.choice(labels)}


def arc_original(row):
    return {"id": row["id"], "question": {"stem": row["question"], "choices": [
        {"text": t, "label": l} for t, l in zip(row["choices"]["text"], row["choices"]["label"])]}, "answerKey": row["answerKey"]}


def openbook_row(i):
    row = arc_row(i)
    key = rng.choice(["", " ", "\t"]) + row["answerKey"]
    return {"id": row["id"], "question_stem": row["question"], "choices": row["choices"], "answerKey": key}


def openbook_original(row):
    return arc_original({**row, "question": row["question_stem"]})


def hellaswag_row(i):
    def messy():
        return rng.choice(["", " [header] ", " [title] ", " [step] [sub"]) + text() + rng.choice(["", " [substeps] x", "  two  blanks   ", "[a\nb]"])
    return {"ind": i, "activity_label": text(1, 3), "ctx_a": messy(), "ctx_b": rng.choice(["", "ß" + text(), "ǆ" + text(), messy()]),
            "ctx": "", "split": "val", "split_type": "indomain", "label": str(rng.randint(0, 3)), "endings": [messy() for _ in range(4)],
            "source_id": f"s~{i}"}


def wino_row(i):
    before, after = rng.choice(["", text(1, 6) + " "]), rng.choice([" ", "'s ", ""]) + maybe_padded(text(1, 6))
    return {"sentence": before + "_" + after + rng.choice(["", " _ again."]), "option1": text(1, 2), "option2": text(1, 2),
            "answer": rng.choice("12")}


def page(i):
    pieces = ["= = = Early life = = =", "= = See also = =", "s ' plural", "/' 5/ feet", "1 @,@ 000 and 2 @.@ 5 well @-@ known", "( inner ( text ) )",
              "[ a ]", "{ b }", '" said he " and " she "', "' single '", " : ; . ! ? , ", "20 ° C", " N ", "it 's", "= = = =", "\n text", "text \n"]
    rng.shuffle(pieces)
    return " \n = Title %d = \n " % i + " ".join(rng.choice([p, text(2, 8)]) for p in pieces) + "\n"


def gsm_row(i):
    value = rng.choice(["42", "1,234", "-7", "$5", "3.5", "18."])
    return {"question": text(6, 20), "answer": text(4, 12) + " <<3*4=12>>12\n" + rng.choice(["", "\n"]) + "#### " + value}


def build():
    n_train, n_test = 40, 12
    many = {"train": n_train, "validation": n_test, "test": n_test}

    def splits(make, names=("train", "validation", "test")):
        return {s: [make(i) for i in range(many[s])] for s in names}
    two = ("train", "validation")
    ROWS["allenai/ai2_arc", "ARC-Easy"] = splits(arc_row)
    ROWS["allenai/ai2_arc", "ARC-Challenge"] = splits(arc_row)
    ROWS["allenai/openbookqa", "main"] = splits(openbook_row)
    ROWS["Rowan/hellaswag", None] = splits(hellaswag_row, two)
    rows = ROWS["Rowan/hellaswag", None]
    rows["train"][3] = dict(rows["validation"][0])  # the question itself among its shots
    rows["train"][4] = dict(rows["validation"][0])
    rows["train"] += [dict(rows["validation"][1]) for _ in range(9)]  # and so often that the harness draws again
    ROWS["baber/piqa", None] = splits(lambda i: dict(zip(("goal", "sol1", "sol2", "label"), (
        text(), *choice_texts(2), rng.randint(0, 1)))), two)
    ROWS["allenai/winogrande", "winogrande_xl"] = splits(wino_row, two)
    ROWS["aps/super_glue", "boolq"] = splits(lambda i: {"question": text(), "passage": maybe_padded(text(9, 30)), "idx": i,
                                                        "label": rng.randint(0, 1)}, two)
    ROWS["aps/super_glue", "copa"] = splits(lambda i: {
        "premise": maybe_padded(text(plain=True) + "."), "choice1": rng.choice("ÀAßİxΣ") + text(), "choice2": "The " + text(),
        "question": rng.choice(["cause", "effect"]), "label": rng.randint(0, 1), "idx": i}, two)
    ROWS["aps/super_glue", "rte"] = splits(lambda i: {"premise": text(), "hypothesis": text(), "idx": i, "label": rng.randint(0, 1)}, two)
    ROWS["nyu-mll/glue", "rte"] = splits(lambda i: {"sentence1": text(plain=True), "sentence2": text(plain=True), "idx": i,
                                                    "label": rng.randint(0, 1)}, two)
    ROWS["lighteval/siqa", None] = splits(lambda i: {"context": text(), "question": text(), **dict(zip(
        ("answerA", "answerB", "answerC"), choice_texts(3))), "label": str(rng.randint(1, 3))}, two)
    ROWS["allenai/sciq", None] = splits(lambda i: {"question": text(), **dict(zip(
        ("distractor1", "distractor2", "distractor3", "correct_answer"), choice_texts(4))),
        "support": rng.choice(["", maybe_padded(text(8, 30))])})
    ROWS["EleutherAI/lambada_openai", "default"] = splits(lambda i: {"text": text(5, 20) + rng.choice([" end", " 7", " e  x"])}, ("test",))
    ROWS["cimec/lambada", None] = splits(lambda i: {"text": text(5, 20, plain=True) + " end"}, ("validation", "test"))
    ROWS["EleutherAI/wikitext_document_level", "wikitext-2-raw-v1"] = splits(lambda i: {"page": page(i)})
    ROWS["allenai/c4", "en"] = splits(lambda i: {"text": page(i) if i % 2 else text(20, 60), "timestamp": "t", "url": "u"}, two)
    ROWS["openai/gsm8k", "main"] = splits(gsm_row, ("train", "test"))
    subjects = json.loads(next(t for t in SUITES["mmlu"])["parts_json"])
    for subject in subjects:
        ROWS["cais/mmlu", subject] = {s: [{"question": maybe_padded(text()), "subject": subject, "choices": choice_texts(4),
                                           "answer": rng.randint(0, 3)} for _ in range(n)] for s, n in (("test", 3), ("dev", 5))}
    return subjects


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)


def lines(rows, ending="\n", bom=False, **kwargs):
    return ("\ufeff" if bom else "") + "".join(json.dumps(r, ensure_ascii=False, **kwargs) + ending for r in rows)


def parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows).to_parquet(path)


HUB = {("allenai/ai2_arc", "ARC-Easy"): "ARC-Easy/{s}-00000-of-00001.parquet", ("allenai/ai2_arc", "ARC-Challenge"): "ARC-Challenge/{s}-00000-of-00001.parquet",
       ("EleutherAI/lambada_openai", "default"): "data/lambada_test_default.jsonl",
       ("EleutherAI/wikitext_document_level", "wikitext-2-raw-v1"): "wikitext-2-raw-v1/wikitext-{s}-00000-of-00001.parquet",
       ("allenai/c4", "en"): "en/c4-validation.00000-of-00008.json.gz"}


def write_hub(root, as_parquet):
    for n, ((path, name), splits) in enumerate(ROWS.items()):
        base = path.split("/")[1]
        for split, rows in splits.items():
            rel = HUB.get((path, name), f"{name or 'data'}/{{s}}-00000-of-00001.parquet").format(s=split)
            if path == "allenai/c4":
                if split == "validation":
                    write(root / base / rel, gzip.compress(lines(rows).encode()))
                continue
            if n % 3 == 0:  # as the hub's own cache has it
                snapshot = root / f"datasets--{path.replace('/', '--')}" / "snapshots" / "0123abcd"
                blob = root / f"datasets--{path.replace('/', '--')}" / "blobs" / f"{name}-{split}"
                target = snapshot / rel
                target.parent.mkdir(parents=True, exist_ok=True)
                if rel.endswith(".parquet") and as_parquet:
                    parquet(blob, rows)
                else:
                    target = target.with_suffix(".jsonl")
                    write(blob, lines(rows))
                target.symlink_to(os.path.relpath(blob, target.parent))
                write(root / f"datasets--{path.replace('/', '--')}" / "refs" / "main", "0123abcd")
            elif rel.endswith(".parquet") and as_parquet:
                parquet(root / base / rel, rows)
            else:
                write((root / base / rel).with_suffix(".jsonl"), lines(rows, ending="\r\n" if n % 2 else "\n", bom=n % 2 == 0))


def to_zip(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def write_original(root):
    """As the authors published them; only what differs in form."""
    R = ROWS
    arc = {f"ARC-V1-Feb2018-2/{c}/{c}-{o}.jsonl": lines(map(arc_original, R["allenai/ai2_arc", c][s]))
           for c in ("ARC-Easy", "ARC-Challenge") for s, o in (("train", "Train"), ("validation", "Dev"), ("test", "Test"))}
    to_zip(root / "ARC-V1-Feb2018-2.zip", arc)
    for s, o in (("train", "train"), ("validation", "dev"), ("test", "test")):
        write(root / f"OpenBookQA-V1-Sep2018/Data/Main/{o}.jsonl", lines(map(openbook_original, R["allenai/openbookqa", "main"][s])))
    for s, o in (("train", "train"), ("validation", "val")):
        write(root / f"data/hellaswag_{o}.jsonl", lines({**r, "label": int(r["label"])} for r in R["Rowan/hellaswag", None][s]))
    for s, o in (("train", "train"), ("validation", "valid")):
        rows = R["baber/piqa", None][s]
        write(root / f"piqa/data/{o}.jsonl", lines({k: v for k, v in r.items() if k != "label"} for r in rows))
        write(root / f"piqa/data/{o}-labels.lst", "".join(f"{r['label']}\n" for r in rows))
    to_zip(root / "winogrande_1.1.zip", {f"winogrande_1.1/{o}.jsonl": lines({"qID": str(i), **r} for i, r in enumerate(R["allenai/winogrande", "winogrande_xl"][s]))
                                         for s, o in (("train", "train_xl"), ("validation", "dev"))})
    for s, o in (("train", "train"), ("validation", "dev")):
        write(root / f"boolq/{o}.jsonl", lines({"question": r["question"], "passage": r["passage"], "title": "t", "answer": bool(r["label"])}
                                               for r in R["aps/super_glue", "boolq"][s]))
    siqa = {}
    for s, o in (("train", "train"), ("validation", "dev")):
        rows = R["lighteval/siqa", None][s]
        siqa[f"socialiqa-train-dev/{o}.jsonl"] = lines({k: v for k, v in r.items() if k != "label"} for r in rows)
        siqa[f"socialiqa-train-dev/{o}-labels.lst"] = "".join(f"{r['label']}\n" for r in rows)
    to_zip(root / "socialiqa-train-dev.zip", siqa)
    to_zip(root / "SciQ.zip", {f"SciQ dataset-2 3/{o}.json": json.dumps(R["allenai/sciq", None][s], indent=1)
                               for s, o in (("train", "train"), ("validation", "valid"), ("test", "test"))})
    for s, o in (("train", "train"), ("validation", "dev")):
        rows = R["nyu-mll/glue", "rte"][s]
        write(root / f"RTE/{o}.tsv", "index\tsentence1\tsentence2\tlabel\n" + "".join(
            f"{i}\t{r['sentence1']}\t{r['sentence2']}\t{('entailment', 'not_entailment')[r['label']]}\n" for i, r in enumerate(rows)))
    for s, o in (("train", "train"), ("validation", "val")):
        write(root / f"COPA/{o}.jsonl", lines(R["aps/super_glue", "copa"][s]))
        write(root / f"RTE/{o}.jsonl", lines({**r, "label": ("entailment", "not_entailment")[r["label"]]} for r in R["aps/super_glue", "rte"][s]))
    write(root / "lambada_test.jsonl", lines(R["EleutherAI/lambada_openai", "default"]["test"]))
    for s in ("train", "test"):
        write(root / f"grade_school_math/data/{s}.jsonl", lines(R["openai/gsm8k", "main"][s]))
    write(root / "c4-validation.00000-of-00008.json", lines(R["allenai/c4", "en"]["validation"]))
    with tarfile.open(root / "data.tar", "w") as archive:
        for (path, subject), splits in R.items():
            for s, rows in splits.items() if path == "cais/mmlu" else ():
                out = io.StringIO()
                csv.writer(out).writerows([r["question"], *r["choices"], "ABCD"[r["answer"]]] for r in rows)
                info = tarfile.TarInfo(f"data/{s}/{subject}_{s}.csv")
                data = out.getvalue().encode()
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


SUITES = {}
TASKS = [  # suite file, task, shots, in which folders
    ("arc", "arc_easy", (0, 5), ("hub", "lines", "original")), ("arc", "arc_challenge", (0, 25), ("hub", "original")),
    ("hellaswag", "hellaswag", (0, 10), ("hub", "original")), ("piqa", "piqa", (0, 3), ("hub", "lines", "original")),
    ("winogrande", "winogrande", (0, 5), ("hub", "original")), ("boolq", "boolq", (0, 2), ("hub", "lines", "original")),
    ("siqa", "social_iqa", (0, 4), ("hub", "original")), ("openbookqa", "openbookqa", (0, 6), ("hub", "original")),
    ("sciq", "sciq", (0, 1), ("hub", "original")), ("rte", "rte", (0, 3), ("hub", "original")),
    ("rte", "sglue_rte", (0, 3), ("hub", "original")), ("copa", "copa", (0, 7), ("hub", "original")),
    ("lambada", "lambada_openai", (0, 2), ("hub", "original")), ("lambada", "lambada_standard", (0, 2), ("lines",)),
    ("wikitext", "wikitext", (0,), ("hub", "lines")), ("c4", "c4", (0,), ("hub", "original")),
    ("gsm8k", "gsm8k", (5, 0), ("hub", "original")), ("gsm8k", "gsm8k_cot", (8, 3), ("hub", "original")),
    ("gsm8k", "gsm8k_cot_zeroshot", (0, 2), ("hub",)),
]


def plain(value):
    return value.item() if hasattr(value, "item") else value


def number(value):
    return value if not isinstance(value, float) or math.isfinite(value) else "NaN"


def invented_answer(doc):
    """Texts as models write them, for the filters."""
    right = doc["answer"].split("####")[-1].strip()
    return rng.choice([f" So it is {right}.\n#### {right}", f"The answer is {right}. And 7", "no number at all", f"#### {right}x then -3.50 $1,2 .",
                       f"The answer is  {right}", "", f" A: {right} \n\n#### 9\n#### {right}", "1,0,0 ٣ ४२", f"x #### {right}\n"])


def measure(task, instances):
    """Random scores through the harness's process_results, aggregation and standard errors."""
    by_doc = {}
    for inst in instances:
        by_doc.setdefault(inst.doc_id, []).append(inst)
    scores = {"nats": [], "greedy": [], "texts": []}
    for doc_id, insts in by_doc.items():
        for inst in insts:
            if task.OUTPUT_TYPE == "generate_until":
                inst.resps = [invented_answer(inst.doc)]
                scores["texts"].append(inst.resps[0])
                continue
            nats = rng.choice([rng.uniform(0, 60), float(rng.randint(1, 3))])  # ties too
            if task.OUTPUT_TYPE == "loglikelihood":
                nats = rng.uniform(0, 2)  # a spread for which a bootstrap of a dozen documents means something
            greedy = rng.random() < 0.4
            scores["nats"].append(nats)
            scores["greedy"].append(int(greedy))
            inst.resps = [-nats] if task.OUTPUT_TYPE == "loglikelihood_rolling" else [(-nats, greedy)]
    task.apply_filters()
    metrics, items = {}, {}
    for name in instances[0].filtered_resps:
        values = {}
        for insts in by_doc.values():
            got = task.process_results(insts[0].doc, [i.filtered_resps[name] for i in insts])
            for metric, value in got.items():
                values.setdefault(metric, []).append(value)
        for metric, per_item in values.items():
            key = metric if name == "none" else f"{metric},{name}"
            aggregate = task.aggregation()[metric]
            error = stderr_for_metric(aggregate, 1000)
            metrics[key] = {"value": plain(aggregate(per_item)), "stderr": "NaN" if error is None or len(per_item) < 2 else number(plain(error(per_item)))}
            items[key] = [plain(v) if not isinstance(v, tuple) else None for v in per_item]
    return {"scores": scores, "metrics": metrics, "values": items}


def case_of(manager, name, shots, limit=None):
    task = manager.load_task_or_group(name)[name]
    task.set_config("num_fewshot", shots)
    task.set_fewshot_seed(1234)
    task.build_all_requests(limit=limit)
    items = {}
    for inst in task.instances:
        arguments = list(inst.args)
        item = items.setdefault(inst.doc_id, {"document": inst.doc_id, "requests": []})
        if task.OUTPUT_TYPE == "loglikelihood_rolling":
            arguments = ["", arguments[0]]
        if task.OUTPUT_TYPE == "generate_until":
            item["until"] = arguments[1]["until"]
            item["references"] = [str(task.doc_to_target(inst.doc))]
            arguments = [arguments[0], ""]
        item["requests"].append(arguments)
        if task.OUTPUT_TYPE == "multiple_choice":
            choices = task.doc_to_choice(inst.doc)
            gold = task.doc_to_text(inst.doc) if task.multiple_input else task.doc_to_target(inst.doc)
            item["choices"] = choices
            item["gold"] = choices.index(gold) if isinstance(gold, str) else gold
    return {"shots": shots, "limit": limit or 0, "items": list(items.values()), **measure(task, task.instances)}, task


def mmlu_case(manager, subjects, shots):
    """All subjects one after the other, their mean and pooled standard error."""
    whole = {"shots": shots, "limit": 2, "items": [], "scores": {"nats": [], "greedy": [], "texts": []}}
    sums, sizes, errors = 0, [], []
    documents = 0
    for subject in subjects:
        case, _ = case_of(manager, "mmlu_" + subject, shots, limit=2)
        for item in case["items"]:
            item["document"] += documents
        documents += len(ROWS["cais/mmlu", subject]["test"])  # of a limit the numbers know nothing
        whole["items"] += case["items"]
        for key in whole["scores"]:
            whole["scores"][key] += case["scores"][key]
        sizes.append(len(case["items"]))
        sums += case["metrics"]["acc"]["value"] * sizes[-1]
        errors.append(case["metrics"]["acc"]["stderr"])
    whole["metrics"] = {"acc": {"value": sums / sum(sizes), "stderr": plain(pooled_sample_stderr(errors, sizes))}}
    return whole


def main():
    out = Path(sys.argv[1])
    suites = Path(__file__).resolve().parents[2] / "resources" / "suites"
    mmlu = json.loads((suites / "mmlu.json").read_text())["tasks"][0]
    SUITES["mmlu"] = [{"parts_json": json.dumps(mmlu["parts"])}]
    subjects = build()
    write_hub(out / "hub", True)
    write_hub(out / "lines", False)
    write_original(out / "original")
    manager = TaskManager()
    cases = []
    for suite, name, all_shots, folders in TASKS:
        for shots in all_shots:
            case, _ = case_of(manager, name, shots, limit=None if shots == all_shots[0] else 7)
            cases.append({"suite": suite, "task": name, "folders": folders, **case})
    for shots, folders in ((0, ("hub", "original")), (5, ("original",))):
        cases.append({"suite": "mmlu", "task": "mmlu", "folders": folders, **mmlu_case(manager, subjects, shots)})
    (out / "cases.json").write_text(json.dumps(cases))


main()
