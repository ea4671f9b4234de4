"""Statuses: members of an enumeration that are, and print as, their own words."""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """`enum.StrEnum`, which Python has from 3.11 on: a member equals its word and prints as it."""

    def __str__(self) -> str:
        return self.value
