"""Systems of inequalities: a point that solves them, or multipliers that prove that there is none."""

from .farkas import FarkasAlternative, farkas
from .slater import SlaterResult, slater
from .systems import Alternative, NoInteriorCertificate, alternative

__all__ = ["Alternative", "FarkasAlternative", "NoInteriorCertificate", "SlaterResult", "alternative", "farkas",
           "slater"]
