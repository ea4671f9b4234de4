"""MPS files of linear programs, with the sections that add quadratic terms (QPS), in free and in fixed columns.

Own code, because readers of the package index that were tried drop rows and columns that they do not know, read
"1x" as 1, and name no line. Sections and their meaning are those of CPLEX's and Gurobi's reference manuals;
QSECTION is Mosek's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from ..errors import FormatError
from ..problem import QCQP
from ..quadratic import Quadratic
from .rows import Terms, assemble, both_triangles, symmetric
from .text import LONGEST_SILENCE, Text, shown

# Numbers this large stand for infinity in sides and bounds, as in CPLEX, Gurobi and HiGHS.
INFINITY = 1e20

REFUSED = {
    "SOS": "special ordered sets", "SOS1": "special ordered sets", "SOS2": "special ordered sets",
    "SETS": "special ordered sets", "REFROW": "special ordered sets", "CSECTION": "Mosek's cones (use a .cbf file)",
    "INDICATORS": "indicator rows", "GENCONS": "general constraints", "PWLOBJ": "piecewise linear objectives",
    "LAZYCONS": "lazy constraints", "USERCUTS": "user cuts", "MODELCUTS": "model cuts", "DELAYEDROWS": "delayed rows",
    "SCENARIOS": "scenarios"}
BOUNDS = {"BV": "a binary variable", "LI": "an integer variable", "UI": "an integer variable",
          "SC": "a semicontinuous variable", "SI": "a semi-integer variable"}
SENSES = {**dict.fromkeys((b"MAX", b"MAXIMIZE", b"MAXIMISE"), -1.0),
          **dict.fromkeys((b"MIN", b"MINIMIZE", b"MINIMISE"), 1.0)}

Entries = tuple[list[int], list[int], list[bytes], list[int]]

# Where the six fields of a line in fixed format are, and the columns between them, which are blank.
FIELDS = (slice(1, 3), slice(4, 12), slice(14, 22), slice(24, 36), slice(39, 47), slice(49, 61))
GAPS = (slice(0, 1), slice(3, 4), slice(12, 14), slice(22, 24), slice(36, 39), slice(47, 49), slice(61, None))


def read(path: Path) -> QCQP:
    """The problem in an .mps or .qps file.

    Free format is tried first. Names with blanks in them, which only fixed format has, always break it.
    """
    try:
        return _Reader(path, fixed=False).problem()
    except FormatError as error:
        try:
            return _Reader(path, fixed=True).problem()
        except FormatError:
            raise error from None


class _Reader:
    """One pass over the file, section by section."""

    def __init__(self, path: Path, *, fixed: bool):
        self.text = Text(path, b"")
        self.fixed = fixed
        self.sign = 1.0
        self.objective: bytes | None = None      # the name of its row
        self.rows: dict[bytes, int] = {}         # by name; free rows and the objective are -1 - position in `free`
        self.kinds = bytearray()                 # L, G or E for each row
        self.free: dict[bytes, int] = {}
        self.columns: dict[bytes, int] = {}
        self.column: bytes | None = None
        # Entries as lists of rows, columns, tokens and lines; the tokens become numbers all at once.
        self.entries: Entries = ([], [], [], [])
        self.sides: dict[str, dict[int, float]] = {"RHS": {}, "RANGES": {}}
        self.sets: dict[str, bytes] = {}
        self.low: dict[int, float] = {}
        self.high: dict[int, float] = {}
        # Quadratic terms by row, with the section that has them. Row None is the objective.
        self.quadratic: dict[int | None, tuple[str, Entries]] = {}
        self.current: int | None = None

    # ------------------------------------------------------------ lines

    def problem(self) -> QCQP:
        """Read the file and build the problem."""
        text = self.text
        section = ""
        handlers: dict[str, Callable[[list[bytes]], None]] = {
            "OBJSENSE": self._sense, "OBJNAME": self._objective_name, "ROWS": self._row, "COLUMNS": self._column,
            "RHS": self._side("RHS"), "RANGES": self._side("RANGES"), "BOUNDS": self._bound,
            "QUADOBJ": self._quadratic, "QMATRIX": self._quadratic, "QCMATRIX": self._quadratic,
            "QSECTION": self._quadratic}
        handle: Callable[[list[bytes]], None] | None = None
        ended = False
        silence = 0
        plain = False  # whether blanks are all that separates the fields of this section
        for line in text.lines():
            words = [] if line.startswith(b"*") else line.split()
            if not text.printable and words:
                text.check_bytes(line)
            if not words:
                silence += 1
                if silence > LONGEST_SILENCE:
                    raise text.error(f"is the blank line or comment number {silence}.")
                continue
            if line[:1].isspace():
                if handle is None:
                    raise text.error("data before the first section that takes any." if section in ("", "NAME") else
                                     f"section {section} takes no data.")
                handle(words if plain else self._fields(line, section))
                continue
            section = words[0].decode("ascii").upper()
            if section == "ENDATA":
                ended = True
                break
            if section != "NAME":
                if section not in handlers:
                    raise self._unknown(section, words[0], list(handlers))
                self._open(section, words[1:])
            handle = handlers.get(section)
            plain = not self.fixed and section not in ("RHS", "RANGES", "BOUNDS")
        if not ended:
            raise text.error("the file ends without ENDATA; it is empty or truncated.")
        return self._build()

    def _unknown(self, section: str, word: bytes, known: list[str]) -> FormatError:
        if section in REFUSED:
            return self.text.error(f"section {section} is for {REFUSED[section]}, which are not supported.")
        return self.text.error(f"unknown section {shown(word)}; supported are NAME, {', '.join(known)} and ENDATA. "
                               "Lines of data start with a blank.")

    def _fields(self, line: bytes, section: str) -> list[bytes]:
        """The fields of a line of data; the name of the set is there, empty or not, where the section has one."""
        if self.fixed:
            if b"\t" in line or any(line[gap].strip() for gap in GAPS):
                raise self.text.error("has characters between the columns of fixed format.")
            fields = [line[field].strip() for field in FIELDS]
            while len(fields) > 1 and not fields[-1]:
                fields.pop()
            return fields if section in ("ROWS", "BOUNDS", "OBJSENSE", "OBJNAME") else fields[1:]
        fields = line.split()
        if section in ("RHS", "RANGES") and len(fields) % 2 == 0 and not self.sets.get(section):
            return [b"", *fields]
        if section == "BOUNDS" and (len(fields) == 2 or (len(fields) == 3 and fields[2] not in self.columns
                                                         and fields[1] in self.columns)):
            return [fields[0], b"", *fields[1:]]
        return fields

    def _open(self, section: str, words: list[bytes]) -> None:
        text = self.text
        if section in ("OBJSENSE", "OBJNAME") and words:
            self._sense(words) if section == "OBJSENSE" else self._objective_name(words)
        if section in ("QUADOBJ", "QMATRIX"):
            self._terms_of(section, None)
        elif section == "QCMATRIX" or (section == "QSECTION" and words):
            if not words:
                raise text.error("expected the name of a row after QCMATRIX.")
            name = b" ".join(words)
            if name in self.free:
                if section == "QCMATRIX" or name != self._objective_row():
                    raise text.error(f"{section} is for row {shown(name)}, which is free or the objective; the terms "
                                     "of the objective are in QUADOBJ or QMATRIX.")
                self._terms_of(section, None)
            else:
                self._terms_of(section, self._row_index(name))
        elif section == "QSECTION":
            self._terms_of(section, None)

    def _terms_of(self, section: str, row: int | None) -> None:
        if row in self.quadratic:
            raise self.text.error(f"{section}: the quadratic terms of {self._row_name(row)} are given twice.")
        self.quadratic[row] = (section, ([], [], [], []))
        self.current = row

    # ------------------------------------------------------------ names

    def _objective_row(self) -> bytes | None:
        return self.objective if self.objective is not None else next(iter(self.free), None)

    def _row_index(self, name: bytes) -> int:
        """The position of a row, or -1 - k for the free row k."""
        try:
            return self.rows[name]
        except KeyError:
            raise self.text.error(f"row {shown(name)} is not in ROWS.") from None

    def _column_index(self, name: bytes) -> int:
        try:
            return self.columns[name]
        except KeyError:
            raise self.text.error(f"column {shown(name)} is not in COLUMNS.") from None

    def _row_name(self, row: int | None) -> str:
        if row is None:
            return "the objective"
        return f"row {shown(next(name for name, k in self.rows.items() if k == row))}"

    # ------------------------------------------------------------ sections

    def _sense(self, fields: list[bytes]) -> None:
        word = b"".join(fields).upper()
        if word not in SENSES:
            raise self.text.error(f"expected MIN or MAX; got {shown(word)}.")
        self.sign = SENSES[word]

    def _objective_name(self, fields: list[bytes]) -> None:
        self.objective = b" ".join(field for field in fields if field)

    def _row(self, fields: list[bytes]) -> None:
        if len(fields) != 2 or fields[0].upper() not in (b"N", b"L", b"G", b"E"):
            raise self.text.error("expected N, L, G or E and the name of a row.")
        kind, name = fields[0].upper(), fields[1]
        if name in self.rows:
            raise self.text.error(f"row {shown(name)} is there twice.")
        if kind == b"N":
            self.rows[name] = -1 - len(self.free)
            self.free[name] = len(self.free)
        else:
            self.rows[name] = len(self.kinds)
            self.kinds += kind

    def _column(self, fields: list[bytes]) -> None:
        text = self.text
        count = len(fields)
        if count > 1 and fields[1] == b"'MARKER'":
            raise text.error(f"{shown(fields[-1])} marks integer variables or special ordered sets, which are not "
                             "supported; every variable has to be continuous.")
        if count not in (3, 5):
            raise text.error(f"expected a column and one or two pairs of a row and a number; got {count} fields.")
        name = fields[0]
        if name != self.column:
            if name in self.columns:
                raise text.error(f"column {shown(name)} is there already; the entries of a column follow each other.")
            self.columns[name] = len(self.columns)
            self.column = name
        j = len(self.columns) - 1
        rows, columns, tokens, lines = self.entries
        for k in (1, 3)[:count // 2]:
            i = self.rows.get(fields[k])
            if i is None:
                i = self._row_index(fields[k])
            rows.append(i)
            columns.append(j)
            tokens.append(fields[k + 1])
            lines.append(text.line)

    def _side(self, section: str) -> Callable[[list[bytes]], None]:
        def handle(fields: list[bytes]) -> None:
            if len(fields) not in (3, 5):
                raise self.text.error(f"expected a name for the set of {section} and one or two pairs of a row and a "
                                      f"number; got {len(fields)} fields.")
            self._same_set(section, fields[0])
            for name, token in zip(fields[1::2], fields[2::2], strict=True):
                row = self._row_index(name)
                if section == "RANGES" and name == self._objective_row():
                    raise self.text.error(f"RANGES has an entry for the objective, row {shown(name)}.")
                value = self.text.number(token, "the number", infinite=row >= 0)
                if row in self.sides[section]:
                    raise self.text.error(f"row {shown(name)} has two entries in {section}.")
                self.sides[section][row] = value

        return handle

    def _same_set(self, section: str, name: bytes) -> None:
        first = self.sets.setdefault(section, name)
        if name != first:
            raise self.text.error(f"{section} has a second set, {shown(name)}, after {shown(first)}; keep the one that "
                                  "is meant.")

    def _bound(self, fields: list[bytes]) -> None:
        text = self.text
        kind = fields[0].decode("ascii").upper()
        if kind in BOUNDS:
            raise text.error(f"bound {kind} makes {BOUNDS[kind]}, which is not supported; every variable has to be "
                             "continuous.")
        if kind not in ("UP", "LO", "FX", "FR", "MI", "PL"):
            raise text.error(f"unknown bound {shown(fields[0])}; supported are UP, LO, FX, FR, MI and PL.")
        valued = kind in ("UP", "LO", "FX")
        if len(fields) != 4 and (valued or len(fields) != 3):
            raise text.error(f"expected {kind}, a name for the set of bounds, a column{' and a number' * valued}; got "
                             f"{len(fields)} fields.")
        self._same_set("BOUNDS", fields[1])
        j = self._column_index(fields[2])
        value = text.number(fields[3], "the bound", infinite=True) if valued else 0.0
        if abs(value) >= INFINITY:
            value = np.copysign(np.inf, value)
        if np.isinf(value) and (kind == "FX" or (kind == "UP") == (value < 0)):
            raise text.error(f"bound {kind} {value:g} leaves no value for column {shown(fields[2])}.")
        for applies, bounds, new in ((kind in ("LO", "FX", "FR", "MI"), self.low, value if valued else -np.inf),
                                     (kind in ("UP", "FX", "FR", "PL"), self.high, value if valued else np.inf)):
            if applies:
                if j in bounds:
                    raise text.error(f"column {shown(fields[2])} has a second "
                                     f"{'lower' if bounds is self.low else 'upper'} bound.")
                bounds[j] = new

    def _quadratic(self, fields: list[bytes]) -> None:
        if len(fields) not in (3, 5):
            raise self.text.error(f"expected a column and one or two pairs of a column and a number; got {len(fields)} "
                                  "fields.")
        rows, columns, tokens, lines = self.quadratic[self.current][1]
        i = self._column_index(fields[0])
        for name, token in zip(fields[1::2], fields[2::2], strict=True):
            rows.append(i)
            columns.append(self._column_index(name))
            tokens.append(token)
            lines.append(self.text.line)

    # ------------------------------------------------------------ the problem

    def _build(self) -> QCQP:
        text = self.text
        n, m = len(self.columns), len(self.kinds)
        if n == 0:
            raise text.error("the file has no columns; a problem needs at least one.")
        row_names = list(self.rows)
        objective = self._objective_row()
        cost_row = None if objective is None else self.free.get(objective)
        if objective is not None and cost_row is None:
            raise text.error(f"OBJNAME names {shown(objective)}, which is no row of type N.")

        i, j, value, lines = self._arrays(self.entries)
        free = np.where(i < 0, m - 1 - i, i)  # free rows after the others
        text.unique(free * n + j, lines, "this entry")
        q = np.zeros(n)
        r = 0.0
        if cost_row is not None:
            mine = i == -1 - cost_row
            q[j[mine]] = value[mine]
            # The objective is its row minus its right-hand side.
            r = 0.0 - self.sides["RHS"].get(-1 - cost_row, 0.0)

        A = sp.csr_matrix((value[i >= 0], (i[i >= 0], j[i >= 0])), (m, n))
        low, high = self._row_sides(m)
        lb, ub = np.zeros(n), np.full(n, np.inf)
        lb[list(self.low)] = list(self.low.values())
        ub[list(self.high)] = list(self.high.values())
        # An upper bound below 0 with no lower bound named makes the variable free below, as in CPLEX and Gurobi.
        unnamed = np.ones(n, bool)
        unnamed[list(self.low)] = False
        lb[unnamed & (ub < 0)] = -np.inf

        P = None
        terms: list[Terms] = []
        for row in self.quadratic:
            i, j, value = self._quadratic_terms(row)
            if row is None:
                P = symmetric("the objective", i, j, self.sign * value, n) if value.size else None
            else:
                terms.append(Terms(np.full(i.size, row), i, j, value))
        named = [name for name in row_names if name not in self.free]
        return assemble(Quadratic(P, self.sign * q, self.sign * r), A, low, high,
                        Terms(*(np.concatenate([np.zeros(0, np.int64 if k < 3 else np.float64),
                                                *(part[k] for part in terms)]) for k in range(4))),
                        lb=lb, ub=ub, name=lambda row: f"row {shown(named[row])}", size=text.size)

    def _arrays(self, entries: Entries) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows, columns, values and lines of entries as arrays."""
        i, j, tokens, lines = entries
        return (np.array(i, np.int64), np.array(j, np.int64), self.text.numbers(tokens, lines, "the coefficient"),
                np.array(lines, np.int64))

    def _row_sides(self, m: int) -> tuple[np.ndarray, np.ndarray]:
        """low and high of every row from its kind, its right-hand side b and its range R.

            kind      R missing     R given
            L         (-inf, b)     (b - |R|, b)
            G         (b, inf)      (b, b + |R|)
            E         (b, b)        (b, b + R) if R ≥ 0, else (b + R, b)
        """
        kinds = np.frombuffer(bytes(self.kinds), np.uint8)
        b, span = np.zeros(m), np.full(m, np.nan)
        for vector, section in ((b, "RHS"), (span, "RANGES")):
            given = {row: value for row, value in self.sides[section].items() if row >= 0}
            vector[list(given)] = list(given.values())
        b = np.where(abs(b) >= INFINITY, np.copysign(np.inf, b), b)
        span = np.where(abs(span) >= INFINITY, np.copysign(np.inf, span), span)
        ranged = ~np.isnan(span)
        low, high = b.copy(), b.copy()
        L, G, E = (kinds == ord(kind) for kind in "LGE")
        low[L & ~ranged] = -np.inf
        high[G & ~ranged] = np.inf
        with np.errstate(invalid="ignore"):  # inf - inf is NaN, which `assemble` refuses by name
            low[L & ranged] -= abs(span[L & ranged])
            high[G & ranged] += abs(span[G & ranged])
            high[E & ranged] += np.maximum(span[E & ranged], 0.0)
            low[E & ranged] += np.minimum(span[E & ranged], 0.0)
        return low, high

    def _quadratic_terms(self, row: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The entries of one row's Q in ½xᵀQx, both triangles.

            QUADOBJ, QSECTION    ½xᵀQx, one triangle given
            QMATRIX              ½xᵀQx, both triangles given
            QCMATRIX             xᵀQx (no ½), both triangles given
        """
        n = len(self.columns)
        section, entries = self.quadratic[row]
        i, j, value, lines = self._arrays(entries)
        if section in ("QUADOBJ", "QSECTION"):
            self.text.unique(np.minimum(i, j) * n + np.maximum(i, j), lines,
                             f"this entry of {section}, which takes one triangle,")
            return both_triangles(np.zeros(i.size, np.int64), i, j, value)[1:]
        self.text.unique(i * n + j, lines, f"this entry of {section}")
        return i, j, 2.0 * value if section == "QCMATRIX" else value
