"""What the doctor makes of what a kernel shows: power, memory, disk, wear, clock. Another root stands for another machine."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from agent.cli import doctor_machine
from agent.cli.doctor_step import Machine, Scene, State, Step

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"


def put(root: Path, place: str, text: str) -> None:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def scene_of(root: Path, **more: Any) -> Scene:
    config = root / "config.toml"
    config.write_text(f'[store]\npath = "{root}/state/agent.db"\n[control]\nsocket = "{root}/run/control.sock"\n')
    return Scene(argparse.Namespace(config=str(config)), machine=Machine(root), **more)


def steps_of(examination: Any, scene: Scene) -> tuple[Step, ...]:
    made = asyncio.run(examination(scene))
    return made if isinstance(made, tuple) else (made,)


def told(*conditions: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A status document with these conditions."""
    return {"conditions": [{"code": code, "severity": how, "text": code, "hint": f"mend {code}"} for code, how in conditions], **more}


@pytest.mark.parametrize(
    ("bits", "state", "word"),
    [
        (None, State.SKIPPED, "tells nothing"),
        ("0\n", State.OK, "since boot"),
        ("0", State.OK, "since boot"),
        ("50005\n", State.FAIL, "too low now"),
        ("0x50000", State.WARN, "since boot"),
        ("4", State.WARN, "heat"),
        ("?", State.SKIPPED, "tells nothing"),
    ],
)
def test_under_voltage_is_told_where_the_kernel_tells_it(tmp_path: Path, bits: str | None, state: State, word: str):
    """The firmware's bits, of now and of since boot."""
    if bits is not None:
        put(tmp_path, THROTTLED, bits)
    (step,) = steps_of(doctor_machine.power, scene_of(tmp_path))
    assert (step.state, word in step.seen) == (state, True)
    assert bool(step.do) == (state in (State.FAIL, State.WARN))


