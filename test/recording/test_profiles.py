# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from lupex_nodes.recording.profiles import ProfileError, load_profiles, profile

ALWAYS = [
    "/commands",
    "/events",
    "/faults",
    "/parameter_events",
    "/rosout",
    "/bus/tick",
    "/rover/power/channels",
    "/lander/lander_power/channels",
]


@pytest.mark.parametrize("name", ["housekeeping", "science", "black_box", "all"])
def test_every_profile_has_what_an_anomaly_needs_and_no_clock(name: str) -> None:
    chosen = profile(name)
    assert all(chosen.selects(topic) for topic in [*ALWAYS, "/diagnostics"])
    assert not chosen.selects("/clock")


def test_profiles_differ_as_they_say() -> None:
    selected = {
        topic: {name for name, p in load_profiles().items() if p.selects(topic)}
        for topic in (
            "/rover/odometry",
            "/rover/power/battery",
            "/payload/neutron_spectrometer/counts",
            "/rover/mobility/crawlers",
            "/world/sun",
        )
    }
    assert selected["/rover/odometry"] == {"housekeeping", "science", "black_box", "all"}
    assert selected["/rover/power/battery"] == {"housekeeping", "science", "black_box", "all"}
    assert selected["/payload/neutron_spectrometer/counts"] == {"science", "all"}
    assert selected["/rover/mobility/crawlers"] == {"black_box", "all"}
    assert selected["/world/sun"] == {"all"}


def test_a_root_moves_the_systems_topics_but_not_ros_own() -> None:
    chosen = profile("housekeeping")
    assert chosen.selects("/sim/rover/odometry", root="/sim")
    assert chosen.selects("/rosout", root="sim/")
    assert not chosen.selects("/rover/odometry", root="/sim")
    assert not chosen.selects("/simulator/rover/odometry", root="/sim")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "is not YAML"),
        ("- 1", "the file must be a table"),
        ("profiles: {a: {topics: [x]}}\nprofile: {}", "unknown key 'profile'"),
        ("profiles: {a: {topic: [x]}}", "profile a has the unknown key 'topic'"),
        ("profiles: {a: {topics: x}}", "profile a, topics must be a list"),
        ("profiles: {a: {includes: [b]}}", "includes 'b', which is no profile; choose one of a"),
        ("profiles: {a: {includes: [b]}, b: {includes: [a]}}", "includes itself"),
        ("profiles: {}", "profiles must be a table"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "recording.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=sentence) as caught:
        load_profiles(path)
    assert str(path) in str(caught.value)


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ProfileError, match="choose one of housekeeping, science, black_box, all"):
        profile("everything")
