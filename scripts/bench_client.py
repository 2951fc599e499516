"""A load client for one address, in a process of its own so that the server has its core to itself.

Keep-alive connections over raw asyncio streams; every request is the same bytes, or with --many the next of a file of
requests (each behind its length in four bytes), until there are none. Closed loop: each connection sends its
next request when the answer has come. Open loop: requests start at a fixed rate whatever the answers do, and latency
counts from when each was due. Loopback only. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path


class Connection:
    """One keep-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self.address = host, port
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(*self.address)

    async def ask(self, request: bytes) -> int:
        """Send a request and read its whole answer; returns the status."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        begin = lower.index(b"content-length:") + 15
        await self.reader.readexactly(int(lower[begin : lower.index(b"\r\n", begin)]))
        return int(head[9:12])


def percentiles(latencies: list[float]) -> dict[str, float]:
    """Return milliseconds at the usual marks."""
    ordered = sorted(latencies)
    marks = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * mark))] * 1e3, 3) for name, mark in marks.items()
    }


async def closed_loop(connections: list[Connection], requests: Iterator[bytes], seconds: float) -> dict[str, object]:
    """Keep every connection busy."""
    statuses: dict[int, int] = {}
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def work(connection: Connection) -> None:
        while (begun := time.perf_counter()) < end and (request := next(requests, None)) is not None:
            status = await connection.ask(request)
            latencies.append(time.perf_counter() - begun)
            statuses[status] = statuses.get(status, 0) + 1

    begun = time.perf_counter()
    await asyncio.gather(*(work(one) for one in connections))
    elapsed = time.perf_counter() - begun
    return {"rate": round(len(latencies) / elapsed, 1), "statuses": statuses, **percentiles(latencies)}


async def open_loop(
    connections: list[Connection], requests: Iterator[bytes], seconds: float, rate: float
) -> dict[str, object]:
    """Start requests at a fixed rate; latency counts from the moment each was due."""
    statuses: dict[int, int] = {}
    latencies: list[float] = []
    due: asyncio.Queue[float | None] = asyncio.Queue()

    async def work(connection: Connection) -> None:
        while (at := await due.get()) is not None and (request := next(requests, None)) is not None:
            status = await connection.ask(request)
            latencies.append(time.perf_counter() - at)
            statuses[status] = statuses.get(status, 0) + 1

    workers = [asyncio.ensure_future(work(one)) for one in connections]
    start = time.perf_counter()
    count = int(rate * seconds)
    for number in range(count):
        at = start + number / rate
        wait = at - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        due.put_nowait(at)
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    elapsed = time.perf_counter() - start
    return {
        "asked_rate": rate,
        "rate": round(count / elapsed, 1),
        "statuses": statuses,
        **percentiles(latencies),
    }


def split(data: bytes) -> Iterator[bytes]:
    """Yield the requests of a file of many."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4])
        yield data[at + 4 : end]
        at = end


async def run(arguments: argparse.Namespace, requests: Iterator[bytes]) -> dict[str, object]:
    """Open the connections and drive them."""
    connections = [Connection(arguments.host, arguments.port) for _ in range(arguments.connections)]
    await asyncio.gather(*(one.open() for one in connections))
    for one in connections:
        await one.ask(next(requests))
    if arguments.rate:
        return await open_loop(connections, requests, arguments.seconds, arguments.rate)
    return await closed_loop(connections, requests, arguments.seconds)


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("request", help="file with the raw request")
    parser.add_argument("--many", action="store_true", help="the file holds many requests, each behind its length")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=0.0, help="open loop at this rate")
    arguments = parser.parse_args()
    if not ipaddress.ip_address(arguments.host).is_loopback:
        parser.error("loopback addresses only")
    data = Path(arguments.request).read_bytes()
    requests = split(data) if arguments.many else itertools.repeat(data)
    try:
        import uvloop
    except ImportError:
        found = asyncio.run(run(arguments, requests))
    else:
        found = uvloop.run(run(arguments, requests))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
