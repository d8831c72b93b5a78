"""Checkpoints as PyTorch writes them, and files made to harm whoever reads one.

    pip install torch==2.15.0 safetensors==0.8.0
    python tests/golden/pickles/make.py

Writes beside this script:

* `good/`: checkpoints that must be read, each `<name>.bin` (or a folder of shards) with its tensors in `<name>.safetensors`.
  PyTorch puts addresses and random numbers into its files, so they differ from run to run; their tensors do not.
* `attacks/`: checkpoints that must be refused. Most are put together here operation by operation, since PyTorch would not
  write them. Where one runs a command if it is believed, that command is `true`.
"""

import json
import os
import pickle
import shutil
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
GOOD, ATTACKS = HERE / "good", HERE / "attacks"


# Operations of a pickle, and the parts that checkpoints are made of.

STOP, MARK, TUPLE, REDUCE, PERSID, EMPTY_DICT, SETITEMS = b".", b"(", b"t", b"R", b"Q", b"}", b"u"
PROTOCOL = b"\x80\x02"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
FLOAT = b"ctorch\nFloatStorage\n"
OS_SYSTEM = b"cos\nsystem\n"


def number(n: int) -> bytes:
    if -(2**31) <= n < 2**31:
        return b"J" + struct.pack("<i", n)
    return b"\x8a\x08" + struct.pack("<q", n) if n < 2**63 else b"\x8a\x09" + n.to_bytes(9, "little")


def text(s: str) -> bytes:
    return b"X" + struct.pack("<I", len(s.encode())) + s.encode()


def tuple_of(*parts: bytes) -> bytes:
    return MARK + b"".join(parts) + TUPLE


def numbers(values) -> bytes:
    return tuple_of(*map(number, values))


def storage(key="0", count=4, kind=FLOAT) -> bytes:
    return tuple_of(text("storage"), kind, text(key), text("cpu"), number(count)) + PERSID


def tensor(size=(4,), stride=(1,), offset=0, held=None) -> bytes:
    hooks = b"ccollections\nOrderedDict\n)R"
    held = storage() if held is None else held
    return REBUILD + tuple_of(held, number(offset), numbers(size), numbers(stride), b"\x89", hooks) + REDUCE


def dictionary(**items: bytes) -> bytes:
    return EMPTY_DICT + MARK + b"".join(text(key) + value for key, value in items.items()) + SETITEMS


def program(value: bytes, protocol=2) -> bytes:
    return b"\x80" + bytes([protocol]) + value + STOP


# The zip container, with every field open to lies.

NUMBERS = struct.pack("<4f", 1.0, 2.0, 3.0, 4.0)


def archive(data: bytes, more: dict = {}, *, wide=False, fields: dict = {}, ends: dict = {}, twice=(), rename={}) -> bytes:
    """A zip archive of `data` as x/data.pkl, the storage "0" and `more`. `fields` replaces what the directory says of x/data/0,
    `ends` what the last record says; `wide` writes the records of large archives; `rename` gives names before the entries
    that the directory does not."""
    entries = {"x/data.pkl": data, "x/byteorder": b"little", "x/data/0": NUMBERS, **more}
    body, directory = b"", b""
    for name in [*entries, *twice]:
        content, at = entries[name], len(body)
        crc = zipfile.crc32(content)
        local = rename.get(name, name).encode()
        body += struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, crc, len(content), len(content), len(local), 0)
        body += local + content
        said = dict(flags=0, method=0, packed=len(content), length=len(content), offset=at)
        said.update(fields if name == "x/data/0" else {})
        extra = b""
        if wide:
            extra = struct.pack("<2H", 1, 24) + struct.pack("<3Q", said["length"], said["packed"], said["offset"])
            extra = struct.pack("<2H2s", 0x4246, 2, b"ZZ") + extra
            said.update(length=2**32 - 1, packed=2**32 - 1, offset=2**32 - 1)
        directory += struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, said["flags"], said["method"], 0, 0, crc, said["packed"],
                                 said["length"], len(name), len(extra), 0, 0, 0, 0, said["offset"])
        directory += name.encode() + extra
    end = dict(count=len(entries) + len(twice), length=len(directory), offset=len(body), locator=len(body) + len(directory))
    end.update(ends)
    tail = b""
    if wide:
        tail += struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, end["count"], end["count"], end["length"], end["offset"])
        tail += struct.pack("<4sIQI", b"PK\6\7", 0, end["locator"], 1)
        end.update(count=2**16 - 1, length=2**32 - 1, offset=2**32 - 1)
    tail += struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, end["count"], end["count"], end["length"], end["offset"], 0)
    return body + directory + tail


