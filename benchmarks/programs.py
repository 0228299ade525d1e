"""What is compared: how each program is started, and how it tells its version. Nothing is installed; who is missing is
left out. Every program gets the options with which it does this job best and drops nobody."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRATCH = ROOT / ".build" / "benchmarks"


class Program:
    """One server program. `start` gives the process; `port` is where it listens."""

    def __init__(self, name, wire, executable, arguments, configuration=None, version=("--version",), receivers_max=18000):
        self.name = name
        self.wire = wire
        self.executable = shutil.which(str(executable)) or shutil.which(str(executable), path="/usr/sbin:/usr/local/sbin")
        self.arguments = arguments
        self.configuration = configuration
        self.version_arguments = version
        # Above, a round of this program alone would take minutes.
        self.receivers_max = receivers_max

    @property
    def version(self):
        if self.version_arguments is None:
            return ""
        # Some tell it and fail.
        out = subprocess.run([self.executable, *self.version_arguments], capture_output=True, text=True)
        return (out.stdout + out.stderr).strip().splitlines()[0]

    def start(self, port, cpu, servers=1, neighbour=None, more=()):
        """A server; one of several, if there are so many; a neighbour of the one at that port, if it is given; with more
        arguments."""
        directory = SCRATCH / f"{self.name}-{port}"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        values = {"port": port, "cluster": port + 1000, "directory": directory, "file": directory / "configuration"}
        if self.configuration:
            (directory / "configuration").write_text(self.configuration.format(**values))
        arguments = self.arguments + (self.network if servers > 1 else []) + list(more)
        if neighbour is not None:
            values |= {"neighbour": neighbour, "neighbour_cluster": neighbour + 1000}
            arguments = arguments + self.join
        command = [str(argument).format(**values) for argument in arguments]
        log = open(directory / "log", "w")
        process = subprocess.Popen(
            ["taskset", "-c", str(cpu), self.executable, *command], cwd=directory, stdout=log, stderr=log,
            env={**os.environ, "SWIFT_BACKTRACE": "enable=no"})
        wait_for(port, process, directory / "log")
        if neighbour is not None and self.meet:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(self.meet.format(**values).encode())
                connection.recv(1000)
        return process

    # Arguments of a server that has neighbours; arguments with which a further one joins the first; what it is told then.
    network, join, meet = [], [], ""

    @property
    def makes_networks(self):
        return bool(self.join or self.meet)


def wait_for(port, process, log):
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[3]} ended: {log.read_text()[-500:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"{process.args[3]} does not listen at {port}")


def stop(processes):
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
"""

NGIRCD = """
[Global]
Name = irc.example.net
Info = benchmark
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = hello
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
"""

INSPIRCD = """
<server name="irc.example.net" description="benchmark" network="benchmark">
<admin name="a" nick="a" email="a@example.net">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect allow="*" timeout="60" localmax="20000" globalmax="20000" maxconnwarn="off" resolvehostnames="no"
 pingfreq="600" hardsendq="64M" softsendq="64M" recvq="1M" threshold="100000" commandrate="1000000000" fakelag="no"
 usednsbl="no" maxchans="20">
<performance netbuffersize="65534" somaxconn="4096" softlimit="20000" quietbursts="yes" nouserdns="yes">
<options prefixquit="" suffixquit="" nosnoticestack="no" splitwhois="no">
<security hidewhois="" maxtargets="20">
<files motd="">
<pid file="{directory}/pid">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="{directory}/inspircd.log">
"""


def programs():
    """Those that are there, the yardstick first."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    yardstick = SCRATCH / "fanout"
    subprocess.run(
        ["cc", "-O2", "-Wall", "-Wextra", "-o", yardstick, ROOT / "benchmarks/baseline/fanout.c"], check=True)
    every = [
        Program("bare C", "pando", yardstick, ["{port}"], version=None),
        Program(
            "Pando", "pando", ROOT / ".build/release/pando-server",
            ["-lp", "{port}", "-lh", "127.0.0.1", "-s", "benchmark"]),
        Program(
            "NATS", "nats", "nats-server",
            ["-c", "{file}", "-a", "127.0.0.1", "-p", "{port}"],
            configuration="max_pending: 256MB\nwrite_deadline: \"60s\"\n"),
        Program(
            "Redis", "redis", "redis-server",
            ["--port", "{port}", "--bind", "127.0.0.1", "--protected-mode", "no", "--save", "", "--appendonly", "no", "--maxclients", "19500",
             "--tcp-backlog", "4096", "--client-output-buffer-limit", "pubsub", "0", "0", "0"]),
        Program("Mosquitto", "mqtt", "mosquitto", ["-c", "{file}"], configuration=MOSQUITTO, version=("-h",),
                receivers_max=1000),
        # Each join is told to everybody in the channel: 10,000 of them are 50 million lines before the first message.
        Program("InspIRCd", "irc", "inspircd", ["--nofork", "--runasroot", "--config", "{file}"],
                configuration=INSPIRCD, receivers_max=1000),
        # 32 KiB of output for each client are its limit: it drops 1,000 that join one after the other.
        Program("ngIRCd", "irc", "ngircd", ["-n", "-f", "{file}"], configuration=NGIRCD, receivers_max=100),
    ]
    present = {program.name: program for program in every if program.executable}
    if "Pando" in present:
        present["Pando"].join = ["-rh", "127.0.0.1", "-rp", "{neighbour}"]
    if "NATS" in present:
        present["NATS"].network = ["--cluster", "nats://127.0.0.1:{cluster}", "--cluster_name", "benchmark"]
        present["NATS"].join = ["--routes", "nats://127.0.0.1:{neighbour_cluster}"]
    if "Redis" in present:
        present["Redis"].network = ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"]
        present["Redis"].meet = "CLUSTER MEET 127.0.0.1 {neighbour}\r\n"
    return present
