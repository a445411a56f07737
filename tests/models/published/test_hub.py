"""Models and weights by name on the Hugging Face hub, against a stand-in; and as zips."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_stand_in import TOKEN, Hub, standing_in, use_cache
from networks import plain_weights, reduced_networks
from test_published_weights import checkpoint
from tiny_network import tiny_model
from torch_writer import state

import zooactive as za
from zooactive.foundation.addresses import address_of
from zooactive.foundation.errors import ModelError
from zooactive.models import EmbeddingModel, GalaxyModel, load_published
from zooactive.models.config import Network
from zooactive.models.places import local_model
from zooactive.models.published import archives
from zooactive.models.published.hub import fetch
from zooactive.models.published.origin import Origin, licence_in, origin_in
from zooactive.models.saved_form import stored_fingerprint
from zooactive.training.config import TrainingConfig
from zooactive.tree import load_tree
from zooactive.workspace.file import parse_settings
from zooactive.workspace.told import plan_of

ZOOBOT, CARD = "mwalmsley/zoobot-encoder-efficientnet_b0", b"---\ntags:\n- galaxy\nlicense: gpl-3.0\n---\n# An encoder\n"
CONFIG = json.dumps({"architecture": "efficientnet_b0", "num_features": 1280}).encode()


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[Hub]:
    with standing_in(tmp_path_factory.mktemp("hf")) as hub:
        yield hub


@pytest.fixture(autouse=True)
def _empty_cache(hub, tmp_path, monkeypatch):
    use_cache(monkeypatch, tmp_path / "hf")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "fails_with", None)
    hub.asked.clear()


@pytest.fixture(scope="module")
def model() -> GalaxyModel:
    return tiny_model("rings", seed=3)


@pytest.fixture(scope="module")
def files(model, tmp_path_factory) -> dict[str, bytes]:
    """The files of the model, as they lie in a repository."""
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder)
    card = b"---\nlicense: cc-by-4.0\n---\n# A model\n"
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"README.md": card, "config.json": b"{}"}


# Fetching ---------------------------------------------------------------------------------------------------------------


def test_a_repository_is_fetched_once_without_its_code_and_known_again_offline(hub, files, model, monkeypatch):
    code = {"modeling.py": b"raise SystemExit", "older/head.npz": b"", "../../head.npz": b"", "weights.pkl": b""}
    hub.add("me/tiny", {**files, **code, ".gitattributes": b"", "pytorch_model.bin": b"never asked for"})
    folder = fetch("hf://me/tiny")
    assert {path.name for path in folder.iterdir()} == set(files)
    loaded = za.load_model("hf://me/tiny")
    assert loaded.fingerprint() == model.fingerprint() == stored_fingerprint(Path("hf://me/tiny"))
    assert loaded.origin == Origin("hf://me/tiny", folder.name, "cc-by-4.0")
    assert sum("/stored/" in line for line in hub.asked if line.startswith("GET")) == 2
    monkeypatch.setattr(hub, "fails_with", 503)
    assert fetch("hf://me/tiny") == folder
    hub.asked.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fetch("hf://me/tiny") == folder
    with pytest.raises(ModelError, match="hf://me/other is not complete in the cache, and the hub"):
        fetch("hf://me/other")
    assert not [line for line in hub.asked if "/me/tiny/resolve" in line]


def test_a_revision_is_a_commit_or_branch_and_a_wrong_one_is_named(hub, files):
    repository = hub.add("me/twice", files)
    first = repository.commits[-1][0]
    repository.commit({**files, "README.md": b"---\nlicense: mit\n---\n"})
    assert licence_in(fetch(f"hf://me/twice@{first}")) == "cc-by-4.0"
    assert licence_in(fetch("hf://me/twice")) == licence_in(fetch(Path("hf://me/twice@main"))) == "mit"
    with pytest.raises(ModelError, match=r"^hf://me/twice@v2: there is no revision 'v2'; name a branch, a tag or a commit"):
        fetch("hf://me/twice@v2")


def test_a_download_that_breaks_off_goes_on(hub, files, model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    hub.add("me/broken", files)
    hub.breaks_off = 2
    while hub.breaks_off:  # older versions of huggingface_hub leave it to the next command
        with contextlib.suppress(ModelError):
            fetch("hf://me/broken")
    assert za.load_model("hf://me/broken").fingerprint() == model.fingerprint()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hf://me/absent", r"there is no hf://me/absent, or it is private; check the name, or log in with `hf auth login`"),
        ("hf://me/secret", "there is no hf://me/secret, or it is private"),
        ("hf://me/gated", "hf://me/gated is gated: accept its terms on its page, and log in"),
        ("hf://me/empty", "hf://me/empty holds no weights that zooactive reads"),
        ("hf://gpt2", "'hf://gpt2' is not the name of a repository; write hf://USER/NAME"),
        ("hf://a/b/model.safetensors", "is not the name of a repository"),
        ("hf://me/..", "is not the name of a repository"),
        ("hf://-me/b--c", "is not the name of a repository"),
        ("hf://me/b@../../x", "is not the name of a repository"),
    ],
)
def test_what_nobody_here_may_read_is_told_in_a_sentence(hub, files, name, said):
    hub.add("me/secret", files, private=True)
    hub.add("me/gated", files, gated=True)
    hub.add("me/empty", {"README.md": b"", "code.py": b""})
    with pytest.raises(ModelError, match=said):
        za.load_model(name)


def test_a_private_repository_is_read_by_who_is_logged_in(hub, files, monkeypatch):
    hub.add("me/secret", files, private=True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert za.load_model("hf://me/secret").backbone == "tiny1"


def test_without_a_network_or_the_package_the_mend_is_said(hub, files, monkeypatch):
    hub.add("me/new", files)
    monkeypatch.setattr(hub, "fails_with", 500)
    with pytest.raises(ModelError, match=r"not complete in the cache, and the hub answers with an error \(500\); connect"):
        fetch("hf://me/new")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="not complete in the cache, and the hub cannot be reached; connect to the network"):
        fetch("hf://me/new")
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub.errors", None)
    with pytest.raises(ModelError, match=r"install huggingface_hub: pip install 'zooactive\[hub\]'"):
        fetch("hf://me/new")


# Weights to start from --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["pytorch_model.bin", "model.safetensors"])
def test_a_model_starts_from_an_encoder_on_the_hub_and_keeps_its_licence(hub, form):
    beside = {".gitattributes": b"", "README.md": CARD, "config.json": CONFIG, "pytorch_model.bin": state(checkpoint())}
    if form == "model.safetensors":
        safetensors = pytest.importorskip("safetensors.numpy")
        beside |= {form: safetensors.save(checkpoint()), "pytorch_model.bin": b"never asked for"}
    hub.add(ZOOBOT, beside)
    network = Network(backbone="efficientnet_b0_timm", image_size=32, start=f"hf://{ZOOBOT}").fetched()
    assert network.start is not None
    assert Path(network.start).name == form
    network.check()
    with reduced_networks(), plain_weights():
        model = network.build(load_tree("rings"))
        assert load_published(f"hf://{ZOOBOT}", "rings", image_size=32).origin == model.origin
    np.testing.assert_array_equal(
        np.asarray(model.encoder.get_layer("stem_conv").kernel), checkpoint()["conv_stem.weight"].transpose(2, 3, 1, 0)
    )
    expected = Origin(f"hf://{ZOOBOT}", hub.repositories[ZOOBOT].commits[-1][0], "gpl-3.0")
    assert model.origin == network.origin() == expected
    assert str(expected) == f"hf://{ZOOBOT}, licence gpl-3.0"
    assert f"hf://{ZOOBOT}, licence gpl-3.0" in model._repr_html_()
    assert any("/resolve/" in line and "pytorch_model.bin" in line for line in hub.asked) == (form == "pytorch_model.bin")
    assert f"starting from hf://{ZOOBOT}, licence gpl-3.0" in plan_of(network, TrainingConfig(), galaxies=9)[0]


def test_a_name_of_the_hub_in_the_workspace_file_is_no_path(tmp_path):
    settings = parse_settings('[model]\nstart = "hf://me/tiny@main"\nfolder = "hf://me/it"\n', tmp_path / "zooactive.toml")
    assert settings.model.start == "hf://me/tiny@main"
    assert address_of(settings.model.folder) == "hf://me/it"


def test_the_origin_of_a_model_is_no_part_of_its_fingerprint(model, tmp_path):
    before = model.fingerprint()
    other = model.with_tree("rings")
    other.put_head(np.asarray(model.head.kernel), np.asarray(model.head.bias))
    other.origin = Origin("hf://a/b", "1", "mit")
    assert other.fingerprint() == before
    other.save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    assert about["origin"] == {"source": "hf://a/b", "revision": "1", "licence": "mit"}
    for kept in (za.load_model(tmp_path), other.with_tree("zhu5"), pickle.loads(pickle.dumps(other))):
        assert kept.origin == other.origin
    (tmp_path / "model.json").write_text(json.dumps(about | {"origin": {"source": 3}}))
    with pytest.raises(
        ModelError, match=r"model\.json is damaged \(source, revision or licence of origin is not a short text\)"
    ):
        za.load_model(tmp_path)


def test_a_model_of_embeddings_keeps_its_origin_too(hub, tmp_path):
    EmbeddingModel("rings", features=4, encoder="nano").save(tmp_path / "m")
    files = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    hub.add("me/head", {**files, "README.md": CARD})
    loaded = za.load_model("hf://me/head").with_tree("zhu5")
    loaded.save(tmp_path / "again")
    again = za.load_model(tmp_path / "again")
    assert (again.origin.source, again.origin.licence) == ("hf://me/head", "gpl-3.0")
    assert "licence gpl-3.0" in again._repr_html_()


@pytest.mark.parametrize(
    ("card", "config", "licence"),
    [
        ("---\nlicense: mit\n---\n", "{}", "mit"),
        ('---\r\nlicense: "apache-2.0"\r\n---\r\n', "{}", "apache-2.0"),
        ("---\nlicense:\n- cc-by-4.0\n- mit\n---\n", "{}", "cc-by-4.0"),
        ("---\nlicense: other\nlicense_name: survey terms\n---\n", "{}", "survey terms"),
        ("license: mit\n", '{"license": "bsd-3-clause"}', "bsd-3-clause"),
        ("---\nlicense: <script>\n---\n", '{"license": ["mit"]}', None),
        ("---\nlicense: mit", "[", None),
    ],
)
def test_a_licence_is_read_from_the_card_or_config(tmp_path, card, config, licence):
    (tmp_path / "README.md").write_bytes(card.encode())
    (tmp_path / "config.json").write_text(config)
    assert licence_in(tmp_path) == licence
    assert origin_in(tmp_path) == (None if licence is None else Origin(tmp_path.name, None, licence))


# Zips -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def packed(files, tmp_path) -> Path:
    """A zip of the model's folder, among other things."""
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(f"tiny/{name}", content)
        packed.writestr("tiny/setup.py", "raise SystemExit")
        packed.writestr("tiny/votes/votes.csv", "")
    return tmp_path / "model.zip"


