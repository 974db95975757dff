"""How the documentation is built: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import render  # noqa: E402

import planet_assets  # noqa: E402

render.write_all(HERE / "reference")

project = "planet_assets"
author = "the planet_assets authors"
project_copyright = author
release = version = planet_assets.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False
default_role = "code"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"planet_assets {release}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"footer_icons": [], "light_css_variables": {"code-font-size": "76%"}}
pygments_style = "friendly"
pygments_dark_style = "native"
