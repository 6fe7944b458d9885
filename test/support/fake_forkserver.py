#!/usr/bin/env python3
"""A forkserver without pytest: speaks protocol version 2 and does what PFAST_FAKE (a JSON object in the environment) says.

    items      node ids of the suite; a run selects those that its argv names, or all
    inputs     paths that the generation depends on; absent_inputs: so many more that do not exist
    env_read   environment variables that collection reads
    ready      further fields of the message `ready`
    boot       "ok" | "fail" | "die" | "hang" | "garbage"     boot_delay: seconds
    fork       "ok" | "die" | "hang" | "error"
    select     "ok" | "die" | "hang" | "over" | "inline" | "outside"   select_delay: seconds
    finish     "ok" | "die" | "hang"                         output: text of plugins
    do         node id -> what its test does (see run_item)
    maxfail    number

The environment of a run (RunRequest.env) may hold another PFAST_FAKE, which then counts for that run.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import pickle
import select
import signal
import socket
import struct
import sys
import time
from typing import Any

NO_ITEM = 0xFFFFFFFF
HEADER_BYTES, SLOT_BYTES, LINE = 192, 64, 64


class Gone(Exception):
    pass


class Frames:
    """Frames over a socket, read one by one, so that descriptors belong to the frame that they came with."""

    def __init__(self, fd: int) -> None:
        self.socket = socket.socket(fileno=fd)

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, message: dict[str, Any]) -> None:
        payload = pickle.dumps(message, protocol=4)
        self.socket.sendall(struct.pack(">I", len(payload)) + payload)

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        fds: list[int] = []
        header = self._exactly(4, fds)
        payload = self._exactly(struct.unpack(">I", header)[0], fds)
        return pickle.loads(payload), fds

    def _exactly(self, count: int, fds: list[int]) -> bytes:
        data = b""
        while len(data) < count:
            chunk, ancillary, _, _ = self.socket.recvmsg(count - len(data), socket.CMSG_SPACE(16 * 4))
            for level, kind, raw in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds.extend(struct.unpack(f"{len(raw) // 4}i", raw[: len(raw) // 4 * 4]))
            if not chunk:
                raise Gone
            data += chunk
        return data


class Board:
    """The run board, as pfcore lays it out. Claims are made under a file lock: there are no atomics here."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.memory = mmap.mmap(fd, os.fstat(fd).st_size)
        _, _, self.items, self.ranges, self.workers = struct.unpack_from("<QIIII", self.memory, 0)
        up = lambda size: (size + LINE - 1) // LINE * LINE  # noqa: E731
        self.order_at = HEADER_BYTES + self.workers * SLOT_BYTES + up(self.ranges * 8)
        self.owners_at = self.order_at + up(self.items * 4)

    def _slot(self, slot: int) -> int:
        return HEADER_BYTES + slot * SLOT_BYTES

    def attach(self, slot: int, pid: int) -> None:
        at = self._slot(slot)
        struct.pack_into("<QQ", self.memory, at + 8, NO_ITEM << 32 | 1, 0)
        struct.pack_into("<i", self.memory, at + 28, pid)

    def stopped(self) -> bool:
        return struct.unpack_from("<I", self.memory, 128)[0] != 0

    def claim(self, slot: int) -> int | None:
        if self.stopped():
            return None
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            for position in range(self.items):
                at = self.owners_at + 4 * position
                if struct.unpack_from("<I", self.memory, at)[0] == 0:
                    item = struct.unpack_from("<I", self.memory, self.order_at + 4 * position)[0]
                    self.activity(slot, item, 0, 3)
                    struct.pack_into("<I", self.memory, at, (slot + 1) << 1 | 1)
                    return item
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)
        return None

    def activity(self, slot: int, item: int, phase: int, state: int) -> None:
        at = self._slot(slot)
        struct.pack_into("<QQ", self.memory, at + 8, item << 32 | phase << 8 | state, time.monotonic_ns())

    def finish_item(self, slot: int) -> None:
        struct.pack_into("<Q", self.memory, self._slot(slot) + 8, NO_ITEM << 32 | 2)


