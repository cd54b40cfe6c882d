"""What ``PatRotator`` is made of, by idea.

``operations``: one at a time, and the limit of what the owner waits for.  ``adoption``: a new
credential takes the place of the one before.  ``renewal``: the rotation, and what follows from each
failure.  ``held``: the current token and its source, from publication to each end.  ``schedule``:
when the next attempt is due.  ``shown``: the state in words.

A rotation's way: ``Renewal.run`` → ``plan.next_step`` → ``Operations.run`` → ``Renewal.rotate`` →
``Schedule.begin_attempt`` → the source → ``Held.publish`` → ``Shown.set``.
"""
