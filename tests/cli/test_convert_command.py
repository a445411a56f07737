from __future__ import annotations

import pytest
from small_survey import zooactive


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "litert", "--out", "m.onnx"), "means onnx, but --to says litert; end the name in .tflite"),
        (("--to", "litert", "--model", "nowhere"), "nowhere holds no complete model"),
        (("--out", "m.pb"), "end it in .onnx for ONNX, or in .tflite for LiteRT"),
    ],
)
def test_what_cannot_be_converted_is_told_in_a_sentence(tmp_path, words, said):
    assert said in zooactive("convert", *words, folder=tmp_path, code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_form_is_told_with_the_nearest(tmp_path):
    told = zooactive("convert", "--to", "onx", folder=tmp_path, code=2).stderr
    assert "Did you mean 'onnx'?" in " ".join(told.replace("│", " ").split())
