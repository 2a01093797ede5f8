"""What lies on a disk that cannot be read is told when it can be: what waits in memory is told before, and alone."""

from __future__ import annotations

from pathlib import Path

from dispatchers import Service
from test_trails import Device, says, tell


def test_fixes_on_a_disk_that_is_gone_for_a_while_are_told_once_it_is_back(tmp_path: Path) -> None:
    """One outage goes by while the disk is there, one while it is not; both are told, the second first."""
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    there.mkdir()

    async def story(device: Device, _service: Service) -> None:
        await device.active()
        await device.send(0)
        device.miss(*range(1, 20))
        await device.store.step()
        there.rename(elsewhere)
        there.touch()  # nothing can be opened or made here
        device.miss(*range(20, 40))
        await device.until(lambda: device.store.summary().mode == "memory")
        await device.send(40)
        await device.told(says(device, 39))
        assert not any(says(device, n)(text) for text in device.texts for n in range(1, 20))
        there.unlink()
        elsewhere.rename(there)
        device.miss(*range(41, 60))
        await device.send(60)
        await device.nothing_missed()
        await device.told(says(device, 59))
        await device.told(says(device, 1))  # a trail is thinned, but its ends are always told

    tell(story, there)