# The older container.

MAGIC = program(b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little"))
FACTS = program(dictionary(little_endian=b"\x88"))


def plain(data: bytes, keys=("0",), storages: bytes | None = None, *, version=1001, facts=FACTS) -> bytes:
    listed = program(b"](" + b"".join(map(text, keys)) + b"e")
    storages = struct.pack("<q", 4) + NUMBERS if storages is None else storages
    return MAGIC + program(number(version)) + facts + data + listed + storages


# Checkpoints that must be read.

def model_tensors() -> dict[str, torch.Tensor]:
    """Every type and every way to lie in a storage that checkpoints have."""
    torch.manual_seed(3)
    base = torch.randn(6, 8)
    shared = torch.randn(5, 3)
    return {
        "f32": torch.randn(3, 4), "f16": torch.randn(4, 3).half(), "bf16": torch.randn(2, 5).bfloat16(),
        "f64": torch.randn(3, 2, dtype=torch.float64),
        "i64": torch.tensor([-(2**40), 7]), "i32": torch.tensor([[-5, 6]], dtype=torch.int32),
        "i16": torch.tensor([-300, 300], dtype=torch.int16), "i8": torch.tensor([-128, 127], dtype=torch.int8),
        "u8": torch.tensor([0, 255, 9], dtype=torch.uint8), "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5), "empty": torch.empty(0, 3), "special": torch.tensor([-0.0, float("inf"), 1e-42]),
        "transposed": base.t(), "offset": base[2:4], "columns": base[:, 3:5], "steps": base.flatten()[1::7],
        "permuted": torch.randn(2, 3, 4).permute(2, 0, 1), "expanded": torch.randn(3, 1).expand(3, 4),
        "transposed_f16": torch.randn(3, 5).half().t(), "transposed_f64": torch.randn(2, 3, dtype=torch.float64).t(),
        "one_row": torch.randn(1, 6)[:, ::2], "tied.a": shared, "tied.b": shared, "naïve.名": torch.randn(2),
    }


def parameters() -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    marked = torch.nn.Parameter(torch.randn(3))
    marked.origin = "kept with the parameter"
    frozen = torch.nn.Parameter(torch.randn(2, 2), requires_grad=False)
    return {"weight": torch.nn.Parameter(torch.randn(2, 3)), "marked": marked, "frozen": frozen}


def twin(name: str, tensors: dict[str, torch.Tensor]):
    save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, GOOD / f"{name}.safetensors")


def good(name: str, tensors: dict[str, torch.Tensor], saved=None, **options):
    torch.save(tensors if saved is None else saved, GOOD / f"{name}.bin", **options)
    twin(name, tensors)


def assembled(name: str, content: bytes, tensors: dict[str, torch.Tensor]):
    (GOOD / f"{name}.bin").write_bytes(content)
    twin(name, tensors)


