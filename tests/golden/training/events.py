"""Events as TensorBoard's own writer puts them into a file: events.out.tfevents.golden.

    pip install tensorboard
    python tests/golden/training/events.py
"""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.summary.writer.record_writer import RecordWriter

START = 1_700_000_000.5


def scalars(**values):
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


text = Summary.Value(
    tag="config",
    metadata=SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text")),
    tensor=TensorProto(
        dtype="DT_STRING",
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        string_val=[b"```yaml\nseed_everything: 0\n```"],
    ),
)
events = [
    Event(wall_time=START, file_version="brain.Event:2"),
    Event(wall_time=START, summary=Summary(value=[text])),
    Event(wall_time=START + 1, step=1, summary=scalars(train_loss=0.625, epoch=0.0)),
    Event(wall_time=START + 2, step=300, summary=scalars(val_loss=1e-9, **{"\u03b1": -3.0})),
    Event(wall_time=START + 2.5, step=301, session_log=SessionLog(status=SessionLog.START)),
    Event(wall_time=START + 3, step=1 << 40, summary=scalars(lr=float("inf"))),
]
with open(Path(__file__).with_name("events.out.tfevents.golden"), "wb") as file:
    writer = RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    writer.flush()
