"""How Sphinx builds the documentation.

    python -m pip install -e ".[docs]" && python -m sphinx -W -n docs docs/_build/html

also runs the gallery, which takes minutes. With ``-D plot_gallery=0`` the gallery shows
only its code.
"""

import os
import warnings

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

import skemd

# Examples run on the CPU, and jax need not search for other devices.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Without a display matplotlib warns that it cannot show figures that the gallery keeps.
warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive.*")

project = "skemd"
author = "The skemd developers"
copyright = author
version = release = skemd.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_gallery/*.ipynb"]
default_role = "code"
templates_path = ["_templates"]
nitpicky = True
# Base classes whose documentation is elsewhere.
nitpick_ignore_regex = [("py:.*", r"(sklearn|keras|numpy|matplotlib)\..*")]

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_attributes_as_param_list = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "capture_repr": (),
    "remove_config_comments": True,
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = "skemd"
html_static_path = ["_static"]
html_css_files = ["skemd.css"]
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "show_nav_level": 1,
    "header_links_before_dropdown": 5,
}


class LinksOfTheRepository(SphinxTransform):
    """Turn links between files, such as those of README.rst, into links between pages.

    Some pages are also read as files, with links such as ``docs/losses.rst``. Links to
    pages become references, and links to any other file downloads. Sphinx warns if the
    target does not exist.
    """

    default_priority = 5

    def apply(self, **options):
        """Replace the references of one page."""
        for node in list(self.document.findall(nodes.reference)):
            target = node.get("refuri", "")
            if ":" in target or target.startswith(("#", "/")) or not target:
                continue
            node.replace_self(self._link(target, node))

    def _link(self, target, node):
        # A link whose text is the name of the file gets the title of the page.
        words = {
            "refdoc": self.env.docname,
            "refwarn": True,
            "refexplicit": node.astext() != target,
        }
        page = PAGE_OF_FILE.get(target, target.removeprefix("docs/"))
        if page.endswith(".rst") or page in PAGE_OF_FILE.values():
            page = page.removesuffix(".rst")
            link = addnodes.pending_xref(
                "", reftype="doc", refdomain="std", reftarget=f"/{page}", **words
            )
            link += nodes.inline("", node.astext(), classes=["xref", "std", "std-doc"])
        else:
            link = addnodes.download_reference(
                "", reftype="download", reftarget=f"/../{target}", **words
            )
            link += nodes.literal("", node.astext(), classes=["xref", "download"])
        return link


# Files at the top of the repository that are pages here.
PAGE_OF_FILE = {
    "CHANGELOG.rst": "whats_new",
    "CITATION.cff": "citing",
    "CONTRIBUTING.rst": "contributing",
    "README.rst": "index",
}


def from_elsewhere(app, what, name, thing, skip, options):
    """Leave out the members that a class inherits from other packages."""
    thing = getattr(thing, "fget", getattr(thing, "__func__", thing))
    home = getattr(thing, "__module__", None) or ""
    return skip or (what == "class" and home.split(".")[0] != "skemd")


def setup(app):
    """Register the transform and the filter."""
    app.add_transform(LinksOfTheRepository)
    app.connect("autodoc-skip-member", from_elsewhere)
    return {"parallel_read_safe": True}
