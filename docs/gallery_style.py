"""The look of the pictures in the gallery, set before every example."""

import matplotlib as mpl

STYLE = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "font.size": 10,
    "legend.frameon": False,
}


def reset(conf, name):
    """Called by sphinx-gallery with its configuration and the example's file name."""
    mpl.rcParams.update(STYLE)
