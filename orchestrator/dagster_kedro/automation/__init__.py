"""What starts runs by itself: sensors, and observation of what others write. No runs of nodes here."""
