# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

NAME = "lupex_nodes"
PEP_517_COMMANDS = {"bdist_wheel", "dist_info", "editable_wheel", "sdist"}


def built_by_pip(arguments: list[str]) -> bool:
    """Tell pip's build (PEP 517 commands) from ament's (colcon, bloom: install, develop).

    colcon also reads the arguments of setup() with no command at all, and must then see the same
    data files as when it installs: so pip is the one that is recognised.
    """
    return bool(PEP_517_COMMANDS & set(arguments)) or arguments == ["egg_info"]


def share_files() -> list[tuple[str, list[str]]]:
    """List the files for share/lupex_nodes, folder by folder."""
    folders: dict[str, list[str]] = {f"share/{NAME}": ["package.xml"]}
    for top in ("launch", "config", "gazebo", "rviz"):
        for path in sorted(Path(top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                folders.setdefault(f"share/{NAME}/{path.parent.as_posix()}", []).append(str(path))
    return list(folders.items())


def unit_names() -> list[str]:
    """Read the units from config/system.yaml, the one place where a unit is added."""
    import yaml  # pip's isolated builds have no PyYAML, and install no script for each unit

    system = yaml.safe_load(Path("config/system.yaml").read_text(encoding="utf-8"))
    return [unit["name"] for unit in system["units"]]


data_files = [
    ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
    *share_files(),
]
scripts = [
    f"lupex = {NAME}.console_scripts:lupex",
    f"lupex_node = {NAME}.console_scripts:lupex_node",
]
if not built_by_pip(sys.argv[1:]):
    # `ros2 run` looks in lib/lupex_nodes, where names as short as `drill` disturb nobody; only
    # bin/ is on PATH after sourcing.
    data_files.append(("bin", ["bin/lupex"]))
    scripts += [f"{name} = {NAME}.console_scripts:unit" for name in unit_names()]

setup(
    name=NAME,
    version=ElementTree.parse("package.xml").findtext("version"),
    description="The LUPEX lunar polar lander and rover as ROS 2 nodes",
    license="Apache-2.0",
    maintainer="LUPEX nodes maintainers",
    maintainer_email="maintainers@lupex-nodes.example",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["**/*"]},
    exclude_package_data={"": ["__pycache__/*", "**/__pycache__/*"]},
    data_files=data_files,
    python_requires=">=3.11",
    # rclpy and the messages come from ROS 2 itself, or from the wheels in requirements/.
    install_requires=[
        "aiohttp",
        "jinja2",
        "matplotlib",
        "mcap",
        "numpy>=1.26",
        "py-trees",
        "pydantic>=2",
        "pyyaml",
        "rich",
        "rosbags",
        "scipy>=1.11",
        "skyfield-data",
        "spiceypy",
        "tifffile",
        "zstandard",
    ],
    zip_safe=False,
    entry_points={"console_scripts": scripts},
)
