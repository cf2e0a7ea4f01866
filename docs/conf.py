"""How Sphinx builds the documentation.

    python -m pip install -e ".[docs]" && python -m sphinx -W -n docs docs/_build/html

also runs the gallery, which takes minutes. With ``-D plot_gallery=0`` the gallery shows
only its code.
"""

import importlib
import os
import re
import sys
import warnings
from pathlib import Path

from docutils import nodes
from numpydoc.xref import DEFAULT_LINKS
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

import skemd

sys.path.insert(0, str(Path(__file__).parent))
from names_elsewhere import NAMES, inventories

# Examples run on the CPU, and jax need not search for other devices.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Without a display matplotlib warns that it cannot show figures that the gallery keeps.
warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive.*")
# Some trainings of the gallery could go on. Their warning has paths of this machine.
warnings.filterwarnings("ignore", message=".* ended while still improving")

project = "skemd"
author = "The skemd developers"
copyright = author
version = release = skemd.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_gallery/*.ipynb"]
default_role = "code"
templates_path = ["_templates"]
nitpicky = True
# Base classes and types whose documentation is elsewhere.
nitpick_ignore_regex = [("py:.*", r"(sklearn|keras|numpy|scipy|matplotlib)\..*")]
# Without a network the second place, a file, is a working alternative and no warning.
intersphinx_mapping = inventories(Path(__file__).parent / "_build" / "inventories")
intersphinx_timeout = 5
# Neither prompts nor what commands print are copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autosummary_generate = True
# Methods go by their own names in the table of contents of their class.
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_attributes_as_param_list = True
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"


def linked_names():
    """Return the full name of each name that is a link, by what pages call it.

    All may be called by their full names. Classes go by their own names as well, and so
    do functions with an underscore, which no parameter or file has by chance.
    """
    listed = (Path(__file__).parent / "api.rst").read_text(encoding="utf-8")
    modules = re.findall(r"^\.\. module:: (\S+)$", listed, re.MULTILINE)
    public = [
        f"{module}.{name}"
        for module in modules
        for name in importlib.import_module(module).__all__
    ]
    found = {name: name for name in [*modules, *public, *NAMES]}
    for full in [*public, *NAMES]:
        name = full.rpartition(".")[2]
        if name[0].isupper() or "_" in name:
            # What two modules have is on the page of the first.
            found.setdefault(name, full)
    return found


LINKED = linked_names()
# Types in docstrings: plain words stay words.
numpydoc_xref_aliases = {
    **{word: word for word in DEFAULT_LINKS},
    **{name: f":obj:`{name} <{full}>`" for name, full in LINKED.items()},
    "ndarray": ":obj:`ndarray <numpy.ndarray>`",
}

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
    # "Examples using" on the pages of the API, and links in the code of examples.
    "doc_module": ("skemd",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"skemd": None},
}

html_theme = "pydata_sphinx_theme"
html_title = f"skemd {release}"
html_static_path = ["_static"]
html_css_files = ["skemd.css"]
html_show_sourcelink = False
# Pages without others below them have nothing to show there.
html_sidebars = {
    page: []
    for page in (
        *("install", "quickstart", "results", "authors_scripts"),
        *("whats_new", "citing", "contributing"),
    )
}
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "show_nav_level": 1,
    "header_links_before_dropdown": 6,
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


# What is a link already, or must not be one.
WITHOUT_LINKS = (
    addnodes.download_reference,
    addnodes.pending_xref,
    nodes.reference,
    nodes.title,
)


class LinksOfNames(SphinxTransform):
    """Turn public names in pages, such as those of README.rst, into links.

    ``EMDAutoencoder`` and ``EMDAutoencoder("emd")`` both lead to the page of the class.
    """

    default_priority = 6

    def apply(self, **options):
        """Wrap the names of one page, except in titles and in links."""
        for node in list(self.document.findall(nodes.literal)):
            word = re.match(r"[\w.]+", node.astext())
            full = LINKED.get(word.group()) if word else None
            rest = node.astext()[word.end() :] if word else ""
            if full is None or (rest and not re.fullmatch(r"\(.*\)", rest, re.DOTALL)):
                continue
            if isinstance(node.parent, WITHOUT_LINKS):
                continue
            if f"generated/{full}" == self.env.docname:
                continue
            words = {"refdoc": self.env.docname, "refexplicit": True, "refwarn": True}
            link = addnodes.pending_xref(
                "", refdomain="py", reftype="obj", reftarget=full, **words
            )
            node.replace_self(link)
            link += node


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
    app.add_transform(LinksOfNames)
    app.connect("autodoc-skip-member", from_elsewhere)
    return {"parallel_read_safe": True}
