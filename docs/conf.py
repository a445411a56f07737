"""How the pages are made: Sphinx, with MyST's Markdown and the furo theme."""

from __future__ import annotations

import os

from zooactive import __version__

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "zooactive"
author = "the zooactive authors"
copyright = "the zooactive authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = False

autodoc_typehints = "none"  # the docstrings give types with their shapes and units
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_static_path = ["style"]
html_css_files = ["tables.css"]
html_title = f"zooactive {__version__}"
html_theme_options = {
    "source_view_link": "",
    "light_css_variables": {"code-font-size": "var(--font-size--small--2)"},  # so that the examples' lines fit
}
html_show_sphinx = False