def phases_of(outcome: str) -> list[dict[str, Any]]:
    word = {"passed": "passed", "failed": "failed"}[outcome]
    return [
        {"when": "setup", "outcome": "passed", "category": ""},
        {"when": "call", "outcome": word, "category": word, "duration_s": 0.001},
        {"when": "teardown", "outcome": "passed", "category": ""},
    ]


def run_item(frames: Frames, item: int, what: str) -> None:
    """What a test does: pass, fail, crash, exit0, exit3, hang (ignores SIGTERM), sleep:S, spin:S (ignores SIGINT), stop,
    close, half, garbage, big:BYTES, many:N (warnings), twice, ghost (an item that does not exist), orphan:FILE,
    child:FILE, interrupt, killgroup, print."""
    verb, _, argument = what.partition(":")
    result = {"type": "result", "item": item, "outcome": "", "phases": phases_of("failed" if verb == "fail" else "passed")}
    if verb == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif verb in ("exit0", "exit3"):
        os._exit(int(verb[-1]))
    elif verb == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            time.sleep(10)
    elif verb == "sleep":
        time.sleep(float(argument))
    elif verb == "spin":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(float(argument))
    elif verb == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif verb == "close":
        frames.socket.close()
        while True:
            time.sleep(10)
    elif verb == "half":
        frames.socket.sendall(struct.pack(">I", 100000) + b"x" * 100)
        os._exit(0)
    elif verb == "garbage":
        frames.socket.sendall(struct.pack(">I", 4) + b"abcd")
        while True:
            time.sleep(10)
    elif verb == "big":
        result["phases"][1]["longrepr"] = "x" * int(argument)
    elif verb == "many":
        for number in range(int(argument)):
            frames.send({"type": "warning", "when": "runtest", "message": f"{number} " + "w" * 1000})
    elif verb == "twice":
        frames.send(result)
    elif verb == "ghost":
        frames.send({**result, "item": 123456})
    elif verb in ("orphan", "child"):
        leave_process(argument, double_fork=verb == "orphan")
    elif verb == "interrupt":
        raise KeyboardInterrupt
    elif verb == "killgroup":
        os.killpg(0, signal.SIGKILL)
    elif verb == "print":
        print("printed by the test", flush=True)
    frames.send(result)


