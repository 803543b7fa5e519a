"""Sphinx's settings; build.py writes the pages and calls it."""

import io
import re

import bnt

project = "bnt"
author = copyright = "The bnt developers"
version = release = bnt.__version__
exclude_patterns = ["_extra", "_static"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
suppress_warnings = ["myst.header"]  # a notebook may begin its sections where it likes
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = False
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_favicon = "_static/favicon.svg"
html_title = "Transformers and Bayesian networks"
html_static_path = ["_static"]
html_extra_path = ["_extra"]
html_css_files = ["widgets.css", "site.css"]
html_js_files = [("words.js", {"defer": "defer"}), ("widgets.js", {"defer": "defer"}), ("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
mathjax_path = "mathjax/tex-mml-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # its menu would load more files
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#005a8c", "color-brand-content": "#005a8c"},
    "dark_css_variables": {"color-brand-primary": "#6cc0f0", "color-brand-content": "#6cc0f0"},
    "footer_icons": [],
}


LISTED = re.compile(r"(\w+)( {2,})(\S.*)")


def as_list(lines: list[str]) -> list[str]:
    """Docstrings list names and what they mean in two columns; here that becomes a list of definitions."""
    made: list[str] = []
    column = None
    for line in lines:
        name = line[:column].strip() if column else ""
        if column and line.strip() and not name:
            made.append("    " + line[column:].strip())
        elif column and re.fullmatch(r"\w+ *", line[:column]) and line[column:].strip():
            made += ["", f"``{name}``", "    " + line[column:]]
        elif (found := LISTED.fullmatch(line)) and not (made and made[-1].strip()):
            column = found.end(2)
            made += [f"``{found[1]}``", "    " + found[3]]
        else:
            if column and line.strip():
                made.append("")
            column = None
            made.append(line)
    return made


def readable(app, what, name, thing, options, lines: list[str]) -> None:
    """Docstrings are plain text: a bar in a formula is a bar, and what is no markup stays as it was written."""
    made = [line.replace("|", "\\|") if "``" not in line else line for line in as_list(lines)]
    lines[:] = made if is_markup(made) else ["::", "", *(f"    {line}" for line in lines), ""]


def is_markup(lines: list[str]) -> bool:
    """Would docutils read it without a complaint?"""
    from docutils.core import publish_doctree

    said = io.StringIO()
    quiet = {"report_level": 2, "halt_level": 5, "warning_stream": said, "file_insertion_enabled": False}
    publish_doctree("\n".join(lines), settings_overrides=quiet)
    return not said.getvalue()


def setup(app) -> None:
    app.connect("autodoc-process-docstring", readable)
