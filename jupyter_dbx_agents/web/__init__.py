"""REST operations, uploads, the plain page and events.

A REST call's way: the browser's passes the gate, Jupyter's identity provider and its XSRF check →
``rest.RestHandler``; a command's comes over the unix socket of ``local_channel`` →
``rest.LocalHandler``.  Both → the table in ``operations`` → a part's own method → its REST model,
or an error as message and hint.  ``rest-api.yml`` describes every operation and model.
An upload's way: ``uploads.UploadHandler`` → an unfinished file in ``~/uploads``, piece by piece → a
name of its own.  ``browser`` serves ``plain_page`` and its forms.  A change of a part's status is
pushed to the page as an event of ``events``.
"""