def leave_process(note: str, double_fork: bool) -> None:
    """A process that would live on: a plain child, or a daemonised grandchild in its own session."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        if double_fork:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
        with open(note, "a") as file:
            file.write(f"{os.getpid()}\n")
        os.close(writing)
        time.sleep(600)
        os._exit(0)
    os.close(writing)
    os.read(reading, 1)


def worker(slot: int, channel: int, board: Board, nodeids: list[str], config: dict[str, Any]) -> None:
    os.setsid()
    frames = Frames(channel)
    finished: dict[str, Any] = {"type": "worker_finished", "ran": 0}
    if not (slot == 0 and config.get("worker") == "barren"):
        board.attach(slot, os.getpid())
    else:
        os._exit(9)
    try:
        while (item := board.claim(slot)) is not None:
            board.activity(slot, item, 2, 3)
            run_item(frames, item, config.get("do", {}).get(nodeids[item], config.get("do_all", "pass")))
            board.finish_item(slot)
            finished["ran"] += 1
    except KeyboardInterrupt:
        finished["interrupted"] = "KeyboardInterrupt"
    frames.send(finished)
    if config.get("worker") == "linger":
        time.sleep(600)
    os._exit(0)


class Controller:
    def __init__(self, frames: Frames, request: dict[str, Any], config: dict[str, Any]) -> None:
        self.frames, self.config = frames, config
        self.options = request["options"]
        named = [os.fsdecode(a) for a in request["argv"] if not a.startswith(b"-")]
        items = config.get("items", [])
        self.nodeids = [i for i in items if not named or any(i == n or i.startswith(n + "::") for n in named)]
        self.pids: dict[int, int] = {}
        self.board: Board | None = None
        self.forwarded: list[str] = []

    def run(self) -> None:
        config = self.config
        mode = config.get("select", "ok")
        if mode == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(config.get("select_delay", 0))
        if mode == "hang":
            time.sleep(600)
        over = mode == "over"
        inline = mode == "inline" or self.options["workers"] == 0
        self.frames.send(
            {
                "type": "selected",
                "way": "adopt",
                "why": "",
                "nodeids": [] if over else self.nodeids,
                "groups": b"" if over else struct.pack(f"<{len(self.nodeids)}I", *range(len(self.nodeids))),
                "maxfail": config.get("maxfail", 0),
                "inline_run": inline and not over,
                "session_over": over,
                "outside_scope": mode == "outside",
                "text_shown": over,
            }
        )
        if over:
            print("text of pytest", flush=True)
            self.finish(config.get("code", 0))
        if inline:
            for number, nodeid in enumerate(self.nodeids):
                run_item(self.frames, number, config.get("do", {}).get(nodeid, "pass"))
            self.finish(0)
        self.serve()

    def finish(self, code: int) -> None:
        how = self.config.get("finish", "ok")
        if how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "hang":
            time.sleep(600)
        self.frames.send(
            {"type": "controller_finished", "exit_code": code, "output": self.config.get("output", "").encode(), "duration_s": 0.5}
        )
        os._exit(code)

    def serve(self) -> None:
        while True:
            ready, _, _ = select.select([self.frames, *self.pids.values()], [], [])
            for slot, pidfd in list(self.pids.items()):
                if pidfd in ready:
                    pid, status = os.waitpid(self.pid_of[slot], 0)
                    os.close(pidfd)
                    del self.pids[slot]
                    self.frames.send({"type": "worker_exited", "slot": slot, "pid": pid, "status": status})
            if self.frames in ready:
                self.on_frame(*self.frames.receive())

    pid_of: dict[int, int] = {}

    def spawn(self, slot: int, channel: int) -> None:
        assert self.board is not None
        if self.config.get("workers_limit", 99) <= slot:
            self.frames.send({"type": "worker_started", "slot": slot, "pid": 0})
            self.frames.send({"type": "worker_exited", "slot": slot, "pid": 0, "status": 127 << 8})
            os.close(channel)
            return
        pid = os.fork()
        if pid == 0:
            self.frames.socket.close()
            worker(slot, channel, self.board, self.nodeids, self.config)
        os.close(channel)
        self.pid_of[slot] = pid
        self.pids[slot] = os.pidfd_open(pid)
        self.frames.send({"type": "worker_started", "slot": slot, "pid": pid})

    def on_frame(self, message: dict[str, Any], fds: list[int]) -> None:
        kind = message["type"]
        if kind == "assign":
            self.board = Board(fds[0])
            assert self.board.items == len(self.nodeids)
            if message["in_controller"]:
                self.run_here(fds[1])
            else:
                for slot, channel in enumerate(fds[1:]):
                    self.spawn(slot, channel)
            if self.config.get("controller") == "die":
                time.sleep(0.2)
                os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "spawn":
            self.spawn(message["slot"], fds[0])
        elif kind == "report":
            self.forwarded.append(message["lost"] or "ok")
        elif kind == "end":
            if self.config.get("note_end"):
                with open(self.config["note_end"], "w") as file:
                    json.dump({**message, "failed": len(message["failed"]) // 4, "passed": len(message["passed"]) // 4,
                               "forwarded": self.forwarded}, file)
            code = 2 if message["interrupted"] else 1 if message["failed"] else 0 if message["passed"] else 5
            self.finish(self.config.get("code", code))

    def run_here(self, channel: int) -> None:
        assert self.board is not None
        frames = Frames(channel)
        self.board.attach(0, os.getpid())
        finished: dict[str, Any] = {"type": "worker_finished", "ran": 1}
        try:
            while (item := self.board.claim(0)) is not None:
                run_item(frames, item, self.config.get("do", {}).get(self.nodeids[item], self.config.get("do_all", "pass")))
                self.board.finish_item(0)
        except KeyboardInterrupt:
            finished["interrupted"] = "KeyboardInterrupt"
        frames.send(finished)


class Forkserver:
    def __init__(self, daemon: Frames) -> None:
        self.daemon = daemon
        self.config = json.loads(os.environ.get("PFAST_FAKE", "{}"))
        self.children: dict[int, int] = {}

    def boot(self) -> None:
        message, _ = self.daemon.receive()
        if message["type"] == "ladder":  # it leaves no checkpoints behind
            message, _ = self.daemon.receive()
        config = self.config
        if note := config.get("note_boot"):
            with open(note, "a") as file:
                scope = [os.fsdecode(p) for p in message["scope"]]
                file.write(json.dumps({"argv": [os.fsdecode(a) for a in message["argv"]], "scope": scope,
                                       "whole": message["scope_is_whole"], "cwd": os.getcwd(), "pid": os.getpid()}) + "\n")
        print("collecting", flush=True)
        time.sleep(config.get("boot_delay", 0))
        how = config.get("boot", "ok")
        if path := config.get("fail_if_exists"):
            how = "fail" if os.path.exists(path) else how
        if how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "hang":
            import faulthandler

            faulthandler.register(signal.SIGUSR1, all_threads=True)
            time.sleep(600)
        elif how == "garbage":
            self.daemon.socket.sendall(struct.pack(">I", 4) + b"abcd")
            time.sleep(600)
        elif how == "fail":
            print("E   SyntaxError: invalid syntax", flush=True)
            self.daemon.send({"type": "boot_failed", "exit_code": 4, "message": "", "inputs": self.inputs()})
            sys.exit(4)
        nodeids = config.get("items", [])
        self.daemon.send(
            {
                "type": "ready",
                "nodeids": nodeids,
                "inputs": self.inputs(),
                "env_read": {k.encode(): os.environb[k.encode()] for k in config.get("env_read", []) if k in os.environ},
                "env_absent": [k.encode() for k in config.get("env_read", []) if k not in os.environ],
                **config.get("ready", {}),
            }
        )

    def inputs(self) -> list[tuple[Any, ...]]:
        found = []
        absent = (f"/nowhere/{number}" for number in range(self.config.get("absent_inputs", 0)))
        for path in [*self.config.get("inputs", []), *absent]:
            try:
                s = os.stat(path)
                found.append((path.encode(), s.st_dev, s.st_ino, s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns, b""))
            except FileNotFoundError:
                found.append((path.encode(), 0, 0, 0, 0, 0, 0, b""))
        return found

    def serve(self) -> None:
        while True:
            ready, _, _ = select.select([self.daemon, *self.children.values()], [], [])
            for pid, pidfd in list(self.children.items()):
                if pidfd in ready:
                    _, status = os.waitpid(pid, 0)
                    os.close(pidfd)
                    del self.children[pid]
                    self.daemon.send({"type": "exited", "pid": pid, "status": status})
            if self.daemon in ready:
                self.fork(*self.daemon.receive())

    def fork(self, message: dict[str, Any], fds: list[int]) -> None:
        request = message["request"]
        config = json.loads(request["env"].get(b"PFAST_FAKE", b"{}")) or self.config
        how = config.get("fork", "ok")
        if how == "die_once":
            how = "ok"
            if not os.path.exists(config["note_fork"]):
                open(config["note_fork"], "w").close()
                how = "die"
        if how == "die":
            os._exit(1)
        elif how == "hang":
            time.sleep(600)
        elif how == "error":
            self.daemon.send({"type": "forked", "run_id": message["run_id"], "pid": 0, "error": "fork: Resource temporarily unavailable"})
            for fd in fds:
                os.close(fd)
            return
        pid = os.fork()
        if pid == 0:
            self.daemon.socket.close()
            os.setsid()
            libc().prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, as the real controller
            for stream in range(3):
                os.dup2(fds[stream + 1], stream)
                os.close(fds[stream + 1])
            try:
                Controller(Frames(fds[0]), request, config).run()
            except Gone:
                os._exit(1)
            except KeyboardInterrupt:
                os._exit(2)
        for fd in fds:
            os.close(fd)
        self.children[pid] = os.pidfd_open(pid)
        self.daemon.send({"type": "forked", "run_id": message["run_id"], "pid": pid, "error": ""})


def libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def main() -> None:
    libc().prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    server = Forkserver(Frames(int(arguments["--channel-fd"])))
    try:
        server.boot()
        server.serve()
    except Gone:
        os._exit(0)


if __name__ == "__main__":
    main()
