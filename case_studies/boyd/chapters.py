"""All chapters, in order: each package chapter_N beside this file is one."""

from importlib import import_module
from pathlib import Path

from .case import Chapter

CHAPTERS: list[Chapter] = [import_module(f".{folder.name}", __package__).chapter
                           for folder in sorted(Path(__file__).parent.glob("chapter_*"))
                           if (folder / "__init__.py").exists()]