@pytest.mark.parametrize(("alarm", "state"), [("0", State.OK), ("1", State.FAIL)])
def test_under_voltage_is_told_by_the_voltage_sensor_alone(tmp_path: Path, alarm: str, state: State):
    """Newer kernels have no bits, and only the sensor of this name counts."""
    put(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal")
    put(tmp_path, "sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1")
    put(tmp_path, "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm)
    (step,) = steps_of(doctor_machine.power, scene_of(tmp_path))
    assert step.state is state


@pytest.mark.parametrize(
    ("free_kib", "killed", "state"), [(900_000, 0, State.OK), (20_000, 0, State.WARN), (900_000, 3, State.WARN), (None, 0, State.SKIPPED)]
)
def test_memory_that_runs_out_is_told(tmp_path: Path, free_kib: int | None, killed: int, state: State):
    """Now, and that the kernel had to kill for it before."""
    if free_kib is not None:
        put(tmp_path, "proc/meminfo", f"MemTotal: 1000000 kB\nMemAvailable: {free_kib} kB\n")
    put(tmp_path, "proc/vmstat", f"nr_free 1\noom_kill {killed}\n")
    assert steps_of(doctor_machine.memory, scene_of(tmp_path))[0].state is state


def statvfs(**more: int) -> Any:
    shape = {"f_bavail": 10**6, "f_frsize": 4096, "f_blocks": 10**7, "f_flag": 0, "f_files": 100, "f_favail": 50}
    return argparse.Namespace(**(shape | more))


@pytest.mark.parametrize(
    ("room", "state", "word"),
    [
        ({}, State.OK, "are free"),
        ({"f_bavail": 100}, State.FAIL, "full"),
        ({"f_bavail": 10_000}, State.WARN, "MiB"),
        ({"f_favail": 0}, State.FAIL, "inode"),
        ({"f_files": 0, "f_favail": 0}, State.OK, "are free"),
        ({"f_flag": os.ST_RDONLY}, State.FAIL, "read-only"),
    ],
)
def test_disk_that_takes_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: dict[str, int], state: State, word: str):
    """Full, without inodes, read-only; with what is lost and what to do."""
    monkeypatch.setattr(os, "statvfs", lambda _: statvfs(**room))
    disk, _ = steps_of(doctor_machine.disk, scene_of(tmp_path))
    assert (disk.state, word in disk.seen) == (state, True)
    assert bool(disk.do) == (state is not State.OK)


def test_what_the_daemon_says_of_the_disk_comes_first(tmp_path: Path):
    """It has tried to write; the doctor does not."""
    disk, _ = steps_of(doctor_machine.disk, scene_of(tmp_path, told=told(("store.full", "degraded"))))
    assert (disk.state, disk.do) == (State.WARN, "mend store.full")


@pytest.mark.parametrize(
    ("files", "state", "word"),
    [
        ({}, State.SKIPPED, "tells anything"),
        ({"device/life_time": "0x01 0x02\n", "device/pre_eol_info": "0x01"}, State.OK, "20 %"),
        ({"device/life_time": "0x01 0x0b\n", "device/pre_eol_info": "0x01"}, State.WARN, "100 %"),
        ({"device/life_time": "0x01 0x02\n", "device/pre_eol_info": "0x02"}, State.WARN, "20 %"),
        ({"device/ioerr_cnt": "0x7"}, State.WARN, "7 failed"),
    ],
)
def test_wear_of_a_card_is_told_where_it_tells(tmp_path: Path, files: dict[str, str], state: State, word: str):
    """By the whole disk of the partition that the track lies on."""
    number = tmp_path.stat().st_dev
    whole = tmp_path / "sys/devices/mmcblk0"
    put(tmp_path, "sys/devices/mmcblk0/mmcblk0p2/partition", "2")
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / f"sys/dev/block/{os.major(number)}:{os.minor(number)}").symlink_to(whole / "mmcblk0p2")
    for name, text in files.items():
        put(whole, name, text)
    _, wear = steps_of(doctor_machine.disk, scene_of(tmp_path))
    assert (wear.state, word in wear.seen) == (state, True)


def test_errors_of_the_file_system_are_told(tmp_path: Path):
    """ext4 counts them; one is enough."""
    number = tmp_path.stat().st_dev
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / f"sys/dev/block/{os.major(number)}:{os.minor(number)}").symlink_to(tmp_path / "sys/devices/vda1")
    put(tmp_path, "sys/fs/ext4/vda1/errors_count", "3")
    put(tmp_path, "sys/devices/vda1/dev", "")
    _, wear = steps_of(doctor_machine.disk, scene_of(tmp_path))
    assert (wear.state, "3 errors" in wear.seen) == (State.FAIL, True)


@pytest.mark.parametrize(
    ("code", "off_s", "state"),
    [
        (None, 0.0, State.OK),
        ("clock.wrong", 40.0, State.WARN),
        ("clock.wrong", -2_592_000.0, State.FAIL),
        ("clock.untrusted", None, State.WARN),
    ],
)
def test_clock_is_as_wrong_as_the_daemon_says(tmp_path: Path, code: str | None, off_s: float | None, state: State):
    """Off by minutes is a nuisance, off by days keeps dispatch's certificate from being valid."""
    conditions = () if code is None else ((code, "degraded"),)
    document = told(*conditions, clock={"trusted": True, "witness": "receiver", "system_off_s": off_s})
    (step,) = steps_of(doctor_machine.clock, scene_of(tmp_path, told=document))
    assert step.state is state


def test_clock_before_the_build_is_wrong_without_anybodys_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No daemon, no network: what it shows is enough."""
    monkeypatch.setattr(doctor_machine.time, "time", lambda: 86_400.0)
    (step,) = steps_of(doctor_machine.clock, scene_of(tmp_path))
    assert (step.state, "1970-01-02" in step.seen) == (State.FAIL, True)
    assert "NTP" in step.do
