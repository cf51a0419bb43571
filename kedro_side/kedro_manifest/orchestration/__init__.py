"""`dagster.yml`, typed: what a user asks Dagster to do with a Kedro project. Pure data.

One module for each room of the file, `root` for the file as a whole. Nothing here knows Dagster:
each side acts on the parts that concern it.
"""
