"""The commands of `kedro pipes`, and how they show things. Decides nothing about a project."""
