# SPDX-License-Identifier: GPL-2.0-only
#
# `make htmldocs`. The kernel's own extensions take the comments out of the sources
# and have Graphviz draw the figures; KSRC is a kernel source tree, for that.

import os
import sys

ksrc = os.environ['KSRC']
top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

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
