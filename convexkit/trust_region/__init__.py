"""Trust regions: one quadratic model over one ball, solved globally, and the descent method built on it."""

from .descent import trust_region_minimize
from .descent_results import DescentRecord, DescentResult, DescentStatus
from .results import TrustRegionResult, TrustRegionStatus
from .step import trust_region_step

__all__ = ["DescentRecord", "DescentResult", "DescentStatus", "TrustRegionResult", "TrustRegionStatus",
           "trust_region_minimize", "trust_region_step"]
