"""A project whose nodes tell what their process has of its own, and what it has inherited."""
