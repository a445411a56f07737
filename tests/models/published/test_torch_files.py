"""Files of ``torch.save`` read without torch: genuine ones, and ones made opcode by opcode."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import pickle
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from torch_writer import (
    archive,
    call,
    legacy,
    mapping,
    name,
    pickled,
    plain,
    state,
    storage,
    tensor,
    text,
    weights,
)

from zooactive.foundation.errors import ModelError
from zooactive.models.published import unpickling
from zooactive.models.published.names import is_published
from zooactive.models.published.state import read_state
from zooactive.models.published.unpickling import Inert, unpickle

FILES = Path(__file__).parent / "files"
FOUR = np.array([0.5, -1, np.inf, 2.0**-126], np.float32)


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_torch_files", FILES / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for key, array in expected.items():
        assert (found[key].dtype, found[key].shape) == (array.dtype, array.shape), key
        assert found[key].tobytes() == array.tobytes(), key


@pytest.fixture
def read(tmp_path):
    """Return a function (content) -> the arrays of a file that holds it, whatever its name says."""

    def read_content(content: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "weights.pt"
        path.write_bytes(content)
        return read_state(path)

    return read_content


@pytest.mark.parametrize("file", ["views.pth", "before_zip.pt", "lightning.ckpt"])
def test_what_torch_wrote_is_read_bit_by_bit(file):
    assert_same_bits(read_state(FILES / file), maker().arrays())


def test_the_form_is_told_by_the_content_and_not_by_the_name(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes((FILES / "views.pth").read_bytes())
    assert_same_bits(read_state(path), maker().arrays())


def test_arrays_keep_their_names_and_kinds(read):
    rng = np.random.default_rng(0)
    arrays = {
        "encoder.a": rng.normal(size=(2, 3)).astype(np.float32),
        "model.b": rng.normal(size=5).astype(np.float16),
        "": np.array(3.0),
        "état": rng.integers(-9, 9, (2, 1)),
        "bytes": np.arange(3, dtype=np.uint8),
    }
    assert_same_bits(read(state(arrays)), arrays)


def test_bfloat16_becomes_the_float32_of_the_same_value(read):
    expected = np.array([1, -2, 3.140625, np.inf], np.float32)
    held = (expected.view(np.uint32) >> 16).astype("<u2").tobytes()
    content = pickled(mapping({"w": tensor(storage("BFloat16Storage"), (2, 2), (1, 2))}))
    assert_same_bits(read(archive(content, {"0": held})), {"w": expected.reshape(2, 2).T})


def test_a_view_has_the_elements_of_its_storage_that_its_strides_name(read):
    numbers = np.arange(24, dtype=np.float32)
    held = storage("FloatStorage", numel=24)
    content = pickled(mapping({"a": tensor(held, (3, 4), (1, 6), 2), "b": tensor(held, (2, 2, 2), (12, 1, 3), 1)}))
    found = read(archive(content, {"0": numbers.tobytes()}))
    assert found["a"].tolist() == [[2 + i + 6 * j for j in range(4)] for i in range(3)]
    assert found["b"].tolist() == [[[1 + 12 * i + j + 3 * k for k in range(2)] for j in range(2)] for i in range(2)]
    assert np.shares_memory(found["a"], found["b"])


def test_numbers_of_another_byte_order_are_the_same_numbers(read):
    found = read(archive(weights(), {"0": FOUR.astype(">f4").tobytes()}, order="big", root="whatever name"))
    assert_same_bits(found, {"w": FOUR})


def test_the_form_before_the_zip_is_read_with_texts_of_python_2(read):
    held = plain(("storage", name("torch", "FloatStorage"), b"U\x02k1", b"U\x03cpu", 4, None)) + b"Q"
    module = plain(("module", name("my", "Net"), "net.py", "class Net: ...")) + b"Q"
    entries = b"](" + b"(U\x01w" + tensor(held) + b"t" + b"e"  # OrderedDict([("w", ...)])
    content = pickled(mapping({"state_dict": call("collections", "OrderedDict", entries), "net": module}))
    assert_same_bits(read(legacy(content, {"k1": FOUR})), {"w": FOUR})


def test_only_the_state_of_a_checkpoint_is_read(read):
    content = mapping(
        {
            "hyper_parameters": call("argparse", "Namespace") + mapping({"lr": 0.1}) + b"b",
            "optimizer": tensor(storage("FloatStorage", "gone")),
            "state_dict": mapping({"w": tensor(storage("FloatStorage")), "extra": call("io", "BytesIO")}),
        }
    )
    assert_same_bits(read(archive(pickled(content), {"0": FOUR.tobytes()})), {"w": FOUR})


def test_a_parameter_is_its_tensor_and_an_untyped_storage_has_the_numbers_that_its_tensor_says(read):
    hooks = call("collections", "OrderedDict")
    untyped = storage(name("torch.storage", "UntypedStorage"), "1", 4)
    short = call("torch._utils", "_rebuild_tensor_v3", untyped, 0, (2,), (1,), False, hooks, name("torch", "uint16"))
    content = mapping(
        {
            "w": call("torch._utils", "_rebuild_parameter", tensor(storage("FloatStorage")), True, hooks),
            "v": call("torch._utils", "_rebuild_parameter_with_state", tensor(storage("FloatStorage")), True, hooks, {}),
            "u": short,
        }
    )
    found = read(archive(pickled(content), {"0": FOUR.tobytes(), "1": b"\x01\x00\xff\xff"}))
    assert_same_bits(found, {"w": FOUR, "v": FOUR, "u": np.array([1, 65535], np.uint16)})


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (call("torch._utils", "_rebuild_qtensor", 1), r"'w' is no plain tensor: torch\._utils\._rebuild_qtensor"),
        (tensor(storage("ComplexFloatStorage")), r"'w' has numbers of the kind 'torch\.ComplexFloatStorage'"),
        (call("numpy", "ndarray", 1), r"holds no tensors, but 'w' \(what 'numpy\.ndarray' would make\)"),
        ({}, r"holds no tensors, but 'w' \(a mapping\)"),
    ],
)
def test_entries_that_are_no_tensors_of_numbers_are_named(read, entry, told):
    with pytest.raises(ModelError, match=told):
        read(archive(pickled(mapping({"w": entry})), {"0": FOUR.tobytes()}))


def test_a_folder_of_the_hub_is_read_by_its_better_file(tmp_path):
    with pytest.raises(ModelError, match=r"it needs model\.safetensors or pytorch_model\.bin"):
        read_state(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(state({"a": FOUR}))
    assert list(read_state(tmp_path)) == ["a"]
    (tmp_path / "model.safetensors").write_bytes(state({"b": FOUR}))
    assert list(read_state(tmp_path)) == ["b"]


def test_safetensors_of_bfloat16_are_read(read):
    pytest.importorskip("safetensors")
    header = b'{"w":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]}}'
    found = read(len(header).to_bytes(8, "little") + header + b"\x80\x3f\x00\xc0")
    assert_same_bits(found, {"w": np.array([[1], [-2]], np.float32)})


@pytest.mark.parametrize("length", [0x80, 0x0280])
def test_safetensors_whose_length_begins_like_a_pickle_are_read(read, length):
    pytest.importorskip("safetensors")
    header = b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'.ljust(length)
    assert_same_bits(read(length.to_bytes(8, "little") + header + FOUR.tobytes()), {"w": FOUR})


def test_published_weights_are_named_by_their_ending_or_described_in_their_folder(tmp_path):
    for start in ("imagenet", "a.safetensors", "pytorch_model.bin", "a/b.pth", "c.pt", "d.ckpt"):
        assert is_published(start)
    assert not is_published(tmp_path)
    (tmp_path / "config.json").write_text('{"architecture": "convnext_nano"}')
    assert is_published(tmp_path)
    for other in ("{}", "[", '["architecture"]'):
        (tmp_path / "config.json").write_text(other)
        assert not is_published(str(tmp_path))
    assert not is_published("bundled")


# The machine ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_are_those_of_pythons_own_pickle(protocol):
    shared = ["é", 1.5]
    values = [
        None,
        True,
        False,
        0,
        255,
        256,
        65536,
        -1,
        2**31,
        -(2**64),
        "x" * 300,
        (),
        (1,),
        (1, 2),
        (1, 2, 3),
        (1, 2, 3, 4),
    ]
    given = {"values": values, "shared": [shared, shared], "nested": {"a": {"b": [float("inf")]}}, "empty": {}}
    assert unpickle(pickle.dumps(given, protocol)).value == given


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_everything_else_that_pythons_pickle_writes_is_passed_over(protocol):
    odd = [
        b"abc",
        bytearray(b"x"),
        {1, 2},
        frozenset("ab"),
        1j,
        range(3),
        Path("a"),
        np.float32(1),
        np.arange(3),
        ModelError("x"),
    ]
    found = unpickle(pickle.dumps({"odd": odd, "last": 1, 5: "no text", (1, 2): "no text"}, protocol)).value
    assert found["last"] == 1
    assert set(found) == {"odd", "last"}
    assert all(type(value) is Inert for value in found["odd"])


def test_nothing_of_a_pickle_is_ever_called():
    """What is called by a name that is neither Python's nor the file's own comes out of the two tables of the file."""
    tree = ast.parse(Path(unpickling.__file__).read_text(encoding="utf-8"))
    imported = {node.names[0].name if isinstance(node, ast.Import) else node.module for node in imports(tree)}
    assert imported == {"__future__", "struct", "collections.abc", "dataclasses", "typing"}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"getattr", "setattr", "eval", "exec", "compile", "open", "vars", "globals", "locals", "__import__"}
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)} | {"dataclass", "field"}
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {func.id for func in calls if isinstance(func, ast.Name)}
    assert called - own - set(dir(builtins)) == {"step", "known"}
    looked_up = {
        node.targets[0].id: ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in ("step", "known")
    }
    assert looked_up == {
        "step": "_STEPS.get(code)",
        "known": "_DESCRIPTIONS.get(function.name) if type(function) is Named else None",
    }
    methods = {func.attr for func in calls if isinstance(func, ast.Attribute)}
    ours = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert methods - ours == {"append", "bit_length", "clear", "decode", "find", "from_bytes", "get", "unpack", "update"}
    assert all(isinstance(func, ast.Name | ast.Attribute) for func in calls)


def imports(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_a_name_from_the_file_stays_a_text():
    found = unpickle(pickled(b"]" + text("os") + b"a" + name("os", "system") + b"a")).value
    assert (found[0], found[1].name) == ("os", "os.system")
