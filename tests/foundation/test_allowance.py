"""CPUs and memory that this process may use: by affinity and control groups, not by what the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zooactive.foundation.allowance import usable_cpus, usable_memory

MANY = {0, 1, 2, 3, 4, 5, 6, 7}


def system(folder: Path, group: str, files: dict[str, str]) -> Path:
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        path = folder / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        ("", {}, 8),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 8),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
        ("0::/a/b\n", {"cpu.max": "400000 100000\n"}, 4),
        ("3:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "100000", "cpu/a/cpu.cfs_period_us": "50000"}, 2),
        ("3:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}, 8),
        ("0::/\n", {"cpu.max": "0 0\n"}, 8),
        ("0::/\n", {"cpu.max": "é what\n"}, 8),
        ("0::/../../..\n", {"cpu.max": "200000 100000\n"}, 2),
        ("nonsense", {}, 8),
    ],
)
def test_a_quota_of_any_group_around_the_process_bounds_the_cpus(group, files, expected, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: MANY, raising=False)
    assert usable_cpus(system(tmp_path, group, files)) == expected


def test_affinity_bounds_the_cpus_whatever_the_machine_has(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    assert usable_cpus(tmp_path) == 1


def test_memory_is_the_least_of_the_machine_and_the_groups(tmp_path: Path) -> None:
    assert usable_memory(system(tmp_path, "0::/a\n", {"a/memory.max": "1048576\n", "memory.max": "max\n"})) == 1048576
    assert usable_memory(tmp_path / "nothing") > 1 << 24
