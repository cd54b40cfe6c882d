"""Work in progress: what is not committed, kept beside the bundles and put back by a restore.

Its way: ``survey`` reads index and work tree by one ``git status``, ``taking`` makes a commit of
them in the mirror, ``keeper`` decides when that is due and uploads it as a bundle of its own
(``store``), and ``giving_back`` puts it back.  ``never`` says what is left out.

Decided in docs/decisions/0016-work-in-progress.md.  The user's repository is only read: no object,
ref, stash, index or lock of it is written.
"""
