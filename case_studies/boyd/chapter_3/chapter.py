"""The chapter that the modules fill."""

from ..case import Chapter

chapter = Chapter(3, "Convex functions")
