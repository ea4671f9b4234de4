"""Problems of Boyd & Vandenberghe, *Convex Optimization*, chapters 2 to 5, each solved, proved and checked.

`python -m case_studies.boyd` lists them, `python -m case_studies.boyd 5.1` solves one and tells its story;
docs/boyd shows them all.
"""
