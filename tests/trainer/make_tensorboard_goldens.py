#!/usr/bin/env python3
"""Bytes of an event file as TensorBoard's own writer makes it (tensorboard 2.21): data/tensorboard.json, read by listeners_test.cpp.
Needs: pip install tensorboard."""
import io
import json
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

BEGIN = 1700000000.25  # of the clock, which goes on by a quarter of a second for each event
SCALARS = [  # step, tag, value: in the order of the listener
    (1, "train/loss", 2.302585092994046), (1, "train/lr", 0.001),
    (300, "train/loss", float("inf")), (300, "train/lr", 0.0),
    (300, "validation/loss", -0.125), (300, "validation/accuracy", 0.9871),
    (1 << 40, "train/loss", 1e-30), (1 << 40, "train/lr", 5e-324),
]


class Kept(io.BytesIO):
    def close(self):
        pass


def main():
    out = Kept()
    writer = RecordWriter(out)
    time = BEGIN
    writer.write(Event(wall_time=time, file_version="brain.Event:2").SerializeToString())
    for step, tag, value in SCALARS:
        time += 0.25
        writer.write(Event(wall_time=time, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)])).SerializeToString())
    writer.flush()
    text = json.dumps({"bytes": out.getvalue().hex()})
    (Path(__file__).parent / "data" / "tensorboard.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