def make_good():
    every = model_tensors()
    extras = {
        "epoch": 3, "note": "text", "nothing": None, "list": [1, (2.5, True)], "size": torch.Size([2]),
        "bytes": b"raw", "device": torch.device("cuda:0"), "long": 2**80, "negative": -(2**40), 7: torch.zeros(1), "nested": {"x": torch.zeros(1)},
    }
    good("zip", every, {**every, **extras})
    good("plain", every, {**every, **extras}, _use_new_zipfile_serialization=False)
    for protocol in (3, 4, 5):
        good(f"zip_protocol_{protocol}", parameters(), pickle_protocol=protocol)
        good(f"plain_protocol_{protocol}", parameters(), pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    torch.manual_seed(5)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    good("module", module.state_dict())
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    state = module.state_dict()
    about = {"epoch": 1, "global_step": 2, "pytorch-lightning_version": "2.5.0", "loops": {"fit": [0]},
             "optimizer_states": [optimizer.state_dict()], "other": torch.zeros(2)}
    good("lightning", state, {**about, "state_dict": state})
    good("nested_model", state, {"model": state, "optimizer": optimizer.state_dict()})
    good("nothing", {})

    (GOOD / "sharded").mkdir()
    parts = [dict(list(every.items())[part::2]) for part in range(2)]
    files = [f"pytorch_model-{part + 1:05}-of-00002.bin" for part in range(2)]
    for part, file in zip(parts, files):
        torch.save(part, GOOD / "sharded" / file)
    index = {"metadata": {"total_size": 1}, "weight_map": {name: file for part, file in zip(parts, files) for name in part}}
    (GOOD / "sharded" / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1))
    twin("sharded", every)

    four = {"w": torch.tensor([1.0, 2.0, 3.0, 4.0])}
    assembled("wide", archive(program(dictionary(w=tensor())), wide=True), four)
    # Python 2 gave an ordered dictionary its items as a list of lists, and wrote text as bytes.
    pairs = b"](](U\x01w" + tensor() + b"ee"
    assembled("python2", plain(program(b"ccollections\nOrderedDict\n(" + pairs + b"tR")), four)
    # Attributes of an ordered dictionary, whatever they are, change nothing.
    injected = b"ccollections\nOrderedDict\n)R(" + text("w") + tensor() + b"u" + dictionary(__class__=text("os.system")) + b"b"
    assembled("attributes", archive(program(injected)), four)
    # Values that would fill memory if each of their parts were copied, and nesting that would exhaust a stack.
    laughs = text("ha") + b"\x86".join(b"q%c" % n + b"h%c" % n for n in range(1, 60)) + b"\x86"
    assembled("laughs", archive(program(dictionary(w=tensor(), laughs=laughs))), four)
    deep = b"]" * 20000 + b"a" * 19999
    tuples = b"N" + b"\x85" * 20000
    assembled("deep", archive(program(dictionary(w=tensor(), deep=deep, tuples=tuples))), four)
    circular = b"]q\x07h\x07a"
    assembled("circular", archive(program(dictionary(w=tensor(), circular=circular))), four)
    wasteful = tensor((1, 2), (2**62, 2), 1)
    assembled("huge_stride_of_one", archive(program(dictionary(w=wasteful))), {"w": torch.tensor([[2.0, 4.0]])})


# Files that must be refused.

class Command:
    """What runs a command when it is unpickled by Python."""

    def __reduce__(self):
        return os.system, ("true",)


class Evaluated:
    def __reduce__(self):
        return eval, ("1",)


def attack(name: str, content: bytes):
    (ATTACKS / f"{name}.bin").write_bytes(content)


def in_archive(name: str, value: bytes, protocol=2):
    """An attack by what stands as the value of the tensor "w"."""
    attack(name, archive(program(dictionary(w=value), protocol)))


def saved(name: str, value, **options):
    torch.save(value, ATTACKS / f"{name}.bin", **options)


