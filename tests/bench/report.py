"""Writes the benchmark's table and plot: in docs/ for a whole run, beside the installations for any other."""

import time
from pathlib import Path

from tests.bench import machine, plot
from tests.bench.asked import Asked
from tests.bench.child import CHECKOUT
from tests.bench.figure import TIMES, Figure, number

METHOD = """\
- Everything runs on this one machine at the same time as what it is measured against: the product, the
  simulator of Slack with the people who talk (one process), the stub model, the load generator of *acks* and *flood*
  and the bolt bot (a process each). Medians of {rounds} rounds, references interleaved.
- *Verify and parse*: CPU time of one process for a signed callback as the vendor documents it, from raw bytes to
  typed records.
- *RLS*: the statements of a turn through the product's own pool, one after the other, on two databases with
  equal rows (10 tenants, 1,000 conversations, 40,000 messages and memories), interleaved; in one of them row-level
  security is switched off.
- *Durable ack*: 16 connections, 16 conversations, signed events that were never sent before, through
  HAProxy; turns are taken meanwhile, and the stub model answers after a second, as a real one does, with
  no more tokens than it was asked for. The echo gets the same requests. They come from a process that is
  neither the simulator's nor the model's and, as root, goes before all others (niceness -10, also in *flood*):
  providers do not wait for a processor of this machine. Every ten seconds Ray's agent goes through the latencies of
  all requests since, and that takes it tens of microseconds each: between loads pass 11 seconds, so that none pays for
  the one before, and in the 20 seconds of *ack p99* it does so twice.
- *Ack p99*: requests leave at fixed times (open loop); latency counts from when each was due. Fifty times a second
  meanwhile a page is written to a file beside the database and made durable, and the longest of these took so long:
  a disk that stops for a moment stops every acknowledgement.
- *Reply overhead*: one message at a time in a long conversation, so that every turn recalls memories; from
  when the webhook is called until the message is visible in Slack, less the stub's own median time. The
  bare steps: `INSERT; COMMIT` through the product's pool, an embedding with the product's encoder in this
  process, one POST to the echo behind HAProxy, one POST to the simulator.
- *Turns*: 50 people who each wait for the answer before they say the next thing; windows are full (20
  entries), so each of our turns recalls memories from pgvector and embeds what was said. The bolt bot keeps
  a window in memory, asks the same stub without streaming, and does nothing else.
- *Flood*: 20 conversations of one tenant get a message every 10 seconds each, at fixed times; beside them another
  tenant's 200 conversations get 100 times as many, from a process of its own. The stub answers the calm tenant
  after a second, the other after half a second to one and a half. Latency counts from when
  the message was due until the answer is visible. Alone, flooded, beside a hot conversation in turns.
- *Budgets*: the same people with a tenant that has budgets of every kind, which are never reached, and with one
  that has none, round by round. Reserving is a statement and a commit; settling is part of C2.
- *Audit*: in a database of its own on the installation's server. Cost: CPU time of the server's processes in turns
  without model and channel (heard, committed, claimed, marked), with and without the triggers, interleaved. Sealing:
  one Auditor, rows of one tenant as turns write them; against turns end to end a moment before.
- *CPU, idle*: all processes of the installation: Ray with its dashboard, Serve, HAProxy, ours, PostgreSQL.
- *Kills*: `kill -9` by the product's own failpoints and from outside at random moments, while 15 people
  talk; a delivery without a 2xx is repeated as Slack does, only sooner. tests/checker.py sees what was
  acknowledged and what is visible.
"""


def write(asked: Asked, figures: list[Figure], seconds: float) -> Path:
    """Answers the table's path."""
    folder = CHECKOUT / "docs" if asked.official else asked.home
    folder.mkdir(exist_ok=True)
    path = folder / "benchmark.md"
    plot.draw(figures, path.with_suffix(".png"))
    path.write_text(_page(asked, figures, seconds))
    print(f"Written: {path}", flush=True)
    return path


def _page(asked: Asked, figures: list[Figure], seconds: float) -> str:
    command = "make bench" if asked.official else "a partial or quick run; `make bench` makes the real one"
    parts = [
        "# Benchmark",
        f"Written by {command} on {time.strftime('%Y-%m-%d')}, {seconds / 60:.0f} minutes.",
        "\n".join(f"- {line}" for line in machine.lines()),
        "![Figures against their goals](benchmark.png)",
        table(figures),
        "## Notes",
        "\n".join(f"- *{figure.name}*: {line}" for figure in figures for line in figure.note.splitlines() if line),
        "## How it is measured",
        METHOD.format(rounds=asked.rounds),
    ]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def table(figures: list[Figure]) -> str:
    """Markdown."""
    head = ["| figure | value | against | ratio | goal | met? |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(figure) for figure in figures)])


def _row(figure: Figure) -> str:
    against = "" if figure.reference is None else f"{number(figure.reference)} {figure.unit}: {figure.against}"
    ratio = "" if figure.ratio is None else f"{number(figure.ratio)} {TIMES}"
    met = {None: "", True: "yes", False: "**no**"}[figure.met]
    goal = "" if figure.goal is None else str(figure.goal)
    return f"| {figure.name} | {number(figure.value)} {figure.unit} | {against} | {ratio} | {goal} | {met} |"
