"""Which backend solves the linear systems of a problem."""

from __future__ import annotations

from .dense_cholesky import DenseCholesky
from .form import Form
from .kkt_system import KKTSystem
from .low_rank import Banded, Woodbury
from .settings import Settings
from .sparse_ldl import SparseLDL


def choose_backend(form: Form, settings: Settings) -> KKTSystem:
    """The backend for the form's layout: the most special one that suits."""
    if form.layout == "sparse":
        return Banded(form, settings) if Banded.suits(form) else SparseLDL(form, settings)
    return Woodbury(form, settings) if Woodbury.suits(form) else DenseCholesky(form, settings)
