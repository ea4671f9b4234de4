"""Conjugate functions and Fenchel's inequality."""

from .conjugate import ConjugateValue, conjugate, fenchel_gap
from .functions import LogSumExp, MaxAffine, NegativeEntropy, Norm

__all__ = ["ConjugateValue", "LogSumExp", "MaxAffine", "NegativeEntropy", "Norm", "conjugate", "fenchel_gap"]
