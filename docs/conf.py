"""How the site is built: `sphinx-build -W --keep-going docs docs/_build`.

Everything it needs is the extra `docs`; nothing is fetched while it is built or read.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

import sklearn_xmixed

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # gallery_style

project = "sklearn_xmixed"
author = "The sklearn_xmixed developers"
copyright = author
version = release = sklearn_xmixed.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "auto_examples/*.ipynb", "**.md5"]
templates_path = ["_templates"]
default_role = "code"
root_doc = "index"

# -- API reference -------------------------------------------------------------------

autosummary_generate = True
autosummary_generate_overwrite = True
autodoc_typehints = "none"  # the docstrings name the types
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False


def own_methods() -> dict[str, list[str]]:
    """Methods of the classes in the reference, without those from scikit-learn."""
    found, module = {}, None
    for line in (HERE / "api.rst").read_text(encoding="utf-8").splitlines():
        if ".. currentmodule::" in line:
            module = import_module(line.split()[-1])
        cls = getattr(module, line.strip(), None)
        if inspect.isclass(cls):
            found[cls.__name__] = [
                method
                for method, value in inspect.getmembers(cls, inspect.isroutine)
                if not method.startswith("_")
                and (getattr(value, "__module__", "") or "").startswith(project)
            ]
    return found


autosummary_context = {"own_methods": own_methods()}

# -- Markdown pages ------------------------------------------------------------------

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_dmath_double_inline = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# -- examples ------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_.*\.py$",
    "ignore_pattern": r"^three_levels",  # the README's, without pictures
    "within_subsection_order": "FileNameSortKey",
    "reset_modules": ("matplotlib", "gallery_style.reset"),
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
    "min_reported_time": 5,
    "doc_module": ("sklearn_xmixed",),
    "backreferences_dir": "generated/backreferences",
    "capture_repr": ("_repr_html_",),
    "inspect_global_variables": False,
    "write_computation_times": False,
}

# -- the pages as HTML ---------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 7,
    "footer_start": ["copyright"],
    "footer_end": [],
    "logo": {"text": project},
}
html_sidebars = {"index": [], "start": []}
html_math_renderer = "mathml"


def inline_math(translator, node):
    """Write `$...$` as MathML, which browsers show without a script."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_math(translator, node):
    """Write a displayed equation with its number and the anchor of its label."""
    attributes = {"CLASS": "equation"}
    if node.get("label"):
        attributes["ids"] = node.get("ids", [])
    translator.body.append(translator.starttag(node, "div", **attributes))
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    if node.get("number"):
        translator.body.append(f'<span class="number">({node["number"]})</span>')
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
