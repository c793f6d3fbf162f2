"""Local workers: start, restart after a crash, shut down; or this process as the only one."""

import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from ae_run import components, devices, processes
from ae_run.data import Dataset
from ae_run.errors import Interrupted, MachineFault, RunFailed, UserError
from ae_run.run_folder import RunFolder
from ae_run.search import study, worker
from ae_run.search.ledger import Ledger
from ae_run.search.plan import Plan
from ae_run.search.progress import SearchProgress
from ae_run.search.sessions import Sessions
from ae_run.search.storage import Opened, StorageLost
from ae_run.training.interrupts import StopRequest

_LOOK_SECONDS = 0.5
_STOP_SECONDS = 60  # a step of a large model on a slow machine
_CRASHES = 3  # in a row, without a finished trial


class Workers:
    """Works until every trial of the study is finished, or time is up."""

    def __init__(
        self,
        plan: Plan,
        queue: study.TrialQueue,
        connect: Callable[[], Opened],
        dataset: Dataset,
        stop: StopRequest,
    ) -> None:
        self._plan = plan
        self._queue = queue
        self._connect = connect
        self._dataset = dataset
        self._stop = stop
        self._sessions = Sessions(queue.study)
        self._deadline: float | None = None
        self._images: Path | None = None
        self._here: worker.Worker | None = None
        self._processes: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        self._places: dict[int, int] = {}
        """Process id → the worker's place among those that live, by which GPUs are shared."""
        self._started = 0
        self._crashes: list[str] = []
        self._done_at_crash = 0

    def work(self) -> float:
        """Return the seconds that the search has taken in all.

        Raises:
            RunFailed: workers keep dying, the storage is lost, or the first trials all failed.
            MachineFault: the machine lacks what any trial needs.
            Interrupted: a signal asked to stop.
        """
        options = self._plan.options
        self._queue.fill(options.n_trials)
        self._queue.repair(self._sessions)
        self._sessions.beat()
        if options.timeout is not None:
            self._deadline = time.time() + options.timeout - self._sessions.elapsed()
        progress = SearchProgress(self._plan.folder, options)
        lost = False
        try:
            with self._sessions.beating(self._connect), ExitStack() as stack:
                if self._plan.workers == 1:
                    self._here = worker.Worker(self._order(), self._queue, self._dataset)
                else:
                    images = _shared_images(self._dataset, self._plan.folder, self._queue)
                    self._images = stack.enter_context(images)
                    stack.callback(self._end_all)
                self._loop(progress)
        except StorageLost:
            lost = True
            raise
        finally:
            progress.close()
            if not lost:  # what was stopped waits again, and all time counts
                with suppress(OSError):  # on a full disk, the next start does it
                    self._sessions.beat()
                    self._queue.repair(self._sessions)
        return self._sessions.elapsed()

    def _loop(self, progress: SearchProgress) -> None:
        waited_for: set[int] = set()
        while True:
            if self._queue.repair(self._sessions):
                continue
            ledger = self._queue.ledger
            self._reap(ledger)
            progress.show(ledger)
            self._check_failures(ledger)
            self._check_stop(ledger)
            running = ledger.running
            waiting = ledger.total - ledger.finished - len(running)
            live = len(self._processes)
            late = self._deadline is not None and time.time() >= self._deadline
            if not live and (late or not (waiting or running)):
                return
            if not live and not waiting and running.keys() != waited_for:
                waited_for = set(running)
                owners = (t.user_attrs.get("owner", {}) for t in running.values())
                hosts = ", ".join(sorted({str(one.get("host")) for one in owners}))
                count = f"{len(running)} trial{'s' * (len(running) > 1)}"
                self._plan.folder.say(f"no trial left to take; waiting for {count} on {hosts}")
            if waiting and not late:
                if self._here is not None:
                    self._run_here(ledger)
                    continue
                for _ in range(min(self._plan.workers, waiting + live) - live):
                    self._start()
            for _ in range(5):
                self._check_stop(ledger)
                time.sleep(_LOOK_SECONDS / 5)

    def _run_here(self, ledger: Ledger) -> None:
        assert self._here is not None
        try:
            self._here.run_one()
        except Interrupted as stop:  # which the training noticed first
            self._stop.signal_number = stop.exit_code - 128
            self._check_stop(ledger)

    def _check_stop(self, ledger: Ledger) -> None:
        if self._stop.signal_number is not None:
            raise Interrupted(
                f"stopped; {ledger.finished} of {ledger.total} trials are finished",
                self._stop.signal_number,
            )

    def _order(self) -> worker.Order:
        plan, number = self._plan, self._started
        self._started += 1
        label = f"{plan.job.config.worker}." if plan.job.config.worker is not None else ""
        return worker.Order(
            options=plan.options,
            password=plan.password,
            name=plan.name,
            seed=plan.config.seed,
            epochs=plan.epochs,
            folder=plan.folder.path,
            label=plan.label,
            config=plan.config.dump(),
            encoder=plan.encoder,
            overrides=plan.overrides,
            worker=f"{label}{number}",
            threads=plan.threads,
            session=self._sessions.own,
            deadline=self._deadline,
            images=self._images,
            code=tuple(code.given for code in components.in_use()),
        )

    def _start(self) -> None:
        said = tempfile.TemporaryFile()  # noqa: SIM115
        live = {process.pid for process, _ in self._processes}
        taken = {place for pid, place in self._places.items() if pid in live}
        place = next(place for place in itertools.count() if place not in taken)
        own_gpu = devices.share(self._plan.config.device, place)
        process = processes.start([sys.executable, "-m", worker.__name__], said, own_gpu)
        self._places[process.pid] = place
        assert process.stdin is not None
        with suppress(OSError):  # it has died already; the next look sees it
            process.stdin.write(self._order().model_dump_json().encode() + b"\n")
            process.stdin.flush()
        self._processes.append((process, said))

    def _reap(self, ledger: Ledger) -> None:
        """Forget workers that have ended; too many crashes are an error."""
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
            if code == worker.LACKING:
                raise MachineFault(text.strip().splitlines()[-1])
            if ledger.finished > self._done_at_crash:
                self._crashes.clear()
            self._done_at_crash = ledger.finished
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._crashes.append((text.strip().splitlines() or [how])[-1])
            self._plan.folder.say(f"a worker died ({how}); its trial is tried again once")
            if len(self._crashes) >= _CRASHES:
                log = self._plan.folder.file("log.txt")
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
            self._plan.folder.log(text.rstrip())
        return text or "no message"

    def _check_failures(self, ledger: Ledger) -> None:
        if not ledger.is_hopeless:
            return
        finished = [t for t in ledger.last.values() if t.state.is_finished()]
        reasons = [str(t.user_attrs.get("reason", "its worker died")) for t in finished]
        raise RunFailed(
            f"the first {len(finished)} trials all failed: {max(reasons, key=reasons.count)}"
        )

    def _end_all(self) -> None:
        """Ask the workers to stop, and kill those that do not."""
        for process, _ in self._processes:
            processes.ask_to_stop(process)
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


@contextmanager
def _shared_images(dataset: Dataset, folder: RunFolder, queue: study.TrialQueue) -> Iterator[Path]:
    """The images in a temporary folder from which all workers map one copy into memory."""
    with ExitStack() as stack:
        with queue.opened.lock():  # so that no other search process sees the new folder unlocked
            for left in folder.path.glob(".images-*"):
                with suppress(UserError), RunFolder(left).lock():  # its process was killed
                    shutil.rmtree(left, ignore_errors=True)
            path = Path(tempfile.mkdtemp(prefix=".images-", dir=folder.path))
            stack.callback(shutil.rmtree, path, ignore_errors=True)
            stack.enter_context(RunFolder(path).lock())
        worker.save_images(dataset, path)
        yield path
