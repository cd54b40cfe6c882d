"""What a terminal answers to its program: in place of a browser, which is too far away for some.

``colours`` answers questions about the ``theme`` of the owner's page; ``late`` drops a browser's
answers that come when the program which asked is gone.
"""
