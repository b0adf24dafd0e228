# SPDX-License-Identifier: GPL-2.0-only
#
# `make htmldocs`. The kernel's own extensions take the comments out of the sources
# and have Graphviz draw the figures; KSRC is a kernel source tree, for that. Newer kernels have
# kernel-doc as Python that the extension imports, and look for it in $srctree; older ones have a
# program, which kerneldoc_bin names.

import os
import re
import sys

from sphinx.errors import ExtensionError

ksrc = os.environ['KSRC']
top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

os.environ['srctree'] = ksrc
sys.path.insert(0, os.path.join(ksrc, 'Documentation', 'sphinx'))

project = 'vmbus_gpadl_map'
author = copyright = 'The vmbus_gpadl_map developers'
extensions = ['kerneldoc', 'kfigure']
master_doc = 'index'
html_title = 'VMBus host for Linux'
html_theme = 'alabaster'
html_theme_options = {
    'description': 'Host side of Hyper-V VMBus',
    'fixed_sidebar': True,
    'page_width': '1180px',
    'sidebar_width': '240px',
    'font_family': '"Liberation Sans", "DejaVu Sans", Helvetica, Arial, sans-serif',
    'head_font_family': '"Liberation Sans", "DejaVu Sans", Helvetica, Arial, sans-serif',
    'font_size': '16px',
    'show_powered_by': False,
}
html_static_path = ['site.css']
html_css_files = ['site.css']
html_sidebars = {'**': ['about.html', 'searchbox.html', 'navigation.html']}
html_copy_source = False
html_show_copyright = False
primary_domain = 'c'
highlight_language = 'none'

kerneldoc_bin = os.path.join(ksrc, 'scripts', 'kernel-doc')
kerneldoc_srctree = top
kerneldoc_verbosity = 1


def exported(path):
    with open(os.path.join(top, path)) as source:
        return re.findall(r'^EXPORT_SYMBOL(?:_NS)?(?:_GPL)?\((\w+)', source.read(), re.M)


expected = set()


# Newer kernel-docs take a namespace for none that is not a string, and drop what is exported into
# ours, which are macros (vmbus_namespace.h), without a word. So each is told the names
def name_exports(app, docname, text):
    def names(match):
        found = exported(match[2])
        expected.update(found)
        return match[1] + ':identifiers: ' + ' '.join(found)

    text[0] = re.sub(r'(\.\. kernel-doc:: (\S+)\n +):export:$', names, text[0], flags=re.M)


# Nor does a kernel-doc that is not there stop Sphinx
def check_exports(app, env):
    missing = expected.difference(o[0] for o in env.get_domain('c').get_objects())
    if missing:
        raise ExtensionError('kernel-doc finds nothing of ' + ', '.join(sorted(missing)))


def setup(app):
    app.connect('source-read', name_exports)
    app.connect('env-check-consistency', check_exports)
