"""Lists of files as archives write them, and files of surveys that declare such a step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zooactive.catalogue.cutouts.file_lists import choose, read_list
from zooactive.catalogue.cutouts.replies import Trouble
from zooactive.catalogue.cutouts.services import FileList, load_service
from zooactive.foundation.errors import CatalogueError

WORDS = b"tile filter path name more\n7 g /a x.fits 0\n7 r /a y.fits 0\n\n8 g /b z.fits 1\n"
CSV = b'path,"name",filter,tile,note\r\n/a,x.fits,g,7,"one, two"\r\n/a,y.fits,r,7,\r\n/b,z.fits,g,8,\r\n'
VOTABLE = b"""<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>
<FIELD name="tile" datatype="long"/><FIELD name="filter" datatype="char" arraysize="*"/>
<FIELD name="path" datatype="char" arraysize="*"/><FIELD name="name" datatype="char" arraysize="*"/>
<DATA><TABLEDATA><TR><TD>7</TD><TD>g</TD><TD>/a</TD><TD>x.fits</TD></TR><TR><TD>7</TD><TD>r</TD><TD>/a</TD><TD>y.fits</TD></TR>
<TR><TD>8</TD><TD>g</TD><TD>/b</TD><TD>z.fits</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""
KINDS = {"ascii": WORDS, "csv": CSV, "votable": VOTABLE}
HOW = FileList("http://a?{ra}&{dec}", "ascii", ("path", "name"), "filter", ("tile",), ("g", "r"))
SURVEY = """\
title = "t"
credit = "c"
licence = "l"
scale = 1.0
[files]
address = "http://a?{ra}&{dec}&{bands}"
file = ["name"]
band = "filter"
bands = ["g", "r", "i"]
[jpg]
address = "http://b?{ra}&{dec}&{size}&{red}&{green}&{blue}"
bands = "irg"
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_each_kind_is_read(kind):
    rows = read_list(KINDS[kind], replace(HOW, table=kind))
    assert rows == [("7", "g", "/a/x.fits"), ("7", "r", "/a/y.fits"), ("8", "g", "/b/z.fits")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_may_be_empty_and_is_then_read_all_the_same(kind):
    rows = KINDS[kind].partition(b"<DATA>")[0] + b"</TABLE></RESOURCE></VOTABLE>" if kind == "votable" else None
    assert read_list(rows or KINDS[kind].splitlines(keepends=True)[0], replace(HOW, table=kind)) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content",
    [b"", b"<html><b>Service down</b></html>", b"tile filter name\n7 g x.fits\n", b"\xff\xfe\x00", b'"', b"\x00" * 64],
    ids=["empty", "a page", "a column less", "no text", "a quote", "zeros"],
)
def test_what_is_no_such_list_is_a_fault_that_may_pass(kind, content):
    with pytest.raises(Trouble) as told:
        read_list(content, replace(HOW, table=kind))
    assert (told.value.what, told.value.again) == ("fault", True)


def rows_or_fault(content: bytes, how: FileList) -> list[tuple[str, str, str]] | str:
    try:
        return read_list(content, how)
    except Trouble as found:
        return found.what


@pytest.mark.parametrize("kind", ["ascii", "csv"])
def test_a_list_that_was_torn_is_a_fault(kind):
    for length in range(len(KINDS[kind].splitlines()[0]) + 4, len(KINDS[kind])):
        read = rows_or_fault(KINDS[kind][:length], replace(HOW, table=kind))
        assert read == "fault" or set(read) <= {("7", "g", "/a/x.fits"), ("7", "r", "/a/y.fits"), ("8", "g", "/b/z.fits")}


def test_the_bands_of_a_galaxy_are_of_the_first_group_that_has_them():
    rows = [("8", "g", "8g"), ("7", "g", "7g"), ("7", "r", "7r"), ("7", "r", "7r again"), ("9", "g", "9g"), ("9", "r", "9r")]
    assert choose(rows, ("r", "g"), HOW) == {"r": "7r", "g": "7g"}
    assert choose(rows, ("g",), HOW) == {"g": "8g"}
    for given, what, words in (
        ([], "off the survey", "lists no file"),
        (rows[:1], "other bands", "the survey has no r here"),
        ([("8", "z", "8z")], "other bands", "no g and no r"),
    ):
        with pytest.raises(Trouble, match=words) as told:
            choose(given, ("g", "r"), HOW)
        assert (told.value.what, told.value.again) == (what, False)


def test_a_survey_of_two_steps_is_read_or_told_what_it_lacks(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(SURVEY)
    service = load_service(file)
    assert service.files.called == ("g", "r", "i")
    assert service.list_address("jpg", 1, 2, arcsec=10) == "http://a?1&2&irg"
    assert service.address("jpg", 1, 2, arcsec=10, size=5) == "http://b?1&2&5&{red}&{green}&{blue}"
    for old, new, words in (
        ("&{bands}", "&{zoom}", r"the address of the list of files has a placeholder \{zoom\}"),
        ("http://a?{ra}", "http://a?", r"the address of the list of files needs \{ra\} and \{dec\}"),
        ("&{blue}", "", r"the address of jpg, a colour picture, must have file names as \{red\}, \{green\} and \{blue\}"),
        ("&{red}&{green}&{blue}", "&{file}", r"must have the name as \{file\}"),
        ("[jpg]", "[fits]", r"must have the name as \{file\}"),
        ('band = "filter"\n', "", "needs the entries file, band and bands"),
        ('"irg"', '"iru"', "t has no band 'u'; it has g, r, i"),
        ('"irg"', '"ir"', "a colour picture needs three bands, red before green and blue"),
        ('file = ["name"]', 'file = ["name"]\ncalled = ["a"]', "3 bands have 1 names under called"),
        ('file = ["name"]', 'file = ["name"]\ntable = "json"', r"Use one of ascii, csv, votable"),
        (SURVEY[SURVEY.index("[files]") : SURVEY.index("[jpg]")], "", r"describe their list under \[files\]"),
    ):
        bad = tmp_path / "bad.toml"
        bad.write_text(SURVEY.replace(old, new, 1))
        with pytest.raises(CatalogueError, match=words):
            load_service(bad)
