"""The workspace's data: SQL, warehouses, Unity Catalog, jobs and files, by a program beside it.

A request's way: ``handlers`` authenticates it as any of the workspace → ``dialect`` puts what the
program does not understand into its words → the program (``process``; minilake, on DuckDB) → its
answer is put into Databricks' form by ``answers``.  ``sample`` fills the catalog.

Decided
- A program of its own, in an environment of its own: it has no authentication and 40 libraries.
- What differs from Databricks and is known is corrected here, so that what is tried here works
  there.  SQL is DuckDB's all the same, and jobs are kept but not run.
"""
