"""What can be said of data that has just been saved: a module for each kind of it.

They look at what is in memory, and at sizes, times and small files; they load and compute nothing.
What cannot be said is left out, and `worker.describe` keeps what goes wrong from the node.
"""
