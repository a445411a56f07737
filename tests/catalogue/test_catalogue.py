from __future__ import annotations

import warnings
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zooactive.catalogue import Catalogue, Preprocessing, read_catalogue
from zooactive.catalogue.find_images import find_images
from zooactive.catalogue.stored_images import StoredImage
from zooactive.catalogue.tables import GalaxyTable
from zooactive.foundation.errors import CatalogueError, ModelError
from zooactive.training.finetuning.tasks import task_of_column
from zooactive.tree import DecisionTree, Question, load_tree

LONG = ["587732578312454276", "587732578312454277", "000000000000000001"]


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"id_str": LONG, "file_loc": ["a.jpg", "b.jpg", None], "mag_r": [17.0, 18.0, np.nan], "kind": ["E", "S", "S"]}
    )


def plain(ids: list[str], **columns: object) -> Catalogue:
    table = pd.DataFrame(columns, index=pd.RangeIndex(len(ids)))
    return Catalogue(np.array(ids, dtype=object), (None,) * len(ids), None, None, table, "test")


def write(frame: pd.DataFrame, path: Path) -> Path:
    from astropy.table import Table

    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        gaps = {name: np.nan if pd.api.types.is_numeric_dtype(frame[name]) else "" for name in frame.columns}
        table = Table({name: np.array(frame[name].fillna(gaps[name]).tolist()) for name in frame.columns})
        table.write(path, format="fits" if path.suffix == ".fits" else "votable")
    return path


# Reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits", ".vot", ".xml"])
def test_every_kind_of_table_gives_the_same_catalogue(frame: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    catalogue = read_catalogue(write(frame, tmp_path / f"galaxies{suffix}"))
    assert catalogue.ids.tolist() == LONG
    assert all(type(galaxy_id) is str for galaxy_id in catalogue.ids)
    assert catalogue.images == (tmp_path / "a.jpg", tmp_path / "b.jpg", None)
    assert catalogue.table["mag_r"].tolist()[:2] == [17.0, 18.0]
    assert catalogue.table["kind"].tolist() == ["E", "S", "S"]
    assert catalogue.votes is None
    assert not catalogue.labelled.any()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits"])
def test_ids_stored_as_whole_numbers_keep_their_eighteen_digits(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"GalaxyID": [587732578312454276, 587732578312454277]})
    assert read_catalogue(write(frame, tmp_path / f"g{suffix}")).ids.tolist() == LONG[:2]


@pytest.mark.parametrize("suffix", [".parquet", ".fits"])
def test_ids_stored_as_floats_are_refused(tmp_path: Path, suffix: str) -> None:
    path = write(pd.DataFrame({"id": [5.0, 6.0]}), tmp_path / f"g{suffix}")
    with pytest.raises(CatalogueError, match="'id' holds floats, which lose digits of long ids; save it as text"):
        read_catalogue(path)


@pytest.mark.parametrize("rounded", ["5.87733E+17", "587732578312454276.0"])
def test_ids_that_a_spreadsheet_rounded_are_refused(tmp_path: Path, rounded: str) -> None:
    (tmp_path / "g.csv").write_text(f"id\nJ1\n{rounded}\n")
    with pytest.raises(CatalogueError, match=r"row 2: the id '5.* was rounded"):
        read_catalogue(tmp_path / "g.csv")


