"""All chapters, in order."""

from .case import Chapter
from .chapter_2 import chapter as chapter_2
from .chapter_3 import chapter as chapter_3
from .chapter_4 import chapter as chapter_4
from .chapter_5 import chapter as chapter_5

CHAPTERS: list[Chapter] = [chapter_2, chapter_3, chapter_4, chapter_5]
