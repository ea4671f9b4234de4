"""One quadratic: an objective, a constraint, and a Taylor model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_solve, eigh, eigvalsh
from scipy.linalg.lapack import dpotrf
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator

from .errors import ProblemError
from .operators import SymmetricOperator, as_operator
from .validation import as_matrix, as_real_array, as_symmetric, as_vector

# Eigenvalues down to -CONVEXITY_TOLERANCE·‖P‖ are rounding of zero: a Gram matrix FᵀF computed in float64
# has eigenvalues as low as -n·eps·‖P‖, and n·eps reaches 1e-12 at n = 5000.
CONVEXITY_TOLERANCE = 1e-12


class FactoredMatrix(SymmetricOperator):
    """FᵀF + diag(d) without forming it: `factor` F is (k, n), `diag` is (n,), a product costs O(kn).

    Built by `Quadratic.from_factor`.
    """

    def __init__(self, factor: Any, diag: np.ndarray):
        self.factor = factor
        self.diag = diag
        super().__init__(diag.size, lambda v: factor.T @ (factor @ v) + diag * v,
                         matmat=lambda V: factor.T @ (factor @ V) + diag[:, None] * V)

    def __reduce__(self) -> tuple:
        return FactoredMatrix, (self.factor, self.diag)

    def toarray(self) -> np.ndarray:
        """The (n, n) matrix, formed."""
        gram = self.factor.T @ self.factor
        dense = gram.toarray() if sp.issparse(gram) else gram
        dense[np.diag_indices_from(dense)] += self.diag
        return dense


class Quadratic:
    """The function ½xᵀPx + qᵀx + r.

    Parameters
    ----------
    P : (n, n) array, sparse matrix, LinearOperator or callable, or None for an affine function
        Symmetric. Asymmetry beyond rounding is refused, because ½xᵀPx leaves open what was meant.
    q : (n,) array, optional; zero if omitted (then P says what n is)
    r : float

    Raises
    ------
    ProblemError
        For shapes that do not fit, NaN or inf, an asymmetric P, or neither P nor q.

    Notes
    -----
    Data are referred to, not copied, where they are float64 already; they are never modified.
    A call costs one product with P.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> f = ck.Quadratic([[2.0, 0.0], [0.0, 4.0]], [1.0, 0.0], 3.0)
    >>> x = np.array([1.0, 1.0])
    >>> f(x), f.gradient(x), f.hessp(x)
    (7.0, array([3., 4.]), array([2., 4.]))
    >>> ck.Quadratic(None, [1.0, -1.0]).is_affine
    True
    """

    __slots__ = ("P", "n", "q", "r")

    def __init__(self, P: Any = None, q: Any = None, r: Any = 0.0):
        matrix: Any = None
        if P is not None:
            if isinstance(P, LinearOperator):
                matrix = as_operator(P)
            elif callable(P) and not sp.issparse(P):
                if q is None:
                    raise ProblemError("q is missing: a callable P does not say how many variables there are.")
                matrix = as_operator(P, as_real_array("q", q).size)
            else:
                matrix = as_symmetric("P", P)
        if q is None:
            if matrix is None:
                raise ProblemError("P and q are both missing; an affine function needs q.")
            linear = np.zeros(matrix.shape[0], dtype=getattr(matrix, "dtype", np.float64))
        else:
            linear = as_real_array("q", q)
            if linear.ndim == 0 or (linear.ndim == 2 and 1 in linear.shape):
                linear = linear.reshape(-1)
            if linear.ndim != 1:
                raise ProblemError(f"q must be a vector; it has shape {linear.shape}.")
        if matrix is not None and matrix.shape[0] != linear.size:
            raise ProblemError(f"P has shape {matrix.shape} but q has length {linear.size}; they must agree.")
        constant = as_real_array("r", r)
        if constant.size != 1:
            raise ProblemError(f"r must be a number; it has shape {constant.shape}.")
        self.P = matrix
        self.q = linear
        self.r = float(constant.reshape(-1)[0])
        self.n = linear.size

    @classmethod
    def from_factor(cls, F: Any, diag: Any = None, q: Any = None, r: Any = 0.0) -> Quadratic:
        """½‖Fx‖² + ½xᵀdiag(d)x + qᵀx + r, that is P = FᵀF + diag(d), never formed.

        Parameters
        ----------
        F : (k, n) array or sparse matrix, usually with k ≪ n
        diag : (n,) array or float, optional
        q : (n,) array, optional
        r : float

        Notes
        -----
        Give a factor where you have one: FᵀF formed in floating point is seldom exactly semidefinite.

        Examples
        --------
        >>> import numpy as np, convexkit as ck
        >>> f = ck.Quadratic.from_factor(np.array([[1.0, 2.0, 2.0]]), diag=1.0)
        >>> f(np.array([1.0, 1.0, 1.0]))
        14.0
        """
        factor = as_matrix("F", F)
        n = factor.shape[1]
        if diag is None:
            diagonal = np.zeros(n)
        else:
            diagonal = as_real_array("diag", diag)
            diagonal = np.full(n, float(diagonal)) if diagonal.ndim == 0 else as_vector("diag", diagonal, n)
        return cls(FactoredMatrix(factor, diagonal), np.zeros(n) if q is None else q, r)

    @property
    def is_affine(self) -> bool:
        """Whether there is no quadratic term (P is None)."""
        return self.P is None

    @property
    def structure(self) -> str:
        """What P is: `affine`, `dense`, `sparse`, `factored` or `operator`."""
        if self.P is None:
            return "affine"
        if isinstance(self.P, np.ndarray):
            return "dense"
        if sp.issparse(self.P):
            return "sparse"
        return "factored" if isinstance(self.P, FactoredMatrix) else "operator"

    def __repr__(self) -> str:
        return f"Quadratic({self.structure}, n={self.n})"

    def hessp(self, v: Any) -> np.ndarray:
        """The product Pv, for v of shape (n,)."""
        if self.P is None:
            return np.zeros_like(self.q)
        return self.P.matvec(v) if isinstance(self.P, LinearOperator) else self.P @ v

    def value(self, x: Any) -> float:
        """½xᵀPx + qᵀx + r."""
        x = as_real_array("x", x)
        if x.shape != (self.n,):
            raise ProblemError(f"x has shape {x.shape}; expected ({self.n},).")
        return float(0.5 * (x @ self.hessp(x)) + self.q @ x) + self.r

    __call__ = value

    def gradient(self, x: Any) -> np.ndarray:
        """Px + q."""
        x = as_real_array("x", x)
        if x.shape != (self.n,):
            raise ProblemError(f"x has shape {x.shape}; expected ({self.n},).")
        return self.hessp(x) + self.q

    def hessian(self) -> np.ndarray:
        """P as a dense (n, n) array, whatever its structure. An operator costs n products."""
        if self.P is None:
            return np.zeros((self.n, self.n))
        if isinstance(self.P, np.ndarray):
            return self.P
        if isinstance(self.P, LinearOperator) and not isinstance(self.P, FactoredMatrix):
            dense = np.asarray(self.P @ np.eye(self.n, dtype=self.P.dtype))
            return (dense + dense.T) / 2
        return self.P.toarray()

    def smallest_eigenvalue(self) -> float:
        """The smallest eigenvalue of P (0 for an affine function and for n = 0).

        O(n³) for dense P. A sparse P is split into the connected blocks of its graph first, so a
        (block-)diagonal one costs next to nothing.
        """
        if self.P is None or self.n == 0:
            return 0.0
        if sp.issparse(self.P):
            return min((eigvalsh(block, subset_by_index=[0, 0])[0] for block in _blocks(self.P)), default=0.0)
        return float(eigvalsh(self.hessian(), subset_by_index=[0, 0])[0])

    def is_convex(self) -> bool:
        """Whether P ⪰ 0, an eigenvalue of rounding size (-1e-12·‖P‖) counting as zero.

        One Cholesky factorization for dense P; nothing for a factored one with diag ≥ 0; an operator is
        asked for all its columns, O(n) products.
        """
        if self.P is None or self.n == 0:
            return True
        if isinstance(self.P, FactoredMatrix) and self.P.diag.min() >= 0:
            return True
        if sp.issparse(self.P):
            return all(_is_psd(block) for block in _blocks(self.P))
        return _is_psd(self.hessian())


def _blocks(P: Any) -> list[np.ndarray]:
    """The diagonal blocks of a sparse symmetric matrix, one for each connected component of its graph.

    Blocks of one variable, the usual case, come as a single (1, 1) array with the least diagonal entry.
    """
    matrix = P.tocsr()
    count, label = connected_components(matrix, directed=False)
    sizes = np.bincount(label, minlength=count)
    order = np.argsort(label, kind="stable")
    starts = np.concatenate(([0], np.cumsum(sizes)))
    blocks = [matrix[members][:, members].toarray()
              for members in (order[starts[c]:starts[c + 1]] for c in np.flatnonzero(sizes > 1))]
    alone = sizes[label] == 1
    if alone.any():
        blocks.append(np.array([[matrix.diagonal()[alone].min()]]))
    return blocks


def _is_psd(P: np.ndarray) -> bool:
    """Whether the dense symmetric P has no eigenvalue below -CONVEXITY_TOLERANCE·‖P‖."""
    diagonal = P.diagonal()
    if not P.any():
        return True
    # For P ⪰ 0 the largest entry is on the diagonal, and the trace bounds ‖P‖ from above.
    if diagonal.min() < 0 or diagonal.max() < abs(P).max() * (1 - 1e-12):
        scale = float(np.linalg.norm(P))
        return bool(eigvalsh(P, subset_by_index=[0, 0])[0] >= -CONVEXITY_TOLERANCE * scale)
    shifted = np.array(P, dtype=np.float64, order="F")
    # Cholesky of P + shift·I succeeds if all eigenvalues of P exceed -shift, up to n·eps·‖P‖ of rounding.
    shifted[np.diag_indices_from(shifted)] += CONVEXITY_TOLERANCE * float(diagonal.sum())
    if dpotrf(shifted, lower=1, clean=0, overwrite_a=1)[1] == 0:
        return True
    scale = float(np.linalg.norm(P))
    return bool(eigvalsh(P, subset_by_index=[0, 0])[0] >= -CONVEXITY_TOLERANCE * scale)


def weighted_sum(weights: Sequence[float] | np.ndarray, quadratics: Sequence[Quadratic]) -> Quadratic:
    """Σ weights[i]·quadratics[i] as one Quadratic: what a Lagrangian is for fixed multipliers.

    Dense if any term is dense, else sparse if all terms are, else an operator; a factored term stays
    factored only by itself. O(total data).

    Examples
    --------
    >>> import convexkit as ck
    >>> f = ck.weighted_sum([1.0, 2.0], [ck.Quadratic([[2.0]]), ck.Quadratic(None, [3.0], 1.0)])
    >>> f([1.0])
    9.0
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(quadratics),) or not quadratics:
        raise ProblemError(f"weights has shape {weights.shape}; expected one weight for each of "
                           f"{len(quadratics)} quadratics, at least one.")
    q = sum(w * f.q for w, f in zip(weights, quadratics, strict=True))
    r = float(sum(w * f.r for w, f in zip(weights, quadratics, strict=True)))
    curved = [(float(w), f) for w, f in zip(weights, quadratics, strict=True) if f.P is not None and w != 0]
    if not curved:
        return Quadratic(None, q, r)
    kinds = {f.structure for _, f in curved}
    if len(curved) == 1 and kinds == {"factored"} and curved[0][0] > 0:
        weight, f = curved[0]
        return Quadratic(FactoredMatrix(np.sqrt(weight) * f.P.factor, weight * f.P.diag), q, r)
    if kinds == {"sparse"}:
        return Quadratic(sum(w * f.P for w, f in curved), q, r)
    if "operator" in kinds:
        return Quadratic(SymmetricOperator(curved[0][1].n, lambda v: sum(w * f.hessp(v) for w, f in curved)), q, r)
    total = np.zeros((curved[0][1].n,) * 2)
    for w, f in curved:
        total += w * f.hessian()
    return Quadratic(total, q, r)


