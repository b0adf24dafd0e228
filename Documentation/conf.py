# SPDX-License-Identifier: GPL-2.0-only
#
# `make htmldocs`. The kernel's own extension takes the comments out of the sources;
# KSRC is a kernel source tree, for that.

import os
import sys

ksrc = os.environ['KSRC']
top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

sys.path.insert(0, os.path.join(ksrc, 'Documentation', 'sphinx'))

project = 'vmbus_gpadl_map'
author = copyright = 'The vmbus_gpadl_map developers'
extensions = ['kerneldoc']
master_doc = 'index'
html_theme = 'alabaster'
primary_domain = 'c'
highlight_language = 'none'

kerneldoc_bin = os.path.join(ksrc, 'scripts', 'kernel-doc')
kerneldoc_srctree = top
kerneldoc_verbosity = 1
