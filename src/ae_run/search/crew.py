"""The workers of this machine: started, replaced when they die, stopped in the end."""

import json
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from typing import IO

from optuna.trial import FrozenTrial, TrialState

from ae_run.data import Dataset
from ae_run.errors import Interrupted, RunFailed
from ae_run.search import share, study, worker
from ae_run.search.prepare import Search
from ae_run.search.progress import Progress
from ae_run.search.storage import StorageLost
from ae_run.training.interrupts import StopRequest

_LOOK_SECONDS = 0.5
_STOP_SECONDS = 60  # a step of a large model on a slow machine
_CRASHES = 3  # in a row, without a finished trial


class Crew:
    """Works until every trial of the study is finished, or time is up."""

    def __init__(
        self, search: Search, found: study.TakingStudy, dataset: Dataset, stop: StopRequest
    ) -> None:
        self._search = search
        self._study = found
        self._dataset = dataset
        self._stop = stop
        self._sessions = study.Sessions(found)
        self._processes: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        self._started = 0
        self._crashes: list[str] = []
        self._done_at_crash = 0

    def work(self) -> float:
        """Return the seconds that the search has taken in all.

        Raises:
            RunFailed: workers do not stay alive, the storage is lost, or the first trials
                all failed.
            Interrupted: a signal asked to stop.
        """
        options = self._search.options
        study.fill(self._study, options.n_trials)
        study.repair(self._study, self._sessions)
        self._sessions.beat()
        deadline = None
        if options.timeout is not None:
            deadline = time.time() + options.timeout - self._sessions.elapsed()
        progress = Progress(self._search.folder, options)
        lost = False
        try:
            with share.publish(self._dataset, self._search.folder.path) as shared:
                self._loop(shared, deadline, progress)
        except StorageLost:
            lost = True
            raise
        finally:
            self._end_all()
            progress.close()
            if not lost:  # what was stopped waits again, and all time counts
                self._sessions.beat(at_once=True)
                study.repair(self._study, self._sessions)
        return self._sessions.elapsed()

    def _loop(self, shared: share.Shared, deadline: float | None, progress: Progress) -> None:
        waited_for: set[int] = set()
        while True:
            trials = study.slots(self._study.get_trials(deepcopy=False))
            self._reap(trials)
            if study.repair(self._study, self._sessions):
                continue
            progress.show(trials)
            self._check_failures(trials)
            waiting = sum(t.state == TrialState.WAITING for t in trials)
            running = [t for t in trials if t.state == TrialState.RUNNING]
            live = len(self._processes)
            late = deadline is not None and time.time() >= deadline
            if not live and (late or not (waiting or running)):
                return
            if not live and not waiting and {t.number for t in running} != waited_for:
                waited_for = {t.number for t in running}
                hosts = sorted({str(t.user_attrs.get("owner", {}).get("host")) for t in running})
                self._search.folder.say(
                    f"nothing left to take; waiting for {len(running)} trials on {', '.join(hosts)}"
                )
            if not late:
                for _ in range(min(self._search.workers, waiting + live) - live):
                    self._start(shared, deadline)
            self._sessions.beat()
            for _ in range(5):
                if self._stop.signal_number is not None:
                    done = sum(t.state.is_finished() for t in trials)
                    raise Interrupted(
                        f"stopped; {done} of {len(trials)} trials are finished",
                        self._stop.signal_number,
                    )
                time.sleep(_LOOK_SECONDS / 5)

    def _start(self, shared: share.Shared, deadline: float | None) -> None:
        search, number = self._search, self._started
        self._started += 1
        label = f"{search.job.config.worker}." if search.job.config.worker is not None else ""
        order = {
            "options": search.options.model_dump(mode="json"),
            "password": search.password,
            "name": search.name,
            "seed": search.config.seed,
            "epochs": search.epochs,
            "folder": str(search.folder.path),
            "label": search.label,
            "raw": search.raw,
            "encoder": str(search.job.folder.path) if search.job.folder else None,
            "overrides": search.overrides,
            "worker": f"{label}{number}",
            "threads": search.threads,
            "deadline": deadline,
            "session": self._sessions.own,
            "data": shared.file.fileno(),
            "layout": shared.layout,
        }
        said = tempfile.TemporaryFile()  # noqa: SIM115
        # A process group of its own: Ctrl-C reaches this process alone, which passes it on once.
        process = subprocess.Popen(
            worker.start_arguments(), stdin=subprocess.PIPE, stdout=said, stderr=said,
            pass_fds=(shared.file.fileno(),), process_group=0,
        )  # fmt: skip
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it died already; the next look sees it
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
        self._processes.append((process, said))

    def _reap(self, trials: list[FrozenTrial]) -> None:
        """Forget workers that have ended; too many bad ends are an error."""
        for process, said in list(self._processes):
            code = process.poll()
            if code is None:
                continue
            self._processes.remove((process, said))
            text = self._read(process, said)
            if code == worker.DONE:
                continue
            if code == worker.STORAGE_LOST:
                raise StorageLost(text.strip().splitlines()[-1])
            done = sum(t.state.is_finished() for t in trials)
            if done > self._done_at_crash:
                self._crashes.clear()
            self._done_at_crash = done
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._crashes.append((text.strip().splitlines() or [how])[-1])
            self._search.folder.say(f"a worker died ({how}); its trial is tried again once")
            if len(self._crashes) >= _CRASHES:
                log = self._search.folder.file("log.txt")
                raise RunFailed(f"workers keep dying: {self._crashes[-1]}; see {log}")

    def _read(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> str:
        """What an ended worker printed; also into the log."""
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        said.seek(0)
        text = said.read().decode(errors="replace")
        said.close()
        if text.strip():
            self._search.folder.log(text.rstrip())
        return text or "no message"

    def _check_failures(self, trials: list[FrozenTrial]) -> None:
        if not study.is_hopeless(trials):
            return
        finished = [t for t in trials if t.state.is_finished()]
        reasons = [str(t.user_attrs.get("reason", "its worker died")) for t in finished]
        raise RunFailed(
            f"the first {len(finished)} trials all failed: {max(reasons, key=reasons.count)}"
        )

    def _end_all(self) -> None:
        """Ask the workers to stop, and end those that do not."""
        for process, _ in self._processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        try:
            for process, _ in self._processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:  # a second Ctrl-C lands here
            for process, said in self._processes:
                process.kill()
                process.wait()
                self._read(process, said)
            self._processes.clear()
