"""The chapter that the modules fill."""

from ..case import Chapter

chapter = Chapter(4, "Convex optimization problems")
