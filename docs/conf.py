"""How the pages are made: Sphinx, with MyST's Markdown and the furo theme."""

from __future__ import annotations

import os
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

from zooactive import __version__

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "zooactive"
author = "the zooactive authors"
copyright = "the zooactive authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [("py:class", r".*")]  # the docstrings give types in words, which are no references
nitpick_ignore = [("py:exc", "Unusable")]  # is caught inside the package

autodoc_typehints = "none"  # the docstrings give types with their shapes and units
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # else a function stands as <function silent>
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["style"]
html_css_files = ["tables.css"]
html_extra_path = ["llms.txt"]  # for programs that write code
html_title = f"zooactive {__version__}"
html_theme_options = {
    "source_view_link": "",
    "light_css_variables": {"code-font-size": "var(--font-size--small--2)"},  # so that the examples' lines fit
}
html_show_sphinx = False


def inline_formula(translator: Any, node: nodes.math) -> None:
    """Write MathML, which browsers draw themselves, so that the pages need no script from elsewhere."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def displayed_formula(translator: Any, node: nodes.math_block) -> None:
    """Write MathML between two paragraphs."""
    translator.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>\n')
    raise nodes.SkipNode


def skip_unsaid(_app: Any, _kind: str, _name: str, member: Any, skip: bool, _options: Any) -> bool:
    """Leave out a named tuple's fields, whose docstrings say "Alias for field number 0"; the class says what they are."""
    return skip or str(getattr(member, "__doc__", "")).startswith("Alias for field number")


def setup(app: Any) -> None:
    """Register the formulae's renderer, and what autodoc leaves out."""
    app.connect("autodoc-skip-member", skip_unsaid)
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
