"""What others made is named, with hash and licence, and asked about: tools/sbom and tools/audit."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cyclonedx.model.bom import Bom

REPO = Path(__file__).parents[2]
LOCK = (REPO / "requirements.lock").read_text()
LOCAL = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


# --- the bill of materials ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """As the tool writes it."""
    path = tmp_path_factory.mktemp("bill") / "deep" / "bill.json"
    done = subprocess.run([REPO / "tools" / "sbom", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(path)), done.stderr
    return json.loads(path.read_text())


def imported_by_the_daemon() -> set[str]:
    """Distributions whose modules the running daemon and its commands really load, by asking Python itself."""
    program = """
import importlib, importlib.metadata, sys
for name in ("agent.cli.run", "agent.cli.track_export", "agent.cli.doctor", "agent.housekeeping", "agent.schema", "hardware",
             "sqlite_utils", "hardware.gpio", "hardware.serial_port", "pynmeagps", "apscheduler.schedulers.asyncio", "gpsd"):
    importlib.import_module(name)
owners = importlib.metadata.packages_distributions()
print(*{owner.lower().replace("_", "-") for name in {each.partition(".")[0] for each in sys.modules} for owner in owners.get(name, ())})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPO)
    return set(done.stdout.split())


def test_bill_names_everything_that_the_daemon_loads(bill: dict[str, Any]):
    """By another way than the tool's own: what Python has really imported. pip comes with sqlite-utils, and is left out of the package."""
    named = {each["name"] for each in bill["components"]}
    loaded = imported_by_the_daemon() - {"callout-agent", "pip", "setuptools"}
    assert {"apscheduler", "pynmeagps", "pyserial", "sqlite-utils"} <= loaded, "else this shows nothing"
    assert loaded <= named


def test_bill_names_what_is_asked_for_directly(bill: dict[str, Any]):
    """Each dependency of pyproject.toml, as a need of ours."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[a-z0-9-]+", text)[0] for text in project["dependencies"]}
    (ours,) = [each for each in bill["dependencies"] if each["ref"].startswith("pkg:generic/callout-agent@")]
    assert {re.match(r"pkg:pypi/(.*)@", each)[1] for each in ours["dependsOn"]} == wanted


def test_each_part_has_version_hash_and_licence(bill: dict[str, Any]):
    """As the lock pins it: what is installed can be nothing else."""
    for each in bill["components"]:
        block = re.search(rf"^{re.escape(each['name'])}==(\S+) .*?(?=^[a-z0-9])", LOCK + "\nz", re.MULTILINE | re.DOTALL)
        assert block is not None, each["name"]
        assert each["version"] == block[1]
        assert [told["content"] for told in each["hashes"]] == re.findall(r"[0-9a-f]{64}", block[0])
        assert each["hashes"], each["name"]
        (licence,) = each["licenses"]
        assert licence.get("expression") or licence["license"].get("id") or licence["license"]["name"]


def test_bill_is_read_by_the_formats_own_library(bill: dict[str, Any]):
    """And every edge of its graph leads somewhere."""
    read = Bom.from_json(bill)
    assert len(read.components) == len(bill["components"]) >= 15
    known = {each["bom-ref"] for each in bill["components"]}
    assert {ref for each in bill["dependencies"] for ref in each["dependsOn"]} <= known
    assert known <= {each["ref"] for each in bill["dependencies"]}


def test_same_tree_gives_the_same_bill(bill: dict[str, Any], tmp_path: Path):
    """So that two builds can be compared."""
    when = dict(os.environ, SOURCE_DATE_EPOCH="1767225600")
    texts = []
    for name in ("one", "two"):
        subprocess.run([REPO / "tools" / "sbom", tmp_path / name], check=True, env=when, stdout=subprocess.DEVNULL)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"
    assert json.loads(texts[0])["serialNumber"] == bill["serialNumber"]


# --- the audit -----------------------------------------------------------------------------------------------------------------


def tool() -> ModuleType:
    """tools/audit, as a module."""
    loader = importlib.machinery.SourceFileLoader("audit", str(REPO / "tools" / "audit"))
    spec = importlib.util.spec_from_loader("audit", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@contextlib.contextmanager
def database(known: dict[str, str], status: int = 200) -> Iterator[str]:
    """A database that knows a vulnerability of some packages, mended in 999."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
            ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}]
            affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}]
            body = {"vulns": [{"id": known[name], "aliases": ["CVE-1"], "affected": affected}]} if name in known else {}
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def audit(url: str, folder: Path) -> tuple[int, str]:
    """Of two distributions of the lock. Exit status and output."""
    lock = folder / "lock"
    parts = [re.search(rf"^{name}==.*?(?=^[a-z0-9])", LOCK, re.MULTILINE | re.DOTALL) for name in ("h11", "idna")]
    lock.write_text("".join(part[0] for part in parts if part is not None))
    command = [sys.executable, REPO / "tools" / "audit", lock]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=LOCAL | {"CALLOUT_AGENT_OSV_URL": url}, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_known_vulnerability_fails_the_audit(tmp_path: Path):
    """With name, version and what mends it."""
    with database({"h11": "PYSEC-1"}) as url:
        code, out = audit(url, tmp_path)
    assert code == 1
    assert re.search(r"^VULNERABLE: h11 \S+: PYSEC-1 \(mended in: 999\)$", out, re.MULTILINE)


