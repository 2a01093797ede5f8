"""`callout-agent callout map`: where a callout is or was, as a picture and as the address of its live page.

Whoever has the address sees where the wearer is: it is shown because it was asked for, is never logged, and never stands in `ps`.
"""

from __future__ import annotations

import argparse
import html
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from agent.cli import enquiry, picture, saved, talk
from agent.cli.printed import pairs, plain
from agent.documents import NOTHING, REFUSED, UNREACHABLE, failure

HELP = "the map of a callout: where its live page is, and its picture"
PAGE = '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url={url}">'


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    enquiry.declare(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--save", metavar="FILE", type=Path, help="the picture into a new file, for nobody else to read")
    where.add_argument(
        "--open", action="store_true", help="the live page in the browser of this desktop; without one it is said where it is"
    )
    parser.add_argument("--force", action="store_true", help="replace the file")


def run(args: argparse.Namespace) -> int:
    """Exit 4 where there is none; with --save where there is no picture."""
    reply = enquiry.ask(args, {"do": "map", "id": args.id})
    if reply.get("ok") and args.save is not None:
        reply = _save(args, reply)
    elif reply.get("ok") and args.open:
        reply = {**reply, "opened": _open(reply["url"])}
    return enquiry.finish(args, reply, _words)


def _save(args: argparse.Namespace, reply: enquiry.Reply) -> enquiry.Reply:
    if not reply["image"]:
        page = f"the live page is {reply['url']}" if reply["url"] else "nor does it name a live page"
        return {**reply, **failure(NOTHING, f"dispatch has no picture of callout {reply['id']}", page)}
    base_url, ca_file = (talk.setting(args.config, "panic_api", key, "") for key in ("base_url", "ca_file"))
    try:
        content = picture.of(reply["image"], base_url=base_url, ca_file=Path(ca_file) if ca_file else None)
    except picture.PictureError as error:
        return {**reply, **failure(UNREACHABLE if error.away else REFUSED, str(error), error.hint)}
    except OSError as error:
        return {**reply, **failure(REFUSED, f"ca_file {ca_file} cannot be used: {error.strerror or error}", "callout-agent check")}
    return saved.told(reply, args.save, content, force=args.force)


def _open(url: str | None) -> bool:
    """Whether a browser was asked to. It is given a page of ours that leads there: what a program is called with stands in `ps`."""
    program = shutil.which("xdg-open")
    if not url or program is None or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    if not url.lower().startswith(("https://", "http://")):
        return False
    folder = Path(tempfile.mkdtemp(prefix="callout-map-", dir=os.environ.get("XDG_RUNTIME_DIR")))
    page = folder / "map.html"
    saved.save(page, PAGE.format(url=html.escape(url)).encode())
    try:
        done = subprocess.run([program, str(page)], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _words(reply: enquiry.Reply) -> str:
    if "saved" in reply:
        return f"callout {reply['id']}: the picture is in {plain(reply['saved'])}"
    if reply.get("opened"):
        return f"callout {reply['id']}: the live page is being opened"
    image = "with --save FILE" if reply["image"] else "none"
    return pairs([("callout", reply["id"]), ("live page", reply["url"] or "none"), ("picture", image)])