def make_attacks():
    weight = torch.ones(2)
    # Names of functions, in every way to give one.
    saved("saved_command", {"w": weight, "hidden": Command()})
    saved("saved_command_in_list", {"w": weight, "config": {"layers": [1, [2, Command()]]}})
    saved("saved_command_protocol_4", OrderedDict(w=weight, hidden=Command()), pickle_protocol=4)
    saved("saved_command_plain", {"w": weight, "hidden": Command()}, _use_new_zipfile_serialization=False)
    saved("saved_eval", {"w": weight, "hidden": Evaluated()})
    saved("saved_module", torch.nn.Linear(1, 1))
    attack("pickled_command", pickle.dumps(Command()))
    attack("pickled_numbers", pickle.dumps({"w": [1.0, 2.0]}))
    call = OS_SYSTEM + tuple_of(text("true")) + REDUCE
    in_archive("reduce", call)
    in_archive("stack_global", text("os") + text("system") + b"\x93" + tuple_of(text("true")) + REDUCE, 4)
    in_archive("stack_global_short", b"\x8c\x08builtins\x94\x8c\x04eval\x94\x93" + tuple_of(text("1")) + REDUCE, 4)
    in_archive("stack_global_not_text", b"K\x01K\x02\x93", 4)
    in_archive("inst", MARK + text("true") + b"ios\nsystem\n")
    in_archive("obj", MARK + OS_SYSTEM + text("true") + b"o")
    in_archive("obj_of_allowed", MARK + b"ccollections\nOrderedDict\no")
    in_archive("newobj", b"ccollections\nOrderedDict\n)\x81")
    in_archive("newobj_ex", b"ccollections\nOrderedDict\n)}\x92", 4)
    in_archive("getattr", b"cbuiltins\ngetattr\n(" + OS_SYSTEM + text("__call__") + b"tR")
    in_archive("dotted", text("collections") + text("OrderedDict.fromkeys") + b"\x93", 4)
    in_archive("load_from_bytes", b"ctorch.storage\n_load_from_bytes\n" + tuple_of(b"C\x01x") + REDUCE)
    in_archive("torch_load", b"ctorch\nload\n" + tuple_of(text("other.bin")) + REDUCE)
    in_archive("untyped_storage", b"ctorch.storage\nUntypedStorage\n(K\x04tR")
    in_archive("rebuild_from_type", b"ctorch._tensor\n_rebuild_from_type_v2\n" + tuple_of(OS_SYSTEM) + REDUCE)
    in_archive("ext1", b"\x82\x07")
    in_archive("ext2", b"\x83\x07\x01")
    in_archive("ext4", b"\x84\x07\x01\x00\x00")
    in_archive("name_with_escapes", b"cos\x1b[2J\nsys\rtem" + b"m" * 300 + b"\n")
    attack("in_facts", plain(program(dictionary(w=tensor())), facts=program(call)))
    attack("in_magic", program(call) + MAGIC)
    attack("in_list_of_storages", plain(program(dictionary(w=tensor())) + program(call)))
    # Calls of what may be called, with what it may not be called with.
    in_archive("call_of_tensor", tensor() + b")R")
    in_archive("call_of_text", text("os.system") + b")R")
    in_archive("call_without_tuple", b"ccollections\nOrderedDict\n" + text("x") + b"R")
    in_archive("storage_called", FLOAT + numbers([4]) + REDUCE)
    in_archive("tensor_of_text", REBUILD + tuple_of(text("0"), number(0), numbers([4]), numbers([1]), b"\x89", b"}") + REDUCE)
    in_archive("negated", REBUILD + tuple_of(storage(), number(0), numbers([4]), numbers([1]), b"\x89", b"}",
                                             dictionary(neg=b"\x88")) + REDUCE)
    in_archive("build_of_tensor", tensor() + dictionary(__setstate__=OS_SYSTEM) + b"b")
    in_archive("build_of_tensor_plain_state", tensor() + dictionary(data=text("x")) + b"b")
    in_archive("build_of_list", b"]" + dictionary(__setstate__=text("x")) + b"b")
    in_archive("build_of_class", b"ccollections\nOrderedDict\n" + dictionary(update=text("x")) + b"b")
    # References out of the pickle.
    in_archive("persistent_number", number(7) + PERSID)
    in_archive("persistent_text", text("../../../etc/passwd") + PERSID)
    in_archive("persistent_module", tuple_of(text("module"), text("a"), text("b"), text("c")) + PERSID)
    in_archive("persistent_short", tuple_of(text("storage"), FLOAT, text("0")) + PERSID)
    in_archive("persistent_line", b"P/etc/passwd\n")
    in_archive("persistent_view", tuple_of(text("storage"), FLOAT, text("0"), text("cpu"), number(4), numbers([0, 0, 4])) + PERSID)
    in_archive("storage_without_type", tensor(held=storage(kind=text("torch.FloatStorage"))))
    in_archive("key_leads_out", tensor(held=storage("../../../etc/passwd")))
    in_archive("key_absolute", tensor(held=storage("/etc/passwd")))
    in_archive("key_is_the_pickle", tensor(held=storage("../data.pkl")))
    in_archive("key_empty", tensor(held=storage("")))
    in_archive("key_absent", tensor(held=storage("1")))
    # Tensors that do not lie in their storages.
    in_archive("count_too_large", tensor((5,), held=storage(count=5)))
    in_archive("count_huge", tensor(held=storage(count=2**62)))
    in_archive("count_negative", tensor(held=storage(count=-1)))
    in_archive("shape_too_large", tensor((5,)))
    in_archive("shape_huge", tensor((2**62, 2**62), (0, 0)))
    in_archive("shape_negative", tensor((-4,)))
    in_archive("shape_past_64_bits", tensor((2**64,)))
    in_archive("empty_of_huge_shape", tensor((0, 2**62, 2**62), (1, 1, 1)))
    in_archive("expanded_beyond_the_file", tensor((10**6, 10**6), (0, 0)))
    in_archive("stride_negative", tensor((4,), (-1,), 3))
    in_archive("stride_huge", tensor((2, 2), (2**62, 2**62)))
    in_archive("stride_too_large", tensor((2, 2), (3, 1)))
    in_archive("strides_too_few", tensor((2, 2), (2,)))
    in_archive("offset_negative", tensor(offset=-1))
    in_archive("offset_huge", tensor(offset=2**63 - 1))
    in_archive("offset_too_large", tensor(offset=1))
    in_archive("dimensions_too_many", tensor((1,) * 65, (1,) * 65))
    # Bombs, at the root where a dictionary should be.
    attack("laughs", archive(program(text("ha") + (b"q\1(" + b"h\1" * 8 + b"t") * 40)))
    attack("deep", archive(program(b"]" * 50000 + b"a" * 49999)))
    attack("marks", archive(program(MARK * 50000)))
    shape = b"q\1" + b"0(" + b"K\1" * 2000 + b"tq\2" + b"0ctorch\nSize\nq\3" + b"0"
    attack("repeated_call", archive(program(b"N" + shape + b"h\3h\2\x85R0" * 2000 + b"N")))
    # Lengths that lie.
    attack("frame_huge", archive(b"\x80\4\x95" + b"\xff" * 8 + program(dictionary(w=tensor()))[2:]))
    in_archive("text_huge", b"\x8d" + struct.pack("<Q", 2**63) + b"x", 4)
    in_archive("text_large", b"X" + struct.pack("<I", 2**32 - 1) + b"x")
    in_archive("bytes_huge", b"\x8e" + b"\xff" * 8 + b"x", 4)
    in_archive("long_negative_length", b"\x8b\xff\xff\xff\xff\1")
    in_archive("text_not_utf8", b"X\2\0\0\0\xff\xfe")
    in_archive("memo_sparse_and_absent", b"Nr\xff\xff\xff\xffj\xff\xff\xff\xfej\xfe\xff\xff\xff")
    # Stacks that run empty.
    attack("pop_of_nothing", archive(program(b"0")))
    attack("stop_of_nothing", archive(program(b"")))
    in_archive("pop_under_a_mark", MARK + b"0")
    in_archive("close_without_mark", b"ttt")
    in_archive("key_without_value", b"}(K\1u")
    in_archive("append_to_text", text("x") + b"Na")
    in_archive("set_of_list", b"]NNs")
    in_archive("operation_of_protocol_0", b"I7\n")
    in_archive("operation_unknown", b"\xf0")
    attack("protocol_unknown", archive(program(dictionary(w=tensor()), 9)))
    attack("without_end", archive(PROTOCOL + dictionary(w=tensor())))
    # Roots that are no dictionary of tensors.
    attack("root_is_a_tensor", archive(program(tensor())))
    attack("root_without_tensors", archive(program(dictionary(weights=dictionary(w=tensor()), epoch=number(1)))))
    # Zip archives that lie.
    sound = program(dictionary(w=tensor()))
    attack("zip_entry_outside", archive(sound, fields=dict(offset=10**6)))
    attack("zip_entry_too_long", archive(sound, fields=dict(length=10**6, packed=10**6)))
    attack("zip_entry_in_the_directory", archive(sound, fields=dict(length=200, packed=200)))
    attack("zip_entry_wide_outside", archive(sound, wide=True, fields=dict(offset=2**63, length=2**63, packed=2**63)))
    attack("zip_entry_wide_without_field", archive(sound, fields=dict(offset=2**32 - 1)))
    attack("zip_entry_of_two_lengths", archive(sound, fields=dict(packed=8)))
    attack("zip_entry_of_two_names", archive(sound, rename={"x/data/0": "x/data/1"}))
    attack("zip_encrypted", archive(sound, fields=dict(flags=1)))
    attack("zip_compressed_entry", archive(sound, fields=dict(method=8)))
    with zipfile.ZipFile(ATTACKS / "zip_compressed.bin", "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in (("x/data.pkl", sound), ("x/data/0", NUMBERS)):
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    attack("zip_duplicate", archive(sound, twice=["x/data/0"]))
    attack("zip_duplicate_pickle", archive(sound, twice=["x/data.pkl"]))
    attack("zip_two_roots", archive(sound, {"y/data.pkl": sound}))
    attack("zip_without_pickle", archive(sound).replace(b"data.pkl", b"data.npy"))
    attack("zip_big_endian", archive(sound, {"x/byteorder": b"big"}))
    attack("zip_directory_outside", archive(sound, ends=dict(offset=10**6)))
    attack("zip_directory_huge", archive(sound, wide=True, ends=dict(offset=2**63, length=2**63)))
    attack("zip_count_huge", archive(sound, wide=True, ends=dict(count=2**63)))
    attack("zip_locator_outside", archive(sound, wide=True, ends=dict(locator=2**63)))
    attack("zip_cut", archive(sound)[:-40])
    # The older container, lying.
    attack("plain_count_huge", plain(sound, storages=struct.pack("<q", 2**62) + NUMBERS))
    attack("plain_count_negative", plain(sound, storages=struct.pack("<q", -1) + NUMBERS))
    attack("plain_count_other", plain(sound, storages=struct.pack("<q", 3) + NUMBERS))
    attack("plain_cut", plain(sound)[:-1])
    attack("plain_without_storages", plain(sound, storages=b""))
    attack("plain_not_listed", plain(sound, keys=()))
    attack("plain_not_described", plain(sound, keys=("0", "1")))
    attack("plain_twice", plain(sound, keys=("0", "0"), storages=(struct.pack("<q", 4) + NUMBERS) * 2))
    attack("plain_key_leads_out", plain(program(dictionary(w=tensor(held=storage("../x")))), keys=("../x",)))
    two = dictionary(w=tensor(), v=tensor(held=storage(kind=b"ctorch\nDoubleStorage\n")))
    attack("plain_storage_of_two_types", plain(program(two)))
    attack("plain_version", plain(sound, version=1002))
    attack("plain_big_endian", plain(sound, facts=program(dictionary(little_endian=b"\x89"))))
    attack("plain_keys_not_a_list", plain(sound + program(number(1))))


if __name__ == "__main__":
    for folder in (GOOD, ATTACKS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    make_good()
    make_attacks()
