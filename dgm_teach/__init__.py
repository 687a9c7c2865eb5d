"""Companion package of the book *Deep Generative Models, Step by Step*.

Import from the modules: ``from dgm_teach.vae import VAE``.
"""

__version__ = "0.1.0"
