# SPDX-License-Identifier: Apache-2.0
"""Fused evidence against the odds worked out in NumPy, and against Dempster's rule over the whole power set."""

import itertools

import numpy as np
import pytest

from fulmar_cli import call, read, refused, run, write

ANY = frozenset({"target", "none"})


def fuse(bands, words, tmp_path):
    """Probability of every cell of rows of sensors."""
    path = write(tmp_path / "sensors.tif", np.asarray(bands, np.float32))
    run(f"{path} ! evidence {words} ! {tmp_path}/out.tif")
    return read(tmp_path / "out.tif").astype(float)


def sensors(count=4, shape=(20, 30)):
    rng = np.random.default_rng(11)
    p = rng.random((count, *shape)).astype(np.float32)
    p[rng.random(p.shape) < 0.2] = np.nan
    p[:, 0, 0] = np.nan
    p[0, 1, 1], p[1, 1, 2], p[2, 1, 3] = 1.5, -0.1, 7  # no probabilities
    p[:, 2, 2], p[:, 2, 3] = 1, 0
    return p


def heard(p):
    return p[(p >= 0) & (p <= 1)].astype(float)


def combine(p, reliability, rule):
    """Masses on every subset of {target, none}, combined by the definition: conjunction first, conflict last."""
    mass = {ANY: 1.0}
    for value, r in zip(p.astype(float), reliability):
        if not 0 <= value <= 1:
            continue
        source = {frozenset({"target"}): r * value, frozenset({"none"}): r * (1 - value), ANY: 1 - r}
        joint = {}
        for (a, x), (b, y) in itertools.product(mass.items(), source.items()):
            joint[a & b] = joint.get(a & b, 0.0) + x * y
        mass = joint
    conflict = mass.pop(frozenset(), 0.0)
    if rule == "yager":
        mass[ANY] = mass.get(ANY, 0.0) + conflict
    else:
        whole = sum(mass.values())
        if whole <= 0:
            return np.nan
        mass = {k: v / whole for k, v in mass.items()}
    return mass.get(frozenset({"target"}), 0.0) + mass.get(ANY, 0.0) / 2


def test_golden_odds(tmp_path):
    got = fuse(np.reshape([0.7, 0.8], (2, 1, 1)) * np.ones((2, 3, 3)), "", tmp_path)
    assert got == pytest.approx(0.9032258, abs=1e-7)
    # One sensor with the prior it was made with: nothing changes.
    assert fuse(np.full((1, 2, 2), 0.3), "--prior 0.5", tmp_path) == pytest.approx(0.3, abs=1e-7)
    # A sensor that says the prior says nothing.
    assert fuse(np.full((3, 2, 2), 0.1), "--prior 0.1", tmp_path) == pytest.approx(0.1, abs=1e-7)


@pytest.mark.parametrize("prior", [0.5, 0.02])
def test_bayes(tmp_path, prior):
    p = sensors()
    got = fuse(p, f"--prior {prior}", tmp_path)
    zero = np.log(prior / (1 - prior))
    for y, x in np.ndindex(got.shape):
        v = np.clip(heard(p[:, y, x]), 1e-9, 1 - 1e-9)
        if v.size == 0:
            assert np.isnan(got[y, x])
            continue
        odds = np.clip(zero + (np.log(v / (1 - v)) - zero).sum(), -20, 20)
        assert got[y, x] == pytest.approx(1 / (1 + np.exp(-odds)), rel=2e-7)
    assert np.isnan(got[0, 0]) and got[2, 2] > 0.999 and 0 < got[2, 3] < 1e-8


@pytest.mark.parametrize("rule", ["dempster", "yager"])
@pytest.mark.parametrize("reliability", [None, "0.6", "0.9,0.5,1,0.2"])
def test_belief(tmp_path, rule, reliability):
    p = sensors()
    got = fuse(p, f"--rule {rule}" + (f" --reliability {reliability}" if reliability else ""), tmp_path)
    trust = [float(r) for r in (reliability or "0.9").split(",")]
    trust = trust * 4 if len(trust) == 1 else trust
    for y, x in np.ndindex(got.shape):
        v = p[:, y, x]
        expected = combine(v, trust, rule) if heard(v).size else np.nan
        assert got[y, x] == pytest.approx(expected, rel=2e-7, nan_ok=True), (y, x, v)


def test_total_contradiction(tmp_path):
    """Two sensors that are wholly trusted and wholly disagree: Dempster knows nothing, Yager says so by a half."""
    p = np.stack([np.ones((2, 2)), np.zeros((2, 2))])
    assert np.isnan(fuse(p, "--rule dempster --reliability 1", tmp_path)).all()
    assert (fuse(p, "--rule yager --reliability 1", tmp_path) == 0.5).all()


def test_trusted_belief_is_bayes(tmp_path):
    p = np.clip(np.nan_to_num(sensors(), nan=0.5), 0.01, 0.99)
    assert np.allclose(fuse(p, "--rule dempster --reliability 1", tmp_path), fuse(p, "", tmp_path), rtol=1e-6)


@pytest.mark.parametrize("rule", ["bayes", "dempster", "yager"])
def test_the_order_of_sensors_does_not_matter(tmp_path, rule):
    p = sensors()
    assert np.allclose(fuse(p, f"--rule {rule}", tmp_path), fuse(p[::-1], f"--rule {rule}", tmp_path), rtol=2e-7,
                       equal_nan=True)


def test_refusals(tmp_path):
    path = write(tmp_path / "three.tif", np.full((3, 4, 4), 0.5, np.float32))
    out = f"{tmp_path}/out.tif"
    refused(2, f"{path} ! evidence --reliability 0.9,0.5 ! {out}", names=["2 numbers", "3 bands"])
    for text in ("0.9,", "1.2", "-0.1", "high", "0.5;0.6", "nan", ","):
        refused(2, f"{path} ! evidence --reliability {text} ! {out}" if ";" not in text else
                f"{path} ! evidence --reliability '{text}' ! {out}", names="reliability")
    refused(2, f"{path} ! evidence --prior 1 ! {out}", names="prior")
    assert "uncertainty" in call("inspect", "evidence").out