def test_a_zip_is_a_model(packed, model):
    loaded = za.load_model(packed)
    assert loaded.fingerprint() == za.load_model(str(packed)).fingerprint() == model.fingerprint()
    assert (loaded.origin.source, loaded.origin.licence) == ("model.zip", "cc-by-4.0")
    folder = local_model(packed)
    assert "setup.py" not in {path.name for path in folder.iterdir()}
    packed.unlink()
    with pytest.raises(ModelError, match=r"there is no file .*model\.zip"):
        za.load_model(packed)


def test_a_packed_folder_has_the_same_bytes_every_time(packed, tmp_path):
    folder = local_model(packed)
    names = ["model.json", "encoder.npz", "head.npz"]
    digests = {archives.pack(folder, names, tmp_path / name) for name in ("a.zip", "b.zip")}
    assert len(digests) == 1
    assert za.load_model(tmp_path / "a.zip").backbone == "tiny1"


def test_a_zip_at_an_address_needs_its_checksum_and_has_it(hub, packed, model):
    content = packed.read_bytes()
    digest = archives.pack(packed.parent, [packed.name], packed.parent / "outer")  # any other one
    hub.stored = {"model": content}
    place = f"{hub.url}/stored/model"
    with pytest.raises(ModelError, match=r"/stored/model is at an address, so its checksum is needed; add #sha256="):
        za.load_model(f"{place}?sig=secret")
    with pytest.raises(ModelError, match=rf"has the checksum \w+, but {digest} was expected"):
        za.load_model(f"{place}#sha256={digest}")
    with pytest.raises(ModelError, match=r"cannot be fetched \(HTTP Error 404: Not Found\); check the address"):
        za.load_model(f"{hub.url}/nowhere#sha256={digest}")
    right = hashlib.sha256(content).hexdigest()
    loaded = za.load_model(Path(f"{place}#sha256={right}"))
    assert loaded.fingerprint() == model.fingerprint()
    assert loaded.origin == Origin(place, f"sha256:{right}", "cc-by-4.0")
    hub.stored.clear()  # the address is not asked again
    assert za.load_model(f"{place}#sha256={right}").fingerprint() == model.fingerprint()
    assert not list((Path(local_model(f"{place}#sha256={right}")).parent).glob("*.zip"))
    with pytest.raises(ModelError, match=r"s3://bucket/model.zip cannot be loaded; give a folder, a zip"):
        za.load_model("s3://bucket/model.zip")


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"../model.json": "{}"}, "would lie outside its folder"),
        ({"model.json": "{}", "/etc/passwd": "x"}, "would lie outside its folder"),
        ({"model.json": "{}", "C:\\x\\head.npz": "x"}, "would lie outside its folder"),
        ({"model.json": "{}", "a\\..\\..\\x": "x"}, "would lie outside its folder"),
        ({link("model.json"): "/etc/passwd"}, "is no file"),
        ({"a/model.json": "{}", "b/model.json": "{}"}, "2 files model.json instead of one"),
        ({"notes.txt": "x"}, "0 files model.json instead of one"),
        ({"model.json": "{}", "encoder.npz": b"\0" * (1 << 18)}, "that unpack to"),
    ],
    ids=["above", "absolute", "a disk", "backslashes", "a link", "two models", "no model", "a bomb"],
)
def test_a_hostile_zip_is_refused_and_nothing_is_unpacked(tmp_path, monkeypatch, entries, said):
    monkeypatch.setattr(archives, "_LARGEST_PACKED", 1 << 10)
    with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    with pytest.raises(ModelError, match=rf"m\.zip is not a zip of a model \(.*{said}"):
        za.load_model(tmp_path / "m.zip")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "lying"])
def test_a_damaged_zip_is_told_in_a_sentence(packed, damage):
    content = packed.read_bytes()
    lying = content.replace(b"fingerprint", b"fingerpriXt")  # its checksum in the zip is another
    packed.write_bytes({"cut": content[: len(content) // 2], "text": b"no zip", "empty": b"", "lying": lying}[damage])
    with pytest.raises(ModelError, match=r"model\.zip is not a zip of a model \(.*\); pack the folder"):
        za.load_model(packed)
    assert not list(packed.parent.glob("cache/**/model.json"))
    shutil.rmtree(packed.parent / "cache", ignore_errors=True)
