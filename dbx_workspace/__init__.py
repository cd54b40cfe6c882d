"""The local workspace: an HTTP server that behaves like the parts of Databricks that we use.

Itinerary of a request: a browser's enters at ``front_door/door``, which signs its user in (headers
and limits: ``front_door/rules``) and forwards it to the app; the app, or a test, then calls
→ ``server``, which maps the path to an operation of ``apps``, ``mcp``, ``models`` or ``rest``, or
to ``lake``, which hands it to the program that has the data
→ ``web`` logs the request, applies the faults, authenticates the token (``rest/tokens``)
→ the operation works on ``state`` and returns JSON, or raises one of ``platform_errors``.

Itinerary of a fault: a test calls ``control_client`` → ``control`` adds a ``faults.Fault`` to the
state → ``web`` looks up each request's faults, and delays, fails or drops the response
→ ``request_log`` names the fault, and the test reads the log through ``control_client``.

Nothing here imports the rest of the product, and of the product only the ``demo`` command imports
this package: production code knows it as a ``DATABRICKS_HOST``.
"""
