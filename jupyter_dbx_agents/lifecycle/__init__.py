"""Around Jupyter's own start and stop.

The way of a start: the command runs ``preflight`` and what ``process`` has to skip, then Jupyter
links our application, whose ``preferences`` become defaults of its configuration; the application
builds its parts, ``startup`` runs the tasks that follow in the background, and
``process.tune_event_loop`` ends the start.  ``process.fatal`` ends the server if any of it fails.
On a Databricks App, ``template`` first detaches the app's source from what it was deployed from.
A stop ends what ``sessions`` holds: terminals and kernels.
"""