def test_ids_that_look_like_missing_values_are_ids(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("id,mag\nNA,1\nnan, \n007,NA\n 8 ,2\n")
    catalogue = read_catalogue(tmp_path / "g.csv")
    assert catalogue.ids.tolist() == ["NA", "nan", "007", "8"]


def test_none_is_blank_among_numbers_and_images_and_a_word_among_words(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("id,image,mag,bar\na,a.png,17.5,strong\nb,none,none,none\nc,c.png,,None\n")
    catalogue = read_catalogue(tmp_path / "g.csv")
    assert catalogue.table["mag"].tolist() == pytest.approx([17.5, np.nan, np.nan], nan_ok=True)
    assert catalogue.table["bar"].fillna("-").tolist() == ["strong", "none", "-"]
    assert catalogue.images[1] is None


def test_the_id_column_is_the_first_known_name_or_the_one_asked_for(tmp_path: Path) -> None:
    path = write(pd.DataFrame({"GalaxyID": ["1"], "iauname": ["J1"], "uid": ["u"], "id": ["i"]}), tmp_path / "g.csv")
    assert read_catalogue(path).ids.tolist() == ["i"]
    catalogue = read_catalogue(path, id_column="uid")
    assert catalogue.ids.tolist() == ["u"]
    assert list(catalogue.table.columns) == ["GalaxyID", "iauname", "original_id"]
    with pytest.raises(CatalogueError, match=r"id column 'iaunme' is missing from .*g.csv. Did you mean 'iauname'"):
        read_catalogue(path, id_column="iaunme")


def test_a_folder_of_parquet_parts_is_one_catalogue(frame: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    write(frame[:2], tmp_path / "parts" / "1.parquet")
    write(frame[2:].assign(kind=[None]), tmp_path / "parts" / "2.parquet")
    write(frame[:1], tmp_path / "parts" / "failures.parquet")
    assert read_catalogue(tmp_path / "parts").ids.tolist() == LONG


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("id,mag\n", "has no rows"),
        ("name,mag\nx,1\n", "has none of the id columns id, id_str"),
        ("id,mag\nx,1\nx,2\n", "the id 'x' is in rows 1 and 2"),
        ("id,mag\nx,1\n,2\n", r"row 2: the id \(column 'id'\) is blank"),
        ("id,mag,mag\nx,1,2\n", "the column 'mag' twice"),
        ("id,mag\nx,1,3\ny,2,4\n", "cannot be read as a table"),
        ("id,mag\nx,1\ny,2,3,4\n", "cannot be read as a table: .*line 3"),
        ("id,mag\nx,\x81\n", "text in neither UTF-8, UTF-16 nor Latin-1"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence_with_its_file(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "g.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CatalogueError, match=sentence) as caught:
        read_catalogue(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_unknown_or_damaged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="does not exist"):
        read_catalogue(tmp_path / "no.csv")
    for name, sentence in [
        ("a.txt", "kind '.txt' cannot be read"),
        *((f"a.{s}", "cannot be read") for s in ("parquet", "vot")),
    ]:
        (tmp_path / name).write_text("junk")
        with pytest.raises(CatalogueError, match=sentence):
            read_catalogue(tmp_path / name)


def test_a_fits_file_without_a_table_is_refused(tmp_path: Path) -> None:
    from astropy.io import fits

    fits.PrimaryHDU(np.zeros((9, 9))).writeto(tmp_path / "image.fits")
    with pytest.raises(CatalogueError, match="holds no table"):
        read_catalogue(tmp_path / "image.fits")


def test_a_mark_at_the_start_of_the_file_is_not_part_of_the_first_header(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_bytes("\ufeffid,mag\nx,1\n".encode())
    assert read_catalogue(tmp_path / "g.csv").ids.tolist() == ["x"]


# Votes ----------------------------------------------------------------------------------------------------------------


def test_a_galaxy_is_labelled_from_min_votes_on_a_root_question(tree: DecisionTree, tmp_path: Path) -> None:
    columns = {column: [0, 0, 0] for column in tree.columns} | {"smooth-or-featured_smooth": [30, 29, 0]}
    path = write(pd.DataFrame({"id": ["a", "b", "c"]} | columns), tmp_path / "g.csv")
    assert read_catalogue(path, tree=tree).labelled.tolist() == [True, False, False]
    assert read_catalogue(path, tree=tree, min_votes=5).labelled.tolist() == [True, True, False]
    assert read_catalogue(path, tree=replace(tree, min_votes=29)).labelled.tolist() == [True, True, False]
    assert read_catalogue(path).table.shape == (3, len(tree.columns))


def test_a_label_counts_as_labelled_whatever_the_tree_asks_of_counts(tmp_path: Path) -> None:
    path = write(pd.DataFrame({"id": ["a", "b"], "label": ["x", None]}), tmp_path / "g.csv")
    tree = DecisionTree("t", [Question("q", ["x", "y"])])
    catalogue = read_catalogue(path, tree=tree, label_column="label")
    assert catalogue.min_votes == 1
    assert catalogue.labelled.tolist() == [True, False]


def test_labels_and_volunteers_without_a_tree_are_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame, tmp_path / "g.csv")
    with pytest.raises(CatalogueError, match="needs a decision tree"):
        read_catalogue(path, label_column="kind")


def test_an_error_names_the_row_of_the_file_even_when_rows_were_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": list("abc"), "use": [0, 1, 1], "q_x": [-5, 1, -1], "q_y": [0, 0, 0]})
    tree = DecisionTree("t", [Question("q", ["x", "y"])])
    path = write(frame, tmp_path / "g.csv")
    with pytest.raises(CatalogueError, match=r"row 3 \(id 'c'\)"):
        read_catalogue(path, tree=tree, where="use == 1")
    assert read_catalogue(path, tree=tree, where="id == 'b'").ids.tolist() == ["b"]
    with pytest.raises(CatalogueError, match="of none of the 3 rows"):
        read_catalogue(path, where="use == 7")


# Images ---------------------------------------------------------------------------------------------------------------


def test_relative_paths_start_from_the_table_or_from_the_folder_given(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame.assign(file_loc=["images/a.jpg", "images/b.jpg", None]), tmp_path / "g.csv")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    there = (tmp_path / "images" / "a.jpg", tmp_path / "images" / "b.jpg", None)
    assert read_catalogue(path).images == there
    assert read_catalogue(path, images=tmp_path).images == there
    assert read_catalogue(path, images=tmp_path / "images").images == there
    with pytest.raises(CatalogueError, match=r"image folder .*/no does not exist"):
        read_catalogue(path, images=tmp_path / "no")
    with pytest.raises(CatalogueError, match="Did you mean 'file_loc'"):
        read_catalogue(path, image_column="file_lok")


def test_paths_of_another_machine_are_found_by_name_in_the_folder_given(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame.assign(file_loc=["/old/disk/a.jpg"] * 3), tmp_path / "g.csv")
    (tmp_path / "a.jpg").touch()
    assert read_catalogue(path, images=tmp_path).images == (tmp_path / "a.jpg",) * 3
    (tmp_path / "a.jpg").unlink()
    assert read_catalogue(path, images=tmp_path).images == (Path("/old/disk/a.jpg"),) * 3


def test_without_an_image_column_files_are_found_by_id(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame.drop(columns="file_loc"), tmp_path / "g.csv")
    folder = tmp_path / "cutouts"
    folder.mkdir()
    with pytest.raises(CatalogueError, match=f"has no image of any galaxy .* '{LONG[0]}.jpg'"):
        read_catalogue(path, images=folder)
    for name in (f"{LONG[0]}.png", f"{LONG[0]}.jpg", f"{LONG[2]}.fits"):
        (folder / name).touch()
    assert read_catalogue(path, images=folder).images == (folder / f"{LONG[0]}.jpg", None, folder / f"{LONG[2]}.fits")
    assert read_catalogue(path).images == (None, None, None)


def test_images_in_parquet_may_be_bytes_or_structs_of_bytes_and_path(tmp_path: Path) -> None:
    images = [{"bytes": b"one", "path": "1.jpg"}, {"bytes": None, "path": "2.jpg"}, None]
    write(pd.DataFrame({"id": list("abc"), "image": images}), tmp_path / "structs.parquet")
    assert read_catalogue(tmp_path / "structs.parquet").in_memory().images == (b"one", tmp_path / "2.jpg", None)
    write(pd.DataFrame({"id": list("ab"), "image": [b"one", None]}), tmp_path / "bytes.parquet")
    assert read_catalogue(tmp_path / "bytes.parquet").in_memory().images == (b"one", None)


def test_a_folder_of_images_is_a_catalogue_of_its_file_names(write_pictures, tmp_path: Path) -> None:
    folder = write_pictures(["J2+0.1", "J1-0.1"])
    (folder / "notes.txt").touch()
    catalogue = read_catalogue(folder)
    assert catalogue.ids.tolist() == ["J1-0.1", "J2+0.1"]
    assert catalogue.images == (folder / "J1-0.1.jpg", folder / "J2+0.1.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogueError, match="neither Parquet files nor images"):
        read_catalogue(tmp_path / "empty")
    with pytest.raises(CatalogueError, match="has no columns"):
        read_catalogue(folder, tree="rings")


# A catalogue that is there --------------------------------------------------------------------------------------------


def test_a_catalogue_is_returned_as_it_is_unless_something_else_is_asked(tree: DecisionTree, draw_votes) -> None:
    votes = draw_votes(3)
    catalogue = Catalogue(
        np.array(list("abc"), dtype=object), (None,) * 3, votes, tree, pd.DataFrame({"m": [1, 2, 3]}), "memory"
    )
    assert read_catalogue(catalogue, tree=tree) is catalogue
    assert read_catalogue(catalogue, where="m > 1").ids.tolist() == ["b", "c"]
    assert not read_catalogue(catalogue, min_votes=41).labelled.any()
    with pytest.raises(CatalogueError, match="was read with tree 'small', not 'rings'"):
        read_catalogue(catalogue, tree="rings")
    with pytest.raises(CatalogueError, match="has already been read"):
        read_catalogue(catalogue, id_column="m")


def test_parts_that_do_not_fit_together_are_refused(tree: DecisionTree) -> None:
    ids, table = np.array(["a", "b"], dtype=object), pd.DataFrame(index=range(2))
    with pytest.raises(CatalogueError, match="different lengths"):
        Catalogue(ids, (None,), None, None, table, "memory")
    with pytest.raises(CatalogueError, match="votes have shape"):
        Catalogue(ids, (None,) * 2, np.zeros((2, 3)), tree, table, "memory")
    with pytest.raises(CatalogueError, match="the tree is missing"):
        Catalogue(ids, (None,) * 2, np.zeros((2, 3)), None, table, "memory")
    with pytest.raises(CatalogueError, match="tree 'small' was given without votes; give both or neither"):
        Catalogue(ids, (None,) * 2, None, tree, table, "memory")
    with pytest.raises(CatalogueError, match="'a' occurs twice"):
        Catalogue(np.array(["a", "a"], dtype=object), (None,) * 2, None, None, table, "memory")


def test_rows_are_taken_by_number_by_mask_and_by_id(tree: DecisionTree, draw_votes) -> None:
    votes = draw_votes(4)
    catalogue = Catalogue(
        np.array(list("abcd"), dtype=object), (b"1", b"2", None, b"4"), votes, tree, pd.DataFrame({"m": range(4)}), "memory"
    )
    for part in (catalogue.take([3, 1]), catalogue.select(["d", "b"])):
        assert part.ids.tolist() == ["d", "b"]
        assert part.images == (b"4", b"2")
        assert part.table["m"].tolist() == [3, 1]
        assert part.table.index.tolist() == [0, 1]
        assert np.array_equal(part.votes, votes[[3, 1]])
    assert catalogue.take(np.array([True, False, False, True])).ids.tolist() == ["a", "d"]
    assert len(catalogue.take([])) == 0
    pool = catalogue.without_votes()
    assert pool.votes is None
    assert pool.tree is None
    assert not pool.labelled.any()
    with pytest.raises(CatalogueError, match=r"test has no galaxy 'J002'. Did you mean 'J001'"):
        plain(["J001"]).select(["J002"])


def test_tree_and_votes_are_there_together_or_missed_in_a_sentence(tree: DecisionTree, draw_votes) -> None:
    pool = plain(["a", "b"])
    catalogue = replace(pool, votes=draw_votes(2), tree=tree)
    assert catalogue.voted == (tree, catalogue.votes)
    assert catalogue.require_votes(tree).some.tolist() == [True, True]
    assert pool.voted is None
    with pytest.raises(CatalogueError, match=r"^test has no votes to learn from; read it with a tree$"):
        pool.require_votes(to="to learn from")
    with pytest.raises(ModelError, match=r"^test has no votes of tree 'rings'; read it with that tree$"):
        catalogue.require_votes(load_tree("rings"), error=ModelError)


def test_where_compares_columns_ids_and_votes_and_missing_values_fail_it(tree: DecisionTree, draw_votes) -> None:
    catalogue = plain(list("abc"), mag_r=[17.0, 18.0, np.nan], kind=["E", "S", "S"])
    assert catalogue.where("mag_r < 17.7").ids.tolist() == ["a"]
    assert catalogue.where("mag_r < 20 and kind == 'S'").ids.tolist() == ["b"]
    assert catalogue.where("id != 'a'").ids.tolist() == ["b", "c"]
    votes = draw_votes(3)
    voted = replace(catalogue, votes=votes, tree=tree)
    expected = [galaxy_id for galaxy_id, row in zip("abc", votes, strict=True) if row[0] > 10]
    assert voted.where("`smooth-or-featured_smooth` > 10").ids.tolist() == expected


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("mag < 17", "Did you mean 'mag_r'"),
        ("mag_r <", "cannot be applied"),
        ("mag_r + 1", "is not a comparison"),
        ("mag_r = 1", "is not a comparison"),
        ("mag_r < 'x'", "cannot be applied"),
        ("True", "is not a comparison"),
        ("", "cannot be applied"),
        ("@plain", "cannot be applied"),
    ],
)
def test_a_where_that_is_no_comparison_is_refused(expression: str, sentence: str) -> None:
    with pytest.raises(CatalogueError, match=sentence) as caught:
        plain(list("ab"), mag_r=[1.0, 2.0]).where(expression)
    assert "\n" not in str(caught.value)


# Splits ---------------------------------------------------------------------------------------------------------------


def u(galaxy_id: str, seed: int = 0) -> float:
    return int.from_bytes(blake2b(f"split|{seed}|{galaxy_id}".encode(), digest_size=8).digest(), "big") / 2**64


def test_a_split_follows_the_hash_of_the_ids() -> None:
    ids = [f"J{i}" for i in range(500)]
    train, validation, test = plain(ids).split((0.7, 0.2, 0.1), seed=3)
    assert train.ids.tolist() == [i for i in ids if u(i, 3) < 0.7]
    assert validation.ids.tolist() == [i for i in ids if 0.7 <= u(i, 3) < 0.9]
    assert test.ids.tolist() == [i for i in ids if u(i, 3) >= 0.9]


def test_rows_added_or_shuffled_leave_every_galaxy_on_its_side() -> None:
    ids = [f"J{i}" for i in range(300)]
    before = [set(part.ids) for part in plain(ids).split()]
    more = [*ids[::-1], *(f"K{i}" for i in range(100))]
    after = [set(part.ids) for part in plain(more).split()]
    assert all(old <= new for old, new in zip(before, after, strict=True))


def test_the_test_sets_of_other_ratios_contain_each_other() -> None:
    catalogue = plain([f"J{i}" for i in range(1000)])
    tests = [set(catalogue.split(r)[-1].ids) for r in [(0.95, 0.05), (0.7, 0.2, 0.1), (0.9, 0.1), (0.5, 0.5), (1.0,)]]
    assert tests[0] < tests[1] == tests[2] < tests[3] < tests[4]


def test_a_share_of_zero_gives_an_empty_catalogue_that_splits_on() -> None:
    catalogue = plain([f"J{i}" for i in range(50)])
    train, empty = catalogue.split((1.0, 0.0))
    assert (len(train), len(empty)) == (50, 0)
    assert [len(part) for part in empty.split()] == [0, 0, 0]


@pytest.mark.parametrize("ratios", [(0.7, 0.2), (1.2, -0.2), (), (float("nan"), 1.0)])
def test_ratios_that_do_not_sum_to_one_are_refused(ratios: tuple[float, ...]) -> None:
    with pytest.raises(CatalogueError, match="do not sum to 1"):
        plain(["a"]).split(ratios)


def test_galaxies_within_one_arcsecond_go_to_the_side_of_the_smallest_id() -> None:
    n = 200
    ids = [f"J{i:03d}" for i in range(n)] + [f"K{i:03d}" for i in range(n)]
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, n), rng.uniform(-89, 89, n)
    near = np.concatenate([dec, dec + 0.9 / 3600])  # every K lies 0.9 arcseconds from its J
    catalogue = plain(ids, RA=np.tile(ra, 2), Dec=near)
    with pytest.warns(UserWarning, match="200 galaxies lie within one arcsecond"):
        parts = catalogue.split((0.5, 0.5))
    for part in parts:
        assert {i[1:] for i in part.ids if i[0] == "J"} == {i[1:] for i in part.ids if i[0] == "K"}
    assert set(parts[1].ids[:5]) == {i for i in ids[:n] if u(i) >= 0.5} & set(parts[1].ids[:5])


def test_galaxies_further_apart_or_without_coordinates_are_split_alone_and_in_silence() -> None:
    ids = [f"J{i}" for i in range(40)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apart = plain(ids, ra=[10.0] * 40, dec=[i * 1.1 / 3600 for i in range(40)]).split()
        without = plain(ids, ra=[np.nan] * 20 + [-999.0] * 20, dec=[np.nan] * 20 + [-999.0] * 20).split()
        alone = plain(ids).split()
    for parts in (apart, without):
        assert [part.ids.tolist() for part in parts] == [part.ids.tolist() for part in alone]


def test_right_ascension_shrinks_with_declination_and_wraps_at_zero() -> None:
    far_north = plain(["a", "b"], ra=[0.0, 2.0 / 3600], dec=[80.0, 80.0])  # 2 arcseconds times cos 80
    across = plain(["a", "b"], ra=[0.1 / 3600, 360 - 0.1 / 3600], dec=[0.0, 0.0])
    for catalogue in (far_north, across):
        with pytest.warns(UserWarning, match="one arcsecond"):
            catalogue.split()


# Real galaxies --------------------------------------------------------------------------------------------------------


def test_the_clean_sample_of_zhu_is_a_pool_and_with_its_tree_a_labelled_set(shared_data: Path) -> None:
    path = shared_data / "zhu5" / "galaxies.parquet"
    tree = DecisionTree("zhu5", [Question("shape", ["round", "in-between", "cigar", "edge-on", "spiral"])], votes="class")
    catalogue = read_catalogue(path, tree=tree, label_column="label")
    labels = pd.read_parquet(path, columns=["label"])["label"]
    assert len(catalogue) == 25913
    assert isinstance(catalogue.images[0], StoredImage)
    assert np.array_equal(catalogue.votes.argmax(axis=1), labels)
    assert catalogue.labelled.all()


def test_hubble_is_a_pool_with_magnitudes_and_candels_a_folder(shared_data: Path) -> None:
    hubble = read_catalogue(shared_data / "hubble" / "hubble.csv", where="mag_z < 20")
    assert 0 < len(hubble) < 203
    assert (hubble.table["mag_z"] < 20).all()
    assert len(read_catalogue(shared_data / "candels_examples" / "images")) == 45


def test_a_model_may_only_read_shards_that_were_prepared_for_it() -> None:
    prepared = Preprocessing(size=64, crop=0.5)
    catalogue = replace(plain(["a"]), prepared=prepared)
    assert catalogue.decoding_for(prepared) == Preprocessing(size=64, crop=1.0)
    assert plain(["a"]).decoding_for(prepared) == prepared
    with pytest.raises(CatalogueError, match="pack them again for this model"):
        catalogue.decoding_for(Preprocessing(size=224))


def test_a_rehearsal_hides_the_votes_of_all_but_a_hashed_few(tree: DecisionTree, draw_votes) -> None:
    catalogue = replace(plain([f"J{i}" for i in range(30)]), votes=draw_votes(30), tree=tree)
    few, more = catalogue.rehearse(5), catalogue.rehearse(10)
    assert (int(few.labelled.sum()), int(more.labelled.sum())) == (5, 10)
    assert set(few.ids[few.labelled]) < set(more.ids[more.labelled])
    with pytest.raises(CatalogueError, match="there are 30"):
        catalogue.rehearse(31)


def test_the_printed_form_is_one_line() -> None:
    catalogue = replace(plain(["a"]), tree=load_tree("rings"), votes=np.zeros((1, 2)))
    assert repr(catalogue) == "Catalogue(1 galaxies from test, tree 'rings', 0 labelled)"


def test_a_word_where_a_votable_should_have_a_number_is_refused_and_a_word_for_blank_is_blank(tmp_path: Path) -> None:
    from astropy.table import Table

    path = tmp_path / "galaxies.vot"
    Table({"id": ["a", "b"], "mag_r": [17.25, 18.5]}).write(path, format="votable")
    sound = path.read_text()
    path.write_text(sound.replace("17.25", "null"))
    assert read_catalogue(path).table["mag_r"].isna().tolist() == [True, False]
    path.write_text(sound.replace("17.25", "bright"))
    with pytest.raises(CatalogueError, match="'bright'"):
        read_catalogue(path)


def test_a_column_that_stands_twice_in_parquet_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table([["a"], [1.0], [2.0]], names=["id", "mag_r", "mag_r"]), tmp_path / "twice.parquet")
    with pytest.raises(CatalogueError, match=r"twice\.parquet has the column 'mag_r' twice"):
        read_catalogue(tmp_path / "twice.parquet")


def test_more_votes_than_there_are_people_are_refused(tmp_path: Path, tree: DecisionTree) -> None:
    columns = {name: [0.0] for name in tree.columns} | {tree.columns[0]: [1e300]}
    pd.DataFrame({"id": ["a"], **columns}).to_parquet(tmp_path / "many.parquet")
    with pytest.raises(CatalogueError, match=r"row 1 \(id 'a'\).*'1e\+300' is not a number of votes"):
        read_catalogue(tmp_path / "many.parquet", tree=tree)


@pytest.mark.parametrize("kind", ["fits", "votable"])
def test_a_column_of_complex_numbers_is_left_out(tmp_path: Path, kind: str) -> None:
    from astropy.table import Table

    path = tmp_path / f"table.{'fits' if kind == 'fits' else 'vot'}"
    Table({"id": ["a", "b"], "ra": [1.0, 2.0], "dec": np.array([0j, 1j])}).write(path, format=kind)
    assert list(read_catalogue(path).table.columns) == ["ra"]


def test_undefined_logicals_of_fits_are_blank(tmp_path: Path) -> None:
    from astropy.io import fits

    columns = [
        fits.Column(name="id", format="2A", array=np.array(["a", "b", "c"])),
        fits.Column(name="merger", format="L", array=np.array([True, False, False])),
        fits.Column(name="ring", format="1L", array=np.array([True, False, True])),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    with fits.open(tmp_path / "t.fits") as hdus:
        place = hdus[1].fileinfo()["datLoc"]
    content = bytearray((tmp_path / "t.fits").read_bytes())
    content[place + 2 * 4 + 2] = 0  # the third galaxy's merger: nobody has looked
    (tmp_path / "t.fits").write_bytes(bytes(content))
    table = read_catalogue(tmp_path / "t.fits").table
    assert table["merger"].isna().tolist() == [False, False, True]
    assert table["merger"].tolist()[:2] == [True, False]
    assert table["ring"].tolist() == [True, False, True]
    task = task_of_column(tmp_path / "t.fits", "merger")
    assert task.read(tmp_path / "t.fits").votes.tolist() == [[1, 0], [0, 1], [0, 0]]


def test_a_column_whose_other_name_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id_str,id,mag\na,7,1\n")
    assert read_catalogue(tmp_path / "t.csv", id_column="id_str").table["original_id"].tolist() == [7]
    (tmp_path / "t.csv").write_text("id_str,id,original_id\na,7,8\n")
    with pytest.raises(CatalogueError, match="both 'id' and 'original_id'; rename"):
        read_catalogue(tmp_path / "t.csv", id_column="id_str")


@pytest.mark.parametrize(
    ("cells", "held"),
    [
        ([101, 102], "the number 101"),
        ([[[1, 2]], [[3, 4]]], "a list"),
        ([{"array": [1], "band": "g"}, {"array": [2], "band": "r"}], "a struct of array, band"),
        ([[b"png"], [b"png"]], "a list"),
        ([True, False], "the number True"),
    ],
)
def test_an_image_column_that_holds_something_else_says_what(tmp_path: Path, cells: list[object], held: str) -> None:
    pd.DataFrame({"id": ["a", "b"], "image": cells}).to_parquet(tmp_path / "t.parquet")
    catalogue = read_catalogue(tmp_path / "t.parquet")  # it may be read for its other columns
    _, failures = catalogue.decode(Preprocessing(size=8))
    assert failures[0] == (
        f"galaxy 'a' has no image: column 'image' holds {held}, not a path, address or bytes of an image; images are "
        "looked for in file_loc, image, png_loc, or in the column that image_column names"
    )
    with pytest.raises(CatalogueError, match=f"t.parquet: column 'image' holds {held}, not a path"):
        read_catalogue(tmp_path / "t.parquet", image_column="image")


@pytest.mark.parametrize("cells", ["101,102", ","])
def test_images_are_found_by_the_ids_where_a_column_of_that_name_holds_something_else(
    tmp_path: Path, write_pictures, cells: str
) -> None:
    folder, (a, b) = write_pictures(["a", "b"]), cells.split(",")
    (tmp_path / "t.csv").write_text(f"id,image,mag\na,{a},1\nb,{b},2\n")
    catalogue = read_catalogue(tmp_path / "t.csv", images=folder)
    assert catalogue.images == (folder / "a.jpg", folder / "b.jpg")
    assert "original_image" in catalogue.table
    (tmp_path / "two.csv").write_text(f"id,file_loc,image\na,{a},a.jpg\nb,{b},b.jpg\n")
    assert read_catalogue(tmp_path / "two.csv", images=folder).images == catalogue.images


def test_one_cell_that_is_no_image_is_told_of_its_galaxy_alone(tmp_path: Path, write_pictures) -> None:
    folder = write_pictures(["a"])
    images = [(folder / "a.jpg").read_bytes(), 7.5, None]
    table = pd.DataFrame({"id": ["a", "b", "c"], "file_loc": images})
    sources, _ = find_images(GalaxyTable(table, table["id"].to_numpy(), "id"), tmp_path / "t.csv", None, None)
    _, failures = replace(plain(["a", "b", "c"]), images=sources).decode(Preprocessing(size=8))
    assert list(failures) == [1, 2]
    assert "holds the number 7.5" in failures[1]
    assert "give an image column (file_loc, image, png_loc)" in failures[2]