# Share of ‖P‖ below which an eigenvalue counts as zero when a quadratic is minimised.
NULL_SPACE_TOLERANCE = 1e-9


def minimum(f: Quadratic) -> tuple[float, np.ndarray | None, np.ndarray]:
    """A minimiser of a quadratic, its value, and the slope that is left where the quadratic is flat.

        inf f = r - ½ qᵀP⁺q   if P ⪰ 0 and q ∈ range(P),   else -inf

    Returns
    -------
    value : float, r - ½qᵀP⁺q; -inf if P is indefinite
    x : (n,) array, -P⁺q, or None if P is indefinite
    leftover : (n,) array, the part of q in the null space of P
        In exact arithmetic anything but zero means inf f = -inf. In floating point the caller, who knows the
        terms that were summed to q, decides what is rounding.

    Notes
    -----
    One Cholesky factorization where P is clearly definite, else one eigendecomposition, with eigenvalues
    down to 1e-9·‖P‖ counted as zero. O(n³).
    """
    q = np.asarray(f.q, dtype=np.float64)
    if f.P is None or f.n == 0:
        return f.r, np.zeros(f.n), q.copy()
    P = f.hessian()
    if not P.any():
        return f.r, np.zeros(f.n), q.copy()
    factor, info = dpotrf(P, lower=1, clean=1)
    # Pivots bound the condition number from below only, but with a ratio this mild it has never been far off.
    if info == 0 and factor.diagonal().min() > 1e-3 * factor.diagonal().max():
        x = -cho_solve((factor, True), q, check_finite=False)
        return f.r + 0.5 * float(q @ x), x, np.zeros(f.n)
    eigenvalues, vectors = eigh(P)
    size = max(abs(eigenvalues[0]), abs(eigenvalues[-1]))
    if eigenvalues[0] < -NULL_SPACE_TOLERANCE * size:
        return -np.inf, None, np.zeros(f.n)
    components = vectors.T @ q
    null = eigenvalues <= NULL_SPACE_TOLERANCE * size
    kept = components[~null]
    x = -vectors[:, ~null] @ (kept / eigenvalues[~null])
    return f.r - 0.5 * float(kept @ (kept / eigenvalues[~null])), x, vectors[:, null] @ components[null]
