"""A night at the museum: supervised, under simulated visitors, with every fault there is.

    python -m tests.night --folder /tmp/night                    two hours
    python -m tests.night --folder /tmp/night --minutes 12       each fault once, in a hurry
    python -m tests.night --folder /tmp/night --minutes 5 --only hang --only killed

Needs Xvfb. Writes into the folder: `night.json`, with what was injected, what came of it and how long it took
until the picture was back; `frames/`, a picture of the screen every so many seconds and after each fault;
`sheet-*.png`, these side by side; and what the exhibit itself writes: status, logs, faults and counts. Ends
with exit code 1 where something was not survived in time, or is not told truly.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from nca_viewer.assets import bundled_checkpoint
from nca_viewer.kiosk.operation.event_log import EventLog, LogEvent, log_event
from nca_viewer.kiosk.operation.status import read_status
from nca_viewer.kiosk.operation.supervise import Supervisor

REPOSITORY = Path(__file__).resolve().parents[2]
SCREEN = (1000, 700)
IN_PROCESS_SECONDS = 2.0
RESTART_SECONDS = 6.0
PATIENCE_SECONDS = 60.0
THUMBNAIL = (320, 224)
STATUS_SECONDS = 1.5
"""status.json may be as old as this; it is no proof of anything sooner."""

FAULTS = (
    # (name, what shows in status.json that it happened, whether the program starts anew)
    ("not-finite", "not-finite", False),
    ("killed", None, True),
    ("device-error", "error", False),
    ("disk-full", None, False),
    ("thousand-events", None, False),
    ("hang", None, True),
    ("surprise", "error", False),
    ("clock-forth", None, False),
    ("clock-back", None, False),
    ("stall", "stalled", False),
    ("checkpoint-damaged", None, True),
    ("frozen", "frozen", False),
    ("stall-for-good", None, True),
    ("checkpoint-gone", None, True),
    ("display-lost", None, True),
    ("sigterm", None, True),
)
LASTS_SECONDS = {
    "hang": 15.0, "stall-for-good": 10.0, "frozen": 3.0, "stall": 3.0, "display-lost": 3.0, "disk-full": 5.0
}  # fmt: skip
"""How long a fault lasts, or takes to be told from a healthy pause; the picture can come back only then."""


class Screen:
    """A virtual display that can be done away with."""

    def __init__(self, number, folder):
        self.name, self.folder = f":{number}", folder
        self.start()

    def start(self):
        size = f"{SCREEN[0]}x{SCREEN[1]}x24"
        arguments = ["-screen", "0", size, "-nolisten", "tcp", "-fbdir", str(self.folder)]
        self.server = subprocess.Popen(
            ["Xvfb", self.name, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(1.0)
        if self.server.poll() is not None:
            sys.exit(f"Xvfb did not start on {self.name}; choose another --display")

    def stop(self):
        self.server.kill()
        self.server.wait()

    def picture(self):
        """What is on the screen: uint8[height, width, 3]."""
        content = (self.folder / "Xvfb_screen0").read_bytes()
        header = np.frombuffer(content, ">u4", 25)
        header_size, width, height, bytes_per_line, colours = header[[0, 4, 5, 12, 19]].tolist()
        rows = np.frombuffer(content, np.uint8, height * bytes_per_line, header_size + 12 * colours)
        return rows.reshape(height, -1)[:, : 4 * width].reshape(height, width, 4)[..., 2::-1]


class Night:
    """The night, from dusk till dawn."""

    def __init__(self, options):
        self.options = options
        self.folder = options.folder
        for name in ("orders", "frames", "screen"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.checkpoint = self.folder / "checkpoint"
        self.restore_checkpoint()
        self.screen = Screen(options.display, self.folder / "screen")
        self.journal = EventLog()
        self.journal.open(self.folder, "supervisor.log")
        environment = os.environ | {
            "DISPLAY": self.screen.name,
            "NIGHT_ORDERS": str(self.folder / "orders"),
            "NIGHT_SEED": str(options.seed),
            "PYTHONPATH": str(REPOSITORY),
        }
        environment.pop("SDL_VIDEODRIVER", None)
        self.supervisor = Supervisor(
            [
                sys.executable, "-m", "tests.night.viewer", "--exhibit", "--ckpt", str(self.checkpoint),
                "--operator-exit", "none", "--idle-seconds", "20",
                "--state-dir", str(self.folder), "--log-dir", str(self.folder),
                "--usage-csv", str(self.folder / "usage.csv"), *options.viewer,
            ],
            picture_command=[sys.executable, "-m", "nca_viewer.kiosk.standby_screen"],
            state_folder=self.folder,
            environment=environment,
        )  # fmt: skip
        self.code = None
        self.thread = threading.Thread(target=self.supervise, daemon=True)
        self.story = []
        self.samples = 0
        self.sampled = 0.0
        self.began = time.monotonic()

    def supervise(self):
        log_event(LogEvent.START, "the night begins")
        self.code = self.supervisor.run()

    # ------------------------------------------------------------------------- looking

    def status(self):
        return read_status(self.folder) or {}

    def sample(self, label=""):
        self.sampled = time.monotonic()
        try:
            image = Image.fromarray(self.screen.picture()).resize(THUMBNAIL)
        except (OSError, ValueError, IndexError):
            return
        minutes = (time.monotonic() - self.began) / 60
        ImageDraw.Draw(image).text((4, 2), f"{minutes:.1f} min {label}", fill=(255, 196, 84))
        image.save(self.folder / "frames" / f"{self.samples:05d}.png")
        self.samples += 1

    def wait(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.code is not None:
                return
            if time.monotonic() - self.sampled >= self.options.sample_seconds:
                self.sample()
            time.sleep(0.1)

    def wait_for(self, condition, seconds=PATIENCE_SECONDS):
        """Seconds until it holds; None if it never does."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if condition():
                return time.monotonic() - began
            time.sleep(0.02)
        return None

    def is_live(self, pid_before=None):
        status = self.status()
        is_new = pid_before is None or status.get("pid") != pid_before
        return is_new and status.get("state") == "running" and status.get("frames", 0) > 0

    # ------------------------------------------------------------------------- faults

    def restore_checkpoint(self):
        shutil.rmtree(self.checkpoint, ignore_errors=True)
        shutil.copytree(bundled_checkpoint("model"), self.checkpoint)

    def inject(self, name, evidence, restarts):
        before, began = self.status(), time.monotonic()
        minute = round((began - self.began) / 60, 1)
        entry = {"fault": name, "time": f"{datetime.now(UTC):%H:%M:%S}", "minute": minute, "tries": 1}
        entry["load"] = round(os.getloadavg()[0], 1)  # On a machine with other work, all takes longer.
        self.story.append(entry)
        match name:
            case "killed":
                os.kill(before["pid"], signal.SIGKILL)
            case "checkpoint-damaged":
                files = [path for path in self.checkpoint.rglob("*") if path.is_file()]
                victim = max(files, key=os.path.getsize)
                victim.write_bytes(victim.read_bytes()[:-7])
                os.kill(before["pid"], signal.SIGKILL)
            case "checkpoint-gone":
                shutil.rmtree(self.checkpoint)
                os.kill(before["pid"], signal.SIGKILL)
            case "display-lost":
                self.screen.stop()
                time.sleep(2.0)
                self.screen.start()
            case "sigterm":
                # Passed on to the viewer, it ends the night.
                self.supervisor.end()
                self.thread.join(30)
                is_told = self.status().get("state") == "ended"
                entry |= {"back_seconds": None, "survived": self.code == 0, "told": is_told}
                return
            case _:
                (self.folder / "orders" / name).touch()
        if restarts:
            is_back = self.wait_for(lambda: self.is_live(before["pid"])) is not None
        else:
            count = before["faults"].get(evidence, 0)

            def is_noticed():
                return evidence is None or self.status()["faults"].get(evidence, 0) > count

            if name == "frozen":
                # A visitor who asks for a new digit undoes it before it can be noticed: then once more.
                while self.wait_for(is_noticed, 2 * LASTS_SECONDS[name]) is None and entry["tries"] < 10:
                    entry["tries"] += 1
                    began = time.monotonic()
                    (self.folder / "orders" / name).touch()
            else:
                self.wait_for(is_noticed)
            frames = self.shown(before) if name == "disk-full" else self.status()["frames"]
            is_back = self.wait_for(lambda: self.is_live() and self.status()["frames"] > frames) is not None
        allowed = LASTS_SECONDS.get(name, 0.0)
        seconds = time.monotonic() - began - allowed
        limit = (RESTART_SECONDS if restarts else IN_PROCESS_SECONDS) + STATUS_SECONDS
        self.sample(name)
        entry |= {"back_seconds": round(max(0.0, seconds), 1), "survived": is_back and seconds <= limit}
        self.wait(3.0)
        entry["told"] = self.is_told(name, evidence, restarts, before)
        if name.startswith("checkpoint"):
            self.restore_checkpoint()
        print(json.dumps(entry), flush=True)

    def shown(self, before):
        """The frames so far; while the disk is full nothing tells, so it is freed after a while."""
        self.wait(LASTS_SECONDS["disk-full"])
        (self.folder / "orders" / "disk-free").touch()
        return before["frames"]

    def is_told(self, name, evidence, restarts, before):
        status = self.status()
        if evidence is not None:
            return status["faults"].get(evidence, 0) > before["faults"].get(evidence, 0)
        if name == "disk-full":
            return "disk: cannot write the status: [Errno 28] No space left on device" in self.log()
        if name.startswith("checkpoint"):
            seen = status["checkpoint"]
            return bool(seen["trouble"]) and seen["shown"] == "model" and "WARNING checkpoint: " in self.log()
        if name.startswith("clock"):
            return status["uptime_seconds"] > before["uptime_seconds"]
        more = status["restarts"] - before["restarts"]
        # While the screen is away, starts fail; each of them counts.
        return more >= 1 if restarts else more == 0

    def log(self):
        paths = sorted(self.folder.glob("*.log*"))
        return "".join(path.read_text(errors="replace") for path in paths)

    # ------------------------------------------------------------------------- the whole

    def run(self):
        self.thread.start()
        if self.wait_for(self.is_live) is None:
            sys.exit(f"the exhibit did not start; see {self.folder}")
        self.sample("start")
        # The last fault, SIGTERM, ends the night.
        only = self.options.only
        faults = [fault for fault in FAULTS if not only or fault[0] in (*only, "sigterm")]
        pause = self.options.minutes * 60 / len(faults)
        for fault in faults:
            due = self.began + pause * (len(self.story) + 1)
            self.wait(max(5.0, due - time.monotonic()))
            if self.code is not None:
                break
            self.inject(*fault)
        self.screen.stop()
        self.journal.close()
        is_well = len(self.story) == len(faults) and all(
            entry["survived"] and entry["told"] for entry in self.story
        )
        result = {"is_well": is_well, "exit_code": self.code, "status": self.status(), "story": self.story}
        (self.folder / "night.json").write_text(json.dumps(result, indent=1) + "\n")
        self.make_sheets()
        for entry in self.story:
            print(json.dumps(entry))
        print(f"{'all is well' if is_well else 'NOT well'}; see {self.folder}")
        return 0 if is_well else 1

    def make_sheets(self, columns=6, rows=8):
        paths = sorted((self.folder / "frames").glob("*.png"))
        for number, start in enumerate(range(0, len(paths), columns * rows)):
            shown = paths[start : start + columns * rows]
            height = -(-len(shown) // columns) * THUMBNAIL[1]
            sheet = Image.new("RGB", (columns * THUMBNAIL[0], height))
            for place, path in enumerate(shown):
                corner = (place % columns * THUMBNAIL[0], place // columns * THUMBNAIL[1])
                sheet.paste(Image.open(path), corner)
            sheet.save(self.folder / f"sheet-{number:02d}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, required=True, help="where everything is written; new or empty"
    )
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--only", action="append", choices=[name for name, *_ in FAULTS], help="this fault")
    parser.add_argument("--display", type=int, default=77, help="number of the virtual display")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample-seconds", type=float, default=10.0)
    parser.add_argument("viewer", nargs="*", help="more options of the viewer, after --")
    options = parser.parse_args()
    if options.folder.exists() and any(options.folder.iterdir()):
        parser.error(f"{options.folder} is not empty")
    sys.exit(Night(options).run())


if __name__ == "__main__":
    main()
