# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.real_telemetry import (
    Count,
    chance_f1,
    chosen_on_halves,
    count_events,
    main,
    read_folder,
    score_channels,
    sensitivity,
    total,
)

ROOT = Path(__file__).parent.parent
MSL = ROOT.parent / "shared/data/msl"
needs_msl = pytest.mark.skipif(not MSL.is_dir(), reason=f"no labelled real telemetry at {MSL}")

HEADER = "chan_id,spacecraft,anomaly_sequences,class,num_values\n"


def folder(tmp_path, labels='A-1,X,"[[300, 340]]",[point],1000\n', header=HEADER, **arrays):
    """A folder of one channel whose test part has a jump that is labelled and one that is not."""
    test = np.random.default_rng(2).normal(size=1000)
    test[310:330] += 20.0
    test[800:810] += 20.0
    content = {"A-1__train__tlm": np.random.default_rng(1).normal(size=900), "A-1__test__tlm": test}
    np.savez(tmp_path / "x.npz", **(content | arrays))
    (tmp_path / "labeled_anomalies.csv").write_text(header + labels)
    return tmp_path


def test_events_count_once_however_many_detections_meet_them():
    labels = [(10, 20), (50, 60), (90, 95)]
    assert count_events([(5, 10), (15, 16), (20, 55), (70, 80)], labels) == Count(2, 1, 1)
    assert count_events([(21, 49)], labels) == Count(0, 1, 3)
    assert count_events([], []) == Count(0, 0, 0)
    assert Count(0, 0, 0).f1 == 0.0
    assert Count(28, 9, 8).f1 == pytest.approx(2 * 28 / (2 * 28 + 9 + 8))


def test_one_line_of_json(tmp_path, capsys):
    assert main([str(folder(tmp_path))]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    result = json.loads(line)
    assert result.pop("seconds") >= 0.0
    assert result == {
        "true_positive": 1,
        "false_positive": 1,
        "false_negative": 0,
        "precision": 0.5,
        "recall": 1.0,
        "f1": 0.6667,
    }


def test_rows_of_one_channel_and_channels_without_label_count(tmp_path):
    labels = 'A-1,X,"[[300, 340]]",a,1\nA-1,X,"[[805, 806], [500, 510]]",b,1\n'
    path = folder(
        tmp_path, labels, **{"B-2__train__tlm": np.zeros(50), "B-2__test__tlm": np.arange(50.0)}
    )
    first, second = score_channels(read_folder(path))
    assert first.count == Count(2, 0, 1)
    assert second.count == Count(0, 1, 0)
    assert second.flagged == pytest.approx(43 / 50)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: p / "nowhere", "has no .npz file"),
        (lambda p: (p / "x.npz").unlink(), "has no .npz file"),
        (lambda p: (p / "labeled_anomalies.csv").unlink(), "cannot be read"),
        (lambda p: (p / "x.npz").write_bytes(b"no zip"), "cannot be read"),
        (lambda p: (p / "x.npz").write_bytes(b""), "cannot be read"),
        (lambda p: np.save((p / "x.npz").open("wb"), np.zeros(3)), "cannot be read"),
        (lambda p: folder(p, header="name,spans\n"), "not a list of labelled anomalies"),
        (lambda p: folder(p, labels="A-1,X,nonsense(,a,1\n"), "not a list of labelled anomalies"),
        (lambda p: folder(p, labels='A-1,X,"[3, 4]",a,1\n'), "not a list of labelled anomalies"),
        (lambda p: folder(p, labels="A-1\n"), "not a list of labelled anomalies"),
        (lambda p: folder(p, labels='A-1,X,"[[9, 2000]]",a,1\n'), "labels samples 9 to 2000"),
        (lambda p: folder(p, labels='A-9,X,"[[3, 4]]",a,1\n'), "names A-9"),
        (lambda p: folder(p, **{"A-1__train__tlm": np.zeros(3)}), "too few to learn from"),
        (lambda p: folder(p, **{"A-1__test__tlm": np.zeros((9, 2))}), "give one column"),
        (lambda p: folder(p, **{"A-1__test__tlm": np.array(["a"])}), "give one column"),
        (lambda p: folder(p, **{"B-2__test__tlm": np.zeros(9)}), "no B-2__train__tlm"),
        (lambda p: np.savez(p / "x.npz", other=np.zeros(3)), "has telemetry"),
    ],
)
def test_a_folder_that_cannot_be_scored_gets_one_sentence(tmp_path, capsys, spoil, says):
    path = folder(tmp_path)
    spoilt = spoil(path)
    path = spoilt if isinstance(spoilt, Path) else path
    assert main([str(path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (sentence,) = output.err.splitlines()
    assert says in sentence
    assert sentence.endswith(".")


@needs_msl
def test_labelled_anomalies_of_a_mars_rover():
    command = [sys.executable, "bench/real_telemetry.py", str(MSL)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = run.stdout.splitlines()
    result = json.loads(line)
    assert result["true_positive"] + result["false_negative"] == 36
    assert result["f1"] >= 0.76


@needs_msl
def test_no_constant_of_the_detector_is_a_lucky_number():
    channels = read_folder(MSL)
    for name, count in sensitivity(channels).items():
        assert count.f1 >= 0.70, name
    _, others = chosen_on_halves(channels)
    assert others >= 0.70


@needs_msl
def test_where_the_detections_lie_matters():
    scores = score_channels(read_folder(MSL))
    assert total(score.count for score in scores).f1 > 2 * chance_f1(scores, draws=50)