def test_audit_without_findings_says_how_much_it_has_seen(tmp_path: Path):
    """Or an empty one would pass for a good one."""
    with database({}) as url:
        assert audit(url, tmp_path) == (0, "audited: 2 distributions, 0 vulnerabilities that count\n")


@pytest.mark.parametrize("how", ["nobody listens", "it fails"])
def test_audit_that_could_not_be_made_says_so_and_stops_nobody(tmp_path: Path, how: str):
    """Exit 0, and words that nobody takes for a pass."""
    with database({}, status=500) as url:
        code, out = audit(url if how == "it fails" else "http://127.0.0.1:1/", tmp_path)
    assert (code, out[:12]) == (0, "NOT AUDITED:")
    assert "0 vulnerabilities" not in out


FOUND = [{"name": "h11", "version": "1", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": []}]}]
TODAY = dt.date(2026, 6, 1)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("", 1),
        ('[[ignored]]\nid = "PYSEC-1"\nreason = "not reached"\nuntil = 2026-06-01', 0),
        ('[[ignored]]\nid = "CVE-1"\nreason = "not reached"\nuntil = 2026-12-31', 0),
        ('[[ignored]]\nid = "PYSEC-1"\nreason = "not reached"\nuntil = 2026-05-31', 1),
        ('[[ignored]]\nid = "PYSEC-2"\nreason = "not reached"\nuntil = 2026-12-31', 1),
    ],
)
def test_ignored_is_what_is_named_until_its_day(tmp_path: Path, entry: str, code: int):
    """By any of its names; a day that is over ends it."""
    (tmp_path / "ignored.toml").write_text(entry)
    module = tool()
    assert module.judge(FOUND, module.ignored(tmp_path / "ignored.toml"), TODAY) == code


@pytest.mark.parametrize("missing", ["reason", "until"])
def test_nobody_ignores_without_reason_and_day(tmp_path: Path, missing: str):
    """The list explains itself, and ends."""
    lines = {"id": 'id = "PYSEC-1"', "reason": 'reason = "not reached"', "until": "until = 2026-12-31"}
    (tmp_path / "ignored.toml").write_text("[[ignored]]\n" + "\n".join(line for key, line in lines.items() if key != missing))
    with pytest.raises(KeyError, match=missing):
        tool().ignored(tmp_path / "ignored.toml")


def test_ignored_list_of_the_project_is_in_order():
    """Every entry has its reason and its day."""
    module = tool()
    assert isinstance(module.ignored(module.IGNORED), dict)
